import Foundation
import Testing

extension ProcessTests {
    @Suite struct Failover {
        @Test func `a serial client sees no error when the leader is killed under load`() throws {
            let cluster = try TestCluster.running()
            let leader = try #require(cluster.leader())
            let survivors = cluster.followers()
            try #require(survivors.count == 2)
            let counting = survivors.map {
                countingClient(port: $0.port, key: "counter:\($0.name)")
            }
            let writers = survivors.flatMap { node in
                (0..<4).map { writingClient(port: node.port, prefix: "load:\(node.name):\($0)") }
            }
            usleep(1_000_000)

            leader.kill()
            let died = ContinuousClock.now
            let elected = eventually(within: .seconds(10), every: .milliseconds(2)) {
                survivors.contains(where: cluster.isLeader)
            }
            let election = ContinuousClock.now - died
            #expect(elected)
            usleep(1_000_000)

            let histories = counting.map { $0.stopAndJoin() }
            let acknowledged = writers.flatMap { $0.stopAndJoin() }
            record("election after kill -9 of the leader", "\(Int(milliseconds(election))) ms")
            for history in histories {
                let wait = Int(milliseconds(history.longestWait))
                record(
                    "longest wait of a serial client", "\(wait) ms, \(history.acknowledged) replies"
                )
                #expect(history.errors == [])
                #expect(history.surprises == [])
                #expect(history.acknowledged > 100)
                #expect(history.longestWait < election + .milliseconds(200) * Binary.patience)
            }
            #expect(try missing(acknowledged, through: survivors[0]) == [])
        }

        @Test func `a killed node comes back, catches up and carries a majority`() throws {
            let cluster = try TestCluster.running()
            let victim = try #require(cluster.leader())
            let others = cluster.followers()
            victim.kill()
            #expect(eventually(within: .seconds(5)) { try cluster.acceptsWrites(others[0]) })
            let client = try others[0].client()
            let keys = (0..<500).map { "while-away:\($0)" }
            for key in keys { try client.call("SET", key, key) }

            try victim.start()
            #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(victim) })
            // With another node gone, only a node that caught up can make a majority.
            others[1].kill()
            #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(victim) })
            let late = try victim.client()
            #expect(try late.call("SET", "after", "1") == .simple("OK"))
            #expect(try missing(keys, through: victim) == [])
        }

        @Test func `each INCR counts once through five kills of the leader`() throws {
            let cluster = try TestCluster.running()
            for round in 1...5 {
                let leader = try #require(cluster.leader())
                let survivor = try #require(cluster.followers().first)
                let counting = countingClient(port: survivor.port, key: "counter:\(round)")
                usleep(200_000)
                leader.kill()
                usleep(900_000)
                let history = counting.stopAndJoin()
                #expect(history.errors == [], "round \(round)")
                #expect(history.surprises == [], "round \(round)")
                try leader.start()
                #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(leader) })
            }
        }

        @Test func `a minority answers certainly not executed and recovers by itself`() throws {
            let cluster = try TestCluster.running(directives: ["request-timeout 1000"])
            let client = try cluster.nodes[0].client()
            #expect(try client.call("SET", "kept", "1") == .simple("OK"))
            cluster.nodes[1].kill()
            cluster.nodes[2].kill()
            let start = ContinuousClock.now
            let reply = try client.call("SET", "kept", "2").string ?? ""
            let took = ContinuousClock.now - start
            #expect(reply.hasPrefix("CLUSTERDOWN") || reply.hasPrefix("UNCERTAIN"), "\(reply)")
            #expect(took < .milliseconds(2000) * Binary.patience)
            try cluster.nodes[1].start()
            #expect(
                eventually(within: .seconds(10)) { try cluster.acceptsWrites(cluster.nodes[0]) })
            let value = try client.call("GET", "kept").string
            #expect(value == "1" || (value == "2" && reply.hasPrefix("UNCERTAIN")))
        }

        @Test func `a stopped and continued leader does not serve what others changed`() throws {
            let cluster = try TestCluster.running()
            let leader = try #require(cluster.leader())
            let survivor = try #require(cluster.followers().first)
            let old = try leader.client()
            #expect(try old.call("SET", "key", "old") == .simple("OK"))
            leader.signal(SIGSTOP)
            let client = try survivor.client()
            #expect(try client.call("SET", "key", "new") == .simple("OK"))
            // Sent while it sleeps: the answer must come from after the new value.
            try old.send(old.encoded([Array("GET".utf8), Array("key".utf8)]))
            leader.signal(SIGCONT)
            #expect(try old.reply() == .text("new"))
        }
    }
}
