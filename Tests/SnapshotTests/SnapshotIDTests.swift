import Raft
import Testing

@testable import Snapshot

@Suite struct SnapshotIDTests {
    @Test func `a name tells its snapshot`() {
        let id = SnapshotID(group: GroupID(12), index: 0xABCDEF, term: 7)
        #expect(id.fileName == "g12-0000000000abcdef-0000000000000007.snap")
        #expect(SnapshotID(fileName: id.fileName) == id)
        let largest = SnapshotID(group: GroupID(.max), index: .max, term: .max)
        #expect(SnapshotID(fileName: largest.fileName) == largest)
    }

    @Test(arguments: [
        "", ".snap", "g1.snap", "g1-2-3.snap", "wal-0000000000000001.log",
        "g12-0000000000ABCDEF-0000000000000007.snap",
        "g012-0000000000abcdef-0000000000000007.snap",
        "g+1-0000000000abcdef-0000000000000007.snap",
        "g4294967296-0000000000abcdef-0000000000000007.snap",
        "g12-0000000000abcdef-0000000000000007.snap.old",
        "g12-0000000000abcdef-0000000000000007.part",
        "g12--0000000000abcdef-0000000000000007.snap",
        "g12-0000000000abcdef-0000000000000007-.snap",
    ])
    func `other names are no snapshots`(name: String) {
        #expect(SnapshotID(fileName: name) == nil)
    }

    @Test func `only own unfinished files count as leftovers`() {
        let id = SnapshotID(group: GroupID(1), index: 2, term: 3)
        #expect(SnapshotID.isUnfinished(fileName: id.partName))
        #expect(SnapshotID.isUnfinished(fileName: id.incomingName))
        #expect(!SnapshotID.isUnfinished(fileName: id.fileName))
        #expect(!SnapshotID.isUnfinished(fileName: "film.part"))
    }

    @Test func `newer snapshots come after older ones of their group`() {
        let older = SnapshotID(group: GroupID(1), index: 9, term: 3)
        let newer = SnapshotID(group: GroupID(1), index: 10, term: 2)
        let other = SnapshotID(group: GroupID(2), index: 1, term: 1)
        #expect([other, newer, older].sorted() == [older, newer, other])
    }
}
