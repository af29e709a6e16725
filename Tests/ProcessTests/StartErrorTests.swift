import Foundation
import Testing

extension ProcessTests {
    /// Starts that must fail: at once, with an exit code, and with a line that helps.
    @Suite struct StartErrors {
        /// Starts the node, expects it to end by itself, and returns what it said.
        private func refusal(of node: NodeProcess, _ overrides: String...) throws -> String {
            let before = node.log.count
            let process = Process()
            let pipe = Pipe()
            process.executableURL = URL(filePath: Binary.path)
            process.arguments = [node.configuration.path] + overrides
            process.standardOutput = pipe
            process.standardError = pipe
            try runUnblocked(process)
            guard eventually(within: .seconds(5), { !process.isRunning }) else {
                kill(process.processIdentifier, SIGKILL)
                Issue.record("still runs after 5 s; log: \(node.log.dropFirst(before))")
                return ""
            }
            let said = String(
                decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            #expect(process.terminationReason == .exit, "it crashed: \(said)")
            #expect(process.terminationStatus != 0, "it ended as if all were well: \(said)")
            return said
        }

        @Test(arguments: [
            ("no-such-directive 1", "no-such-directive"), ("port abc", "abc"),
            ("port 70000", "70000"),
            ("appendfsync sometimes", "sometimes"), ("election-timeout -5", "-5"),
            ("proto-max-bulk-len 1x", "1x"), ("initial-cluster n1=nowhere", "nowhere"),
            ("maxclients", "maxclients"), ("loglevel \"unbalanced", "unbalanced"),
        ])
        func `a bad line stops the start with file, line and reason`(
            line: String, mention: String
        ) throws {
            let cluster = try TestCluster(nodes: 1)
            let node = cluster.nodes[0]
            try FileManager.default.createDirectory(
                at: node.dataFolder, withIntermediateDirectories: true)
            try "port \(freePorts(1)[0])\n# a comment\n\(line)\n"
                .write(to: node.configuration, atomically: true, encoding: .utf8)
            let said = try refusal(of: node)
            #expect(said.contains("node.conf:3"), "\(said)")
            #expect(said.contains(mention), "\(said)")
        }

        @Test func `a missing configuration file is named`() throws {
            let cluster = try TestCluster(nodes: 1)
            let node = cluster.nodes[0]
            try? FileManager.default.removeItem(at: node.configuration)
            #expect(try refusal(of: node).contains("node.conf"))
        }

        @Test func `a port in use is named`() throws {
            let cluster = try TestCluster(nodes: 1)
            let taken = try #require(listeningSocket(port: cluster.nodes[0].port))
            defer { close(taken) }
            #expect(try refusal(of: cluster.nodes[0]).contains("\(cluster.nodes[0].port)"))
        }

        @Test func `a second process on one directory is refused, the first goes on`() throws {
            let cluster = try TestCluster.running(nodes: 1)
            let ports = freePorts(2)
            let said = try refusal(
                of: cluster.nodes[0], "--port", "\(ports[0])", "--cluster-port", "\(ports[1])",
                "--initial-cluster", "n1=127.0.0.1:\(ports[1])")
            #expect(said.contains(cluster.nodes[0].dataFolder.path), "\(said)")
            #expect(try cluster.acceptsWrites(cluster.nodes[0]))
        }

        @Test func `the directory of another node is refused`() throws {
            let cluster = try TestCluster.running()
            let (first, second) = (cluster.nodes[0], cluster.nodes[1])
            first.stop()
            second.stop()
            let said = try refusal(of: first, "--dir", second.dataFolder.path)
            #expect(said.contains(second.dataFolder.path), "\(said)")
            #expect(said.contains("n2") && said.contains("n1"), "\(said)")
        }

        @Test func `a node with the directory of another cluster does not join`() throws {
            let (ours, theirs) = (try TestCluster.running(), try TestCluster.running())
            let (node, stranger) = (ours.nodes[2], theirs.nodes[2])
            node.stop()
            stranger.kill()
            // The same name and place in the cluster, but another cluster's log.
            try node.start("--dir", stranger.dataFolder.path)
            usleep(1_500_000)
            #expect(try ours.acceptsWrites(ours.nodes[0]))
            let refused = eventually(within: .seconds(3)) {
                ([node] + ours.nodes).contains { $0.log.lowercased().contains("another cluster") }
            }
            #expect(refused, "nobody says why: \(node.log.suffix(1500))")
            let reply = (try? node.client(timeout: .seconds(7)).call("GET", "x")) ?? .error("")
            #expect(reply.isError, "\(reply)")
        }

        @Test func `a directory that cannot be written is named`() throws {
            let cluster = try TestCluster(nodes: 1)
            let node = cluster.nodes[0]
            for path in ["/proc/skein", "/dev/null/skein"] {
                #expect(try refusal(of: node, "--dir", path).contains(path))
            }
        }

        @Test func `--version tells the version and the commit that INFO tells`() throws {
            let (_, output) = try shell("'\(Binary.path)' --version")
            let words = output.split { $0 == " " || $0 == "\n" }
            try #require(words.count == 4 && words[0] == "skein-server", "\(output)")
            let cluster = try TestCluster.running(nodes: 1)
            let info = try cluster.nodes[0].client().call("INFO", "server").string ?? ""
            let fields = Set(info.split(separator: "\r\n"))
            #expect(fields.contains("skein_version:\(words[1])"))
            #expect(fields.contains("redis_version:\(words[3].dropFirst("redis_version=".count))"))
            let commit = words[2].dropFirst("commit=".count)
            let isKnown = commit != "unknown"
            let isDirty = commit.hasSuffix("-dirty")
            let sha1 = isKnown ? commit.prefix { $0 != "-" } : "00000000"
            #expect(fields.contains("redis_git_sha1:\(sha1)"))
            #expect(fields.contains("redis_git_dirty:\(isDirty ? 1 : 0)"))
        }

        @Test func `--version, --help and --check-config end well`() throws {
            let cluster = try TestCluster(nodes: 1)
            let node = cluster.nodes[0]
            for option in ["--version", "--help", "'\(node.configuration.path)' --check-config"] {
                let (code, output) = try shell("'\(Binary.path)' \(option)")
                #expect(code == 0, "\(option): \(output)")
                #expect(!output.isEmpty, "\(option)")
            }
        }
    }
}
