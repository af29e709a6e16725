import Glibc
import Testing
import UV

@testable import Server

/// CONFIG SET of what the host does for the engine takes effect without a restart.
@Suite(.serialized) struct RunTimeConfigurationTests {
    private func start(_ directives: String = "") throws -> RunningNode {
        try RunningNode(TemporaryDirectory(), port: try RunningNode.freePort(), directives)
    }

    /// The socket of a client as the node, which is in this process, has it.
    private func descriptor(of client: TestClient) throws -> Int32 {
        client.send("CLIENT INFO\r\nPING\r\n")
        var text = ""
        while !text.hasSuffix("+PONG\r\n") {
            let more = client.receive(1)
            try #require(!more.isEmpty)
            text += String(decoding: more, as: UTF8.self)
        }
        let field = text.split(separator: " ").first { $0.hasPrefix("fd=") }
        return try #require(field.flatMap { Int32($0.dropFirst(3)) })
    }

    private func option(_ level: Int32, _ name: Int32, of client: TestClient) throws -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        let status = getsockopt(try descriptor(of: client), level, name, &value, &size)
        try #require(status == 0)
        return value
    }

    @Test func `tcp-keepalive holds for connections from then on`() throws {
        let node = try start("tcp-keepalive 77")
        let before = try node.client()
        #expect(try option(Int32(IPPROTO_TCP), TCP_KEEPIDLE, of: before) == 77)
        #expect(before.ask("CONFIG SET tcp-keepalive 33\r\n", "+OK\r\n"))
        let after = try node.client()
        #expect(try option(Int32(IPPROTO_TCP), TCP_KEEPIDLE, of: after) == 33)
        #expect(try option(SOL_SOCKET, SO_KEEPALIVE, of: after) == 1)
        #expect(try option(Int32(IPPROTO_TCP), TCP_KEEPIDLE, of: before) == 77)
        #expect(after.ask("CONFIG SET tcp-keepalive 0\r\n", "+OK\r\n"))
        #expect(try option(SOL_SOCKET, SO_KEEPALIVE, of: node.client()) == 0)
    }

    /// An address of this machine that is no loopback one.
    private static let ownAddress: String? = {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var next = first
        while let entry = next {
            next = entry.pointee.ifa_next
            guard let address = entry.pointee.ifa_addr,
                address.pointee.sa_family == sa_family_t(AF_INET)
            else { continue }
            var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                var number = $0.pointee.sin_addr
                inet_ntop(AF_INET, &number, &text, socklen_t(text.count))
            }
            let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
            if !host.hasPrefix("127.") { return host }
        }
        return nil
    }()

    @Test(.enabled(if: ownAddress != nil, "this machine has no address but loopback ones"))
    func `protected-mode holds for connections from then on`() throws {
        let node = try start("bind *")
        let host = try #require(Self.ownAddress)
        let here = try node.client()
        #expect(try node.client(through: host).receiveAll().hasPrefix("-DENIED "))
        #expect(here.ask("CONFIG SET protected-mode no\r\n", "+OK\r\n"))
        let stranger = try node.client(through: host)
        #expect(stranger.ask("PING\r\n", "+PONG\r\n"))
        #expect(here.ask("CONFIG SET protected-mode yes\r\n", "+OK\r\n"))
        #expect(try node.client(through: host).receiveAll().hasPrefix("-DENIED "))
        // Who is in stays in, as in Redis.
        #expect(stranger.ask("PING\r\n", "+PONG\r\n"))
    }

    @Test func `maxclients beyond the limit of open files is refused in Redis's words`() throws {
        let node = try start()
        let client = try node.client()
        client.send("CONFIG SET maxclients 4000000000\r\n")
        let expected = """
            -ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating \
            system is not able to handle the specified number of clients, try with \
            \(DescriptorLimit.clientsMax)\r\n
            """
        #expect(client.receives(expected))
        #expect(client.ask("CONFIG SET maxclients 5\r\n", "+OK\r\n"))
        #expect(client.ask("CONFIG SET maxclients 50\r\n", "+OK\r\n"))
    }

    @Test func `loglevel is followed within a second or two`() throws {
        let directory = TemporaryDirectory()
        let node = try RunningNode(directory, port: try RunningNode.freePort())
        let client = try node.client()
        #expect(client.ask("CONFIG SET loglevel warning\r\n", "+OK\r\n"))
        usleep(2_500_000)
        #expect(node.stop() == 0)
        let log = try TextFile.read("\(directory.path)/log")
        #expect(log.contains(" start node=") && !log.contains(" * shutdown"))
    }
}
