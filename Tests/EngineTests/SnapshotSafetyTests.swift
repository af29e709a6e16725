import Bytes
import Configuration
import Raft
import Snapshot
import Testing

@testable import Engine

/// What must not happen to snapshots that are of use, nor be left of those that are not.
@Suite struct SnapshotSafetyTests {
    private static func ids(_ cluster: EngineCluster, _ node: Int) -> [SnapshotID] {
        cluster.nodes[node].snapshots.ids.filter { $0.group.raw == 1 }
    }

    /// Has a node write a snapshot of its data group, and returns its id.
    private static func save(_ cluster: EngineCluster, _ node: Int) throws -> SnapshotID {
        let before = ids(cluster, node).first
        let client = try cluster.open(node)
        #expect(cluster.expect("+Background saving started\r\n", to: "BGSAVE\r\n", client) == nil)
        let isWritten = cluster.run { ids(cluster, node).first != before }
        #expect(isWritten)
        // The system group's, too.
        #expect(
            cluster.run { cluster.nodes[node].process?.engine.node.snapshots.isBusy == false })
        return try #require(ids(cluster, node).first)
    }

    // MARK: The system refuses to read

    @Test func `a single node that can not read its snapshots now has them at its next start`()
        throws
    {
        let cluster = try SnapshotTests.cluster(nodes: 1)
        try SnapshotTests.fill(cluster, 0, 0..<500)
        #expect(cluster.run { (cluster.replica(0)?.firstIndex ?? 0) > 100 })
        cluster.stop(0)
        let snapshots = cluster.nodes[0].snapshots
        let before = snapshots.ids
        snapshots.refused = Set(before)
        try cluster.start(0)
        #expect(cluster.run { cluster.nodes[0].exit != nil })
        guard case .fatal(let reason) = cluster.nodes[0].exit else {
            Issue.record("it did not stop")
            return
        }
        #expect(reason.contains(".snap can not be read: Input/output error"))
        #expect(!reason.contains("is lost"))
        #expect(snapshots.ids == before, "a file was removed that was only not read")
        snapshots.refused = []
        try cluster.start(0)
        #expect(cluster.run { cluster.isServing() })
        try SnapshotTests.read(cluster, 0, 0..<500)
    }

    @Test func `a replica that can not read its snapshots is helped by its peers, and keeps them`()
        throws
    {
        let cluster = try SnapshotTests.cluster()
        try SnapshotTests.fill(cluster, 0, 0..<500)
        let odd = cluster.follower()
        #expect(cluster.run { (cluster.replica(odd)?.firstIndex ?? 0) > 100 })
        cluster.stop(odd)
        let snapshots = cluster.nodes[odd].snapshots
        let before = Set(snapshots.ids)
        snapshots.refused = before
        try cluster.start(odd)
        let lines = cluster.nodes[odd].lines.count
        let lacks = { cluster.nodes[odd].lines[lines...].contains { $0.hasPrefix("state-lost") } }
        #expect(cluster.run(until: lacks))
        #expect(before.isSubset(of: snapshots.ids), "a file was removed that was only not read")
        snapshots.refused = []
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        try SnapshotTests.read(cluster, odd, 0..<500)
        // The one that came stands for what it was needed for.
        let process = try #require(cluster.nodes[odd].process)
        let durable = process.engine.node.snapshots.groups[1].durable.map(\.id)
        #expect(cluster.run { Self.ids(cluster, odd) == durable })
    }

    @Test func `a newest snapshot that can not be read stays, and goes with its time`() throws {
        let cluster = try SnapshotTests.cluster(nodes: 1, wal: 1 << 20)
        var saved: [SnapshotID] = []
        for number in 0..<2 {
            try SnapshotTests.fill(cluster, 0, number * 50..<number * 50 + 50)
            saved.append(try Self.save(cluster, 0))
        }
        cluster.stop(0)
        let snapshots = cluster.nodes[0].snapshots
        snapshots.refused = [saved[1]]
        try cluster.start(0)
        #expect(cluster.run { cluster.isServing() })
        #expect(cluster.nodes[0].lines.contains { $0.hasPrefix("snapshot-unreadable") })
        #expect(Self.ids(cluster, 0) == [saved[1], saved[0]])
        try SnapshotTests.read(cluster, 0, 0..<100)
        // With two newer ones it is as old as others that are removed.
        for number in 2..<4 {
            try SnapshotTests.fill(cluster, 0, number * 50..<number * 50 + 50)
            saved.append(try Self.save(cluster, 0))
        }
        #expect(cluster.run { Self.ids(cluster, 0) == [saved[3], saved[2]] })
        cluster.stop(0)
        try cluster.start(0)
        #expect(cluster.run { cluster.isServing() })
        try SnapshotTests.read(cluster, 0, 0..<200)
    }

    @Test func `a leader that can not read its snapshot for a follower writes another`() throws {
        let cluster = try SnapshotTests.cluster()
        try SnapshotTests.fill(cluster, 0, 0..<20)
        let leader = try #require(cluster.leader())
        let lost = cluster.follower()
        cluster.stop(lost)
        try SnapshotTests.fill(cluster, leader, 20..<600)
        #expect(cluster.run { (cluster.replica(leader)?.firstIndex ?? 0) > 200 })
        let snapshots = cluster.nodes[leader].snapshots
        try cluster.start(lost)
        let process = try #require(cluster.nodes[leader].process)
        // Also the one that the leader may be writing.
        let isTold = {
            snapshots.refused = Set(snapshots.ids)
            return cluster.nodes[leader].lines.contains { $0.hasPrefix("snapshot-unreadable") }
        }
        #expect(cluster.run(until: isTold))
        let unread = process.engine.node.snapshots.groups[1].unread
        #expect(!unread.isEmpty)
        #expect(
            unread.allSatisfy { snapshots.files[$0] != nil },
            "a file was removed that was only not read")
        snapshots.refused = Set(unread)
        try SnapshotTests.fill(cluster, leader, 600..<610)
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        try SnapshotTests.read(cluster, lost, 0..<610)
    }

    // MARK: Cuts of the log

    @Test func `a replica gives its state up in the turn after a cut of its log`() throws {
        let cluster = try SnapshotTests.cluster(wal: 4 << 20)
        try SnapshotTests.fill(cluster, 0, 0..<50)
        let odd = cluster.follower()
        let saved = try Self.save(cluster, odd)
        let node = cluster.nodes[odd]
        let process = try #require(node.process)
        #expect(process.engine.node.replicas[1].core.log.firstIndex == 1)
        // The log is suddenly too long: it is cut to the snapshot, at the end of a turn.
        process.engine.node.configuration.walMaxSize = 1
        process.engine.node.snapshots.checkAt = Instant(nanoseconds: .min)
        cluster.turn(node)
        process.engine.node.configuration.walMaxSize = 4 << 20
        #expect(process.engine.node.replicas[1].core.log.firstIndex == saved.index + 1)
        process.engine.node.diverged(1, at: saved.index, now: cluster.now)
        cluster.turn(node)
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        try SnapshotTests.read(cluster, odd, 0..<50)
        cluster.stop(odd)
        try cluster.start(odd)
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        try SnapshotTests.read(cluster, odd, 0..<50)
    }

    // MARK: Files of nobody

    @Test func `a snapshot that becomes durable after it was given up is removed`() throws {
        let cluster = try SnapshotTests.cluster(wal: 4 << 20)
        try SnapshotTests.fill(cluster, 0, 0..<50)
        let odd = cluster.follower()
        let first = try Self.save(cluster, odd)
        try SnapshotTests.fill(cluster, 0, 50..<100)
        let node = cluster.nodes[odd]
        let process = try #require(node.process)
        let client = try cluster.open(odd)
        cluster.send("BGSAVE\r\n", client)
        let isFinished = {
            let taking = process.engine.node.snapshots.taking
            return taking?.group == 1 && taking?.isFinished == true
        }
        #expect(cluster.run(until: isFinished))
        let stored = try #require(process.engine.node.snapshots.groups[1].durable.first)
        #expect(stored.id == first)
        // The state is replaced while the file is being made durable.
        process.engine.node.beginLoading(stored, into: 1, isAtStart: false, now: cluster.now)
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        let durable = { process.engine.node.snapshots.groups[1].durable.map(\.id) }
        #expect(cluster.run { Self.ids(cluster, odd) == durable() })
        try SnapshotTests.read(cluster, odd, 0..<100)
    }

    @Test func `a snapshot that is told of twice stays`() throws {
        let cluster = try SnapshotTests.cluster(nodes: 1, wal: 4 << 20)
        try SnapshotTests.fill(cluster, 0, 0..<50)
        let saved = try Self.save(cluster, 0)
        let summary = try #require(
            cluster.nodes[0].snapshots.listing().first { $0.id == saved })
        cluster.nodes[0].process?.engine.snapshotMoved(.durable(summary), now: cluster.now)
        cluster.run(milliseconds: 100)
        #expect(Self.ids(cluster, 0) == [saved])
    }
}
