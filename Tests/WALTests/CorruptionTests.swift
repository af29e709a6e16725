import Bytes
import Raft
import Testing
import WAL

/// Damage to a log whose idle mark is on disk: every bit counts, nothing is cut silently.
@Suite struct CorruptionTests {
    /// A log of three runs in small segments, its last batch an idle mark.
    private func sampleLog() throws -> (disk: VirtualDisk, model: LogModel) {
        let disk = VirtualDisk()
        var random = SeededGenerator(seed: 7)
        for run in 0..<3 {
            disk.syncAll()
            var parameters = WALParameters(saltSeed: random.next())
            parameters.segmentBytes = 4096
            var log = try WALRecovery.recover(from: disk, parameters)
            let executor = LogExecutor(disk: disk, lastBatch: log.lastBatch)
            var writer = log.takeWriter()
            writer.identity([UInt8(run), 1, 2].span)
            for batch in 0..<6 {
                let group = UInt32(batch % 2)
                var last: LogIndex = LogIndex(run * 6 + batch / 2 * 2)
                writer.hardState(group: GroupID(group), term: Term(run + 1), vote: NodeID(2))
                if batch == 5 {
                    writer.truncate(group: GroupID(group), from: last)
                    last -= 1
                }
                let payloads = (0..<(batch == 5 ? 3 : 2)).map { _ in
                    (0..<150).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                }
                let records = entryRecords(payloads, from: last + 1, term: Term(run + 1))
                writer.entries(
                    group: GroupID(group), records: records.readable, first: last + 1,
                    last: last + LogIndex(payloads.count))
                executor.submit(writer.seal()!)
                writer.durable(upTo: executor.drain())
            }
            executor.submit(writer.sealIdleMark())
            writer.durable(upTo: executor.drain())
        }
        return (disk.copy(), try recovered(disk)!)
    }

    /// The contents after recovery; nil if it is refused.
    private func recovered(_ disk: VirtualDisk) throws -> LogModel? {
        do {
            var log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1))
            let writer = log.takeWriter()
            return try contents(of: log, writer, disk)
        } catch is WALError {
            return nil
        }
    }

    @Test func `a flipped bit anywhere below the mark is refused or harmless`() throws {
        let (disk, model) = try sampleLog()
        var refused = 0
        var harmless = 0
        for file in disk.files {
            // Of the zeros behind the end, one sector is enough.
            let dirty = ((file.current.lastIndex { $0 != 0 } ?? 0) + 511) / 512 * 512
            for offset in 0..<min(dirty + 512, file.current.count) {
                disk.flip(file.number, offset, bit: offset % 8)
                if let found = try recovered(disk) {
                    #expect(found == model, "segment \(file.number) offset \(offset)")
                    harmless += 1
                } else {
                    refused += 1
                }
                disk.flip(file.number, offset, bit: offset % 8)
            }
        }
        // Harmless: the zeros behind a segment's end, and the last mark, which is a batch of 512.
        let dirty = disk.files.reduce(0) { sum, file in
            sum + ((file.current.lastIndex { $0 != 0 } ?? 0) + 511) / 512 * 512
        }
        #expect(refused == dirty - 512)
        #expect(harmless > 0)
    }

    @Test func `a lost, repeated or misplaced sector below the mark is refused or harmless`()
        throws
    {
        let (disk, model) = try sampleLog()
        let sectors = disk.files.flatMap { file in
            stride(from: 0, to: file.current.count, by: 512).map { (file.number, $0) }
        }
        for (segment, offset) in sectors {
            let original = Array(disk[segment].current[offset..<offset + 512])
            for (other, from) in [(0, 0)] + sectors {
                let sector =
                    other == 0
                    ? [UInt8](repeating: 0, count: 512)
                    : Array(disk[other].current[from..<from + 512])
                disk[segment].current.replaceSubrange(offset..<offset + 512, with: sector)
                if let found = try recovered(disk), found != model {
                    Issue.record("sector \(offset) of \(segment) replaced by \(from) of \(other)")
                }
                disk[segment].current.replaceSubrange(offset..<offset + 512, with: original)
            }
        }
    }

    @Test func `damage above every mark is a torn tail`() throws {
        let disk = VirtualDisk()
        var log = RecoveredLog.empty(WALParameters(saltSeed: 3))
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        for i in 1...3 {
            writer.hardState(group: GroupID(0), term: Term(i), vote: nil)
            executor.submit(writer.seal()!)
        }
        _ = executor.drain()
        disk.mark = nil
        disk.flip(1, 512 + 512 + 70)
        let after = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 4))
        let groupTerm = after.groups[0].term
        #expect(groupTerm == 1)
        let tail = after.tornTail
        #expect(tail?.position == WALPosition(segment: 1, offset: 1024))
        #expect(tail?.firstLostBatch == 2)
        #expect(tail?.headersFound == 2)
        #expect(tail?.bytes == 1024)
    }

    /// Two runs each lose power in their first batch: of the first the batch survives without the
    /// segment's header, of the second the header without the batch.
    @Test func `an earlier run's batch in a reused file is not taken for new`() throws {
        let disk = VirtualDisk()
        func firstBatch(of run: UInt64, vote: UInt16) throws {
            var log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: run))
            let last = log.lastBatch
            #expect(last == 0)
            var writer = log.takeWriter()
            writer.hardState(group: GroupID(0), term: 1, vote: NodeID(vote))
            let executor = LogExecutor(disk: disk, lastBatch: 0)
            executor.submit(writer.seal()!)
            _ = executor.writeNext()
        }
        try firstBatch(of: 1, vote: 1)
        disk[1].durable.replaceSubrange(512..<1024, with: disk[1].current[512..<1024])
        disk[1].current = disk[1].durable
        disk[1].unsynced = []
        try firstBatch(of: 2, vote: 2)
        disk[1].durable.replaceSubrange(0..<512, with: disk[1].current[0..<512])
        disk[1].current = disk[1].durable
        disk[1].unsynced = []
        let log = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 3))
        let (last, groups) = (log.lastBatch, log.groups.count)
        #expect(last == 0)
        #expect(groups == 0)
    }

    @Test func `errors name the file, the place and what to do`() throws {
        let (disk, _) = try sampleLog()
        disk.flip(1, 512 + 100)
        let error = #expect(throws: WALError.self) {
            _ = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1))
        }
        #expect(error == .damaged(WALPosition(segment: 1, offset: 512), .batch(1)))
        let text = error.map(String.init(describing:)) ?? ""
        #expect(text.hasPrefix("wal-0000000000000001.log is damaged at offset 512: batch 1."))
        #expect(text.contains("repaired from them, or replaced"))
    }

    @Test func `a missing, renamed or foreign segment is refused`() throws {
        let (disk, _) = try sampleLog()
        let count = UInt64(disk.files.count)
        #expect(count >= 4)
        for missing in 1..<count {
            let damaged = disk.copy()
            damaged.remove(missing)
            let error = #expect(throws: WALError.self) {
                _ = try WALRecovery.recover(from: damaged, WALParameters(saltSeed: 1))
            }
            #expect(error == .missingSegment(missing))
        }
        let foreign = disk.copy()
        let other = try sampleLog().disk
        // The same log made twice with one seed has one identity; give the other one its own.
        let stranger = VirtualDisk()
        var log = RecoveredLog.empty(WALParameters(saltSeed: 99))
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: stranger, lastBatch: 0)
        writer.identity([1].span)
        executor.submit(writer.seal()!)
        _ = executor.drain()
        foreign[1].current = stranger[1].current
        #expect(
            throws: WALError.foreignSegment(1, reason: "it was written by another log"),
            performing: { _ = try WALRecovery.recover(from: foreign, WALParameters(saltSeed: 1)) })
        let renamed = disk.copy()
        renamed[2].current = other[3].current
        #expect(
            throws: WALError.foreignSegment(2, reason: "its header has another number"),
            performing: { _ = try WALRecovery.recover(from: renamed, WALParameters(saltSeed: 1)) })
    }

    @Test func `another format version is named`() throws {
        let (disk, _) = try sampleLog()
        disk[1].current[12] = 3
        let covered = Array(disk[1].current[12..<512])
        let checksum = CRC32C.checksum(covered.span)
        for i in 0..<4 { disk[1].current[8 + i] = UInt8(truncatingIfNeeded: checksum >> (8 * i)) }
        #expect(
            throws: WALError.unknownVersion(segment: 1, 3),
            performing: { _ = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1)) })
    }

    @Test func `a file that cannot be read is an error, not an empty log`() throws {
        let (disk, _) = try sampleLog()
        let failure = WALError.unreadable(WALPosition(segment: 1, offset: 0), errno: 5)
        disk.readError = failure
        #expect(throws: failure) {
            _ = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 1))
        }
    }

    @Test func `a damaged old entry is an error of its read`() throws {
        let disk = VirtualDisk()
        var log = RecoveredLog.empty(WALParameters(saltSeed: 3))
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        let records = entryRecords([[1, 2, 3], [4, 5, 6]], from: 1, term: 1)
        writer.entries(group: GroupID(0), records: records.readable, first: 1, last: 2)
        executor.submit(writer.seal()!)
        writer.durable(upTo: executor.drain())
        // Behind the headers and an empty checkpoint.
        let place = 512 + 64 + 32 + 8
        // Any flip in the record header or the entries.
        for offset in place..<place + 32 + records.count {
            disk.flip(1, offset, bit: 3)
            #expect(throws: (any Error).self) {
                _ = try readEntries(writer, disk, group: 0, from: 1, upTo: 2, maxBytes: 9000)
            }
            disk.flip(1, offset, bit: 3)
        }
        let found = try readEntries(writer, disk, group: 0, from: 1, upTo: 2, maxBytes: 9000)
        let expected = [[1, 2, 3], [4, 5, 6]].map { LogModel.Entry(term: 1, payload: $0.span) }
        #expect(found == expected)
    }
}
