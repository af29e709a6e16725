import Foundation

/// A temporary directory that goes with its last reference.
final class TestFolder {
    let url = FileManager.default.temporaryDirectory
        .appending(path: "skein-process-\(UUID().uuidString)")

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// Nodes on free ports of 127.0.0.1 in a temporary directory; all of it goes with the last reference.
final class TestCluster {
    private(set) var nodes: [NodeProcess] = []
    private let folder: TestFolder
    private let directives: [String]

    /// Writes the configurations; `directives` are lines for all nodes. Nothing is started yet.
    init(nodes count: Int = 3, directives: [String] = []) throws {
        let folder = TestFolder()
        self.folder = folder
        self.directives = directives
        let ports = freePorts(2 * count)
        let members = (0..<count).map { "n\($0 + 1)=127.0.0.1:\(ports[count + $0])" }
        for index in 0..<count {
            let name = "n\(index + 1)"
            let node = NodeProcess(name: name, port: ports[index], in: folder)
            try FileManager.default.createDirectory(
                at: node.dataFolder, withIntermediateDirectories: true)
            let lines =
                [
                    "node-name \(name)", "port \(ports[index])",
                    "cluster-port \(ports[count + index])",
                    "dir \"\(node.dataFolder.path)\"",
                    "initial-cluster \(members.joined(separator: ","))",
                ] + directives
            try lines.joined(separator: "\n").appending("\n")
                .write(to: node.configuration, atomically: true, encoding: .utf8)
            nodes.append(node)
        }
    }

    /// One more node, started on an empty directory: it waits to be met.
    func addNode() throws -> NodeProcess {
        let ports = freePorts(2)
        let node = NodeProcess(name: "n\(nodes.count + 1)", port: ports[0], in: folder)
        node.clusterPort = ports[1]
        try FileManager.default.createDirectory(
            at: node.dataFolder, withIntermediateDirectories: true)
        let lines = [
            "node-name \(node.name)", "port \(ports[0])", "cluster-port \(ports[1])",
            "dir \"\(node.dataFolder.path)\"", "join yes",
        ]
        try (lines + directives).joined(separator: "\n").appending("\n")
            .write(to: node.configuration, atomically: true, encoding: .utf8)
        nodes.append(node)
        try node.start()
        guard
            eventually(within: .seconds(10), { try node.client().call("PING") == .simple("PONG") })
        else { throw NotReady(node: node.name, log: node.log) }
        return node
    }

    deinit {
        for node in nodes { node.kill() }
    }

    /// A cluster that accepts writes through every node.
    static func running(nodes: Int = 3, directives: [String] = []) throws -> TestCluster {
        let cluster = try TestCluster(nodes: nodes, directives: directives)
        try cluster.start()
        return cluster
    }

    func start() throws {
        for node in nodes { try node.start() }
        for node in nodes {
            guard eventually(within: .seconds(10), { try self.acceptsWrites(node) }) else {
                throw NotReady(node: node.name, log: node.log)
            }
        }
    }

    struct NotReady: Error, CustomStringConvertible {
        let node: String
        let log: String
        var description: String { "\(node) accepts no writes; its log:\n\(log.suffix(2000))" }
    }

    func acceptsWrites(_ node: NodeProcess) throws -> Bool {
        if case .integer = try node.client(timeout: .seconds(6)).call("DEL", "no-such-key") {
            return true
        }
        return false
    }

    /// The node that says `role:master`; nil while there is none.
    func leader() -> NodeProcess? {
        nodes.first { $0.isRunning && isLeader($0) }
    }

    func isLeader(_ node: NodeProcess) -> Bool {
        let text = try? node.client(timeout: .seconds(2)).call("INFO", "replication").string
        return text?.contains("role:master") ?? false
    }

    func followers() -> [NodeProcess] {
        guard let leader = leader() else { return [] }
        return nodes.filter { $0.isRunning && $0 !== leader }
    }
}

/// Ports that nobody listens on now, below the range that the kernel hands out for connections.
func freePorts(_ count: Int) -> [Int] {
    var ports: [Int] = []
    while ports.count < count {
        let port = Int.random(in: 20000..<32000)
        guard !ports.contains(port), let descriptor = listeningSocket(port: port) else { continue }
        close(descriptor)
        ports.append(port)
    }
    return ports
}

/// A socket that listens on 127.0.0.1; nil when the port is taken.
func listeningSocket(port: Int) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    let bound = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard bound == 0, listen(descriptor, 8) == 0 else {
        close(descriptor)
        return nil
    }
    return descriptor
}
