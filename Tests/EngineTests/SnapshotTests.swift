import Bytes
import Configuration
import Engine
import Raft
import Snapshot
import Testing

/// Snapshots of replicas, the log that they let go of, and what is made of them again.
@Suite struct SnapshotTests {
    /// A log of a few kilobytes already wants a snapshot.
    static func cluster(nodes: Int = 3, groups: Int = 1, wal: Int = 96 << 10) throws
        -> EngineCluster
    {
        try EngineCluster.formed(nodes: nodes, groups: groups) { $0.walMaxSize = wal }
    }

    /// Writes `count` keys of about `bytes` bytes through a node.
    static func fill(
        _ cluster: EngineCluster, _ node: Int, _ range: Range<Int>, bytes: Int = 400
    ) throws {
        let client = try cluster.open(node)
        let value = String(repeating: "v", count: bytes)
        for number in range {
            let reply = cluster.expect(
                "+OK\r\n", to: "SET key:\(number) \(value)\(number)\r\n", client)
            #expect(reply == nil)
        }
    }

    static func read(_ cluster: EngineCluster, _ node: Int, _ range: Range<Int>, bytes: Int = 400)
        throws
    {
        let client = try cluster.open(node)
        for number in range {
            let value = String(repeating: "v", count: bytes) + "\(number)"
            let expected = "$\(value.utf8.count)\r\n\(value)\r\n"
            #expect(cluster.expect(expected, to: "GET key:\(number)\r\n", client) == nil)
        }
    }

    @Test(arguments: [1, 3]) func `a growing log is cut, and a restart begins with the snapshot`(
        nodes: Int
    ) throws {
        let cluster = try Self.cluster(nodes: nodes)
        try Self.fill(cluster, 0, 0..<500)
        #expect(
            cluster.run {
                (0..<nodes).allSatisfy { (cluster.replica($0)?.firstIndex ?? 0) > 100 }
            })
        for node in 0..<nodes {
            let kept = cluster.nodes[node].snapshots.ids.filter { $0.group.raw == 1 }.count
            #expect((1...2).contains(kept), "one where the log was too long for two")
        }
        for node in 0..<nodes { cluster.stop(node) }
        for node in 0..<nodes { try cluster.start(node) }
        #expect(cluster.run { cluster.isServing() })
        try Self.read(cluster, 0, 0..<500)
        #expect(cluster.run(until: cluster.isConverged))
        try Self.fill(cluster, 0, 500..<520)
        try Self.read(cluster, nodes - 1, 490..<520)
    }

    @Test func `a log beyond its limit begins at the newest snapshot, which is then alone`() throws
    {
        let cluster = try Self.cluster(nodes: 1, wal: 256 << 10)
        let client = try cluster.open(0)
        let value = String(repeating: "v", count: 20_000)
        for burst in 0..<4 {
            // More in one go than the log may hold.
            let commands = (0..<50).map { "SET key:\($0) \(value)\(burst)\r\n" }.joined()
            let replies = String(repeating: "+OK\r\n", count: 50)
            #expect(cluster.expect(replies, to: commands, client) == nil)
            // Up to a third of the limit wants no other one: four entries.
            #expect(
                cluster.run {
                    let replica = cluster.replica(0)
                    return replica.map { ($0.snapshots.first ?? 0) + 4 >= $0.applied } ?? false
                })
        }
        let replica = try #require(cluster.replica(0))
        #expect(replica.snapshots.count == 1)
        #expect(replica.firstIndex == replica.snapshots[0] + 1)
        #expect(
            cluster.run { cluster.nodes[0].snapshots.ids.filter { $0.group.raw == 1 }.count == 1 })
        cluster.stop(0)
        try cluster.start(0)
        #expect(cluster.run { cluster.isServing() })
        let again = try cluster.open(0)
        #expect(cluster.expect("$20001\r\n\(value)3\r\n", to: "GET key:7\r\n", again) == nil)
    }

    @Test func `replicas of a group write one after the other, and the same bytes`() throws {
        let cluster = try Self.cluster(wal: 1 << 20)
        try Self.fill(cluster, 0, 0..<100)
        // The comparison of replicas is over too, which moves the log.
        cluster.run(milliseconds: 25_000)
        #expect(cluster.run(until: cluster.isConverged))
        for node in 0..<3 {
            let client = try cluster.open(node)
            #expect(
                cluster.expect("+Background saving started\r\n", to: "BGSAVE\r\n", client) == nil)
        }
        #expect(
            cluster.run {
                cluster.nodes.allSatisfy { !$0.snapshots.ids.filter { $0.group.raw == 1 }.isEmpty }
            })
        let files = cluster.nodes.map { node in
            node.snapshots.files.filter { $0.key.group.raw == 1 }
        }
        for node in 1..<3 {
            #expect(files[node].keys == files[0].keys)
            for (id, file) in files[node] {
                let areEqual = file.bytes == files[0][id]?.bytes
                #expect(areEqual)
            }
        }
        let client = try cluster.open(0)
        let answer = cluster.ask("LASTSAVE\r\n", client)
        let saved = Int64(answer.filter { $0 >= "0" && $0 <= "9" }) ?? 0
        #expect(saved >= 1_700_000_000 && saved <= cluster.now.wall / 1000)
    }

    @Test func `a follower that the log has left behind is sent the snapshot`() throws {
        let cluster = try Self.cluster()
        try Self.fill(cluster, 0, 0..<20)
        let leader = try #require(cluster.leader())
        let lost = cluster.follower()
        cluster.stop(lost)
        try Self.fill(cluster, leader, 20..<600)
        #expect(cluster.run { (cluster.replica(leader)?.firstIndex ?? 0) > 200 })
        try cluster.start(lost)
        #expect(cluster.run { cluster.isConverged() && cluster.isServing() })
        #expect(cluster.nodes[lost].lines.contains { $0.hasPrefix("snapshot-loaded") })
        #expect(cluster.leader() == leader)
        try Self.read(cluster, lost, 0..<600)
        // And again after a restart of the whole cluster.
        for node in 0..<3 { cluster.stop(node) }
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run { cluster.isServing() && cluster.isConverged() })
        try Self.read(cluster, lost, 0..<600)
    }

    @Test func `a transfer goes on where a broken link left it`() throws {
        let cluster = try Self.cluster(wal: 4 << 20)
        let leader = try #require(cluster.leader())
        let lost = cluster.follower()
        cluster.stop(lost)
        try Self.fill(cluster, leader, 0..<600, bytes: 20_000)
        #expect(cluster.run { (cluster.replica(leader)?.firstIndex ?? 0) > 100 })
        let before = cluster.nodes[leader].snapshots.bytesRead
        try cluster.start(lost)
        #expect(cluster.run { cluster.nodes[leader].snapshots.bytesRead > before + (3 << 20) })
        let size = cluster.nodes[leader].snapshots.files.map(\.value.bytes.count).max() ?? 0
        #expect(size > 8 << 20)
        cluster.breakWires(leader, lost)
        #expect(cluster.run { cluster.isConverged() && cluster.isServing() })
        #expect(
            cluster.nodes[leader].snapshots.bytesRead - before < size + (3 << 20),
            "what was there was sent again")
        try Self.read(cluster, lost, 590..<600, bytes: 20_000)
    }

    @Test(arguments: [1, 3]) func `a damaged newest snapshot falls back to the older and the log`(
        nodes: Int
    ) throws {
        let cluster = try Self.cluster(nodes: nodes, wal: 1 << 20)
        try Self.fill(cluster, 0, 0..<500, bytes: 2000)
        #expect(cluster.run(until: cluster.isConverged))
        #expect(
            cluster.run { cluster.nodes[0].snapshots.ids.filter { $0.group.raw == 1 }.count == 2 })
        cluster.stop(0)
        let snapshots = cluster.nodes[0].snapshots
        let newest = try #require(snapshots.ids.first { $0.group.raw == 1 })
        snapshots.damaged = [newest]
        try cluster.start(0)
        #expect(cluster.run { cluster.isServing() && cluster.isConverged() })
        #expect(cluster.nodes[0].lines.contains { $0.hasPrefix("snapshot-damaged") })
        #expect(!cluster.nodes[0].lines.contains { $0.hasPrefix("state-lost") })
        try Self.read(cluster, 0, 0..<500, bytes: 2000)
    }

    @Test func `a replica whose snapshots are all damaged is repaired by its peers`() throws {
        let cluster = try Self.cluster()
        try Self.fill(cluster, 0, 0..<500)
        let lost = cluster.follower()
        #expect(cluster.run { (cluster.replica(lost)?.firstIndex ?? 0) > 100 })
        cluster.stop(lost)
        cluster.nodes[lost].snapshots.damaged = Set(cluster.nodes[lost].snapshots.ids)
        try cluster.start(lost)
        #expect(cluster.run(seconds: 60) { cluster.isConverged() && cluster.isServing() })
        #expect(cluster.nodes[lost].lines.contains { $0.hasPrefix("state-lost") })
        try Self.read(cluster, lost, 0..<500)
    }

    @Test func `a single node whose snapshots are all damaged stops and says why`() throws {
        let cluster = try Self.cluster(nodes: 1)
        try Self.fill(cluster, 0, 0..<500)
        #expect(cluster.run { (cluster.replica(0)?.firstIndex ?? 0) > 100 })
        cluster.stop(0)
        cluster.nodes[0].snapshots.damaged = Set(cluster.nodes[0].snapshots.ids)
        try cluster.start(0)
        #expect(cluster.run { cluster.nodes[0].exit != nil })
        guard case .fatal(let reason) = cluster.nodes[0].exit else {
            Issue.record("it did not stop")
            return
        }
        #expect(reason.contains("is lost"))
    }

    @Test func `a disk without room for a snapshot costs nothing but the snapshot`() throws {
        let cluster = try Self.cluster(nodes: 1)
        cluster.nodes[0].snapshots.isFull = true
        try Self.fill(cluster, 0, 0..<200)
        #expect(cluster.nodes[0].lines.contains { $0.hasPrefix("snapshot-failed") })
        #expect(cluster.replica(0)?.firstIndex == 1)
        cluster.nodes[0].snapshots.isFull = false
        cluster.run(milliseconds: 35_000)
        try Self.fill(cluster, 0, 200..<500)
        #expect(cluster.run { (cluster.replica(0)?.firstIndex ?? 0) > 100 })
        try Self.read(cluster, 0, 0..<500)
    }

    @Test func `clients are told that a node is loading, until it has loaded`() throws {
        let cluster = try Self.cluster(nodes: 1, wal: 1 << 20)
        try Self.fill(cluster, 0, 0..<400, bytes: 4000)
        #expect(cluster.run { !cluster.nodes[0].snapshots.files.isEmpty })
        cluster.stop(0)
        try cluster.start(0)
        let client = try cluster.open(0)
        cluster.send("GET key:1\r\nINFO persistence\r\n", client)
        cluster.step()
        let early = cluster.output(client)
        #expect(early.hasPrefix("-LOADING Redis is loading the dataset in memory\r\n"))
        #expect(cluster.run { !cluster.ask("PING\r\n", client).hasPrefix("-LOADING") })
        #expect(cluster.nodes[0].lines.contains { $0.hasPrefix("snapshot-loaded") })
        try Self.read(cluster, 0, 0..<400, bytes: 4000)
    }

    @Test func `growth is refused beyond maxmemory, and nothing else is`() throws {
        let cluster = try EngineCluster.formed { $0.maxMemory = 1_000_000 }
        let leader = try #require(cluster.leader())
        let value = String(repeating: "x", count: 2000)
        for node in [leader, cluster.follower()] {
            let client = try cluster.open(node)
            var refusal = ""
            for number in 0..<600 where refusal.isEmpty {
                let reply = cluster.ask(
                    "SET m\(node):\(number) \(value)\r\n", client, milliseconds: 150)
                if reply != "+OK\r\n" { refusal = reply }
            }
            #expect(
                refusal == "-OOM command not allowed when used memory > 'maxmemory'.\r\n")
            #expect(cluster.expect(":1\r\n", to: "EXISTS m\(leader):0\r\n", client) == nil)
            #expect(
                cluster.expect(
                    "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n",
                    to: "MULTI\r\nSET a b\r\nEXEC\r\n", client) == nil)
            #expect(cluster.expect(":1\r\n", to: "DEL m\(leader):1\r\n", client) == nil)
            cluster.run(milliseconds: 50)
            #expect(cluster.expect("+OK\r\n", to: "SET m\(leader):1 \(value)\r\n", client) == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }
}
