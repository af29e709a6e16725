import Foundation
import Testing

extension ProcessTests {
    /// `skein recover`: a cluster of one from the last directory.
    @Suite struct ClusterRecovery {
        private func recover(_ folder: URL, _ options: String = "") throws -> (
            code: Int32, output: String
        ) {
            let tool = URL(filePath: Binary.path).deletingLastPathComponent()
                .appending(path: "skein").path
            return try shell("\(tool) recover \(options) \(folder.path)")
        }

        /// Lets a node be the only one of its cluster, by its configuration.
        private func beAlone(_ node: NodeProcess, as name: String? = nil) throws {
            let text = try String(contentsOf: node.configuration, encoding: .utf8)
            let lines = text.split(separator: "\n").map { line -> String in
                if line.hasPrefix("initial-cluster") {
                    let own = line.split(whereSeparator: { " ,".contains($0) })
                        .first { $0.hasPrefix(node.name + "=") }!
                    let place = own.dropFirst(node.name.count)
                    return "initial-cluster \(name ?? node.name)\(place)"
                }
                return line.hasPrefix("node-name") ? "node-name \(name ?? node.name)" : String(line)
            }
            try (lines.joined(separator: "\n") + "\n")
                .write(to: node.configuration, atomically: true, encoding: .utf8)
        }

        private func copy(_ folder: URL, to other: URL) throws {
            try FileManager.default.copyItem(at: folder, to: other)
        }

        private func contents(_ folder: URL) throws -> [String: Data] {
            var files: [String: Data] = [:]
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
            where name != "LOCK" && name != "reserve" {
                files[name] = try Data(contentsOf: folder.appending(path: name))
            }
            return files
        }

        /// Acknowledged writes, of which every node has all: most in a snapshot, the last in no one's.
        private func write(_ cluster: TestCluster) throws -> [String] {
            var keys: [String] = []
            for (number, node) in cluster.nodes.enumerated() {
                let client = try node.client()
                for key in (0..<200).map({ "k:\(number):\($0)" }) {
                    #expect(try client.call("SET", key, key) == .simple("OK"))
                    keys.append(key)
                }
                #expect(try !client.call("BGSAVE").isError)
            }
            let isSaved = eventually(within: .seconds(20)) {
                try cluster.nodes.allSatisfy { node in
                    try node.client().call("INFO", "persistence").string?
                        .contains("rdb_bgsave_in_progress:0") == true
                }
            }
            #expect(isSaved)
            let client = try cluster.nodes[0].client()
            for key in (0..<20).map({ "behind:\($0)" }) {
                #expect(try client.call("SET", key, key) == .simple("OK"))
                keys.append(key)
            }
            let isEven = eventually(within: .seconds(10)) {
                let ends = try cluster.nodes.map { node in
                    try node.client().call("INFO", "raft").string?
                        .split(separator: "\r\n").filter { $0.contains("applied") }
                        .map { $0.split(separator: ",").filter { $0.contains("applied") } }
                }
                return ends.allSatisfy { $0 == ends[0] }
            }
            #expect(isEven)
            usleep(500_000)
            return keys
        }

        private func serves(_ node: NodeProcess, _ keys: [String]) -> Bool {
            eventually(within: .seconds(15)) { try missing(keys, through: node) == [] }
        }

        @Test(arguments: [1, 4])
        func
            `the last of three directories becomes a cluster of one with all that was acknowledged`(
                groups: Int
            ) throws
        {
            let cluster = try TestCluster.running(
                directives: ["initial-groups \(groups)", "wal-max-size 16mb"])
            var keys = try write(cluster)
            let last = cluster.nodes[2]
            #expect(try recover(last.dataFolder).code == 2, "it is in use")
            for node in cluster.nodes { node.signal(SIGKILL) }
            for node in cluster.nodes { node.kill() }
            let old = cluster.nodes[..<2].map { $0.folder.appending(path: "kept") }
            for (node, kept) in zip(cluster.nodes, old) {
                try copy(node.dataFolder, to: kept)
                try FileManager.default.removeItem(at: node.dataFolder)
            }

            let before = try contents(last.dataFolder)
            let account = try recover(last.dataFolder)
            #expect(account.code == 0, "\(account.output)")
            for words in [
                "node n3 of a cluster of 3", "g1: last entry", "committed for certain up to",
                "what may be lost", "it served until its end", "nothing was changed",
            ] { #expect(account.output.contains(words), "\(words): \(account.output)") }
            #expect(try contents(last.dataFolder) == before)
            record("skein recover says", "\n\(account.output)")

            let done = try recover(last.dataFolder, "--force")
            #expect(done.code == 0 && done.output.contains("done: start"), "\(done.output)")
            // With the old members in its configuration it does not start.
            try last.start()
            #expect(last.exitCode(within: .seconds(10)) == 1)
            #expect(last.log.contains("initial-cluster does not fit"))
            try beAlone(last)
            try last.start()
            #expect(serves(last, keys), "\(last.log.suffix(2000))")
            // No command of it is taken for one of the old cluster's first node.
            #expect(last.log.contains("boot=16777217"))
            // Nor is a snapshot of the old cluster the newest for long.
            let isRenewed = eventually(within: .seconds(10)) {
                last.log.contains("snapshot-durable id=g1")
            }
            #expect(isRenewed)

            // The old members come back: they and the new cluster have nothing to do with each other.
            for (node, kept) in zip(cluster.nodes, old) {
                try copy(kept, to: node.dataFolder)
                try node.start()
            }
            let here = try last.client()
            #expect(try here.call("SET", "new", "1") == .simple("OK"))
            #expect(
                eventually(within: .seconds(10)) {
                    try cluster.nodes[0].client().call("SET", "old", "1") == .simple("OK")
                })
            #expect(try cluster.nodes[1].client().call("GET", "new") == .null)
            #expect(try here.call("GET", "old") == .null)
            for node in cluster.nodes[..<2] { node.kill() }

            for round in 0..<300 {
                #expect(try here.call("SET", "after:\(round)", "after:\(round)") == .simple("OK"))
                keys.append("after:\(round)")
            }
            last.kill()
            try last.start()
            #expect(serves(last, keys), "\(last.log.suffix(2000))")
            #expect(last.stop() == 0)
            let again = try recover(last.dataFolder, "--force")
            #expect(again.code == 0 && again.output.contains("nothing to do"), "\(again.output)")
            let tool = URL(filePath: Binary.path).deletingLastPathComponent()
                .appending(path: "skein").path
            let check = try shell("\(tool) check \(last.dataFolder.path)")
            #expect(check.code == 0, "\(check.output)")
        }

        @Test func `a recovery that was cut off is done by the next, and another name is taken`()
            throws
        {
            let cluster = try TestCluster.running()
            let keys = try write(cluster)
            for node in cluster.nodes { node.kill() }
            let last = cluster.nodes[1]
            let before = try contents(last.dataFolder)
            #expect(try recover(last.dataFolder, "--force").code == 0)
            // The power went before the new segment was synced: half of it is there, and nothing else.
            let after = try contents(last.dataFolder)
            let segments = after.keys.filter { $0.hasPrefix("wal-0") && before[$0] != after[$0] }
            #expect(!segments.isEmpty)
            for (name, bytes) in after where before[name] != bytes {
                let file = last.dataFolder.appending(path: name)
                if let old = before[name] {
                    try old.write(to: file)
                } else {
                    try FileManager.default.removeItem(at: file)
                }
            }
            let torn = try #require(segments.min())
            try after[torn]?.prefix(700).write(to: last.dataFolder.appending(path: torn))
            let second = try recover(last.dataFolder, "--force --node-name phoenix")
            #expect(
                second.code == 0 && second.output.contains("phoenix alone"), "\(second.output)")
            try beAlone(last, as: "phoenix")
            try last.start()
            #expect(serves(last, keys), "\(last.log.suffix(2000))")
        }

        @Test func `a damaged log is cut, and a damaged snapshot given up if the log has it`()
            throws
        {
            let cluster = try TestCluster.running()
            let keys = try write(cluster)
            for node in cluster.nodes { node.kill() }
            let last = cluster.nodes[0]
            let kept = last.folder.appending(path: "kept")
            try copy(last.dataFolder, to: kept)
            let files = try FileManager.default.contentsOfDirectory(atPath: last.dataFolder.path)
            for name in files where name.hasSuffix(".snap") {
                let file = last.dataFolder.appending(path: name)
                var bytes = try Data(contentsOf: file)
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: file)
            }
            let snapshots = try recover(last.dataFolder, "--force")
            #expect(
                snapshots.code == 0 && snapshots.output.contains("is given up"),
                "\(snapshots.output)")
            try beAlone(last)
            try last.start()
            #expect(serves(last, keys), "\(last.log.suffix(2000))")
            last.kill()

            let log = kept.appending(
                path: try #require(files.filter { $0.hasPrefix("wal-0") }.min()))
            var bytes = try Data(contentsOf: log)
            bytes[3000] ^= 1
            try bytes.write(to: log)
            let damaged = try contents(kept)
            let account = try recover(kept)
            for words in ["is damaged at offset", "given up with it: g1", "nothing was changed"] {
                #expect(account.output.contains(words), "\(words): \(account.output)")
            }
            #expect(try contents(kept) == damaged)
            let done = try recover(kept, "--force")
            #expect(done.code == 0 && done.output.contains("done: start"), "\(done.output)")
            try FileManager.default.removeItem(at: last.dataFolder)
            try copy(kept, to: last.dataFolder)
            try last.start()
            // What snapshots hold is there, and what the account named is missing.
            let isServing = eventually(within: .seconds(15)) {
                try last.client().call("SET", "new", "1") == .simple("OK")
            }
            #expect(isServing, "\(last.log.suffix(2000))")
        }
    }
}
