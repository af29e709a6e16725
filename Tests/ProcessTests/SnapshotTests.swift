import Foundation
import Testing

extension ProcessTests {
    /// Snapshots, the cut of the log, and what an operator sees of them.
    @Suite struct Snapshots {
        /// A log of the least size that the directive takes.
        private static let directives = ["wal-max-size 16mb"]

        /// Puts some megabytes through the log without making the data larger.
        private func overwrite(_ node: NodeProcess, times: Int) throws {
            let client = try node.client()
            let value = String(repeating: "0123456789", count: 10_000)
            for round in 0..<times {
                let reply = try client.call("SET", "big:\(round % 5)", "\(round)\(value)")
                #expect(reply == .simple("OK"))
            }
        }

        private func persistence(_ node: NodeProcess) throws -> [String: String] {
            let reply = try node.client().call("INFO", "persistence")
            guard case .bulk(let bytes) = reply else { return [:] }
            var fields: [String: String] = [:]
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\r\n") {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
            }
            return fields
        }

        private func check(_ node: NodeProcess) throws -> (code: Int32, output: String) {
            let tool = URL(filePath: Binary.path).deletingLastPathComponent()
                .appending(path: "skein").path
            return try shell("\(tool) check \(node.dataFolder.path)")
        }

        @Test(arguments: [1, 3]) func `kill -9 amid snapshots and cuts of the log loses nothing`(
            nodes: Int
        ) throws {
            let cluster = try TestCluster.running(nodes: nodes, directives: Self.directives)
            for round in 0..<4 {
                let writers = cluster.nodes.map {
                    writingClient(port: $0.port, prefix: "\(round):\($0.name)")
                }
                try overwrite(cluster.nodes[0], times: 150 + round * 37)
                for node in cluster.nodes { node.signal(SIGKILL) }
                for node in cluster.nodes { node.kill() }
                let acknowledged = writers.flatMap { $0.stopAndJoin() }
                #expect(acknowledged.count > 10)
                let found = try check(cluster.nodes[0])
                #expect(found.code == 0, "\(found.output)")
                try cluster.start()
                for node in cluster.nodes {
                    #expect(try missing(acknowledged, through: node) == [])
                }
            }
            let fields = try persistence(cluster.nodes[0])
            let live = Int(fields["wal_live_bytes"] ?? "") ?? .max
            record("log kept after 100 MB through wal-max-size 16mb", "\(live >> 20) MB")
            #expect(live < 64 << 20)
        }

        @Test func `a node that was away while the log was cut catches up by a snapshot`() throws {
            let cluster = try TestCluster.running(directives: Self.directives)
            let away = try #require(cluster.followers().first)
            away.kill()
            let other = try #require(cluster.nodes.first { $0.name != away.name })
            try overwrite(other, times: 600)
            try away.start()
            let caughtUp = eventually(within: .seconds(20)) {
                try persistence(away)["snapshots_received"] ?? "0" != "0"
            }
            #expect(caughtUp, "\(away.log.suffix(2000))")
            let client = try away.client()
            guard case .bulk(let value) = try client.call("GET", "big:4") else {
                Issue.record("big:4 is not there")
                return
            }
            #expect(String(decoding: value.prefix(6), as: UTF8.self) == "599012")
        }

        @Test func `BGSAVE writes a snapshot, and 'skein check' finds what is damaged in it`()
            throws
        {
            let cluster = try TestCluster.running(nodes: 1)
            let node = cluster.nodes[0]
            try overwrite(node, times: 20)
            let client = try node.client()
            #expect(try client.call("LASTSAVE") == .integer(0))
            #expect(try client.call("BGSAVE") == .simple("Background saving started"))
            let isSaved = eventually(within: .seconds(10)) {
                try persistence(node)["rdb_bgsave_in_progress"] == "0"
            }
            #expect(isSaved)
            if case .integer(let saved) = try client.call("LASTSAVE") {
                #expect(abs(Double(saved) - Date().timeIntervalSince1970) < 30)
            }
            #expect(try check(node).code == 2, "the directory is in use")
            #expect(node.stop() == 0)
            let sound = try check(node)
            #expect(sound.code == 0 && sound.output.contains("sound"), "\(sound.output)")
            let files = try FileManager.default.contentsOfDirectory(atPath: node.dataFolder.path)
            let name = try #require(files.first { $0.hasPrefix("g1-") && $0.hasSuffix(".snap") })
            let file = node.dataFolder.appending(path: name)
            var bytes = try Data(contentsOf: file)
            bytes[bytes.count / 2] ^= 4
            try bytes.write(to: file)
            let found = try check(node)
            #expect(found.code == 1 && found.output.contains("\(name) is damaged at offset"))
            // The log is whole from its beginning: nothing is lost.
            try node.start()
            let isBack = eventually(within: .seconds(20)) {
                try node.client().call("GET", "big:4") != .simple("")
                    && node.client().call("STRLEN", "big:4") == .integer(100_002)
            }
            #expect(isBack, "\(node.log.suffix(2000))")
        }
    }
}
