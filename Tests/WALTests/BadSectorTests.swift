import Bytes
import Raft
import Testing
import WAL

/// A sector that the disk cannot read costs what is in it and behind it, and nothing before it.
@Suite struct BadSectorTests {
    @Test func `a bad sector costs no batch before it, and no start behind the repair`() throws {
        let life = try ManySegments(leavingGap: false)
        let places = try WALLayout(life.disk).places(of: .batchHeader)
        for place in places where place.batch > 1 {
            let disk = life.killed()
            let sector = WALPosition(
                segment: place.position.segment, offset: place.position.offset / 512 * 512)
            disk.badSectors = [sector]
            let what = "batch \(place.batch) at \(sector)"
            var log = try WALRecovery.open(
                disk, life.parameters, mayRepair: true, snapshots: { [] })
            #expect(log.wasCut && log.lastBatch == place.batch - 1, "\(what)")
            let found = log.repair
            let repair = try #require(found)
            disk.replaceState(repair.intent)
            disk.mark = nil
            // A new file of that name lies elsewhere on the disk.
            for segment in repair.setAside { disk.remove(segment) }
            if repair.setAside.contains(sector.segment) { disk.badSectors = [] }
            disk.syncDirectory()
            try run(disk, &log)
            let second = log.lastBatch
            for run in 1...2 {
                var log = try WALRecovery.recover(from: disk, life.parameters)
                #expect(!log.wasCut && log.lastBatch == second + UInt64(run), "\(what)")
                try self.run(disk, &log)
            }
        }
        #expect(places.count > 10)
    }

    private func run(_ disk: VirtualDisk, _ log: inout RecoveredLog) throws {
        let executor = LogExecutor(disk: disk, lastBatch: log.lastBatch, keepsCopies: true)
        var writer = log.takeWriter()
        writer.identity([9].span, replacing: 2)
        executor.submit(writer.seal()!)
        writer.durable(upTo: executor.drain())
        disk.syncAll()
    }

    @Test func `old entries before a bad sector are read without it`() throws {
        let life = try ManySegments(leavingGap: false)
        var log = try WALRecovery.recover(from: life.disk, life.parameters)
        let writer = log.takeWriter()
        let last = try #require(life.lastIndex[2])
        let fetchFound = writer.fetch(
            group: GroupID(1), from: last - 1, upTo: last, maxBytes: 1 << 20)
        var fetch = try #require(fetchFound)
        var records = ByteBuffer()
        // The host brings what there is before the bad sector, in pieces of a sector here.
        var reads = 0
        while true {
            var bytes = ByteBuffer()
            try life.disk.read(
                fetch.read.position, count: 512 - fetch.read.position.offset % 512 + 1024,
                into: &bytes)
            reads += 1
            if case .finished(let index) = try fetch.take(bytes.readable, into: &records) {
                #expect(index == last)
                break
            }
        }
        #expect(reads > 1)
        // Nothing at all is there: then something is missing.
        let lostFound = writer.fetch(group: GroupID(1), from: last, upTo: last, maxBytes: 1 << 20)
        var lost = try #require(lostFound)
        #expect(throws: WALError.self) {
            _ = try lost.take(ByteBuffer().readable, into: &records)
        }
    }
}
