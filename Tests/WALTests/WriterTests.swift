import Bytes
import Raft
import Testing

@testable import WAL

@Suite struct WriterTests {
    private func emptyWriter(segmentBytes: Int = 4096) -> WALWriter {
        var parameters = WALParameters(saltSeed: 3)
        parameters.segmentBytes = segmentBytes
        var log = RecoveredLog.empty(parameters)
        return log.takeWriter()
    }

    private func append(
        _ writer: inout WALWriter, group: UInt32 = 1, payloadBytes: Int, of byte: UInt8 = 7,
        count: Int = 1, first: LogIndex, term: Term = 1
    ) {
        let payload = [UInt8](repeating: byte, count: payloadBytes)
        let records = entryRecords(
            [[UInt8]](repeating: payload, count: count), from: first, term: term)
        writer.entries(
            group: GroupID(group), records: records.readable, first: first,
            last: first + LogIndex(count) - 1)
    }

    @Test func `an empty turn makes no batch`() {
        var writer = emptyWriter()
        let batch = writer.seal()
        let none = batch == nil
        #expect(none)
        let idle = writer.needsIdleMark
        #expect(!idle)
    }

    @Test func `batches lie one behind the other and rotate when the segment is full`() {
        var writer = emptyWriter()
        var places: [WALPosition] = []
        var opened: [WALBatch.Opening?] = []
        for i in 1...5 {
            append(&writer, payloadBytes: 1000, first: LogIndex(i))
            let batch = writer.seal()!
            let number = batch.number
            #expect(number == UInt64(i))
            places.append(batch.position)
            opened.append(batch.opens)
        }
        // 64 + 32 + 28 + 1000 bytes are three sectors; the first brings a header sector along.
        let expected = [(1, 0), (1, 2048), (2, 0), (2, 2048), (3, 0)]
        #expect(places.map(\.segment) == expected.map { UInt64($0.0) })
        #expect(places.map(\.offset) == expected.map(\.1))
        #expect(opened.map { $0?.segment } == [1, nil, 2, nil, 3])
        #expect(opened.compactMap { $0?.capacity } == [4096, 4096, 4096])
    }

    @Test func `a batch larger than a segment gets one of its own size`() throws {
        var writer = emptyWriter()
        append(&writer, payloadBytes: 10, first: 1)
        let small = writer.seal()!
        append(&writer, payloadBytes: 20_000, count: 9, first: 2)
        let large = writer.seal()!
        append(&writer, payloadBytes: 10, first: 11)
        let next = writer.seal()!
        let (opening, count) = (large.opens, large.bytes.count)
        #expect(opening == .init(segment: 2, capacity: count))
        let nextPlace = next.position
        #expect(nextPlace == WALPosition(segment: 3, offset: 0))

        let disk = VirtualDisk()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        executor.submit(small)
        executor.submit(large)
        executor.submit(next)
        writer.durable(upTo: executor.drain())
        var log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 5))
        let recovered = log.takeWriter()
        let entries = try readEntries(
            recovered, disk, group: 1, from: 1, upTo: 11, maxBytes: 50_000)
        #expect(entries.map(\.payloadBytes) == [10] + [Int](repeating: 20_000, count: 9) + [10])
    }

    @Test func `votes, terms and node records must sync, entries need not`() {
        var writer = emptyWriter()
        append(&writer, payloadBytes: 1, first: 1)
        let entries = writer.seal()!.mustSync
        writer.truncate(group: GroupID(1), from: 1)
        let truncation = writer.seal()!.mustSync
        writer.hardState(group: GroupID(1), term: 1, vote: nil)
        let hardState = writer.seal()!.mustSync
        writer.identity([1].span)
        let identity = writer.seal()!.mustSync
        append(&writer, payloadBytes: 1, first: 1)
        writer.requireSync()
        let membership = writer.seal()!.mustSync
        #expect(![entries, truncation].contains(true))
        #expect(![hardState, identity, membership].contains(false))
    }

    @Test func `an idle log writes its mark once`() {
        var writer = emptyWriter()
        append(&writer, payloadBytes: 1, first: 1)
        _ = writer.seal()
        let beforeSync = writer.needsIdleMark
        writer.durable(upTo: 1)
        let afterSync = writer.needsIdleMark
        let mark = writer.sealIdleMark()
        let (number, bytes) = (mark.number, mark.bytes.count)
        let whileMarking = writer.needsIdleMark
        writer.durable(upTo: 2)
        let afterMark = writer.needsIdleMark
        #expect([beforeSync, afterSync, whileMarking, afterMark] == [false, true, false, false])
        #expect(number == 2)
        #expect(bytes == 512)
    }

    @Test func `a log that began anew before its start is recovered so, with what came then`()
        throws
    {
        for hasEntries in [true, false] {
            let disk = VirtualDisk()
            var parameters = WALParameters(saltSeed: 5)
            parameters.segmentBytes = 4096
            var log = RecoveredLog.empty(parameters)
            var writer = log.takeWriter()
            let executor = LogExecutor(disk: disk, lastBatch: 0)
            for index in 1...20 as ClosedRange<LogIndex> {
                append(&writer, payloadBytes: 700, first: index)
                executor.submit(writer.seal()!)
            }
            writer.start(
                group: GroupID(1), after: hasEntries ? 16 : 20, term: 1, keepingRest: true)
            executor.submit(writer.seal()!)
            writer.start(group: GroupID(1), after: 7, term: 3, keepingRest: false)
            // In one batch with it, too.
            for index in 8...12 as ClosedRange<LogIndex> {
                append(&writer, payloadBytes: 600, of: 9, first: index, term: 4)
                if index % 2 == 0 { executor.submit(writer.seal()!) }
            }
            writer.durable(upTo: executor.drain())
            for segment in writer.takeReleased() { disk.remove(segment) }
            let stale = writer.fetch(group: GroupID(1), from: 17, upTo: 20, maxBytes: 100)
            #expect(stale == nil)
            var again = try WALRecovery.recover(from: disk, parameters)
            let group = again.groups[0]
            #expect(group.firstIndex == 8)
            #expect(group.precedingTerm == 3)
            #expect(group.lastIndex == 12)
            #expect(group.termStarts == [TermStart(index: 8, term: 4)])
            let next = again.takeWriter()
            let entries = try readEntries(
                next, disk, group: 1, from: 8, upTo: 12, maxBytes: 700)
            #expect(entries.map(\.term) == [4, 4, 4, 4, 4])
        }
    }

    @Test func `the format of version 2 does not change`() {
        var writer = emptyWriter()
        writer.identity([1, 2, 3].span)
        writer.hardState(group: GroupID(2), term: 3, vote: NodeID(4))
        append(&writer, payloadBytes: 5, first: 1)
        writer.truncate(group: GroupID(1), from: 1)
        writer.identity([4].span, replacing: 5)
        writer.start(group: GroupID(1), after: 6, term: 7, keepingRest: false)
        let first = writer.seal()!
        // The second opens a segment, and so begins with a checkpoint of all of the first.
        append(&writer, payloadBytes: 3000, first: 7)
        let second = writer.seal()!
        let counts = (first.bytes.count, second.bytes.count)
        #expect(counts == (1024, 4096))
        let checksums = (
            CRC32C.checksum(first.bytes.readable), CRC32C.checksum(second.bytes.readable)
        )
        #expect(checksums == (1_506_245_567, 4_289_142_551))
    }
}

@Suite struct SegmentNameTests {
    @Test func `a segment's file name tells its number and nothing else does`() {
        #expect(segmentFileName(1) == "wal-0000000000000001.log")
        #expect(segmentNumber(ofFile: segmentFileName(0xABC)) == 0xABC)
        #expect(segmentNumber(ofFile: segmentFileName(.max)) == .max)
        let others = [
            "wal-1.log", "wal-0000000000000000.log", "wal-00000000000000AB.log", "LOCK", "",
            "wal-0000000000000001.log.bak", "wal-+000000000000001.log",
        ]
        for name in others { #expect(segmentNumber(ofFile: name) == nil) }
    }
}

@Suite struct GroupIndexTests {
    private func place(_ segment: UInt64, _ offset: Int) -> WALPosition {
        WALPosition(segment: segment, offset: offset)
    }

    /// Entries 1...1000 of 1 KiB each in runs of ten, every segment holding 200.
    private func sample() -> GroupIndex {
        var index = GroupIndex(group: GroupID(1))
        for run in 0..<100 {
            _ = index.append(
                first: LogIndex(run * 10 + 1), last: LogIndex(run * 10 + 10),
                at: place(UInt64(1 + run / 20), 512 + run % 20 * 10_240), bytes: 10_240)
        }
        return index
    }

    @Test func `a point every 64 KiB and at each segment's first run`() {
        let index = sample()
        let firsts = index.points.map(\.first)
        #expect(firsts.prefix(6) == [1, 71, 141, 201, 271, 341])
        #expect(index.points.count == 15)
    }

    @Test func `a located stretch ends before the next segment or beyond the wanted bytes`() {
        let index = sample()
        let middle = index.locate(100, maxBytes: 1 << 20)
        #expect(middle.start.first == 71)
        #expect(middle.upTo == 200)
        let short = index.locate(5, maxBytes: 80_000)
        #expect(short.start.first == 1)
        #expect(short.upTo == 140)
        let last = index.locate(1000, maxBytes: 1 << 20)
        #expect(last.start.first == 941)
        #expect(last.upTo == 1000)
    }

    @Test func `a truncation bounds the stretches before it`() {
        var index = sample()
        _ = index.truncate(from: 945)
        _ = index.append(first: 945, last: 950, at: place(5, 400_000), bytes: 100)
        #expect(index.last == 950)
        #expect(index.locate(942, maxBytes: 1 << 20).upTo == 944)
        #expect(index.locate(946, maxBytes: 1 << 20).start.first == 945)
        _ = index.truncate(from: 943)
        _ = index.append(first: 943, last: 943, at: place(5, 500_000), bytes: 100)
        #expect(index.locate(941, maxBytes: 1 << 20).upTo == 942)
        #expect(index.locate(943, maxBytes: 1 << 20).start.offset == 500_000)
    }

    @Test func `thinning keeps what bounds stretches and still finds everything`() {
        var index = sample()
        let removed = index.thin()
        #expect(removed == 5)
        for wanted in 1...1000 {
            let found = index.locate(LogIndex(wanted), maxBytes: 1 << 20)
            #expect(found.start.first <= wanted && wanted <= found.upTo)
            #expect((found.start.first - 1) / 200 == (LogIndex(wanted) - 1) / 200)
        }
        #expect(index.thin() == 5)
        #expect(index.thin() == 0)
        #expect(index.points.map(\.first) == [1, 201, 401, 601, 801])
    }
}
