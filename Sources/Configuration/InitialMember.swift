/// One of `initial-cluster`'s `name=host:port`.
public struct InitialMember: Sendable, Equatable {
    public var name: String
    /// An address or a host name, IPv6 without its brackets.
    public var host: String
    /// Where it listens for peers.
    public var port: Int

    public init(name: String, host: String, port: Int) {
        self.name = name
        self.host = host
        self.port = port
    }
}

extension InitialMember {
    /// As in the configuration file.
    var text: String {
        host.utf8.contains(UInt8(ascii: ":"))
            ? "\(name)=[\(host)]:\(port)" : "\(name)=\(host):\(port)"
    }

    /// The members that `words` list, separated by commas, blanks or both.
    static func parse(_ words: [String]) throws(ValueError) -> [InitialMember] {
        var members: [InitialMember] = []
        for word in words {
            for part in word.split(separator: ",") {
                let member = try InitialMember(parsing: part)
                for other in members {
                    if other.name == member.name {
                        throw ValueError("node '\(member.name)' is listed twice")
                    }
                    if other.host == member.host, other.port == member.port {
                        throw ValueError(
                            "nodes '\(other.name)' and '\(member.name)' have the same address")
                    }
                }
                members.append(member)
            }
        }
        if members.count > Configuration.membersMax {
            throw ValueError("at most \(Configuration.membersMax) nodes can found a cluster")
        }
        return members
    }

    private init(parsing part: Substring) throws(ValueError) {
        func wrong(_ what: String) -> ValueError {
            ValueError("'\(part)' is not name=host:peerport: \(what)")
        }
        guard let equals = part.firstIndex(of: "=") else { throw wrong("there is no '='") }
        let name = part[..<equals]
        let address = part[part.index(after: equals)...]
        guard let colon = address.lastIndex(of: ":") else { throw wrong("there is no port") }
        var host = address[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw wrong("an IPv6 address stands in [brackets]")
        }
        guard !host.isEmpty else { throw wrong("there is no host") }
        guard host.utf8.count <= 255 else { throw wrong("the host is too long") }
        guard let port = strictInteger(address[address.index(after: colon)...]),
            (1...65535).contains(port)
        else { throw wrong("the port must be between 1 and 65535") }
        try Self.checkName(name)
        self.init(name: String(name), host: String(host), port: port)
    }

    /// Names appear in file names, log lines and lists: letters, digits, `-`, `_` and `.`.
    static func checkName(_ name: some StringProtocol) throws(ValueError) {
        let isPlain = name.utf8.allSatisfy {
            $0 &- 0x30 < 10 || $0 | 0x20 &- 0x61 < 26 || $0 == 0x2D || $0 == 0x5F || $0 == 0x2E
        }
        guard isPlain, !name.isEmpty, name.utf8.count <= 63 else {
            throw ValueError("a node's name is 1 to 63 letters, digits, '-', '_' and '.'")
        }
    }
}
