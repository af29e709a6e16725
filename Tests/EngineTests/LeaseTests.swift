import Bytes
import Configuration
import Engine
import Raft
import Testing

/// Reads under a lease, without one, and when it ends at the wrong moment.
@Suite struct LeaseTests {
    /// Lets so much time pass on a node between its reads and the end of its turn.
    private func endTurn(
        _ cluster: EngineCluster, _ node: Int, after milliseconds: Int64
    ) -> EngineCluster {
        cluster.now.boot = cluster.now.boot + .milliseconds(milliseconds)
        cluster.now.wall += milliseconds
        cluster.nodes[node].process!.liveness.stampLoop(now: cluster.now.boot)
        cluster.turn(cluster.nodes[node])
        return cluster
    }

    @Test func `reads whose lease ended within the turn are taken back and answered later`() throws
    {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        cluster.send("GET a\r\nGET none\r\nPING\r\nEXISTS a\r\nINCR a\r\nGET a\r\n", client)
        let before = cluster.nodes[leader].process!.engine.leaseReadsTakenBack
        _ = endTurn(cluster, leader, after: 290)
        #expect(cluster.nodes[leader].process!.engine.leaseReadsTakenBack > before)
        #expect(cluster.output(client) == "")
        var answer = ""
        let expected = "$1\r\n1\r\n$-1\r\n+PONG\r\n:1\r\n:2\r\n$1\r\n2\r\n"
        cluster.run(seconds: 5) {
            answer += cluster.output(client)
            return answer.utf8.count >= expected.utf8.count
        }
        #expect(answer == expected)
    }

    @Test func `a reply that was to be skipped is skipped again after it was taken back`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let client = try cluster.open(leader)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        cluster.send("CLIENT REPLY SKIP\r\nGET a\r\nGET none\r\n", client)
        _ = endTurn(cluster, leader, after: 290)
        var answer = cluster.output(client)
        #expect(answer == "")
        cluster.run(milliseconds: 2000)
        answer += cluster.output(client)
        #expect(answer == "$-1\r\n")
    }

    @Test func `a peer's reads are taken back too`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let client = try cluster.open(node)
        #expect(cluster.ask("SET a 1\r\n", client) == "+OK\r\n")
        cluster.send(String(repeating: "GET a\r\n", count: 20), client)
        cluster.turn(cluster.nodes[node])
        // The frame is on its way; the leader takes it and then its turn takes too long.
        for wire in cluster.wires where Set(wire.ends) == [leader, node] {
            let side = wire.ends[0] == leader ? 0 : 1
            let bytes = wire.pipes[side]
            wire.pipes[side] = []
            cluster.nodes[leader].process!.engine.receive(
                bytes.span, link: wire.link, now: cluster.now)
        }
        let before = cluster.nodes[leader].process!.engine.leaseReadsTakenBack
        _ = endTurn(cluster, leader, after: 290)
        #expect(cluster.nodes[leader].process!.engine.leaseReadsTakenBack > before)
        var answer = ""
        cluster.run(seconds: 5) {
            answer += cluster.output(client)
            return answer.utf8.count >= 140
        }
        #expect(answer == String(repeating: "$1\r\n1\r\n", count: 20))
    }

    @Test func `a deposed leader answers no read from its old state`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        let node = cluster.follower()
        let old = try cluster.open(leader)
        let new = try cluster.open(node)
        #expect(cluster.ask("SET a old\r\n", old) == "+OK\r\n")
        cluster.isolate(leader)
        #expect(cluster.expect("+OK\r\n", to: "SET a new\r\n", new) == nil)
        cluster.send("GET a\r\n", old)
        cluster.run(milliseconds: 1000)
        #expect(cluster.output(old) == "")
        cluster.heal()
        var answer = ""
        cluster.run(seconds: 4) {
            answer += cluster.output(old)
            return !answer.isEmpty
        }
        #expect(answer == "$3\r\nnew\r\n")
    }

    @Test func `a promise is kept over a restart with a shorter election-timeout`() throws {
        let cluster = try EngineCluster.formed { $0.electionTimeout = .seconds(2) }
        let leader = cluster.leader()!
        let others = cluster.nodes.indices.filter { $0 != leader }
        let old = try cluster.open(leader)
        #expect(cluster.ask("SET a old\r\n", old) == "+OK\r\n")
        cluster.run(milliseconds: 200)
        cluster.isolate(leader)
        let isolated = cluster.now.boot
        for node in others {
            cluster.stop(node)
            cluster.nodes[node].configuration.electionTimeout = .milliseconds(300)
            try cluster.start(node)
        }
        #expect(cluster.run { others.contains { cluster.replica($0)?.role == .leader } })
        let new = try cluster.open(others[0])
        #expect(cluster.expect("+OK\r\n", to: "SET a new\r\n", new) == nil)
        // The old leader relies upon what was promised to it; nobody told it that there is another.
        #expect(cluster.now.boot - isolated > .milliseconds(1800))
        #expect(cluster.ask("GET a\r\n", old, milliseconds: 100) != "$3\r\nold\r\n")
        // The next start knows of no longer promise: it is as fast as it is told to be.
        cluster.heal()
        cluster.run(milliseconds: 4000)
        for node in others { cluster.stop(node) }
        let stopped = cluster.now.boot
        for node in others { try cluster.start(node) }
        #expect(cluster.run { cluster.leader() != nil && cluster.leader() != leader })
        #expect(cluster.now.boot - stopped < .milliseconds(1500))
    }

    @Test(arguments: [true, false]) func `a key that was seen expired never comes back`(lease: Bool)
        throws
    {
        let cluster = try EngineCluster.formed { $0.readLease = lease }
        for node in 0..<3 {
            let client = try cluster.open(node)
            #expect(cluster.expect("+OK\r\n", to: "SET k v PX 60\r\n", client) == nil)
            // Polled by many reads at once: the one that sees it expired is followed by none that
            // sees it.
            var answer = ""
            for _ in 0..<40 {
                cluster.send(String(repeating: "EXISTS k\r\n", count: 5), client)
                cluster.step()
                answer += cluster.output(client)
            }
            cluster.run(seconds: 2) {
                answer += cluster.output(client)
                return answer.utf8.count >= 800
            }
            let digits = answer.filter { $0 == "0" || $0 == "1" }
            #expect(digits.count == 200)
            #expect(!digits.contains("01") && digits.contains("10"))
            // Without anybody reading, it goes by itself.
            #expect(cluster.expect("+OK\r\n", to: "SET k2 v PX 50\r\n", client) == nil)
            cluster.run(milliseconds: 300)
            #expect(cluster.ask("DBSIZE\r\n", client) == ":0\r\n")
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test(arguments: [true, false]) func `one node alone answers at once, whatever comes in a row`(
        lease: Bool
    ) throws {
        let cluster = try EngineCluster.formed(nodes: 1) { $0.readLease = lease }
        let client = try cluster.open(0)
        _ = cluster.ask("SET a 1\r\n", client)
        let began = cluster.now.boot
        #expect(
            cluster.expect(
                "$1\r\na\r\n:1\r\n+OK\r\n$1\r\n2\r\n:3\r\n$1\r\na\r\n:1\r\n+OK\r\n",
                to:
                    "RANDOMKEY\r\nDBSIZE\r\nSET a 2\r\nGET a\r\nINCR a\r\nRANDOMKEY\r\nDBSIZE\r\nFLUSHALL\r\n",
                client) == nil)
        // Steps are 5 ms; no command may wait for a timer.
        #expect(cluster.now.boot - began <= .milliseconds(60))
    }
}
