import Foundation
import Testing

extension ProcessTests {
    /// What users type, against each node of a cluster.
    @Suite(.enabled(if: isInstalled("redis-benchmark"), "redis-tools is not installed"))
    struct Tools {
        @Test func `redis-benchmark's default tests run to their end through each node`() throws {
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                let (code, output) = try shell("redis-benchmark -p \(node.port) -q -n 2000 2>&1")
                #expect(code == 0, "\(output)")
                let lines = output.replacing("\r", with: "\n").split(separator: "\n")
                let results = lines.filter { $0.contains("requests per second") }
                #expect(results.count >= 20, "\(output)")
                #expect(!output.contains("rror"), "\(output)")
            }
        }

        @Test func `redis-benchmark pipelines through each node`() throws {
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                let (code, output) = try shell(
                    "redis-benchmark -p \(node.port) -t set,get -P 16 -c 50 -n 20000 -q 2>&1")
                #expect(code == 0 && !output.contains("rror"), "\(output)")
            }
        }

        @Test func `redis-cli works in its usual ways`() throws {
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                let cli = "redis-cli -p \(node.port)"
                #expect(try shell("\(cli) SET greeting 'hello world'").output == "OK\n")
                #expect(try shell("\(cli) -3 HGETALL nothing").output == "\n")
                #expect(try shell("printf 'INCR n\\nTYPE n\\n' | \(cli)").output.contains("string"))
                #expect(try shell("\(cli) --scan --pattern 'greet*'").output == "greeting\n")
                let big = try shell("\(cli) --bigkeys")
                #expect(big.code == 0 && big.output.contains("Biggest string"), "\(big.output)")
                let stat = try shell("stdbuf -oL timeout 2 \(cli) --stat -i 1")
                #expect(stat.output.contains("keys"), "\(stat.output)")
                let latency = try shell("stdbuf -oL timeout 2 \(cli) --latency --raw")
                #expect(!latency.output.contains("rror"), "\(latency.output)")
                #expect(try shell("\(cli) -e NOSUCH").code != 0)
                #expect(try shell("\(cli) DEL greeting n").output == "2\n")
            }
        }

        @Test func `redis-cli --pipe loads 100,000 SETs`() throws {
            let cluster = try TestCluster.running()
            let node = try #require(cluster.followers().first)
            let start = ContinuousClock.now
            let (code, output) = try shell(
                "seq 1 100000 | awk '{print \"SET pipe:\" $1 \" \" $1}' | redis-cli -p \(node.port) --pipe"
            )
            record(
                "redis-cli --pipe, 100,000 SETs",
                "\(Int(milliseconds(ContinuousClock.now - start))) ms")
            #expect(code == 0 && output.contains("errors: 0, replies: 100000"), "\(output)")
            #expect(try node.client().call("DBSIZE") == .integer(100_000))
        }
    }
}
