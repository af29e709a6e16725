import Foundation
import Testing

extension ProcessTests {
    /// Damaged files of one node, as its operator meets them.
    @Suite struct Damage {
        private func tool(_ node: NodeProcess, _ command: String, _ options: String = "") throws
            -> (code: Int32, output: String)
        {
            let tool = URL(filePath: Binary.path).deletingLastPathComponent()
                .appending(path: "skein").path
            return try shell("\(tool) \(command) \(options) \(node.dataFolder.path)")
        }

        private func check(_ node: NodeProcess, _ options: String = "") throws
            -> (code: Int32, output: String)
        { try tool(node, "check", options) }

        /// Flips a bit in the middle of what the node's log holds.
        private func damageLog(of node: NodeProcess) throws {
            let file = node.dataFolder.appending(path: "wal-0000000000000001.log")
            let end = try #require(
                try check(node).output.firstMatch(of: #/segment 1: batches .*, ([0-9]+) of/#))
            let handle = try FileHandle(forUpdating: file)
            let offset = try #require(UInt64(end.1)) / 2
            try handle.seek(toOffset: offset)
            let byte = try #require(try handle.read(upToCount: 1)?.first)
            try handle.seek(toOffset: offset)
            try handle.write(contentsOf: [byte ^ 8])
            try handle.close()
        }

        private func underRepair(_ node: NodeProcess) throws -> String? {
            guard case .bulk(let bytes) = try node.client().call("INFO", "persistence") else {
                return nil
            }
            return String(decoding: bytes, as: UTF8.self)
                .firstMatch(of: #/wal_groups_under_repair:([0-9]+)/#).map { String($0.1) }
        }

        @Test(arguments: [false, true]) func `a damaged log is repaired from the peers`(
            byHand: Bool
        ) throws {
            let cluster = try TestCluster.running()
            let client = try cluster.nodes[0].client()
            for number in 0..<300 {
                #expect(try client.call("SET", "k\(number)", "\(number)") == .simple("OK"))
            }
            let victim = try #require(cluster.leader())
            victim.kill()
            try damageLog(of: victim)
            #expect(try check(victim).code == 1)
            if byHand {
                let repair = try check(victim, "--repair")
                #expect(repair.code == 0, "\(repair.output)")
                #expect(repair.output.contains("repair: the log is cut behind batch"))
                #expect(repair.output.contains("given up: "), "\(repair.output)")
            }
            try victim.start()
            let isWhole = eventually(within: .seconds(10)) { try underRepair(victim) == "0" }
            #expect(isWhole, "\(victim.log.suffix(2000))")
            #expect(victim.log.contains("repair groups="), "\(victim.log.suffix(2000))")
            // The repaired node and one other are all there is: what one of them lacks is lost.
            let other = try #require(cluster.nodes.first { $0.name != victim.name })
            other.kill()
            let reader = try victim.client()
            for number in 0..<300 {
                #expect(try reader.call("GET", "k\(number)") == .bulk(Array("\(number)".utf8)))
            }
            // Nothing is set aside any more after the next start.
            victim.kill()
            try victim.start()
            try other.start()
            let isBack = eventually(within: .seconds(10)) {
                try victim.client().call("GET", "k7") == .bulk(Array("7".utf8))
            }
            #expect(isBack, "\(victim.log.suffix(2000))")
            let files = try FileManager.default.contentsOfDirectory(
                atPath: victim.dataFolder.path)
            #expect(!files.contains { $0.hasPrefix("damaged-") })
        }

        /// Its configuration knows of no peers; its log does.
        @Test func `a node that was founded alone and has grown is repaired from its peers`()
            throws
        {
            let cluster = try TestCluster.running(nodes: 1)
            let founder = cluster.nodes[0]
            let client = try founder.client()
            for _ in 0..<2 {
                let new = try cluster.addNode()
                let met = try client.call(
                    "CLUSTER", "MEET", "127.0.0.1", "\(new.port)", "\(new.clusterPort)")
                #expect(met == .simple("OK"))
                let isMember = eventually(within: .seconds(20)) {
                    try new.client().call("SET", "a", "1") == .simple("OK")
                }
                #expect(isMember, "\(new.log.suffix(2000))")
            }
            for number in 0..<300 {
                #expect(try client.call("SET", "k\(number)", "\(number)") == .simple("OK"))
            }
            founder.kill()
            try damageLog(of: founder)
            try founder.start()
            let isWhole = eventually(within: .seconds(20)) { try underRepair(founder) == "0" }
            #expect(isWhole, "\(founder.log.suffix(2000))")
            #expect(founder.log.contains("repair groups="), "\(founder.log.suffix(2000))")
            let reader = try founder.client()
            for number in 0..<300 {
                #expect(try reader.call("GET", "k\(number)") == .bulk(Array("\(number)".utf8)))
            }
        }

        @Test func `a node alone refuses a damaged log and says what is damaged`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let node = cluster.nodes[0]
            let client = try node.client()
            for number in 0..<100 {
                #expect(try client.call("SET", "k\(number)", "v") == .simple("OK"))
            }
            node.kill()
            try damageLog(of: node)
            let repair = try check(node, "--repair")
            #expect(repair.code == 1 && repair.output.contains("not repaired: the log"))
            #expect(try check(node).code == 1, "it must be as it was")
            try node.start()
            #expect(eventually(within: .seconds(10)) { !node.isRunning })
            #expect(node.log.contains("wal-0000000000000001.log is damaged at offset"))
            #expect(node.log.contains("see by 'skein recover' what is left"))
            // What to do: the operator may give up what is behind the damage.
            let account = try tool(node, "recover")
            #expect(account.code == 0)
            for words in [
                "is damaged at offset", "given up with it: ", "a cluster of one",
                "nothing was changed",
            ] { #expect(account.output.contains(words), "\(words): \(account.output)") }
            let done = try tool(node, "recover", "--force")
            #expect(done.code == 0 && done.output.contains("done: start"), "\(done.output)")
            try node.start()
            let serves = eventually(within: .seconds(10)) {
                try node.client().call("SET", "new", "1") == .simple("OK")
            }
            #expect(serves, "\(node.log.suffix(2000))")
            // All in front of the damage is there, and nothing behind it came back.
            let reader = try node.client()
            let found = try (0..<100).map { try reader.call("GET", "k\($0)") != .null }
            let kept = found.prefix { $0 }.count
            record("kept of a damaged log of 100 writes", "\(kept)")
            #expect(kept > 0 && kept < 100 && !found[kept...].contains(true))
            #expect(try tool(node, "recover").code == 2, "it is in use")
            node.kill()
            try node.start()
            let servesAgain = eventually(within: .seconds(10)) {
                try node.client().call("GET", "new") == .bulk([0x31])
            }
            #expect(servesAgain)
        }
    }
}
