import Foundation
import Testing

extension ProcessTests {
    /// Whatever comes in, the node answers others.
    @Suite struct HostileInput {
        @Test func `ten thousand connections opened and dropped leave the node as it was`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let node = cluster.nodes[0]
            let before = openDescriptors(of: node)
            for number in 0..<10_000 {
                let descriptor = try connectedSocket(port: node.port)
                if number % 3 == 0 { _ = Foundation.send(descriptor, "PING\r\n", 6, 0) }
                if number % 5 == 0 { _ = Foundation.send(descriptor, "*2\r\n$3\r\nGE", 10, 0) }
                close(descriptor)
            }
            #expect(try node.client().call("PING") == .simple("PONG"))
            let gone = eventually(within: .seconds(5)) { openDescriptors(of: node) <= before + 2 }
            #expect(gone, "\(openDescriptors(of: node)) open descriptors, \(before) before")
            #expect(node.residentBytes < 300 << 20)
        }

        @Test func `random bytes on the client port harm nobody`() throws {
            let cluster = try TestCluster.running()
            try pourRandomBytes(into: cluster.nodes[0].port)
            #expect(cluster.nodes.allSatisfy { $0.isRunning })
            #expect(try cluster.acceptsWrites(cluster.nodes[0]))
        }

        @Test func `random bytes on the cluster port harm nobody`() throws {
            let cluster = try TestCluster.running()
            for node in cluster.nodes {
                let text = try String(contentsOf: node.configuration, encoding: .utf8)
                let line = text.split(separator: "\n").first { $0.hasPrefix("cluster-port") }
                let port = try #require(line?.split(separator: " ").last.flatMap { Int($0) })
                try pourRandomBytes(into: port, prefixes: ["", "SKEINPR1", "SKEINLV1"])
            }
            #expect(cluster.nodes.allSatisfy { $0.isRunning })
            #expect(try cluster.acceptsWrites(cluster.nodes[0]))
        }

        private func pourRandomBytes(into port: Int, prefixes: [String] = ["", "*3\r\n$3\r\nSET"])
            throws
        {
            var generator = SeededBytes(seed: 42)
            for number in 0..<200 {
                let descriptor = try connectedSocket(port: port)
                let prefix = Array(prefixes[number % prefixes.count].utf8)
                let bytes = prefix + generator.bytes(1 + number * 37 % 5000)
                _ = bytes.withUnsafeBytes {
                    Foundation.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
                }
                if number % 2 == 0 { usleep(1000) }
                close(descriptor)
            }
        }

        @Test func `a bulk header of 600 MB is refused with Redis's words and closed`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let client = try cluster.nodes[0].client()
            try client.send(Array("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$629145600\r\n".utf8))
            #expect(try client.reply() == .error("ERR Protocol error: invalid bulk length"))
            #expect(try client.untilClosed() == [])
            #expect(cluster.nodes[0].residentBytes < 200 << 20)
        }

        @Test func `an announced bulk of 500 MB takes memory only as bytes arrive`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let before = cluster.nodes[0].residentBytes
            let clients = try (0..<20).map { _ in try cluster.nodes[0].client() }
            for client in clients {
                try client.send(Array("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\nhalf".utf8))
            }
            usleep(300_000)
            #expect(try cluster.nodes[0].client().call("PING") == .simple("PONG"))
            #expect(cluster.nodes[0].residentBytes - before < 100 << 20)
        }

        @Test func `a request in single bytes is a request`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let client = try cluster.nodes[0].client()
            for byte in Array(
                "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nxyz\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n".utf8)
            {
                try client.send([byte])
                usleep(200)
            }
            #expect(try client.reply() == .simple("OK"))
            #expect(try client.reply() == .text("xyz"))
        }

        @Test func `a client beyond maxclients is told so and closed`() throws {
            let cluster = try TestCluster.running(nodes: 1, directives: ["maxclients 10"])
            usleep(100_000)
            var clients = try (0..<10).map { _ in try cluster.nodes[0].client() }
            for client in clients { #expect(try client.call("PING") == .simple("PONG")) }
            let refused = try cluster.nodes[0].client()
            #expect(try refused.reply() == .error("ERR max number of clients reached"))
            clients.removeLast()
            #expect(eventually(within: .seconds(2)) { try cluster.acceptsWrites(cluster.nodes[0]) })
        }

        private func openDescriptors(of node: NodeProcess) -> Int {
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(node.pid)/fd").count)
                ?? 0
        }
    }
}

/// Bytes that look random and are the same in every run.
private struct SeededBytes {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
