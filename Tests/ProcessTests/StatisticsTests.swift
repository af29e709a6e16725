import Foundation
import Testing

extension ProcessTests {
    @Suite(.enabled(if: isInstalled("redis-server"), "redis-server is not installed"))
    struct Statistics {
        /// Commands of every kind that can go wrong in every way, one a line.
        private static let commands = """
            SET a 1
            get a
            GET missing
            GET
            NOSUCH x y
            LPUSH a 1
            LPUSH l 1 2 3
            LRANGE l 0 -1
            LRANGE l x y
            INCR l
            INCRBY a 9223372036854775807
            HSET h f
            HSET h f 1
            OBJECT ENCODING a
            OBJECT NOPE a
            OBJECT
            CONFIG
            CONFIG NOPE
            CONFIG GET
            CONFIG GET port
            CONFIG SET nosuch 1
            CONFIG SET maxclients x
            CLIENT REPLY x
            CLIENT GETNAME
            SELECT 99
            SELECT 0
            HELLO 9
            AUTH a b c
            AUTH other x
            PING a b c
            PING
            EXEC
            DISCARD
            MULTI
            MULTI
            SET b 1
            LPUSH a 2
            GET
            EXEC
            MULTI
            SET b 1
            LPUSH a 2
            PING
            DBSIZE
            EXEC
            DBSIZE
            KEYS *
            SCAN 0
            SCAN x
            RANDOMKEY
            FLUSHDB sync nope
            FLUSHALL
            COMMAND COUNT
            """

        private func figures(port: Int) throws -> [String] {
            let cli = "redis-cli -p \(port)"
            _ = try shell("\(cli) CONFIG RESETSTAT")
            // One connection, and nothing that redis-cli would ask by itself.
            let client = try RESPClient(port: port)
            for line in Self.commands.split(separator: "\n") {
                try client.send(Array("\(line)\r\n".utf8))
                _ = try client.reply()
            }
            let info = try client.call("INFO", "stats", "commandstats", "errorstats").string ?? ""
            let lines = info.split(separator: "\r\n").map(String.init)
            return lines.filter {
                $0.hasPrefix("cmdstat_") || $0.hasPrefix("errorstat_")
                    || $0.hasPrefix("total_error_replies:")
                    || $0.hasPrefix("total_commands_processed:")
            }.map { $0.replacing(/usec=\d+,usec_per_call=\d+\.\d\d/, with: "usec") }.sorted()
        }

        @Test func `commandstats and errorstats count as redis-server's do, through every node`()
            throws
        {
            let port = freePorts(1)[0]
            let folder = TestFolder()
            try FileManager.default.createDirectory(
                at: folder.url, withIntermediateDirectories: true)
            let redis = Process()
            redis.executableURL = URL(filePath: "/usr/bin/env")
            redis.arguments = [
                "redis-server", "--port", "\(port)", "--save", "", "--appendonly", "no",
                "--dir", folder.url.path,
            ]
            redis.standardInput = FileHandle.nullDevice
            redis.standardOutput = FileHandle.nullDevice
            try runUnblocked(redis)
            defer {
                redis.terminate()
                redis.waitUntilExit()
            }
            try #require(
                eventually(within: .seconds(5)) { try RESPClient(port: port).call("PING") != .null }
            )
            let expected = try figures(port: port)
            #expect(expected.count > 30)
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                let found = try figures(port: node.port)
                let missing = Set(expected).subtracting(found).sorted()
                let added = Set(found).subtracting(expected).sorted()
                #expect(missing == [] && added == [], "redis: \(missing)\nskein: \(added)")
            }
        }

        @Test func `redis-cli and INFO's sections agree on names`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let client = try cluster.nodes[0].client()
            _ = try client.call("SET", "a", "1")
            let info = try client.call("INFO", "latencystats", "commandstats").string ?? ""
            #expect(info.contains("# Commandstats\r\ncmdstat_"))
            #expect(info.contains(/\r\n\r\n# Latencystats\r\n/))
            #expect(
                info.contains(
                    /latency_percentiles_usec_set:p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}\r\n/
                ))
        }
    }
}
