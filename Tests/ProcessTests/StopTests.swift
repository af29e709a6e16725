import Foundation
import Testing

extension ProcessTests {
    /// SIGTERM ends a node that serves nobody at once.
    @Suite struct Stop {
        private func stopTime(of node: NodeProcess) -> Duration {
            let start = ContinuousClock.now
            #expect(node.stop() == 0, "log: \(node.log.suffix(1000))")
            return ContinuousClock.now - start
        }

        @Test func `a node that was wiped ends at once`() throws {
            let cluster = try TestCluster.running()
            let wiped = cluster.nodes[2]
            wiped.kill()
            try FileManager.default.removeItem(at: wiped.dataFolder)
            try wiped.start()
            try #require(eventually(within: .seconds(5)) { wiped.log.contains(" mute reason=") })
            // It goes on trying to be let in meanwhile.
            usleep(500_000)
            let took = stopTime(of: wiped)
            record("stop of a mute node", "\(Int(milliseconds(took))) ms")
            #expect(took < .milliseconds(200) * Binary.patience)
        }

        @Test func `a node that waits for the others ends at once`() throws {
            let cluster = try TestCluster()
            let node = cluster.nodes[0]
            try node.start()
            try #require(eventually(within: .seconds(5)) { node.log.contains("peer-unreachable") })
            #expect(stopTime(of: node) < .milliseconds(200) * Binary.patience)
        }

        @Test func `a node without a majority ends at once`() throws {
            let cluster = try TestCluster.running()
            let node = try #require(cluster.followers().first)
            for other in cluster.nodes where other !== node { other.kill() }
            usleep(700_000)
            #expect(stopTime(of: node) < .milliseconds(200) * Binary.patience)
        }

        /// A resolver that is silent keeps libuv's thread, and no call can interrupt it.
        @Test(.enabled(if: isInstalled("clang"), "no C compiler for a slow resolver"))
        func `names that are being looked up keep nobody waiting`() throws {
            let folder = TestFolder()
            try FileManager.default.createDirectory(
                at: folder.url, withIntermediateDirectories: true)
            let source = folder.url.appending(path: "slow.c")
            let library = folder.url.appending(path: "slow.so")
            try """
            #include <netdb.h>
            #include <unistd.h>
            int getaddrinfo(const char *n, const char *s, const struct addrinfo *h,
                            struct addrinfo **r) { sleep(20); return EAI_AGAIN; }
            """.write(to: source, atomically: true, encoding: .utf8)
            let (code, output) = try shell(
                "clang -shared -fPIC -o '\(library.path)' '\(source.path)'")
            try #require(code == 0, "\(output)")

            let cluster = try TestCluster(nodes: 1)
            let node = cluster.nodes[0]
            let text = try String(contentsOf: node.configuration, encoding: .utf8)
            let lines = text.split(separator: "\n").map {
                $0.hasPrefix("initial-cluster ")
                    ? $0 + ",n2=other.invalid:1,n3=third.invalid:1" : $0
            }
            try lines.joined(separator: "\n").appending("\n")
                .write(to: node.configuration, atomically: true, encoding: .utf8)
            try node.start(environment: ["LD_PRELOAD": library.path])
            try #require(eventually(within: .seconds(5)) { node.log.contains(" start node=") })
            usleep(300_000)
            let took = stopTime(of: node)
            record("stop while names are looked up", "\(Int(milliseconds(took))) ms")
            #expect(node.log.contains("stopped reason=shutdown"))
            #expect(took < .milliseconds(600) * Binary.patience)
        }
    }
}
