import Foundation
import Testing

extension ProcessTests {
    @Suite struct Formation {
        @Test func `three nodes accept writes within two seconds of their start`() throws {
            let cluster = try TestCluster()
            let start = ContinuousClock.now
            for node in cluster.nodes { try node.start() }
            let formed = eventually(within: .seconds(10), every: .milliseconds(5)) {
                try cluster.nodes.allSatisfy(cluster.acceptsWrites)
            }
            let took = ContinuousClock.now - start
            record("first write through every node after start", "\(Int(milliseconds(took))) ms")
            #expect(formed, "no writes: \(cluster.nodes[0].log.suffix(1000))")
            #expect(took < .seconds(2) * Binary.patience)
        }

        @Test func `a write through one node is read through every other`() throws {
            let cluster = try TestCluster.running()
            let clients = try cluster.nodes.map { try $0.client() }
            for round in 0..<50 {
                let written = try clients[round % 3].call("SET", "shared", "\(round)")
                try #require(written == .simple("OK"))
                let read = try clients.map { try $0.call("GET", "shared") }
                try #require(read == Array(repeating: .text("\(round)"), count: 3))
            }
        }

        @Test func `one node alone is a cluster of one`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let client = try cluster.nodes[0].client()
            #expect(try client.call("SET", "a", "1") == .simple("OK"))
            cluster.nodes[0].kill()
            try cluster.start()
            #expect(try cluster.nodes[0].client().call("GET", "a") == .text("1"))
        }

        @Test func `exactly one node leads, and the others name it`() throws {
            let cluster = try TestCluster.running()
            let leaders = cluster.nodes.filter(cluster.isLeader)
            #expect(leaders.count == 1)
            for follower in cluster.followers() {
                let text = try follower.client().call("INFO", "replication").string ?? ""
                #expect(text.contains("role:slave"))
                #expect(text.contains("master_host:127.0.0.1"))
                #expect(text.contains("master_port:\(leaders[0].port)"))
            }
        }

        @Test func `SIGTERM ends a node cleanly, and its leadership goes over without an error`()
            throws
        {
            let cluster = try TestCluster.running()
            let leader = try #require(cluster.leader())
            let survivor = try #require(cluster.followers().first)
            let counting = countingClient(port: survivor.port, key: "counter")
            usleep(300_000)
            #expect(leader.stop() == 0, "log: \(leader.log.suffix(1000))")
            usleep(500_000)
            let history = counting.stopAndJoin()
            record("longest wait over a clean stop", "\(Int(milliseconds(history.longestWait))) ms")
            #expect(history.errors == [])
            #expect(history.surprises == [])
            #expect(history.longestWait < .milliseconds(400) * Binary.patience)
        }
    }
}
