import Bytes
import Raft
import Testing
import WAL

/// Damage directed at each kind of record of a compacted log with files used again: detected, named
/// with its place, or in nobody's way.
@Suite struct DamageTests {
    /// Where things lie in the sample.
    private struct Sample {
        let disk: VirtualDisk
        let model: LogModel
        /// Of a batch that holds each kind of record: batch number and its place.
        var batches: [String: (number: UInt64, position: WALPosition)] = [:]
        var last: UInt64 = 0
        var newest: UInt64 = 0
    }

    /// Three cuts, segments of 4 KiB, at least one file used again, the last batch an idle mark.
    private func sample(idleMark: Bool = true) throws -> Sample {
        let disk = VirtualDisk()
        var parameters = WALParameters(saltSeed: 5)
        parameters.segmentBytes = 4096
        var log = RecoveredLog.empty(parameters)
        let writer = WriterBox(log.takeWriter())
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        var batches: [String: (UInt64, WALPosition)] = [:]
        func write(_ name: String, _ add: (WriterBox) -> Void) {
            add(writer)
            let batch = writer.writer.seal()!
            let header = batch.opens == nil ? 0 : 512
            let position = WALPosition(
                segment: batch.position.segment, offset: batch.position.offset + header)
            batches[name] = (batch.number, position)
            executor.submit(batch)
            writer.writer.durable(upTo: executor.drain())
            executor.release(writer.writer.takeReleased())
        }
        var last: LogIndex = 0
        func entry(_ name: String = "entry", bytes: Int = 900) {
            last += 1
            let payload = [UInt8](repeating: UInt8(last), count: bytes)
            let records = entryRecords([payload], from: last, term: 1)
            write(name) {
                $0.writer.entries(
                    group: GroupID(1), records: records.readable, first: last, last: last)
            }
        }
        write("identity") { $0.writer.identity([1, 2, 3].span) }
        for cut in 0..<3 {
            for _ in 0..<7 { entry() }
            write("start") {
                $0.writer.start(group: GroupID(1), after: last - 1, term: 1, keepingRest: true)
            }
            if cut == 2 { break }
        }
        write("vote") { $0.writer.hardState(group: GroupID(1), term: 1, vote: NodeID(2)) }
        entry("void", bytes: 400)
        write("truncate") { $0.writer.truncate(group: GroupID(1), from: last) }
        last -= 1
        entry(bytes: 400)
        entry("last", bytes: 400)
        if idleMark {
            let mark = writer.writer.sealIdleMark()
            batches["mark"] = (mark.number, mark.position)
            executor.submit(mark)
        }
        writer.writer.durable(upTo: executor.drain())
        #expect(disk.segments.first! > 3)
        var found = Sample(disk: disk.copy(), model: try recovered(disk).get())
        found.batches = batches
        found.last = writer.writer.lastBatch
        found.newest = disk.segments.last!
        // Not alone in it: the loss of a mark alone is no loss.
        #expect(batches["last"]!.1.segment == found.newest)
        #expect(batches["last"]!.1.offset > 512)
        return found
    }

    private func recovered(_ disk: VirtualDisk) -> Result<LogModel, any Error> {
        Result {
            var log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1))
            let writer = log.takeWriter()
            return try contents(of: log, writer, disk)
        }
    }

    /// Recovery and the offline check both refuse, and name this.
    private func expectRefusal(
        _ disk: VirtualDisk, _ expected: WALError, _ what: String,
        location: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: WALError.self, sourceLocation: location) {
            _ = try recovered(disk).get()
        }
        #expect(error == expected, "\(what)", sourceLocation: location)
        let report = WALCheck.check(disk)
        #expect(report.refusal == expected, "\(what)", sourceLocation: location)
        #expect(report.damages.contains(expected), "\(what)", sourceLocation: location)
    }

    @Test(arguments: ["entry", "vote", "truncate", "start", "last"])
    func `a flipped bit anywhere in a batch that was acknowledged is named with it`(name: String)
        throws
    {
        let sample = try sample()
        let (number, position) = sample.batches[name]!
        let bytes = sample.disk[position.segment].current
        // The header, the record, and what follows up to the padding.
        let end = position.offset + (name == "entry" || name == "last" ? 512 : 64 + 32)
        for offset in stride(from: position.offset, to: min(end, bytes.count), by: 7) {
            let disk = sample.disk.copy()
            disk.flip(position.segment, offset, bit: offset % 8)
            expectRefusal(disk, .damaged(position, .batch(number)), "\(name) at \(offset)")
        }
    }

    @Test func `a flipped bit in a segment's header is named if the segment is needed`() throws {
        let sample = try sample()
        for segment in sample.disk.segments {
            for offset in stride(from: 0, to: 512, by: 13) {
                let disk = sample.disk.copy()
                disk.flip(segment, offset, bit: offset % 8)
                let place = WALPosition(segment: segment, offset: 0)
                switch recovered(disk) {
                // Segments that were given up and lie there still are in nobody's way.
                case .success(let model): #expect(model == sample.model)
                case .failure(let error as WALError):
                    // The magic's version field is told apart from damage only with its checksum.
                    #expect(error == .damaged(place, .segmentHeader))
                case .failure: Issue.record("another error")
                }
            }
        }
        let newest = sample.disk.copy()
        newest.flip(sample.newest, 100)
        expectRefusal(
            newest, .damaged(WALPosition(segment: sample.newest, offset: 0), .segmentHeader), "")
    }

    @Test func `a header that became all zero is named`() throws {
        let sample = try sample()
        let disk = sample.disk.copy()
        disk[sample.newest].current.replaceSubrange(
            0..<512, with: [UInt8](repeating: 0, count: 512))
        expectRefusal(
            disk, .damaged(WALPosition(segment: sample.newest, offset: 0), .segmentHeader), "")
    }

    /// A file that is used again may show what it held before: a write that went nowhere.
    @Test func `a recycled segment's old records never pass for new ones`() throws {
        let sample = try sample()
        let segments = sample.disk.segments
        let mark = sample.batches["mark"]!.position
        for segment in segments {
            for old in segments where old != segment {
                let bytes = sample.disk[old].current
                // Up to the newest mark: if all that is newer than some moment were lost, nothing
                // would be left to tell.
                let end = segment == mark.segment ? mark.offset : 4096
                for offset in stride(from: 0, to: end, by: 512) {
                    let disk = sample.disk.copy()
                    disk[segment].current.replaceSubrange(offset..<end, with: bytes[offset..<end])
                    guard case .success(let model) = recovered(disk) else { continue }
                    #expect(model == sample.model, "\(old) over \(segment) from \(offset)")
                }
            }
        }
    }

    @Test func `an old segment's whole contents under a new name are foreign`() throws {
        let sample = try sample()
        let disk = sample.disk.copy()
        disk[sample.newest].current = disk[sample.disk.segments.dropLast().last!].current
        expectRefusal(
            disk, .foreignSegment(sample.newest, reason: "its header has another number"), "")
    }

    /// Only for the time between a batch and the next one, or the idle mark.
    @Test func `without a mark behind it the last batch looks like a torn tail and is reported`()
        throws
    {
        let sample = try sample(idleMark: false)
        let (number, position) = sample.batches["last"]!
        let disk = sample.disk.copy()
        disk.flip(position.segment, position.offset + 200)
        let log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1))
        let tail = log.tornTail
        #expect(tail?.position == position)
        #expect(tail?.firstLostBatch == number)
        #expect(WALCheck.check(disk).tornTail == tail)
    }

    /// A kill leaves the mark beside the log, which says what was durable.
    @Test func `the last acknowledged batch of a killed process is known to be damaged`() throws {
        let sample = try sample(idleMark: false)
        let (number, position) = sample.batches["last"]!
        let mark = WALMark(
            log: try identity(of: sample), segment: position.segment, batch: number)
        for offset in stride(from: position.offset, to: position.offset + 512, by: 3) {
            let disk = sample.disk.copy()
            disk.mark = mark
            #expect(try recovered(disk).get() == sample.model)
            disk.flip(position.segment, offset, bit: offset % 8)
            expectRefusal(disk, .damaged(position, .batch(number)), "offset \(offset)")
            // Another log's mark says nothing.
            disk.mark?.log ^= 1
            _ = try recovered(disk).get()
        }
        let header = sample.disk.copy()
        header.mark = mark
        header[position.segment].current.replaceSubrange(
            0..<4096, with: [UInt8](repeating: 0, count: 4096))
        expectRefusal(
            header,
            .damaged(WALPosition(segment: position.segment, offset: 0), .segmentHeader), "")
        let missing = sample.disk.copy()
        missing.mark = mark
        missing.remove(position.segment)
        #expect(throws: WALError.missingSegment(position.segment)) {
            _ = try recovered(missing).get()
        }
        let nothing = VirtualDisk()
        nothing.mark = mark
        #expect(throws: WALError.missingSegment(position.segment)) {
            _ = try recovered(nothing).get()
        }
    }

    private func identity(of sample: Sample) throws -> UInt64 {
        var log = try WALRecovery.recover(from: sample.disk, WALParameters(saltSeed: 1))
        var writer = log.takeWriter()
        writer.identity([1].span)
        return writer.seal()!.mark.log
    }

    @Test func `a mark survives any damage to one of its slots, and is then the older one`() {
        let older = WALMark(log: 7, segment: 8, batch: 9)
        let newer = WALMark(log: 7, segment: 8, batch: 10)
        var slots: [Int: [UInt8]] = [:]
        for mark in [older, newer] {
            var bytes = ByteBuffer()
            mark.encode(into: &bytes)
            slots[mark.offset] = bytes.copyBytes()
        }
        let file = slots[0]! + slots[WALMark.slotBytes]!
        func decode(_ bytes: [UInt8]) -> WALMark? { WALMark(decoding: bytes.span) }
        #expect(decode(file) == newer)
        for offset in 0..<WALMark.slotBytes {
            var damaged = file
            damaged[newer.offset + offset] ^= 4
            #expect(decode(damaged) == older)
        }
        #expect(decode([UInt8](repeating: 0, count: 64)) == nil)
        #expect(decode([]) == nil)
        #expect(decode(Array(file[..<40])) == (newer.offset == 0 ? newer : older))
    }

    /// What the start record gave up is gone: without the record the log is not whole.
    @Test func `a lost start record is no torn tail once its segments are gone`() throws {
        let disk = VirtualDisk()
        var parameters = WALParameters(saltSeed: 5)
        parameters.segmentBytes = 4096
        var log = RecoveredLog.empty(parameters)
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        for index in 1...6 as ClosedRange<LogIndex> {
            let records = entryRecords([[UInt8](repeating: 1, count: 900)], from: index, term: 1)
            writer.entries(
                group: GroupID(1), records: records.readable, first: index, last: index)
            executor.submit(writer.seal()!)
        }
        writer.durable(upTo: executor.drain())
        writer.start(group: GroupID(1), after: 6, term: 1, keepingRest: true)
        let batch = writer.seal()!
        let header = batch.opens == nil ? 0 : 512
        let position = WALPosition(
            segment: batch.position.segment, offset: batch.position.offset + header)
        executor.submit(batch)
        writer.durable(upTo: executor.drain())
        executor.release(writer.takeReleased())
        while !executor.pool.isEmpty { executor.removeReleased() }
        #expect(disk.segments == [position.segment])
        disk.flip(position.segment, position.offset + 70)
        let error = #expect(throws: WALError.self) { _ = try recovered(disk).get() }
        #expect(error == .damaged(position, .batch(7)))
    }

    @Test func `damage where nobody needs anything is reported and does no harm`() throws {
        // Segments 1 to 3 stay though they are given up.
        let disk = VirtualDisk()
        var parameters = WALParameters(saltSeed: 5)
        parameters.segmentBytes = 4096
        var log = RecoveredLog.empty(parameters)
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        for index in 1...10 as ClosedRange<LogIndex> {
            let records = entryRecords([[UInt8](repeating: 1, count: 900)], from: index, term: 1)
            writer.entries(
                group: GroupID(1), records: records.readable, first: index, last: index)
            executor.submit(writer.seal()!)
        }
        writer.start(group: GroupID(1), after: 9, term: 1, keepingRest: true)
        executor.submit(writer.seal()!)
        writer.durable(upTo: executor.drain())
        let model = try recovered(disk.copy()).get()
        for (segment, offset) in [(1, 3), (2, 100), (3, 600), (2, 2000), (1, 512)] {
            let damaged = disk.copy()
            damaged.flip(UInt64(segment), offset)
            #expect(try recovered(damaged).get() == model)
            let report = WALCheck.check(damaged)
            #expect(report.refusal == nil)
            #expect(report.damages.count == 1)
            #expect(report.segments[segment - 1].isObsolete)
            let missing = disk.copy()
            missing.remove(UInt64(segment))
            #expect(try recovered(missing).get() == model)
        }
        let first = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 2))
        let obsolete = first.obsoleteSegments
        #expect(obsolete == [1, 2, 3])
    }
}

@Suite struct CheckTests {
    private func damagedLog() throws -> (VirtualDisk, lastBatch: UInt64) {
        let disk = VirtualDisk()
        var parameters = WALParameters(saltSeed: 5)
        parameters.segmentBytes = 4096
        var log = RecoveredLog.empty(parameters)
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        writer.identity([7, 7].span)
        for index in 1...12 as ClosedRange<LogIndex> {
            let term = Term(1 + index / 4)
            writer.hardState(group: GroupID(3), term: term, vote: NodeID(UInt16(term)))
            let records = entryRecords(
                [[UInt8](repeating: 1, count: 900)], from: index, term: term)
            writer.entries(
                group: GroupID(3), records: records.readable, first: index, last: index)
            executor.submit(writer.seal()!)
        }
        writer.durable(upTo: executor.drain())
        executor.submit(writer.sealIdleMark())
        writer.durable(upTo: executor.drain())
        return (disk, writer.lastBatch)
    }

    @Test func `a sound log is told with its segments, groups and end`() throws {
        let (disk, last) = try damagedLog()
        disk.create(disk.segments.last! + 1, bytes: 4096)
        let report = WALCheck.check(disk)
        #expect(report.refusal == nil)
        #expect(report.damages.isEmpty)
        #expect(report.lastBatch == last)
        #expect(report.nodeRecords == [[7, 7]])
        let group = try #require(report.groups.first)
        #expect(report.groups.count == 1 && report.lastKnown == report.groups)
        #expect(group.group == GroupID(3) && group.term == 4 && group.vote == 4)
        #expect(group.firstIndex == 1 && group.precedingTerm == 0)
        #expect(group.lastIndex == 12 && group.lastTerm == 4 && group.isComplete)
        #expect(report.segments.last?.contents == .blank)
        var next: UInt64 = 1
        for segment in report.segments.dropLast() {
            guard case .batches(let first, let end, _) = segment.contents else {
                Issue.record("segment \(segment.number)")
                continue
            }
            #expect(first == next)
            next = end
        }
        #expect(next == last + 1)
        #expect(report.liveBytes > 12 * 900)
    }

    @Test func `behind damage the check tells what is whole and what was promised`() throws {
        let (disk, last) = try damagedLog()
        disk.flip(2, 1000)
        disk.flip(4, 30)
        let report = WALCheck.check(disk)
        let second = WALError.damaged(WALPosition(segment: 2, offset: 512), .batch(3))
        let fourth = WALError.damaged(WALPosition(segment: 4, offset: 0), .segmentHeader)
        #expect(report.refusal != nil)
        #expect(report.damages == [second, fourth])
        // Up to the first damage that a start would have to get over.
        #expect(report.lastBatch <= last)
        #expect(report.lastKnown.first?.term == 4)
        #expect(report.lastKnown.first?.vote == 4)
        #expect(report.lastKnown.first?.lastIndex == 12)
        #expect(report.lastKnown.first?.isComplete == false)
        #expect(report.nodeRecords == [[7, 7]])
    }

    @Test func `an unreadable file and an empty directory are told`() throws {
        let (disk, _) = try damagedLog()
        let failure = WALError.unreadable(WALPosition(segment: 1, offset: 0), errno: 5)
        disk.readError = failure
        let report = WALCheck.check(disk)
        #expect(report.refusal == failure)
        #expect(report.damages.count == disk.segments.count)
        let empty = WALCheck.check(VirtualDisk())
        #expect(empty.refusal == nil)
        #expect(empty.segments.isEmpty && empty.groups.isEmpty && empty.lastBatch == 0)
    }
}
