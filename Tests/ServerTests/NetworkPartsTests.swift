import Bytes
import Configuration
import Glibc
import Testing
import UV

@testable import Server

@Suite struct NetworkPartsTests {
    private func bind(_ words: String...) throws -> BindAddresses {
        let configuration = try Configuration.parse(
            file: "bind \(words.joined(separator: " "))\n", name: "test")
        return try BindAddresses(configuration.bind)
    }

    @Test func `connections leave from the node's own address of the same family`() throws {
        let four = try Address(host: "127.0.0.9", port: 1)
        let six = try Address(host: "::1", port: 1)
        let far = try Address(host: "10.9.8.7", port: 1)
        #expect(try bind("127.0.0.2").source(for: four)?.host == "127.0.0.2")
        #expect(try bind("127.0.0.2").source(for: six) == nil)
        #expect(try bind("127.0.0.2", "::1").source(for: six)?.host == "::1")
        #expect(try bind("*").source(for: four) == nil)
        #expect(try bind("127.0.0.1", "10.1.1.1").source(for: far)?.host == "10.1.1.1")
        #expect(try bind("127.0.0.1").source(for: far) == nil)
    }

    @Test func `an optional address may be missing, a required one may not`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let optional = try bind("127.0.0.1", "-192.0.2.1")
        #expect(try optional.listen(port: 0, backlog: 16, on: loop).count == 1)
        let required = try bind("127.0.0.1", "192.0.2.1")
        #expect(throws: UVError.self) { _ = try required.listen(port: 0, backlog: 16, on: loop) }
    }

    @Test(arguments: ["SKEINPR1", "SKEINLV1", "SKEINXX1", "GET / HTTP/1.1\r\n", ""])
    func `a greeting is read, byte by byte, and not a byte more`(text: String) throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var result: ConnectionGreeting??
        var rest = -1
        let listener = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0))
        listener.onConnection = { stream in
            _ = GreetingReader(stream, within: .milliseconds(300)) { _, stream, greeting in
                result = .some(greeting)
                var bytes = [UInt8](repeating: 0, count: 100)
                usleep(20_000)
                rest = recv(stream.descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                stream.close()
            }
        }
        let bytes = Array(text.utf8) + (text.hasPrefix("SKEIN") ? Array("tail".utf8) : [])
        let client = try TCPStream.connect(loop, to: listener.address) { stream, _ in
            stream.setNoDelay()
            for byte in bytes { stream.write(ByteBuffer([byte])) }
        }
        while result == nil { loop.runOnce() }
        client.close()
        #expect(result == .some(ConnectionGreeting(Array(text.utf8))))
        if text.hasPrefix("SKEIN") { #expect(rest == 4) }
    }

    @Test func `an attempt to reach a peer ends once: refused, nameless or reached`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let listener = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0))
        let open = listener.address.port
        let closed = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0))
        let refused = closed.address.port
        closed.close()
        loop.runWithoutWaiting()
        var results: [String] = []
        func dial(_ host: String, _ port: UInt16) throws -> PeerDial {
            PeerDial(
                loop, host: host, port: port, from: try bind("127.0.0.1"), within: .seconds(5)
            ) { result in
                switch result {
                case .success(let stream):
                    results.append("reached")
                    stream.close()
                case .failure(let error): results.append(error.name)
                }
            }
        }
        var dials = [try dial("127.0.0.1", open)]
        while results.count < 1 { loop.runOnce() }
        dials.append(try dial("127.0.0.1", refused))
        while results.count < 2 { loop.runOnce() }
        dials.append(try dial("localhost", open))
        while results.count < 3 { loop.runOnce() }
        dials.append(try dial("no-such-host.invalid", open))
        while results.count < 4 { loop.runOnce() }
        #expect(results.prefix(3) == ["reached", "ECONNREFUSED", "reached"])
        #expect(results[3].hasPrefix("EAI_"))
        let cancelled = try dial("127.0.0.1", open)
        cancelled.cancel()
        for _ in 0..<3 { loop.runWithoutWaiting() }
        #expect(results.count == 4)
    }

    @Test func `the addresses of a name are tried in turn, dead ones for their share of the time`()
        throws
    {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let listener = try TCPListener(loop, address: Address(host: "127.0.0.3", port: 0))
        let port = listener.address.port
        var results: [String] = []
        // Nobody listens at the first; nothing is routed from loopback to the second, at once or never.
        let addresses = try ["127.0.0.1", "192.0.2.1", "127.0.0.3"].map {
            try Address(host: $0, port: port)
        }
        func dial(_ addresses: [Address]) throws -> PeerDial {
            PeerDial(
                loop, to: addresses, target: "name", from: try bind("127.0.0.9"),
                within: .milliseconds(600)
            ) { result in
                switch result {
                case .success(let stream):
                    results.append("reached")
                    stream.close()
                case .failure(let error): results.append(error.name)
                }
            }
        }
        var dials = [try dial(addresses)]
        while results.isEmpty { loop.runOnce() }
        dials.append(try dial([addresses[0]]))
        while results.count < 2 { loop.runOnce() }
        dials.append(try dial([]))
        while results.count < 3 { loop.runOnce() }
        #expect(results == ["reached", "ECONNREFUSED", "EDESTADDRREQ"])
    }

    @Test func `an attempt that gets no answer times out`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        // A listener that accepts nobody, with its backlog filled up, leaves SYNs unanswered.
        let full = try TCPListener(loop, address: Address(host: "127.0.0.1", port: 0), backlog: 1)
        let hold = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(hold) }
        var reuse: Int32 = 1
        setsockopt(hold, SOL_SOCKET, SO_REUSEADDR, &reuse, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw -> UInt16 in
                var size = socklen_t(MemoryLayout<sockaddr_in>.size)
                guard Glibc.bind(hold, raw, size) == 0, Glibc.listen(hold, 0) == 0,
                    getsockname(hold, raw, &size) == 0
                else { return 0 }
                return UInt16(bigEndian: pointer.pointee.sin_port)
            }
        }
        full.close()
        var results: [String] = []
        var dials: [PeerDial] = []
        for _ in 0..<4 {
            dials.append(
                PeerDial(
                    loop, host: "127.0.0.1", port: bound, from: try bind("127.0.0.1"),
                    within: .milliseconds(150)
                ) { result in
                    if case .failure(let error) = result {
                        results.append(error.name)
                    } else {
                        results.append("reached")
                    }
                })
        }
        while results.count < 4 { loop.runOnce() }
        #expect(results.contains("ETIMEDOUT"))
    }

    @Test func `room for a few clients is there, room for a billion is not`() {
        #expect(DescriptorLimit.makeRoom(forClients: 1) == .sufficient)
        guard
            case .insufficient(let files, let clients) = DescriptorLimit.makeRoom(
                forClients: 2_000_000_000)
        else {
            Issue.record("two billion files")
            return
        }
        #expect(files - clients == ServerLimits.reservedDescriptors)
    }
}
