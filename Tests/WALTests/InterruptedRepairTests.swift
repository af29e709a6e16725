import Bytes
import Raft
import Testing
import WAL

/// A repair sets segments aside one by one. Whatever is left of it when it is interrupted, the next
/// start knows that something was lost, and how the node has voted.
@Suite struct InterruptedRepairTests {
    @Test func `no files that a repair leaves pass for a whole log, with a spare below a gap`()
        throws
    {
        let life = try ManySegments(leavingGap: true)
        #expect(life.disk.segments == [2, 4, 5, 6, 7])
        try expectCut(of: life) {
            $0.flip(6, 20)
        } healing: { _ in
        }
    }

    @Test func `no files that a repair leaves pass for a whole log when the damage goes away`()
        throws
    {
        let life = try ManySegments(leavingGap: false)
        #expect(life.disk.segments == [1, 2, 3, 4, 5, 6])
        try expectCut(of: life) {
            $0.badSectors = [WALPosition(segment: 3, offset: 2048)]
        } healing: {
            $0.badSectors = []
        }
    }

    @Test func `a run that has taken a cut over is not cut again, though its copy was not written`()
        throws
    {
        for writesCopy in [false, true] {
            let life = try ManySegments(leavingGap: false)
            let disk = life.killed()
            disk.flip(3, 2048)
            try start(disk, life, stepsMax: .max)
            try run(disk, writesCopy: writesCopy)
            disk.syncAll()
            let log = try WALRecovery.recover(from: disk, life.parameters)
            #expect(log.wasCut == false)
            #expect(log.nodeRecords == [[1, 1], [9]])
            #expect(log.groups[0].term == life.term && log.groups[0].vote == life.vote)
            #expect(!WALCheck.check(disk).isCut)
        }
    }

    @Test
    func `the first batch of the run behind a cut was torn, and the start is one behind a cut`()
        throws
    {
        let life = try ManySegments(leavingGap: false)
        let disk = life.killed()
        disk.flip(3, 2048)
        try start(disk, life, stepsMax: .max)
        try run(disk, writesCopy: false)
        // Its header is there, its batch is not.
        disk.flip(4, 600)
        disk.mark = nil
        let log = try WALRecovery.open(disk, life.parameters, mayRepair: true, snapshots: { [] })
        #expect(log.wasCut == true)
        #expect(WALCheck.check(disk).isCut)
        #expect(log.groups[0].term == life.term && log.groups[0].vote == life.vote)
    }

    /// Interrupts the repair of `damage` behind every one of its steps.
    private func expectCut(
        of life: ManySegments, _ damage: (VirtualDisk) -> Void, healing: (VirtualDisk) -> Void
    ) throws {
        var steps = 0
        while true {
            let disk = life.killed()
            damage(disk)
            let isDone = try start(disk, life, stepsMax: steps)
            if steps > 0 {
                // Before that nothing is known of damage that has gone away.
                healing(disk)
                #expect(WALCheck.check(disk).isCut, "after \(steps) steps")
            }
            // The next start, which may have to repair again.
            try start(disk, life, stepsMax: .max)
            healing(disk)
            try run(disk, writesCopy: true)
            disk.syncAll()
            let log = try WALRecovery.recover(from: disk, life.parameters)
            #expect(log.wasCut == false, "after \(steps) steps the log stays cut")
            #expect(log.groups[0].term == life.term && log.groups[0].vote == life.vote)
            if isDone { break }
            steps += 1
        }
        #expect(steps > 3)
    }

    /// A start on a damaged log that comes as far as `stepsMax` steps of its repair.
    /// - Returns: whether these were all.
    @discardableResult
    private func start(_ disk: VirtualDisk, _ life: ManySegments, stepsMax: Int) throws -> Bool {
        disk.syncAll()
        let log = try WALRecovery.open(disk, life.parameters, mayRepair: true, snapshots: { [] })
        try #require(log.wasCut == true, "step \(stepsMax): entries are forgotten in silence")
        try #require(
            log.groups[0].term == life.term && log.groups[0].vote == life.vote,
            "step \(stepsMax): term \(log.groups[0].term)")
        #expect(log.nodeRecords == [[1, 1]])
        guard let repair = log.repair else { return true }
        guard stepsMax > 0 else { return false }
        disk.replaceState(repair.intent)
        disk.syncDirectory()
        guard stepsMax > 1 else { return false }
        disk.mark = nil
        for (number, segment) in repair.setAside.enumerated() {
            guard stepsMax > number + 2 else { return false }
            disk.remove(segment)
            disk.syncDirectory()
        }
        return true
    }

    /// The first batch of a run.
    private func run(_ disk: VirtualDisk, writesCopy: Bool) throws {
        var log = try WALRecovery.open(
            disk, WALParameters.small(99), mayRepair: true, snapshots: { [] })
        // What lies behind the cut is still there, and cut off by every start before this batch.
        if let repair = log.repair {
            disk.replaceState(repair.intent)
            disk.syncDirectory()
        }
        let executor = LogExecutor(disk: disk, lastBatch: log.lastBatch, keepsCopies: writesCopy)
        var writer = log.takeWriter()
        writer.identity([9].span, replacing: 2)
        executor.submit(writer.seal()!)
        writer.durable(upTo: executor.drain())
    }
}

extension WALParameters {
    /// Segments of 4 KiB.
    static func small(_ seed: UInt64) -> WALParameters {
        var parameters = WALParameters(saltSeed: seed)
        parameters.segmentBytes = 4096
        return parameters
    }
}

/// A log of one group that has come to its sixth segment, and voted there.
final class ManySegments {
    let disk = VirtualDisk()
    let parameters = WALParameters.small(3)
    let term: Term = 7
    let vote = NodeID(3)
    /// The last batch of each segment.
    private(set) var lastBatch: [UInt64: UInt64] = [:]
    /// The last entry up to the end of each segment.
    private(set) var lastIndex: [UInt64: LogIndex] = [:]

    /// - Parameter leavingGap: the first three segments were given up in the fifth, and one of them
    ///   was used again for the next one.
    init(leavingGap: Bool) throws {
        var log = RecoveredLog.empty(.small(2))
        var writer = log.takeWriter()
        let executor = LogExecutor(disk: disk, lastBatch: 0, keepsCopies: true)
        var segment: UInt64 = 0
        var index: LogIndex = 0
        var firstOf4: LogIndex = 0
        func write(_ writer: inout WALWriter) {
            let batch = writer.seal()!
            segment = batch.position.segment
            lastBatch[segment] = batch.number
            lastIndex[segment] = index
            executor.submit(batch)
            writer.durable(upTo: executor.drain())
        }
        func entry(_ writer: inout WALWriter) {
            index += 1
            let records = entryRecords(
                [[UInt8](repeating: UInt8(index), count: 700)], from: index, term: 1)
            writer.entries(
                group: GroupID(1), records: records.readable, first: index, last: index)
            write(&writer)
            if segment == 4, firstOf4 == 0 { firstOf4 = index }
        }
        writer.identity([1, 1].span, replacing: 1)
        writer.hardState(group: GroupID(1), term: 1, vote: NodeID(1))
        write(&writer)
        while segment < 5 { entry(&writer) }
        if leavingGap {
            writer.start(group: GroupID(1), after: firstOf4, term: 1, keepingRest: true)
            write(&writer)
            try #require(segment == 5)
            #expect(writer.takeReleased() == [1, 2, 3])
        }
        while segment < 6 { entry(&writer) }
        writer.hardState(group: GroupID(1), term: term, vote: vote)
        write(&writer)
        try #require(segment == 6)
        guard leavingGap else { return }
        disk.remove(1)
        disk.write(WALPosition(segment: 3, offset: 0), [UInt8](repeating: 0, count: 512))
        disk.sync(3)
        disk.rename(3, to: 7)
        disk.syncDirectory()
    }

    /// The disk after kill -9.
    func killed() -> VirtualDisk {
        let copy = disk.copy()
        copy.mark = disk.mark
        return copy
    }
}
