import Foundation
import Testing

extension ProcessTests {
    @Suite struct LargeValues {
        @Test(arguments: [true, false])
        func `a SET of 100 MB works while pings of others stay under 50 ms`(
            throughLeader: Bool
        ) throws {
            let cluster = try TestCluster.running(directives: ["request-timeout 60000"])
            let leader = try #require(cluster.leader())
            let node = throughLeader ? leader : try #require(cluster.followers().first)
            let value = [UInt8](repeating: 0x61, count: 100 << 20)
            let client = try node.client(timeout: .seconds(120))
            let request = client.encoded([Array("SET".utf8), Array("large".utf8), value])

            // Another program's work can delay a PING too; a server that blocks delays it every time.
            let limit = Duration.milliseconds(50) * Binary.patience
            var longest = Duration.seconds(999)
            for _ in 0..<3 where longest >= limit {
                longest = try longestPing(of: cluster) {
                    try client.send(request)
                    let reply = try client.reply()
                    #expect(reply == .simple("OK"))
                }
            }
            #expect(longest < limit)

            #expect(cluster.leader() === leader, "a large value must cost no election")
            #expect(try client.call("STRLEN", "large") == .integer(100 << 20))
            #expect(try client.call("GETRANGE", "large", "104857590", "-1") == .text("aaaaaaaaaa"))
            let read = try client.call("GET", "large")
            let same = read == .bulk(value)  // a failed #expect would print them
            #expect(same, "\(read.isError ? "\(read)" : "other bytes")")
        }

        /// The longest of the PINGs to all nodes while `work` is done.
        private func longestPing(
            of cluster: TestCluster, during work: () throws -> Void
        ) throws -> Duration {
            let pings = cluster.nodes.map { pingingClient(port: $0.port) }
            usleep(200_000)
            let start = ContinuousClock.now
            try work()
            record("SET of 100 MB", "\(Int(milliseconds(ContinuousClock.now - start))) ms")
            usleep(300_000)
            let longest = pings.map { $0.stopAndJoin() }
            let list = longest.map { "\(Int(milliseconds($0)))" }.joined(separator: ", ")
            record("longest PING to each node meanwhile", "\(list) ms")
            return longest.max() ?? .zero
        }

        /// PINGs one after the other, 5 ms apart; the longest took so long.
        private func pingingClient(port: Int) -> Background<Duration> {
            Background { isStopping in
                guard let client = try? RESPClient(port: port) else { return .seconds(999) }
                var longest = Duration.zero
                while !isStopping() {
                    let start = ContinuousClock.now
                    guard (try? client.call("PING")) == .simple("PONG") else {
                        return .seconds(999)
                    }
                    longest = max(longest, ContinuousClock.now - start)
                    usleep(5000)
                }
                return longest
            }
        }
    }
}
