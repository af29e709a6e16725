import ArgumentParser
import Glibc

/// `skein node`: the nodes of a running cluster.
struct Node: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Adds, removes and lists the nodes of a running cluster.",
        discussion: """
            Talks to the client port of any member. A node is named by its number, its name or its \
            40-digit id.
            """,
        subcommands: [Add.self, Remove.self, List.self, TransferLeader.self])

    /// Which member is asked.
    struct Member: ParsableArguments {
        @Option(help: "A member's address.")
        var host = "127.0.0.1"

        @Option(name: .shortAndLong, help: "Its port for clients.")
        var port = 6379

        @Option(name: [.customShort("a"), .long], help: "The password, if one is set.")
        var password: String?

        func connect() throws -> NodeConnection {
            try NodeConnection(host: host, port: port, password: password)
        }

        /// Runs `body` with a connection; what goes wrong is told in one line, exit code 1.
        func run(_ body: (NodeConnection) throws -> Void) throws {
            do { try body(try connect()) } catch let error as ConnectionError {
                complain("skein: \(error)")
                throw ExitCode(1)
            }
        }
    }

    /// `skein node add HOST:PORT`
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a node a member that waits with 'join yes' and an empty directory.",
            discussion: """
                Says CLUSTER MEET, and waits until the node has caught up and votes in every group; \
                with 0 seconds to wait it returns when the node is being looked for.
                """)

        @OptionGroup var member: Member

        @Argument(help: "The new node's address and port for clients.")
        var address: String

        @Option(help: "Its port for nodes; the port for clients + 10000 if it is not given.")
        var clusterPort: Int?

        @Option(help: "Seconds to wait for.")
        var wait = 600

        func run() throws {
            guard let colon = address.lastIndex(of: ":"),
                let port = Int(address[address.index(after: colon)...])
            else { throw ValidationError("'\(address)' is not HOST:PORT") }
            var host = address[..<colon]
            if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
            try member.run { node in
                var words = ["CLUSTER", "MEET", "\(host)", "\(port)"]
                if let clusterPort { words.append("\(clusterPort)") }
                try node.call(words)
                try follow(
                    String(host), clusterPort ?? port + 10_000, seconds: wait, through: node)
            }
        }

        /// Tells what becomes of it until it is a member.
        private func follow(
            _ host: String, _ port: Int, seconds: Int, through node: NodeConnection
        ) throws {
            var told = ""
            for _ in 0..<max(0, seconds * 2) {
                let found = try NodeLine.all(through: node).first {
                    $0.host == host && $0.clusterPort == port && $0.state != "leaving"
                }
                guard let found else {
                    throw ConnectionError(
                        "the node could not be added; the log of the member that was asked says why"
                    )
                }
                let text = "\(found.state), votes in \(found.voting) of \(found.groups) groups"
                if text != told { print("\(address): \(text)") }
                told = text
                if found.state == "member" { return }
                usleep(500_000)
            }
            if seconds > 0 { throw ConnectionError("not a member after \(seconds) seconds") }
        }
    }

    /// `skein node remove ID`
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a node from every group and from the cluster, dead or alive.",
            discussion: """
                Says CLUSTER FORGET, and waits until it is done. What the node leads is handed over. \
                It serves nothing any more then, and stops for good when it is stopped.
                """)

        @OptionGroup var member: Member

        @Argument(help: "The node.")
        var node: String

        @Option(help: "Seconds to wait for.")
        var wait = 60

        func run() throws {
            try member.run { connection in
                let found = try NodeLine.named(node, through: connection)
                try connection.call(["CLUSTER", "FORGET", "\(found.number)"])
                for _ in 0..<max(0, wait * 2) {
                    let lines = try NodeLine.all(through: connection)
                    if !lines.contains(where: { $0.number == found.number }) {
                        print("\(found.name) (\(found.number)) is no member any more")
                        return
                    }
                    usleep(500_000)
                }
                if wait > 0 {
                    throw ConnectionError(
                        "still a member after \(wait) seconds: are enough of the others up?")
                }
            }
        }
    }

    /// `skein node list`
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the nodes, as the member that is asked knows them.")

        @OptionGroup var member: Member

        func run() throws {
            try member.run { connection in
                var rows = [["NODE", "NAME", "ADDRESS", "STATE", "LINK", "VOTES", "LEADS", "ID"]]
                for line in try NodeLine.all(through: connection) {
                    rows.append([
                        line.number == 0 ? "-" : "\(line.number)", line.name,
                        "\(line.host):\(line.port)@\(line.clusterPort)", line.state, line.link,
                        "\(line.voting)/\(line.groups)", "\(line.leading)", line.id,
                    ])
                }
                let widths = rows[0].indices.map { column in
                    rows.map { $0[column].count }.max() ?? 0
                }
                for row in rows {
                    // The id, last, needs no blanks behind it.
                    let cells = zip(row, widths).map { cell, width in
                        cell == row.last
                            ? cell : cell + String(repeating: " ", count: width - cell.count)
                    }
                    print(cells.joined(separator: "  "))
                }
            }
        }
    }

    /// `skein node transfer-leader GROUP NODE`
    struct TransferLeader: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a node lead a group; 0 is the group of the cluster itself.")

        @OptionGroup var member: Member

        @Argument(help: "The group's number, from 0.")
        var group: Int

        @Argument(help: "The node.")
        var node: String

        func run() throws {
            try member.run { connection in
                let found = try NodeLine.named(node, through: connection)
                try connection.call(["SKEIN.TRANSFER", "\(group)", "\(found.number)"])
                print("\(found.name) (\(found.number)) leads group \(group)")
            }
        }
    }
}

/// A node as SKEIN.NODES tells of it.
struct NodeLine {
    private var fields: [String: String] = [:]

    var id: String { fields["id"] ?? "" }
    var name: String { fields["name"] ?? "" }
    var host: String { fields["host"] ?? "" }
    var state: String { fields["state"] ?? "" }
    var link: String { fields["link"] ?? "" }
    var number: Int { integer("number") }
    var port: Int { integer("port") }
    var clusterPort: Int { integer("cluster-port") }
    var groups: Int { integer("groups") }
    var voting: Int { integer("voting") }
    var leading: Int { integer("leading") }

    private func integer(_ name: String) -> Int { Int(fields[name] ?? "") ?? 0 }

    private init(_ reply: NodeReply) {
        guard case .list(let parts) = reply else { return }
        for at in stride(from: 0, to: parts.count - 1, by: 2) {
            fields[parts[at].string] = parts[at + 1].string
        }
    }

    static func all(through node: NodeConnection) throws -> [NodeLine] {
        guard case .list(let lines) = try node.call(["SKEIN.NODES"]) else {
            throw ConnectionError("what answers there is no Skein node")
        }
        return lines.map { NodeLine($0) }
    }

    /// The node that an operator means: by number, name or id.
    static func named(_ text: String, through node: NodeConnection) throws -> NodeLine {
        let lines = try all(through: node).filter { $0.number > 0 }
        let found =
            lines.first { "\($0.number)" == text || $0.id == text }
            ?? lines.last { $0.name == text }
        guard let found else { throw ConnectionError("there is no node \(text)") }
        return found
    }
}
