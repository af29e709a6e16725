import Bytes
import Configuration
import Engine
import PeerProtocol
import Raft
import Snapshot
import Testing
import WAL

/// Nodes that join, leave and are replaced.
@Suite struct NodeChangeTests {
    /// Whether exactly these nodes (by place) are the voters of all groups, and everybody knows.
    private static func consists(_ cluster: EngineCluster, of members: [Int]) -> Bool {
        let ids = members.map { cluster.nodes[$0].id }.sorted()
        return members.allSatisfy { node in
            guard let process = cluster.nodes[node].process, process.engine.muteReason == nil,
                process.engine.replicas.count > 1
            else { return false }
            return process.engine.replicas.allSatisfy { replica in
                replica.voters == ids && replica.learners.isEmpty && !replica.isChanging
            } && process.engine.peerAddresses.count == members.count - 1
        }
    }

    private static func meet(_ node: Int) -> String {
        "CLUSTER MEET 10.0.0.\(node + 1) 7000 17000\r\n"
    }

    /// Meets nodes until all are members.
    private static func grow(_ cluster: EngineCluster, by count: Int, over node: Int = 0) throws {
        let client = try cluster.open(node)
        var members = Array(cluster.nodes.indices)
        for _ in 0..<count {
            let new = try cluster.addNode()
            members.append(new)
            #expect(cluster.expect("+OK\r\n", to: meet(new), client) == nil)
            #expect(
                cluster.run(until: { consists(cluster, of: members) }),
                "\(cluster.lines.suffix(20).joined(separator: "\n"))")
        }
    }

    @Test(arguments: [1, 3]) func `a cluster grows by nodes that are met, and they serve`(
        groups: Int
    ) throws {
        let cluster = try EngineCluster.formed(groups: groups)
        let client = try cluster.open(1)
        var sent = ""
        for key in 0..<50 { sent += "SET k\(key) v\(key)\r\nINCR n\r\n" }
        _ = cluster.ask(sent, client)
        try Self.grow(cluster, by: 2)
        #expect(cluster.nodes.map(\.id.raw) == [1, 2, 3, 4, 5])
        for node in 0..<5 {
            let again = try cluster.open(node)
            #expect(
                cluster.expect(
                    "$2\r\n50\r\n$3\r\nv49\r\n:51\r\n", to: "GET n\r\nGET k49\r\nDBSIZE\r\n",
                    again) == nil)
            #expect(
                cluster.expect(
                    "+OK\r\n:1\r\n", to: "SET at\(node) 1\r\nDEL at\(node)\r\n", again) == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
        // Two of five may die.
        cluster.stop(0)
        cluster.stop(1)
        #expect(cluster.run(until: { cluster.isServing(groups: groups) }))
        let last = try cluster.open(4)
        #expect(cluster.expect("+OK\r\n", to: "SET late 1\r\n", last) == nil)
    }

    @Test
    func `all know their cluster after a restart, and initial-cluster does not matter any more`()
        throws
    {
        let cluster = try EngineCluster.formed(groups: 2)
        try Self.grow(cluster, by: 1)
        let client = try cluster.open(3)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        for node in 0..<4 { cluster.stop(node) }
        for node in 0..<4 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.isServing(groups: 2) }))
        #expect(cluster.run(until: { Self.consists(cluster, of: [0, 1, 2, 3]) }))
        let again = try cluster.open(3)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", again) == nil)
    }

    @Test func `a node joins by a snapshot, and restarts from it`() throws {
        let cluster = try EngineCluster.formed { $0.walMaxSize = 1 << 20 }
        let client = try cluster.open(0)
        let value = String(repeating: "v", count: 10_000)
        for round in 0..<4 {
            for key in 0..<100 {
                cluster.send(command("SET", "k\(key)", "\(round)\(value)"), client)
            }
            cluster.run(milliseconds: 500)
            _ = cluster.ask("BGSAVE\r\n", client)
            cluster.run(milliseconds: 1500)
        }
        #expect(cluster.run(until: { cluster.replica(0)!.firstIndex > 10 }))
        try Self.grow(cluster, by: 1)
        #expect(cluster.replica(3)!.firstIndex > 10)
        #expect(cluster.run(until: cluster.isConverged))
        // Its snapshots hold the members that only the log told before.
        let other = try cluster.open(0)
        for key in 0..<50 { cluster.send(command("SET", "l\(key)", value), other) }
        cluster.run(milliseconds: 500)
        _ = cluster.ask("BGSAVE\r\n", other)
        cluster.run(milliseconds: 3000)
        for node in 0..<4 { cluster.stop(node) }
        for node in 0..<4 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.isServing() }))
        #expect(cluster.run(until: { Self.consists(cluster, of: [0, 1, 2, 3]) }))
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test(arguments: [false, true]) func `a node is forgotten, also the one that leads`(
        leading: Bool
    ) throws {
        let cluster = try EngineCluster.formed(groups: 2)
        try Self.grow(cluster, by: 1)
        let gone = leading ? cluster.leader()! : cluster.follower()
        let rest = (0..<4).filter { $0 != gone }
        let client = try cluster.open(rest[0])
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        #expect(
            cluster.expect(
                "+OK\r\n", to: "CLUSTER FORGET \(cluster.nodes[gone].id.raw)\r\n", client) == nil)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: rest) }),
            "\(cluster.lines.suffix(30).joined(separator: "\n"))")
        #expect(cluster.run(until: { cluster.nodes[gone].process!.engine.muteReason != nil }))
        let there = try cluster.open(gone)
        #expect(cluster.ask("GET a\r\n", there).contains("was removed from the cluster"))
        // It remembers.
        cluster.stop(gone)
        try cluster.start(gone)
        cluster.run(milliseconds: 3000)
        #expect(cluster.nodes[gone].process!.engine.muteReason?.contains("removed") == true)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", client) == nil)
        #expect(cluster.expect("+OK\r\n", to: "SET a 2\r\n", client) == nil)
        #expect(
            cluster.ask("CLUSTER FORGET \(cluster.nodes[gone].id.raw)\r\n", client)
                .hasPrefix("-ERR Unknown node"))
    }

    @Test func `a dead node is forgotten, and learns of it when it comes back`() throws {
        let cluster = try EngineCluster.formed()
        cluster.stop(2)
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "CLUSTER FORGET 3\r\n", client) == nil)
        #expect(cluster.run(until: { Self.consists(cluster, of: [0, 1]) }))
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.nodes[2].process!.engine.muteReason != nil }))
        #expect(cluster.nodes[2].process!.engine.muteReason!.contains("removed"))
        #expect(cluster.expect("+OK\r\n", to: "SET a 2\r\n", client) == nil)
        // Emptied, it may come again, as another one.
        cluster.stop(2)
        cluster.wipe(2)
        cluster.nodes[2].configuration.initialCluster = []
        cluster.nodes[2].configuration.join = true
        try cluster.start(2)
        #expect(cluster.expect("+OK\r\n", to: Self.meet(2), client) == nil)
        #expect(cluster.run(until: { Self.consists(cluster, of: [0, 1, 2]) }))
        #expect(cluster.nodes[2].id.raw == 4)
    }

    @Test(arguments: 0..<3) func `a wiped node is taken in again under another id`(wiped: Int)
        throws
    {
        let cluster = try EngineCluster.formed(groups: 2)
        let client = try cluster.open((wiped + 1) % 3)
        var sent = ""
        for key in 0..<50 { sent += "SET k\(key) v\(key)\r\n" }
        _ = cluster.ask(sent, client)
        cluster.stop(wiped)
        cluster.wipe(wiped)
        try cluster.start(wiped)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: [0, 1, 2]) }),
            "\(cluster.lines.suffix(140).joined(separator: "\n"))")
        #expect(cluster.nodes[wiped].id.raw == 4)
        #expect(cluster.run(until: { cluster.isServing(groups: 2) }))
        #expect(cluster.run(until: cluster.isConverged))
        // It counts now: another one may die.
        cluster.stop((wiped + 1) % 3)
        #expect(cluster.run(until: { cluster.isServing(groups: 2) }))
        let again = try cluster.open(wiped)
        #expect(cluster.expect(":50\r\n+OK\r\n", to: "DBSIZE\r\nSET b 1\r\n", again) == nil)
    }

    /// It may have been left with the default name.
    @Test func `a dead member is not replaced by a namesake at another address`() throws {
        let cluster = try EngineCluster.formed()
        cluster.stop(0)
        #expect(cluster.run(until: { cluster.leader(1).map { $0 != 0 } ?? false }))
        let client = try cluster.open(1)
        let namesake = try cluster.addNode(named: "n1")
        #expect(cluster.expect("+OK\r\n", to: Self.meet(namesake), client) == nil)
        cluster.run(milliseconds: 5000)
        #expect(cluster.nodes[1].lines.contains { $0.contains("node-name n1 is that of node 1") })
        #expect(cluster.nodes[namesake].process!.engine.muteReason != nil)
        // The member is one still.
        try cluster.start(0)
        #expect(cluster.run(until: { Self.consists(cluster, of: [0, 1, 2]) }))
        // With that one forgotten the name is free.
        cluster.stop(0)
        #expect(cluster.run(until: { cluster.leader(1).map { $0 != 0 } ?? false }))
        let again = try cluster.open(1)
        let lines = cluster.ask("CLUSTER NODES\r\n", again).split(whereSeparator: \.isNewline)
        let dead = try #require(lines.first { $0.contains("10.0.0.1:") }).prefix(40)
        #expect(cluster.expect("+OK\r\n", to: "CLUSTER FORGET \(dead)\r\n", again) == nil)
        cluster.run(milliseconds: 3000)
        #expect(cluster.expect("+OK\r\n", to: Self.meet(namesake), again) == nil)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: [1, 2, namesake]) }),
            "\(cluster.lines.suffix(140).joined(separator: "\n"))")
    }

    /// Of two nodes the lower id dials; this one does not know anybody any more.
    @Test func `a wiped node that had joined is found by the others`() throws {
        let cluster = try EngineCluster.formed(nodes: 1) { $0.initialCluster = [] }
        try Self.grow(cluster, by: 3)
        let client = try cluster.open(3)
        #expect(cluster.expect("+OK\r\n", to: "CLUSTER FORGET 1\r\n", client) == nil)
        #expect(cluster.run(until: { Self.consists(cluster, of: [1, 2, 3]) }))
        cluster.stop(0)
        cluster.stop(1)
        cluster.wipe(1)
        try cluster.start(1)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: [1, 2, 3]) }),
            "\(cluster.lines.suffix(30).joined(separator: "\n"))")
        #expect(cluster.nodes[1].id.raw == 5)
        #expect(cluster.run(until: cluster.isConverged))
    }

    /// Its log would come from a node that it does not know.
    @Test func `who was away learns of the system group's leader that came meanwhile`() throws {
        let cluster = try EngineCluster.formed(nodes: 5)
        cluster.stop(2)
        #expect(cluster.run(until: { cluster.leader(1).map { $0 != 2 } ?? false }))
        cluster.stop(3)
        cluster.wipe(3)
        try cluster.start(3)
        #expect(cluster.run(until: { cluster.nodes[3].id.raw == 6 }))
        let client = try cluster.open(0)
        #expect(
            cluster.run(until: {
                cluster.replica(3, 0)?.voters.contains(NodeID(6)) ?? false
            }))
        for group in 0...1 {
            #expect(cluster.expect("+OK\r\n", to: "SKEIN.TRANSFER \(group) 6\r\n", client) == nil)
        }
        try cluster.start(2)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: [0, 1, 2, 3, 4]) }),
            "\(cluster.lines.suffix(40).joined(separator: "\n"))")
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `a directory that was rolled back is refused for ever`() throws {
        let cluster = try EngineCluster.formed()
        let client = try cluster.open(0)
        cluster.stop(2)
        let (copy, another) = (cluster.nodes[2].disk.copy(), cluster.nodes[2].disk.copy())
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.isServing() }))
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        cluster.stop(2)
        cluster.nodes[2].disk = copy
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.nodes[2].process!.engine.muteReason != nil }))
        #expect(cluster.nodes[2].process!.engine.muteReason!.contains("older copy"))
        // Also after all others were restarted, and itself.
        for node in 0..<3 { cluster.stop(node) }
        cluster.nodes[2].disk = another
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.nodes[2].process!.engine.muteReason != nil }))
        let again = try cluster.open(0)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", again) == nil)
    }

    @Test func `a lone node becomes three`() throws {
        let cluster = try EngineCluster.formed(nodes: 1) { $0.initialCluster = [] }
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        try Self.grow(cluster, by: 2)
        cluster.stop(0)
        #expect(cluster.run(until: { cluster.isServing() }))
        let other = try cluster.open(2)
        #expect(cluster.expect("$1\r\n1\r\n", to: "GET a\r\n", other) == nil)
    }

    @Test func `a node that waits says so, and a stranger's name does not get in`() throws {
        let cluster = try EngineCluster.formed()
        let waiting = try cluster.addNode()
        cluster.run(milliseconds: 500)
        let there = try cluster.open(waiting)
        #expect(cluster.ask("GET a\r\n", there).contains("CLUSTER MEET"))
        #expect(cluster.ask(Self.meet(0), there).contains("-CLUSTERDOWN"))
        // The name of a member that is alive.
        let double = try cluster.addNode(named: "n2")
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: Self.meet(double), client) == nil)
        cluster.run(milliseconds: 3000)
        #expect(Self.consists(cluster, of: [0, 1, 2]))
        #expect(cluster.nodes[double].process!.engine.muteReason != nil)
        #expect(cluster.lines.contains { $0.contains("node-name n2 is that of node 2") })
        for (text, answer) in [
            ("CLUSTER MEET 10.0.0.9 0", "-ERR Invalid base port"),
            ("CLUSTER MEET 10.0.0.9 60000", "-ERR Invalid bus port"),
            ("CLUSTER FORGET nobody", "-ERR Unknown node nobody"),
            ("SKEIN.TRANSFER 9 1", "-ERR Unknown group 9"),
            ("CLUSTER KEYSLOT a", ":15495"),
        ] {
            let reply = cluster.ask(text + "\r\n", client, milliseconds: 100)
            #expect(reply.hasPrefix(answer), "\(text): \(reply)")
        }
    }

    @Test func `leadership is transferred to the node that is asked for`() throws {
        let cluster = try EngineCluster.formed(groups: 2)
        for target in [2, 0, 1] {
            let client = try cluster.open(1)
            #expect(
                cluster.expect("+OK\r\n", to: "SKEIN.TRANSFER 2 \(target + 1)\r\n", client) == nil)
            #expect(cluster.run(until: { cluster.leader(2) == target }))
        }
    }

    @Test func `CLUSTER tells who leads what`() throws {
        let cluster = try EngineCluster.formed(groups: 2)
        try Self.grow(cluster, by: 1)
        #expect(cluster.run(until: { cluster.isServing(groups: 2) }))
        let client = try cluster.open(0)
        let nodes = cluster.ask("CLUSTER NODES\r\n", client)
        let lines = nodes.split(separator: "\n").dropFirst()
        #expect(lines.count >= 4)
        let leader = cluster.nodes[cluster.leader(2)!]
        #expect(lines.contains { $0.contains(leader.host) && $0.contains("8192-16383") })
        #expect(cluster.ask("CLUSTER INFO\r\n", client).contains("cluster_state:ok"))
        #expect(cluster.ask("CLUSTER SLOTS\r\n", client).hasPrefix("*2\r\n*6\r\n:0\r\n:8191"))
        #expect(cluster.ask("CLUSTER SHARDS\r\n", client).contains("replication-offset"))
        #expect(cluster.ask("SKEIN.NODES\r\n", client).contains("member"))
    }

    @Test func `a cluster of one is made from the directory of a node that had joined`() throws {
        let cluster = try EngineCluster.formed(groups: 2)
        try Self.grow(cluster, by: 1)
        let client = try cluster.open(3)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
        for node in 0..<4 { cluster.stop(node) }
        let last = cluster.nodes[3]
        var parameters = WALParameters(saltSeed: 77)
        parameters.segmentBytes = 1 << 20
        var recovered = try WALRecovery.recover(from: last.disk, parameters)
        var recovery = try ClusterRecovery(
            &recovered, snapshots: last.snapshots.listing(), nodeName: nil, random: 5)
        let batch = recovery.batch()
        last.disk.execute(StoredBatch(batch))
        last.configuration.join = false
        last.configuration.initialCluster = [
            InitialMember(name: last.name, host: last.host, port: 17000)
        ]
        try cluster.start(3)
        #expect(
            cluster.run(until: { cluster.isServing(groups: 2) }),
            "\(cluster.lines.suffix(10).joined(separator: "\n"))")
        #expect(last.id.raw == 1)
        let again = try cluster.open(3)
        #expect(
            cluster.expect("$1\r\n1\r\n+OK\r\n", to: "GET a\r\nSET b 1\r\n", again) == nil)
        // The others take it for a stranger, and go on without it.
        for node in 0..<3 { try cluster.start(node) }
        cluster.run(milliseconds: 3000)
        #expect(cluster.leader(1) != nil && last.process!.engine.muteReason == nil)
        // It can grow again.
        cluster.stop(0)
        cluster.stop(1)
        cluster.stop(2)
        let new = try cluster.addNode(named: "n9")
        let third = try cluster.open(3)
        #expect(cluster.expect("+OK\r\n", to: Self.meet(new), third) == nil)
        #expect(
            cluster.run(until: { Self.consists(cluster, of: [3, new]) }),
            "\(cluster.lines.suffix(20).joined(separator: "\n"))")
        // Commands are named by their node's number: none of the old cluster's is given again.
        #expect(cluster.nodes[new].id.raw == 5)
        let fourth = try cluster.open(new)
        #expect(cluster.expect("+OK\r\n:1\r\n", to: "SET c 1\r\nINCR d\r\n", fourth) == nil)
    }
}
