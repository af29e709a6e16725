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
                longest = try longestPing(of: cluster, during: "SET of 100 MB") {
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

        /// `scripts/bench --storage --tests large` does the same with ten million elements.
        @Test(arguments: [1, 3])
        func `large collections come and go while pings of others stay under 50 ms`(
            nodes: Int
        ) throws {
            let cluster = try TestCluster.running(nodes: nodes)
            let client = try #require(cluster.leader()).client(timeout: .seconds(60))
            let limit = Duration.milliseconds(50) * Binary.patience
            var longest = Duration.seconds(999)
            for _ in 0..<3 where longest >= limit {
                longest = try longestPing(of: cluster, during: "collections of 100,000 elements") {
                    for command in ["RPUSH", "HSET", "SADD", "ZADD"] {
                        try write(100_000, command, client)
                    }
                    try readInPages(client)
                    #expect(try client.call("BGSAVE").isError == false)
                    #expect(try client.call("DEL", "RPUSH", "HSET") == .integer(2))
                    #expect(try client.call("UNLINK", "SADD") == .integer(1))
                    #expect(try client.call("PEXPIRE", "ZADD", "1") == .integer(1))
                    #expect(
                        eventually(within: .seconds(5)) {
                            try client.call("DBSIZE") == .integer(0)
                        })
                }
            }
            #expect(longest < limit)
        }

        /// Writes a collection by the name of its command, a thousand elements at a time.
        private func write(_ count: Int, _ command: String, _ client: RESPClient) throws {
            for first in stride(from: 0, to: count, by: 1000) {
                var words = [Array(command.utf8), Array(command.utf8)]
                for number in first..<first + 1000 {
                    let element = Array("element:\(number)".utf8)
                    switch command {
                    case "HSET": words += [element, element]
                    case "ZADD": words += [Array("\(number % 100)".utf8), element]
                    default: words.append(element)
                    }
                }
                #expect(try client.call(bytes: words).isError == false)
            }
        }

        private func readInPages(_ client: RESPClient) throws {
            for first in stride(from: 0, to: 100_000, by: 1000) {
                for command in ["LRANGE", "ZRANGE"] {
                    let key = command == "LRANGE" ? "RPUSH" : "ZADD"
                    let page = try client.call(command, key, "\(first)", "\(first + 999)")
                    guard case .array(let elements) = page, elements.count == 1000 else {
                        Issue.record("a page of \(key) is not whole")
                        return
                    }
                }
            }
            for (command, key) in [("HSCAN", "HSET"), ("SSCAN", "SADD")] {
                var cursor = "0"
                repeat {
                    let page = try client.call(command, key, cursor, "COUNT", "1000")
                    guard case .array(let parts) = page, let next = parts.first?.string else {
                        Issue.record("\(command) gave no cursor")
                        return
                    }
                    cursor = next
                } while cursor != "0"
            }
        }

        /// The longest of the PINGs to all nodes while `work` is done.
        private func longestPing(
            of cluster: TestCluster, during name: String, work: () throws -> Void
        ) throws -> Duration {
            let pings = cluster.nodes.map { pingingClient(port: $0.port) }
            usleep(200_000)
            let start = ContinuousClock.now
            try work()
            record(name, "\(Int(milliseconds(ContinuousClock.now - start))) ms")
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
