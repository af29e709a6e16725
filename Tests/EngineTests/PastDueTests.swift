import Bytes
import Engine
import Testing

/// Reads of many keys while one of them after the other becomes due.
@Suite struct PastDueTests {
    private static let keys = 4000

    /// A cluster whose keys are due a millisecond apart, the first ones already. A commit takes ten.
    private func expiring(_ client: (EngineCluster) throws -> EngineCluster.Client) throws -> (
        EngineCluster, EngineCluster.Client
    ) {
        let cluster = try EngineCluster.formed()
        let client = try client(cluster)
        let due = cluster.now.wall + 2000
        for start in stride(from: 0, to: Self.keys, by: 500) {
            let sent = (start..<start + 500).map { "SET k\($0) v PXAT \(due + Int64($0))\r\n" }
            #expect(
                cluster.expect(
                    String(repeating: "+OK\r\n", count: 500), to: sent.joined(), client) == nil)
        }
        cluster.run(milliseconds: Int(due - cluster.now.wall) + 200)
        return (cluster, client)
    }

    /// Keys that reads have looked up on a node so far.
    private func lookups(_ cluster: EngineCluster, _ node: Int) throws -> Int {
        let text = cluster.ask("INFO stats\r\n", try cluster.open(node), milliseconds: 20)
        return ["keyspace_hits:", "keyspace_misses:"].reduce(0) { sum, name in
            let line = text.split(separator: "\r\n").first { $0.hasPrefix(name) }
            return sum + (line.flatMap { Int($0.dropFirst(name.utf8.count)) } ?? -1_000_000)
        }
    }

    private var exists: String {
        "EXISTS " + (0..<Self.keys).map { "k\($0)" }.joined(separator: " ") + "\r\n"
    }

    /// Milliseconds until a client gets something; nil when it gets nothing in a second.
    private func delay(_ cluster: EngineCluster, _ client: EngineCluster.Client) -> Int? {
        let start = cluster.now.wall
        var answer = ""
        let isThere = cluster.run(seconds: 1) {
            answer += cluster.output(client)
            return !answer.isEmpty
        }
        return isThere && !answer.hasPrefix("-") ? Int(cluster.now.wall - start) : nil
    }

    @Test func `KEYS comes to an end while keys expire, and holds nobody up`() throws {
        let (cluster, client) = try expiring { try $0.open($0.leader()!) }
        let other = try cluster.open(cluster.follower())
        cluster.send("KEYS *\r\n", client)
        cluster.step()
        cluster.send("GET k203\r\nGET none\r\n", other)
        let keys = try #require(delay(cluster, client))
        #expect(keys <= 100)
        let forwarded = try #require(delay(cluster, other))
        #expect(forwarded <= 100)
    }

    @Test(arguments: [false, true])
    func `a read is tried under the lease, with the clock, and when the log has its time`(
        isForwarded: Bool
    ) throws {
        let (cluster, client) = try expiring {
            try $0.open(isForwarded ? $0.follower() : $0.leader()!)
        }
        let leader = cluster.leader()!
        for _ in 0..<5 {
            let before = try lookups(cluster, leader)
            cluster.send(exists, client)
            let waited = try #require(delay(cluster, client))
            #expect(waited <= 100)
            let runs = (try lookups(cluster, leader) - before) / Self.keys
            #expect((2...3).contains(runs), "executed \(runs) times")
            cluster.run(milliseconds: 50)
        }
    }

    @Test func `reads that wait behind one another wait for one time entry`() throws {
        let (cluster, client) = try expiring { try $0.open($0.follower()) }
        let leader = cluster.leader()!
        let clients = try (0..<20).map { _ in try cluster.open(cluster.follower()) }
        let before = try lookups(cluster, leader)
        let logged = cluster.replica(leader)!.lastIndex
        for reader in clients { cluster.send(exists, reader) }
        for reader in clients { _ = try #require(delay(cluster, reader)) }
        let runs = (try lookups(cluster, leader) - before) / Self.keys
        // One try under the lease, one with the clock, and then each of them once.
        #expect(runs <= clients.count + 2, "executed \(runs) times")
        #expect(cluster.replica(leader)!.lastIndex - logged < 60)
        #expect(cluster.ask("GET k0\r\n", client) == "$-1\r\n")
    }

    @Test func `a follower's reads come to an end too`() throws {
        let (cluster, client) = try expiring { try $0.open($0.follower()) }
        let busy = try cluster.open(client.node)
        #expect(cluster.ask("READONLY\r\n", client) == "+OK\r\n")
        #expect(cluster.ask("READONLY\r\n", busy) == "+OK\r\n")
        for _ in 0..<5 {
            let before = try lookups(cluster, client.node)
            cluster.send(exists, client)
            let start = cluster.now.wall
            var (answer, others) = ("", 0)
            // Others ask all the time, and each answer brings a later clock.
            while answer.isEmpty, cluster.now.wall < start + 1000 {
                cluster.send("GET none\r\n", busy)
                others += 1
                cluster.step()
                answer += cluster.output(client)
            }
            #expect(answer.hasPrefix(":"), "after \(cluster.now.wall - start) ms")
            #expect(cluster.now.wall - start <= 100)
            #expect(
                cluster.expect(String(repeating: "$-1\r\n", count: others), to: "", busy) == nil)
            let runs = (try lookups(cluster, client.node) - before) / Self.keys
            #expect(runs == 2, "executed \(runs) times")
        }
    }

    @Test func `a leader that was deposed holds no read back for a time it can not log`() throws {
        let (cluster, client) = try expiring { try $0.open($0.follower()) }
        let old = cluster.leader()!
        cluster.send(exists, client)
        // The question is at the leader, and its time entry gets nowhere.
        cluster.step()
        cluster.isolate(old)
        var answer = ""
        cluster.run(seconds: 4) {
            answer += cluster.output(client)
            return !answer.isEmpty
        }
        #expect(answer.hasPrefix(":"))
        #expect(cluster.leader() != old)
        cluster.heal()
        #expect(cluster.run(until: cluster.isConverged))
    }
}
