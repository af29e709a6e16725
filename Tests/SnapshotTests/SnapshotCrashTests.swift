import Bytes
import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotCrashTests {
    private let old = SnapshotID(group: GroupID(1), index: 10, term: 1)
    private let new = SnapshotID(group: GroupID(1), index: 20, term: 2)
    private let fetched = SnapshotID(group: GroupID(2), index: 5, term: 1)

    /// A life of a node: an old snapshot, a newer one, the old one removed, and one from a peer.
    private func life() -> [SnapshotCommand] {
        let file = file(typicalBytes(900, seed: 3), someHeader(fetched)).bytes
        return writing(typicalBytes(700, seed: 1), someHeader(old))
            + writing(typicalBytes(800, seed: 2), someHeader(new))
            + [.remove(old)] + receiving(file, fetched, pieceBytes: 200)
    }

    @Test func `a power cut at any step leaves what was durable, and nothing that is not whole`()
        throws
    {
        let whole = Bench()
        whole.run(life())
        let calls = whole.disk.calls
        #expect(calls >= 25)
        for step in 0...calls {
            for seed in 0..<20 as Range<UInt64> {
                let bench = Bench()
                bench.disk.callsLeft = step
                var wasRemoving = false
                for command in life() {
                    if case .remove = command { wasRemoving = true }
                    bench.run(command)
                    if bench.disk.callsLeft == 0 { break }
                }
                var expected: Set<SnapshotID> = []
                for event in bench.events {
                    if case .durable(let summary) = event { expected.insert(summary.id) }
                }
                var random = SeededGenerator(seed: seed &* 1000 &+ UInt64(step))
                bench.disk.powerCut(&random)
                try check(bench.disk, atLeast: expected, mayLackOld: wasRemoving)
            }
        }
    }

    private func check(_ disk: MemoryDisk, atLeast expected: Set<SnapshotID>, mayLackOld: Bool)
        throws
    {
        let bench = Bench(disk)
        let listing = try bench.executor.list()
        #expect(listing.damaged.isEmpty)
        let found = listing.snapshots.map(\.id)
        for id in expected where !(id == old && mayLackOld) { #expect(found.contains(id)) }
        for summary in listing.snapshots {
            let verified = try bench.executor.verify(summary.id)
            #expect(verified == summary)
        }
        #expect(disk.names.keys.allSatisfy { SnapshotID(fileName: $0) != nil })
        // The listing is durable itself: another cut changes nothing.
        var random = SeededGenerator(seed: 1)
        disk.powerCut(&random)
        let again = try Bench(disk).executor.list()
        #expect(again.snapshots == listing.snapshots && again.leftovers == 0)
    }

    @Test func `a start lists the newest first, removes leftovers and names what is damaged`()
        throws
    {
        let bench = Bench()
        for (group, index) in [(1, 5), (1, 30), (1, 7), (2, 3)] as [(UInt32, LogIndex)] {
            let id = SnapshotID(group: GroupID(group), index: index, term: 1)
            bench.run(writing(typicalBytes(300), someHeader(id)))
        }
        let foreign = MemoryDisk.File()
        bench.disk.names["wal-0000000000000001.log"] = foreign
        bench.disk.names["notes.part"] = foreign
        bench.run(
            .begin(someHeader(old)),
            .receive(fetched, offset: 0, shared([1, 2, 3]), isLast: false))
        let damaged = SnapshotID(group: GroupID(1), index: 30, term: 1)
        bench.disk.names[damaged.fileName]!.bytes.removeLast(70)
        let cut = SnapshotID(group: GroupID(1), index: 31, term: 1)
        bench.disk.names[cut.fileName] = MemoryDisk.File()
        let misnamed = SnapshotID(group: GroupID(1), index: 32, term: 1)
        bench.disk.names[misnamed.fileName] =
            bench.disk.names[SnapshotID(group: GroupID(1), index: 7, term: 1).fileName]!

        let listing = try Bench(bench.disk).executor.list()
        #expect(listing.snapshots.map(\.id.description) == ["g1@7/1", "g1@5/1", "g2@3/1"])
        #expect(listing.damaged.map(\.id.index) == [32, 31, 30])
        #expect(listing.damaged[0].reason.contains("another snapshot"))
        #expect(listing.damaged[1].reason.contains("ends too early"))
        #expect(listing.damaged[2].reason.contains("is damaged at offset"))
        #expect(listing.leftovers == 2)
        #expect(listing.snapshots(of: GroupID(1)).count == 2)
        let names = bench.disk.names.keys.filter { !$0.hasSuffix(".snap") }.sorted()
        #expect(names == ["notes.part", "wal-0000000000000001.log"])
    }
}
