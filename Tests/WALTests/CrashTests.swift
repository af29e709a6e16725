import Bytes
import Glibc
import Raft
import Testing
import WAL

/// Random histories of several runs, each ended by a crash at some step. After each crash the log
/// must hold exactly what it held after some batch, at or above the last that was reported durable.
@Suite struct CrashTests {
    /// SKEIN_EFFORT=20 runs twenty times as many histories.
    private static let effort = getenv("SKEIN_EFFORT").flatMap { Int(String(cString: $0)) } ?? 1

    @Test(arguments: 0..<8)
    func `what was reported durable survives any crash, and nothing is invented`(block: Int)
        throws
    {
        for i in 0..<75 * Self.effort {
            try History(seed: UInt64(block * 1_000_000 + i)).run()
        }
    }
}

private final class History {
    let seed: UInt64
    var random: SeededGenerator
    let disk = VirtualDisk()
    /// Model after batch i.
    var after: [LogModel] = [LogModel()]
    var durable: UInt64 = 0
    let segmentBytes: Int
    let groupCount: UInt32
    let largestPayload: UInt64

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        segmentBytes = [4096, 8192, 64 << 10][Int(random.below(3))]
        groupCount = UInt32(1 + random.below(4))
        largestPayload = [10, 300, 6000][Int(random.below(3))]
    }

    func run() throws {
        for _ in 0..<Int(1 + random.below(6)) {
            let (lastBatch, restarted, obsolete) = try recover()
            try live(from: lastBatch, restarted, obsolete)
        }
        _ = try recover()
    }

    /// Recovers, compares with the model, and does what a start does.
    func recover() throws -> (UInt64, WriterBox, [UInt64]) {
        disk.syncAll()
        var parameters = WALParameters(saltSeed: random.next())
        parameters.segmentBytes = segmentBytes
        parameters.tailBytesMax = Int(random.below(20_000))
        var log = try WALRecovery.recover(from: disk, parameters)
        let last = log.lastBatch
        try #require(last >= durable, "seed \(seed): lost durable batches")
        try #require(Int(last) < after.count, "seed \(seed): invented batches")
        let writer = log.takeWriter()
        let held = try contents(of: log, writer, disk)
        try #require(held == after[Int(last)], "seed \(seed): contents differ at batch \(last)")

        // Recovery is idempotent.
        var again = try WALRecovery.recover(from: disk, parameters)
        let secondWriter = again.takeWriter()
        let heldAgain = try contents(of: again, secondWriter, disk)
        try #require(again.lastBatch == last && heldAgain == held, "seed \(seed): not idempotent")

        after.removeSubrange((Int(last) + 1)...)
        durable = last
        if random.below(2) == 0 {
            for trim in log.trims { disk.trim(trim.segment, to: trim.bytes) }
        }
        if random.below(4) == 0, let spare = log.spareSegments.last { disk.remove(spare) }
        return (last, WriterBox(writer), log.obsoleteSegments)
    }

    /// One run: random work until a crash.
    func live(from lastBatch: UInt64, _ box: WriterBox, _ obsolete: [UInt64]) throws {
        let executor = LogExecutor(disk: disk, lastBatch: lastBatch)
        executor.release(obsolete)
        var model = after[Int(lastBatch)]
        var crashed = false
        while !crashed {
            switch random.below(22) {
            case 0..<8:
                addRecords(to: &model, box)
                if let batch = box.writer.seal() {
                    executor.submit(batch)
                    after.append(model)
                }
            case 8..<13:
                if executor.hasToWrite {
                    crashed = !executor.writeNext(recycling: random.below(4) != 0) {
                        self.random.below(30) != 0
                    }
                }
            case 13..<16:
                durable = executor.sync()
                box.writer.durable(upTo: durable)
                executor.release(box.writer.takeReleased())
            case 16:
                if box.writer.needsIdleMark {
                    executor.submit(box.writer.sealIdleMark())
                    after.append(model)
                }
            case 17:
                // A spare file ahead of need, not yet durable.
                if let last = disk.files.last, last.exists {
                    disk.create(last.number + 1, bytes: segmentBytes)
                }
            case 18: try checkReads(box)
            case 19, 20: executor.removeReleased()
            default: crashed = random.below(3) == 0
            }
        }
        if random.below(2) == 0 { disk.cutPower(&random) } else { disk.kill(&random) }
        disk.syncAll()
    }

    func addRecords(to model: inout LogModel, _ box: WriterBox) {
        for _ in 0..<Int(random.below(4)) {
            let id = UInt32(random.below(UInt64(groupCount)))
            var group = model.groups[id] ?? LogModel.Group()
            switch random.below(12) {
            case 0:
                let record = LogModel.NodeRecord(
                    replacing: UInt32(random.below(3)), bytes: payload())
                box.writer.identity(record.bytes.span, replacing: record.replacing)
                model.add(record)
                continue
            case 1, 2:
                group.term += random.below(3)
                group.vote = UInt16(random.below(4))
                box.writer.hardState(
                    group: GroupID(id), term: group.term,
                    vote: group.vote == 0 ? nil : NodeID(group.vote))
            case 3 where !group.entries.isEmpty:
                let kept = Int(random.below(UInt64(group.entries.count)))
                box.writer.truncate(
                    group: GroupID(id), from: group.precedingIndex + LogIndex(kept + 1))
                group.entries.removeSubrange(kept...)
            case 4, 5: start(&group, id, box)
            default:
                let term = max(group.term, group.lastTerm)
                let payloads = (0..<Int(1 + random.below(5))).map { _ in payload() }
                let first = group.last + 1
                let records = entryRecords(payloads, from: first, term: term)
                box.writer.entries(
                    group: GroupID(id), records: records.readable, first: first,
                    last: first + LogIndex(payloads.count) - 1)
                group.entries += payloads.map { .init(term: term, payload: $0.span) }
            }
            model.groups[id] = group
        }
    }

    /// Cuts the log in front: somewhere in it, at its end, or beyond; or lets it begin anew before that.
    func start(_ group: inout LogModel.Group, _ id: UInt32, _ box: WriterBox) {
        if group.precedingIndex > 0, random.below(6) == 0 {
            let index = random.below(group.precedingIndex)
            let term = random.below(group.lastTerm + 2)
            box.writer.start(group: GroupID(id), after: index, term: term, keepingRest: false)
            group.start(after: index, term: term, keepingRest: false)
            return
        }
        let index = group.precedingIndex + random.below(UInt64(group.entries.count) + 4)
        var keepingRest = random.below(4) != 0
        var term = group.lastTerm + random.below(2)
        if index == group.precedingIndex {
            term = group.precedingTerm
        } else if index < group.last, keepingRest {
            term = group.entries[Int(index - group.precedingIndex) - 1].term
        } else if index >= group.last {
            keepingRest = random.below(2) == 0
        }
        box.writer.start(
            group: GroupID(id), after: index, term: term, keepingRest: keepingRest)
        group.start(after: index, term: term, keepingRest: keepingRest)
    }

    func payload() -> [UInt8] {
        let fill = UInt8(truncatingIfNeeded: random.next())
        var bytes = [UInt8](repeating: fill, count: Int(random.below(largestPayload)))
        for i in bytes.indices.prefix(8) { bytes[i] = UInt8(truncatingIfNeeded: random.next()) }
        return bytes
    }

    /// Reads a random durable range through the sparse index.
    func checkReads(_ box: WriterBox) throws {
        guard box.writer.durableBatch == box.writer.lastBatch, box.writer.isEmpty else { return }
        for (id, group) in after[Int(durable)].groups where !group.entries.isEmpty {
            let start = random.below(UInt64(group.entries.count))
            let first = group.precedingIndex + 1 + start
            let last = first + random.below(UInt64(group.entries.count) - start)
            let found = try readEntries(
                box.writer, disk, group: id, from: first, upTo: last,
                maxBytes: Int(random.below(5000)))
            let offset = group.precedingIndex + 1
            try #require(
                found == Array(group.entries[Int(first - offset)...Int(last - offset)]),
                "seed \(seed): read")
        }
    }
}

/// A writer that can be passed around in a tuple.
final class WriterBox {
    var writer: WALWriter
    init(_ writer: consuming WALWriter) { self.writer = writer }
}
