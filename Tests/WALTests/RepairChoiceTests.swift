import Bytes
import Raft
import Testing
import WAL

/// What a repair keeps where the files have gaps.
@Suite struct RepairChoiceTests {
    @Test func `a spare that is still below a gap does not cost the segments behind it`() throws {
        let life = try ManySegments(leavingGap: true)
        let disk = life.killed()
        disk.flip(6, 20)
        let log = try WALRecovery.open(disk, life.parameters, mayRepair: true, snapshots: { [] })
        #expect(log.wasCut == true)
        #expect(log.lastBatch == life.lastBatch[5])
        #expect(log.repair?.setAside == [7, 6])
        #expect(log.obsoleteSegments == [2])
        #expect(log.groups[0].term == life.term && log.groups[0].vote == life.vote)
    }

    @Test func `damage where nobody needs anything does not cost what is behind it`() throws {
        let life = try ManySegments(leavingGap: true)
        let disk = life.killed()
        disk.remove(2)
        disk.flip(6, 20)
        let log = try WALRecovery.open(disk, life.parameters, mayRepair: true, snapshots: { [] })
        #expect(log.lastBatch == life.lastBatch[5])
        #expect(log.obsoleteSegments == [])
    }

    @Test func `what does not join anything is not kept instead of what does`() throws {
        let life = try ManySegments(leavingGap: false)
        let disk = life.killed()
        disk.remove(3)
        disk.flip(6, 20)
        let log = try WALRecovery.open(disk, life.parameters, mayRepair: true, snapshots: { [] })
        #expect(log.lastBatch == life.lastBatch[2])
        #expect(log.repair?.setAside == [6, 5, 4])
        // It joins a snapshot.
        let snapshot = WALSnapshot(group: GroupID(1), index: life.lastIndex[3]!, term: 1)
        let joined = try WALRecovery.open(
            disk, life.parameters, mayRepair: true, snapshots: { [snapshot] })
        #expect(joined.lastBatch == life.lastBatch[5])
        #expect(joined.groups[0].firstIndex == snapshot.index + 1)
        #expect(joined.groups[0].lastIndex == life.lastIndex[5])
        #expect(joined.groups[0].term == life.term)
    }
}
