import Foundation
import Testing

extension ProcessTests {
    /// Disks that fill up and are freed again, on small file systems of their own.
    @Suite(.enabled(if: !SmallDisk.kinds.isEmpty, "small file systems cannot be mounted here"))
    struct FullDisk {
        private static let directives = ["wal-max-size 16mb", "request-timeout 2000"]
        private static let refusal = Reply.error(
            "MISCONF Errors writing to the AOF file: No space left on device")

        /// Overwrites a few large values until the disk is said to be full.
        private func writeUntilRefused(_ node: NodeProcess) throws -> Bool {
            let client = try node.client()
            let value = (0..<20_000).map { "\($0 &* 2_654_435_761)" }.joined()
            return eventually(within: .seconds(40), every: .milliseconds(1)) {
                try client.call("SET", "big:\(Int.random(in: 0..<5))", value) == Self.refusal
            }
        }

        private func space(_ node: NodeProcess) -> String {
            let reply = try? node.client().call("INFO", "persistence")
            let text = reply?.string ?? ""
            return text.split(separator: "\r\n").filter { $0.hasPrefix("disk_") }
                .joined(separator: " ")
        }

        private func setKeys(_ node: NodeProcess, _ prefix: String) throws -> [String] {
            let client = try node.client()
            let keys = (0..<300).map { "\(prefix):\($0)" }
            for key in keys { #expect(try client.call("SET", key, key) == .simple("OK")) }
            return keys
        }

        private func serves(_ node: NodeProcess, _ keys: [String]) -> Bool {
            eventually(within: .seconds(20)) { try missing(keys, through: node) == [] }
        }

        private func accepts(_ node: NodeProcess) -> Bool {
            eventually(within: .seconds(30), every: .milliseconds(100)) {
                try node.client().call("SET", "again", "1") == .simple("OK")
            }
        }

        @Test(arguments: SmallDisk.kinds)
        func `a single node goes on when there is room again, through kills and starts without any`(
            kind: SmallDisk.Kind
        ) throws {
            let cluster = try TestCluster(nodes: 1, directives: Self.directives)
            let node = cluster.nodes[0]
            let disk = try SmallDisk(kind, megabytes: 96, at: node.dataFolder)
            try cluster.start()
            var keys = try setKeys(node, "before")
            try disk.fill()
            #expect(try writeUntilRefused(node), "\(node.log.suffix(2000))")
            #expect(serves(node, keys))
            #expect(try node.client().call("DEL", "before:0") == .integer(1))
            keys.removeFirst()
            for _ in 0..<3 {
                node.kill()
                try disk.fill()
                #expect(disk.freeBytes == 0)
                try node.start()
                #expect(serves(node, keys), "\(node.log.suffix(3000))")
                #expect(try node.client().call("SET", "a", "b") == Self.refusal)
                #expect(try node.client().call("GET", "a") == .null)
            }
            disk.free()
            #expect(accepts(node), "\(space(node)) \(node.log.suffix(3000))")
            #expect(eventually(within: .seconds(5)) { space(node).contains("space:ample") })
            keys += try setKeys(node, "after")
            node.kill()
            try node.start()
            #expect(serves(node, keys), "\(node.log.suffix(2000))")
        }

        @Test func `deleting makes room on a full disk, by a snapshot in the reserve`() throws {
            let cluster = try TestCluster(nodes: 1, directives: Self.directives)
            let node = cluster.nodes[0]
            let disk = try SmallDisk(SmallDisk.kinds[0], megabytes: 64, at: node.dataFolder)
            try cluster.start()
            let keys = try setKeys(node, "small")
            let client = try node.client()
            var seed: UInt64 = 1
            var written = 0
            let isFull = eventually(within: .seconds(60), every: .milliseconds(0)) {
                // Not to be compressed.
                let bytes = (0..<50_000).map { _ -> UInt8 in
                    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return UInt8(truncatingIfNeeded: seed >> 33)
                }
                let key = Array("data:\(written)".utf8)
                let reply = try client.call(bytes: [Array("SET".utf8), key, bytes])
                if reply == .simple("OK") { written += 1 }
                return reply == Self.refusal
            }
            #expect(isFull)
            record("keys of 50 kB until 64 MB are full", "\(written)")
            #expect(try client.call("FLUSHALL") == .simple("OK"))
            #expect(accepts(node), "\(space(node)) \(node.log.suffix(3000))")
            #expect(disk.freeBytes > 0)
            #expect(try client.call("GET", keys[0]) == .null)
        }

        @Test func `one full disk of three holds nobody up`() throws {
            let cluster = try TestCluster(directives: Self.directives)
            let full = cluster.nodes[0]
            let disk = try SmallDisk(SmallDisk.kinds[0], megabytes: 64, at: full.dataFolder)
            try cluster.start()
            try disk.fill()
            let writer = writingClient(port: cluster.nodes[1].port, prefix: "k")
            let value = String(repeating: "0123456789", count: 10_000)
            let client = try cluster.nodes[2].client()
            for round in 0..<300 {
                #expect(
                    try client.call("SET", "big:\(round % 5)", value) == .simple("OK"), "\(round)")
            }
            #expect(!space(full).contains("space:ample"))
            full.kill()
            try disk.fill()
            try full.start()
            for round in 0..<100 {
                #expect(try client.call("SET", "big:\(round % 5)", value) == .simple("OK"))
            }
            disk.free()
            let acknowledged = writer.stopAndJoin()
            #expect(acknowledged.count > 100)
            #expect(
                eventually(within: .seconds(30)) { space(full).contains("space:ample") },
                "\(space(full)) \(full.log.suffix(3000))")
            // It must have caught up to be half of a majority.
            cluster.nodes[1].kill()
            #expect(accepts(full), "\(full.log.suffix(3000))")
            #expect(try missing(acknowledged, through: full) == [])
        }

        @Test func `three full disks refuse writes, through kills, until there is room`() throws {
            let cluster = try TestCluster(directives: Self.directives)
            let disks = try cluster.nodes.map {
                try SmallDisk(SmallDisk.kinds[0], megabytes: 64, at: $0.dataFolder)
            }
            try cluster.start()
            let keys = try setKeys(cluster.nodes[0], "k")
            for disk in disks { try disk.fill() }
            for node in cluster.nodes { #expect(try writeUntilRefused(node)) }
            for node in cluster.nodes { #expect(serves(node, keys)) }
            for node in cluster.nodes { node.signal(SIGKILL) }
            for node in cluster.nodes { node.kill() }
            for disk in disks { try disk.fill() }
            for node in cluster.nodes { try node.start() }
            for node in cluster.nodes {
                #expect(serves(node, keys), "\(node.log.suffix(2000))")
                // Who has just started hears only now how much room the others have.
                #expect(try writeUntilRefused(node), "\(node.log.suffix(2000))")
            }
            for disk in disks { disk.free() }
            for node in cluster.nodes { #expect(accepts(node), "\(node.log.suffix(2000))") }
            #expect(try missing(keys, through: cluster.nodes[2]) == [])
        }
    }
}
