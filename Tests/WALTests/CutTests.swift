import Bytes
import Raft
import Testing
import WAL

/// One short life of a log with cuts, files given up and files used again, crashed at every step.
///
/// Not at random: each step of the host is a place to crash, and at each place every choice of
/// surviving sectors is tried (or, of many, the ones at the edges), with the changes of names durable
/// or not.
@Suite struct CutTests {
    @Test func `a crash at any step around a cut loses nothing and leaves nothing undecided`()
        throws
    {
        var images = 0
        var steps = 0
        while true {
            let life = CutLife(stepsMax: steps)
            try life.run()
            images += try checkImages(of: life, atStep: steps)
            guard life.hasCrashed else { break }
            steps += 1
        }
        #expect(steps > 60)
        #expect(images > 800)
    }

    /// A process that is killed: what it wrote stays, of the last write any number of bytes.
    @Test func `a kill at any byte of the batch that cuts the log leaves it cut or not`() throws {
        var sawCut = false
        var sawUncut = false
        for steps in 0..<1000 {
            let life = CutLife(stepsMax: steps)
            try life.run()
            guard life.hasCrashed else { break }
            guard life.lastWriteIsCut else { continue }
            let offsets = life.disk.unsyncedOffsets
            for byte in stride(from: 0, through: 512 * offsets.count, by: 3) {
                let torn = (sector: byte / 512, bytes: byte % 512)
                // The system copies whole sectors; a header alone relies on that.
                if torn.sector < offsets.count, offsets[torn.sector] == 0, torn.bytes > 0 {
                    continue
                }
                let disk = life.disk.clone()
                disk.cutPower(keepingNames: true, torn: torn) { $0 <= torn.sector }
                let batch = try life.check(disk, "byte \(byte) at step \(steps)")
                if batch == life.models.count - 1 { sawCut = true } else { sawUncut = true }
            }
        }
        #expect(sawCut && sawUncut)
    }

    /// Returns how many images there were.
    private func checkImages(of life: CutLife, atStep step: Int) throws -> Int {
        let count = life.disk.unsyncedCount
        var choices: [(Int) -> Bool] = []
        if count <= 8 {
            for mask in 0..<(1 << count) { choices.append { mask >> $0 & 1 == 1 } }
        } else {
            choices = [{ _ in true }, { _ in false }]
            for one in 0..<count { choices += [{ $0 == one }, { $0 != one }, { $0 < one }] }
        }
        for (i, keeps) in choices.enumerated() {
            for keepingNames in [true, false] {
                let disk = life.disk.clone()
                disk.cutPower(keepingNames: keepingNames, keeps: keeps)
                try life.check(disk, "step \(step), choice \(i), names \(keepingNames)")
            }
        }
        return 2 * choices.count
    }
}

/// The life: two groups, segments of 4 KiB, three cuts, files used again; ends after `stepsMax` steps.
private final class CutLife {
    let disk = VirtualDisk()
    /// After batch i.
    private(set) var models = [LogModel()]
    private(set) var durable: UInt64 = 0
    private(set) var hasCrashed = false
    /// Whether the batch written last holds a start record.
    private(set) var lastWriteIsCut = false
    private var stepsLeft: Int

    init(stepsMax: Int) { stepsLeft = stepsMax }

    private func goOn() -> Bool {
        stepsLeft -= 1
        if stepsLeft < 0 { hasCrashed = true }
        return !hasCrashed
    }

    func run() throws {
        var parameters = WALParameters(saltSeed: 77)
        parameters.segmentBytes = 4096
        var log = RecoveredLog.empty(parameters)
        let box = WriterBox(log.takeWriter())
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        var model = LogModel()
        for round in 0..<12 {
            let isCut = round % 4 == 3
            fill(round, isCut: isCut, &model, box)
            executor.submit(box.writer.seal()!)
            models.append(model)
            while executor.hasToWrite {
                guard executor.writeNext(goOn: goOn) else { return }
                lastWriteIsCut = isCut
            }
            // A few batches wait for one sync.
            guard round % 2 == 1 else { continue }
            guard goOn() else { return }
            durable = executor.sync()
            box.writer.durable(upTo: durable)
            executor.release(box.writer.takeReleased())
            // What is not used again soon goes.
            guard round == 7 else { continue }
            while !executor.pool.isEmpty {
                guard goOn() else { return }
                executor.removeReleased()
            }
        }
    }

    private func fill(_ round: Int, isCut: Bool, _ model: inout LogModel, _ box: WriterBox) {
        if round % 5 == 0 {
            let record = LogModel.NodeRecord(replacing: UInt32(round % 2), bytes: [UInt8(round)])
            box.writer.identity(record.bytes.span, replacing: record.replacing)
            model.add(record)
        }
        for id in 1...2 as ClosedRange<UInt32> {
            var group = model.groups[id] ?? LogModel.Group()
            let term = Term(1 + round / 5)
            if term != group.term {
                box.writer.hardState(group: GroupID(id), term: term, vote: NodeID(UInt16(id)))
                (group.term, group.vote) = (term, UInt16(id))
            }
            let payload = [UInt8](repeating: UInt8(16 * Int(id) + round), count: 700)
            let records = entryRecords([payload], from: group.last + 1, term: term)
            box.writer.entries(
                group: GroupID(id), records: records.readable, first: group.last + 1,
                last: group.last + 1)
            group.entries.append(.init(term: term, payload: payload.span))
            if isCut {
                // One keeps its newest entry, the other jumps ahead.
                let index = id == 1 ? group.last - 1 : group.last + 3
                let keeping = id == 1
                let cutTerm = keeping ? group.entries[group.entries.count - 2].term : term
                box.writer.start(
                    group: GroupID(id), after: index, term: cutTerm, keepingRest: keeping)
                group.start(after: index, term: cutTerm, keepingRest: keeping)
            }
            model.groups[id] = group
        }
    }

    /// Recovers, compares, goes on for some batches and recovers again. Returns the last batch found.
    @discardableResult
    func check(_ disk: VirtualDisk, _ what: String) throws -> Int {
        var parameters = WALParameters(saltSeed: 78)
        parameters.segmentBytes = 4096
        var log = try WALRecovery.recover(from: disk, parameters)
        let last = Int(log.lastBatch)
        try #require(last >= Int(durable) && last < models.count, "\(what): batch \(last)")
        var writer = log.takeWriter()
        let found = try contents(of: log, writer, disk)
        try #require(found == models[last], "\(what): contents at batch \(last)")

        // What was given up before goes now; what follows holds without it.
        for segment in log.obsoleteSegments { disk.remove(segment) }
        let executor = LogExecutor(disk: disk, lastBatch: log.lastBatch)
        for i in 0..<3 {
            writer.hardState(group: GroupID(9), term: Term(i + 1), vote: nil)
            executor.submit(writer.seal()!)
        }
        writer.durable(upTo: executor.drain())
        var again = try WALRecovery.recover(from: disk, parameters)
        let secondWriter = again.takeWriter()
        var expected = models[last]
        expected.groups[9] = LogModel.Group(term: 3)
        let foundAgain = try contents(of: again, secondWriter, disk)
        try #require(foundAgain == expected, "\(what): contents after going on")
        return last
    }
}
