import Foundation
import Testing

extension ProcessTests {
    /// A node that is slow and not dead: busy for long, or on a disk that hangs.
    @Suite struct GrayFailures {
        /// Leader and term of every group, as a node sees them.
        private func standing(_ node: NodeProcess) throws -> [String] {
            let text = try node.client().call("INFO", "raft").string ?? ""
            return text.split(separator: "\r\n").filter { $0.hasPrefix("raft_group") }
                .flatMap { $0.split(separator: ",") }
                .filter { $0.hasPrefix("leader=") || $0.hasPrefix("term=") }.map(String.init)
        }

        /// Whether leaders and terms are the same after `work` as before it.
        private func expectNoElection(
            in cluster: TestCluster, _ name: String, _ work: (NodeProcess) throws -> Void
        ) throws {
            let leader = try #require(cluster.leader())
            let follower = try #require(cluster.followers().first)
            let before = try standing(follower)
            #expect(before.count >= 4)
            let start = ContinuousClock.now
            try work(leader)
            record(name, "\(Int(milliseconds(ContinuousClock.now - start))) ms")
            usleep(700_000)
            #expect(try standing(follower) == before, "\(name) cost an election")
            #expect(try cluster.acceptsWrites(follower))
        }

        @Test func `DEBUG SLEEP 5 on the leader costs no election`() throws {
            let cluster = try TestCluster.running()
            try expectNoElection(in: cluster, "DEBUG SLEEP 5") { (leader: NodeProcess) throws in
                #expect(try leader.client().call("DEBUG", "SLEEP", "5") == .simple("OK"))
                // The reply came before the sleep, if it was flushed then.
                #expect(try leader.client().call("PING") == .simple("PONG"))
            }
        }

        @Test func `KEYS * over a million keys and a value of 100 MB cost no election`() throws {
            let cluster = try TestCluster.running(directives: ["request-timeout 60000"])
            let loader = try #require(cluster.leader()).client(timeout: .seconds(60))
            for first in stride(from: 0, to: 1_000_000, by: 1000) {
                var words = [Array("MSET".utf8)]
                for number in first..<first + 1000 {
                    words.append(Array("key:{\(number % 7)}:\(number)".utf8))
                    words.append([0x78])
                }
                let reply = try loader.call(bytes: words)
                guard reply == .simple("OK") else { throw ClientError.notRESP("\(reply)") }
            }
            try expectNoElection(in: cluster, "KEYS * over a million keys") {
                (leader: NodeProcess) throws in
                guard case .array(let keys) = try leader.client().call("KEYS", "*") else {
                    Issue.record("KEYS gave no array")
                    return
                }
                #expect(keys.count == 1_000_000)
            }
            try expectNoElection(in: cluster, "SET of 100 MB") { (leader: NodeProcess) throws in
                let client = try leader.client(timeout: .seconds(60))
                let value = [UInt8](repeating: 0x61, count: 100 << 20)
                let words = [Array("SET".utf8), Array("large".utf8), value]
                #expect(try client.call(bytes: words) == .simple("OK"))
            }
        }

        @Test(
            .enabled(
                if: SmallDisk.kinds.contains(.ext4), "file systems to stall cannot be mounted here")
        )
        func `a leader whose disk hangs hands over within seconds, and comes back`() throws {
            let cluster = try TestCluster(directives: ["wal-max-size 16mb"])
            let disks = try cluster.nodes.map {
                try SmallDisk(.ext4, megabytes: 96, at: $0.dataFolder)
            }
            try cluster.start()
            let leader = try #require(cluster.leader())
            let others = cluster.followers()
            let at = try #require(cluster.nodes.firstIndex { $0 === leader })
            let counting = countingClient(port: others[0].port, key: "counter")
            // A client of the sick node itself is led to the others.
            let near = countingClient(port: leader.port, key: "near")
            usleep(300_000)
            try disks[at].freeze()
            let stalled = ContinuousClock.now
            let isHandedOver = eventually(within: .seconds(8), every: .milliseconds(10)) {
                others.contains { cluster.isLeader($0) }
            }
            let took = ContinuousClock.now - stalled
            usleep(500_000)
            disks[at].thaw()
            #expect(isHandedOver, "\(leader.log.suffix(2000))")
            record("another leader after the disk hung", "\(Int(milliseconds(took))) ms")
            // disk-stall-limit, and an election.
            #expect(took < .milliseconds(4500) * Binary.patience)
            #expect(eventually(within: .seconds(10)) { try cluster.acceptsWrites(leader) })
            for history in [counting.stopAndJoin(), near.stopAndJoin()] {
                record(
                    "longest wait of a serial client",
                    "\(Int(milliseconds(history.longestWait))) ms")
                #expect(history.errors == [])
                #expect(history.surprises == [])
                #expect(history.acknowledged > 100)
            }
        }
    }
}
