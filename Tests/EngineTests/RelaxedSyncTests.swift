import Bytes
import Configuration
import Engine
import PeerProtocol
import Raft
import Testing
import WAL

/// `appendfsync everysec|no`: which batches are synced all the same, and what a node makes of the end of
/// its machine. What becomes of the data is simulated: see the scenarios whose names begin with relaxed.
@Suite struct RelaxedSyncTests {
    private static func formed(_ mode: AppendFsync = .no) throws -> EngineCluster {
        try EngineCluster.formed { $0.appendfsync = mode }
    }

    /// The node's process ends, and its machine with it.
    private static func lose(_ node: Int, of cluster: EngineCluster) {
        cluster.stop(node)
        cluster.nodes[node].machine += 1
    }

    private static func lacks(_ node: Int, of cluster: EngineCluster) -> Bool {
        cluster.nodes[node].process?.engine.mayLackEntries ?? false
    }

    // MARK: One mode for all

    @Test func `nodes of different modes refuse each other and say why`() throws {
        let cluster = try Self.formed(.everysec)
        cluster.stop(2)
        cluster.nodes[2].configuration.appendfsync = .always
        for node in cluster.nodes { node.lines = [] }
        try cluster.start(2)
        cluster.run(milliseconds: 3000)
        for node in cluster.nodes {
            #expect(
                node.lines.contains { $0.contains("appendfsync differs") },
                "\(node.name): \(node.lines)")
        }
        #expect(cluster.replica(2)?.leader == nil)
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
    }

    // MARK: What is synced in every mode

    /// Plays the start of a single node; the batches until it serves, and the node.
    private static func start(_ mode: AppendFsync) throws -> (synced: [Bool], node: SingleNode) {
        var configuration = Configuration()
        configuration.appendfsync = mode
        let node = try SingleNode(configuration, turns: 0)
        var synced: [Bool] = []
        for _ in 0..<50 where node.engine.replicas.count < 2 {
            node.advance(milliseconds: 20)
            node.engine.tick(now: node.now)
            node.engine.endTurn(now: node.now)
            guard let batch = node.engine.outbox.batch.take() else { continue }
            synced.append(batch.mustSync)
            let number = batch.number
            node.engine.logDurable(written: number, synced: number, now: node.now)
        }
        return (synced, node)
    }

    @Test(arguments: [AppendFsync.always, .everysec, .no])
    func `what makes the cluster is synced, writes of clients are not`(mode: AppendFsync) throws {
        let (synced, node) = try Self.start(mode)
        #expect(node.engine.replicas.count == 2)
        #expect(synced.count > 2 && synced.allSatisfy { $0 })
        for _ in 0..<50 { node.turn() }
        let client = try node.open()
        #expect(node.ask("SET a 1\r\n", client) == "+OK\r\n")
        node.send("SET a 2\r\n", client)
        node.engine.endTurn(now: node.now)
        guard let batch = node.engine.outbox.batch.take() else {
            throw TestError.neverHappened("a batch with the write")
        }
        let mustSync = batch.mustSync
        #expect(!mustSync, "the log thread decides by the mode")
    }

    @Test func `nothing behind the record of a clean stop can be lost`() throws {
        let (_, node) = try Self.start(.no)
        for _ in 0..<50 { node.turn() }
        let client = try node.open()
        _ = node.ask("SET a 1\r\n", client)
        node.engine.shutdown(now: node.now)
        var seen = 0
        for round in 0..<5 {
            node.send("SET a \(round)\r\n", client)
            node.engine.endTurn(now: node.now)
            guard let batch = node.engine.outbox.batch.take() else { continue }
            let mustSync = batch.mustSync
            #expect(mustSync, "round \(round)")
            seen += 1
        }
        #expect(seen > 0)
    }

    // MARK: After the end of a machine

    @Test(arguments: [AppendFsync.everysec, .no])
    func `a node whose machine went down says so, catches up, and writes that down`(
        mode: AppendFsync
    ) throws {
        let cluster = try Self.formed(mode)
        let client = try cluster.open(0)
        _ = cluster.ask("SET a 1\r\nINCR n\r\n", client)
        let victim = cluster.follower()
        Self.lose(victim, of: cluster)
        cluster.isolate(victim)
        try cluster.start(victim)
        cluster.run(milliseconds: 2000)
        #expect(Self.lacks(victim, of: cluster))
        #expect(cluster.nodes[victim].lines.contains { $0.contains("may-lack-entries") })
        // Not forgotten with the process, nor by a clean stop.
        cluster.stop(victim)
        try cluster.start(victim)
        #expect(Self.lacks(victim, of: cluster))
        cluster.run(milliseconds: 100)
        cluster.nodes[victim].process?.engine.shutdown(now: cluster.now)
        cluster.nodes[victim].process?.hasEvents = true
        #expect(cluster.run(until: { cluster.nodes[victim].exit != nil }))
        try cluster.start(victim)
        #expect(Self.lacks(victim, of: cluster))
        cluster.heal()
        #expect(cluster.run(until: { !Self.lacks(victim, of: cluster) }))
        #expect(cluster.nodes[victim].lines.contains { $0.contains("caught-up") })
        cluster.run(milliseconds: 100)
        cluster.stop(victim)
        try cluster.start(victim)
        #expect(!Self.lacks(victim, of: cluster))
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `it does not vote before that`() throws {
        let cluster = try Self.formed()
        let leader = try #require(cluster.leader())
        let victim = cluster.follower()
        Self.lose(victim, of: cluster)
        cluster.isolate(leader)
        try cluster.start(victim)
        for _ in 0..<50 {
            cluster.run(milliseconds: 100)
            #expect(cluster.leader().map { $0 == leader } ?? true, "another leader was elected")
        }
        #expect(Self.lacks(victim, of: cluster))
        cluster.heal()
        #expect(cluster.run(until: { cluster.isServing() && !Self.lacks(victim, of: cluster) }))
        // Its vote counts again.
        cluster.stop(try #require(cluster.leader()))
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `when a majority of machines went down, nobody waits for ever`() throws {
        let cluster = try Self.formed()
        for node in 0..<3 { Self.lose(node, of: cluster) }
        // The third comes when the others wait already: they must hear of all.
        for node in 0..<2 { try cluster.start(node) }
        cluster.run(milliseconds: 3000)
        #expect(cluster.leader() == nil)
        #expect((0..<2).allSatisfy { Self.lacks($0, of: cluster) })
        try cluster.start(2)
        #expect(cluster.run(until: { cluster.isServing() }))
        #expect(cluster.run(until: { (0..<3).allSatisfy { !Self.lacks($0, of: cluster) } }))
        #expect(cluster.nodes.contains { $0.lines.contains { $0.contains("votes-with-gaps") } })
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
    }

    @Test func `gaps one after the other are not taken for gaps at once`() throws {
        let cluster = try EngineCluster.formed(nodes: 5) { $0.appendfsync = .no }
        let leader = try #require(cluster.leader())
        let others = (0..<5).filter { $0 != leader }
        let (first, second, last) = (others[0], others[1], others[2])
        // The last one hears of the first one's gap, and from then on nothing more of that node.
        Self.lose(last, of: cluster)
        Self.lose(first, of: cluster)
        cluster.hold(from: leader, to: first)
        cluster.hold(from: leader, to: last)
        try cluster.start(first)
        try cluster.start(last)
        cluster.run(milliseconds: 500)
        #expect(Self.lacks(first, of: cluster) && Self.lacks(last, of: cluster))
        cluster.heal()
        cluster.hold(from: first, to: last)
        cluster.hold(from: leader, to: last)
        #expect(cluster.run(until: { !Self.lacks(first, of: cluster) }))
        Self.lose(second, of: cluster)
        try cluster.start(second)
        for _ in 0..<20 {
            cluster.run(milliseconds: 50)
            #expect(Self.lacks(last, of: cluster), "three gaps, of which two were there at once")
        }
        cluster.heal()
        #expect(cluster.run(until: { (0..<5).allSatisfy { !Self.lacks($0, of: cluster) } }))
        #expect(!cluster.nodes.contains { $0.lines.contains { $0.contains("votes-with-gaps") } })
    }

    @Test func `the end of a machine is nothing when every write was synced`() throws {
        let cluster = try Self.formed(.always)
        for node in 0..<3 { Self.lose(node, of: cluster) }
        for node in 0..<3 { try cluster.start(node) }
        #expect((0..<3).allSatisfy { !Self.lacks($0, of: cluster) })
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `a machine that cannot be told apart from its last boot counts as another`() throws {
        let cluster = try EngineCluster.formed { $0.appendfsync = .no }
        cluster.stop(0)
        try cluster.start(0)
        #expect(!Self.lacks(0, of: cluster))
        cluster.stop(0)
        cluster.nodes[0].machine = 0
        try cluster.start(0)
        #expect(Self.lacks(0, of: cluster))
        #expect(cluster.run(until: { !Self.lacks(0, of: cluster) }))
        cluster.run(milliseconds: 100)
        cluster.stop(0)
        try cluster.start(0)
        #expect(Self.lacks(0, of: cluster))
    }

    @Test func `a hello tells gaps`() throws {
        let hello = Hello(
            name: "n1", node: 1, incarnation: Incarnation(7), boot: 3, membership: .bound,
            cluster0: 1, cluster1: 2, clientHost: "10.0.0.1", clientPort: 7001, syncMode: 2,
            mayLackEntries: true, knownGaps: [Gap(node: 2, boot: 9), Gap(node: 3, boot: .max)],
            admitted: [Admitted(node: 1, incarnation: Incarnation(7))])
        var bytes = ByteBuffer()
        hello.encode(into: &bytes)
        let decoded = try Hello(decoding: bytes.readable)
        #expect(decoded == hello)
        #expect(hello.gaveUpWith.isEmpty)
    }
}
