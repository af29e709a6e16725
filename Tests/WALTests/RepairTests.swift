import Bytes
import Raft
import Testing
import WAL

/// Damage to a log that has peers: it is cut, and nothing that only this node knew is lost with it.
@Suite struct RepairTests {
    @Test func `damage to any sector leaves a log that keeps its votes and what is before`() throws
    {
        var repaired = 0
        let life = try RepairedLife(runs: 3)
        for (segment, offset) in life.usedSectors {
            for isZeroed in [false, true] {
                let disk = life.diskAtKill()
                if isZeroed {
                    let zeros = [UInt8](repeating: 0, count: 512)
                    disk[segment].current.replaceSubrange(offset..<offset + 512, with: zeros)
                } else {
                    disk.flip(segment, offset + Int(offset / 512) * 37 % 512, bit: 3)
                }
                let what = "segment \(segment) offset \(offset) zeroed \(isZeroed)"
                if try life.start(disk, what) { repaired += 1 }
                // And once more, as a start that finds nothing amiss.
                #expect(try !life.start(disk, what + " again"))
            }
        }
        #expect(repaired > 20)
    }

    @Test func `a crash at any step of a repair leaves one that comes to the same`() throws {
        let life = try RepairedLife(runs: 3)
        let sectors = life.usedSectors
        var crashes = 0
        for (segment, offset) in sectors.enumerated().filter({ $0.offset % 9 == 1 }).map(\.element)
        {
            for stepsMax in 0..<100 {
                let disk = life.diskAtKill()
                disk.flip(segment, offset + 100, bit: 1)
                let steps = Steps(stepsMax)
                let what = "segment \(segment) offset \(offset) step \(stepsMax)"
                try life.start(disk, what, steps: steps)
                guard steps.hasCrashed else { break }
                let count = disk.unsyncedCount
                let choices: [(Int) -> Bool] = [
                    { _ in true }, { _ in false }, { $0 == 0 }, { $0 == count - 1 },
                ]
                for (number, keeps) in choices.enumerated() {
                    for keepsNames in [true, false] {
                        let image = disk.clone()
                        image.cutPower(keepingNames: keepsNames, keeps: keeps)
                        let what = "\(what) choice \(number) names \(keepsNames)"
                        try life.start(image, what)
                        #expect(try !life.start(image, what + " again"))
                        crashes += 1
                    }
                }
            }
        }
        #expect(crashes > 200)
    }

    @Test(arguments: [0, 1]) func `a log whose copy is damaged, too, is refused`(slot: Int) throws {
        let life = try RepairedLife(runs: 2)
        let (segment, offset) = try #require(life.usedSectors.last)
        let damaged = life.diskAtKill()
        damaged.flipState(slot, 60)
        #expect(try !life.start(damaged.clone(), "only the copy is damaged"))
        damaged.flip(segment, offset + 3)
        let error = #expect(throws: WALError.self) {
            _ = try WALRecovery.open(
                damaged, life.parameters, mayRepair: true, snapshots: { [] })
        }
        guard case .damaged? = error else {
            Issue.record("refused for another reason: \(String(describing: error))")
            return
        }
    }

    @Test func `without peers damage is refused`() throws {
        let life = try RepairedLife(runs: 2)
        let (segment, offset) = life.usedSectors[2]
        let disk = life.disk.copy()
        disk.flip(segment, offset)
        #expect(throws: WALError.self) {
            _ = try WALRecovery.open(disk, life.parameters, mayRepair: false, snapshots: { [] })
        }
    }

    @Test(arguments: 0..<4)
    func `histories with damage, cuts and crashes keep terms and votes`(block: UInt64) throws {
        var repairs = 0
        for number in 0..<25 as Range<UInt64> {
            let life = try RepairedLife(runs: 1, seed: block * 1000 + number)
            for _ in 0..<6 {
                let sectors = life.usedSectors
                let hit = sectors[Int(life.random.below(UInt64(sectors.count)))]
                life.disk.flip(
                    hit.segment, hit.offset + Int(life.random.below(512)),
                    bit: Int(life.random.below(8)))
                let steps = Steps(life.random.below(2) == 0 ? Int(life.random.below(12)) : .max)
                if try life.start(life.disk, "seed \(block) \(number)", steps: steps) {
                    repairs += 1
                }
                if steps.hasCrashed {
                    let odds = life.random.next()
                    life.disk.cutPower(keepingNames: odds % 2 == 0) {
                        odds >> UInt64($0 % 60) & 2 == 0
                    }
                    try life.start(life.disk, "seed \(block) \(number), after a crash")
                }
                try life.goOn(batches: 8)
            }
        }
        #expect(repairs > 30)
    }
}

/// Counts a host's steps, and says where it ends.
private final class Steps {
    private var left: Int
    private(set) var hasCrashed = false

    init(_ max: Int) { left = max }

    func goOn() -> Bool {
        if left == 0 { hasCrashed = true }
        left -= 1
        return !hasCrashed
    }
}

/// A log of some runs, and what must be known of it after any damage.
private final class RepairedLife {
    var disk = VirtualDisk()
    var random: SeededGenerator
    /// What the log holds with each of its batches.
    private var after: [UInt64: LogModel] = [0: LogModel()]
    /// What was reported as durable, in the end.
    private var truth = LogModel()
    private var boots: UInt8 = 0
    private var atKill: (after: [UInt64: LogModel], truth: LogModel) = ([:], LogModel())

    init(runs: Int, seed: UInt64 = 11) throws {
        random = SeededGenerator(seed: seed)
        for _ in 0..<runs { try goOn(batches: 10) }
    }

    var parameters: WALParameters {
        var parameters = WALParameters(saltSeed: random.next())
        parameters.segmentBytes = 4096
        return parameters
    }

    /// Sectors that are not zero.
    var usedSectors: [(segment: UInt64, offset: Int)] {
        disk.files.flatMap { file in
            stride(from: 0, to: file.current.count, by: 512).filter { offset in
                file.current[offset..<offset + 512].contains { $0 != 0 }
            }.map { (file.number, $0) }
        }
    }

    /// A run on the disk as it is, that ends by kill -9.
    func goOn(batches: Int) throws {
        disk.syncAll()
        var log = try WALRecovery.recover(from: disk, parameters)
        let last = log.lastBatch
        var writer = log.takeWriter()
        var model = try contents(of: log, writer, disk)
        model.nodeRecords = truth.nodeRecords
        for segment in log.obsoleteSegments { disk.remove(segment) }
        let executor = LogExecutor(disk: disk, lastBatch: last, keepsCopies: true)
        boots += 1
        for number in 0..<batches {
            if number == 0 {
                // Longer than a sector, as genesis is, so that a copy can be torn.
                add(.init(replacing: 1, bytes: [UInt8](repeating: 9, count: 700)), &model, &writer)
                add(.init(replacing: 2, bytes: [boots]), &model, &writer)
            }
            for id in 1...2 as ClosedRange<UInt32> { extend(id, number, &model, &writer) }
            executor.submit(writer.seal()!)
            after[writer.lastBatch] = model
            writer.durable(upTo: executor.drain())
            for segment in writer.takeReleased() { disk.remove(segment) }
        }
        truth = model
        atKill = (after, truth)
        disk.syncAll()
    }

    /// The disk as the last run left it.
    func diskAtKill() -> VirtualDisk {
        (after, truth) = atKill
        let copy = disk.copy()
        copy.mark = disk.mark
        return copy
    }

    private func add(
        _ record: LogModel.NodeRecord, _ model: inout LogModel, _ writer: inout WALWriter
    ) {
        writer.identity(record.bytes.span, replacing: record.replacing)
        model.add(record)
    }

    private func extend(
        _ id: UInt32, _ number: Int, _ model: inout LogModel, _ writer: inout WALWriter
    ) {
        var group = model.groups[id] ?? LogModel.Group()
        if number % 3 == 0 || group.term < group.lastTerm {
            group.term = max(group.term, group.lastTerm) + 1
            group.vote = UInt16(1 + random.below(3))
            writer.hardState(group: GroupID(id), term: group.term, vote: NodeID(group.vote))
        }
        let payload = [UInt8](
            repeating: UInt8(truncatingIfNeeded: random.next()), count: Int(random.below(900)))
        let records = entryRecords([payload], from: group.last + 1, term: group.term)
        writer.entries(
            group: GroupID(id), records: records.readable, first: group.last + 1,
            last: group.last + 1)
        group.entries.append(.init(term: group.term, payload: payload.span))
        if id == 1, number % 7 == 6, group.entries.count > 3 {
            let index = group.last - 2
            let term = group.entries[group.entries.count - 3].term
            writer.start(group: GroupID(id), after: index, term: term, keepingRest: true)
            group.start(after: index, term: term, keepingRest: true)
        }
        model.groups[id] = group
    }

    /// What a start does, up to its first durable batch, unless it crashes before.
    /// - Returns: whether the log was cut.
    @discardableResult
    func start(_ disk: VirtualDisk, _ what: String, steps: Steps = Steps(.max)) throws -> Bool {
        disk.syncAll()
        var log = try WALRecovery.open(disk, parameters, mayRepair: true, snapshots: { [] })
        let isCut = log.wasCut
        if let repair = log.repair {
            guard carryOut(repair, on: disk, steps) else { return true }
        }
        for segment in log.obsoleteSegments { disk.remove(segment) }
        let last = log.lastBatch
        var writer = log.takeWriter()
        var held = try contents(of: log, writer, disk)
        try expect(held, last, what)
        guard isCut else { return false }
        // The first batch, as the engine writes it.
        let executor = LogExecutor(disk: disk, lastBatch: last, keepsCopies: true)
        held.nodeRecords = truth.nodeRecords
        add(.init(replacing: 2, bytes: [boots]), &held, &writer)
        executor.submit(writer.seal()!)
        truth.add(.init(replacing: 2, bytes: [boots]))
        after[writer.lastBatch] = held
        while executor.hasToWrite {
            guard executor.writeNext(goOn: steps.goOn) else { return true }
        }
        _ = executor.sync(goOn: steps.goOn)
        return true
    }

    /// As `DataDirectory` does it.
    private func carryOut(_ repair: WALRepair, on disk: VirtualDisk, _ steps: Steps) -> Bool {
        guard steps.goOn() else { return false }
        disk.replaceState(repair.intent)
        guard steps.goOn() else { return false }
        disk.syncDirectory()
        guard steps.goOn() else { return false }
        disk.mark = nil
        for segment in repair.setAside {
            guard steps.goOn() else { return false }
            disk.remove(segment)
            guard steps.goOn() else { return false }
            disk.syncDirectory()
        }
        return true
    }

    /// All that only this node knew, and of the entries those before the cut.
    private func expect(_ held: LogModel, _ last: UInt64, _ what: String) throws {
        try #require(
            held.nodeRecords.map(\.bytes) == truth.nodeRecords.map(\.bytes),
            "\(what): node records")
        for (id, group) in truth.groups {
            let found = held.groups[id] ?? LogModel.Group()
            try #require(
                found.term == group.term && found.vote == group.vote,
                "\(what): group \(id) has term \(found.term) vote \(found.vote) instead of \(group.term) \(group.vote)"
            )
            guard let before = after[last]?.groups[id] else {
                try #require(found.entries.isEmpty, "\(what): entries out of nothing")
                continue
            }
            if found.entries.isEmpty {
                try #require(found.last <= before.last, "\(what): the log of \(id) jumps ahead")
            } else {
                try #require(
                    found.entries == before.entries && found.last == before.last,
                    "\(what): entries of group \(id)")
            }
        }
    }
}
