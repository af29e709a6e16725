import Bytes
import Testing
import UV

@Suite struct TCPListenerTests {
    @Test func `a port in use is refused with the address and the reason`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let first = try TCPListener(loop, address: .anyPort) { $0.close() }
        let error = #expect(throws: UVError.self) {
            _ = try TCPListener(loop, address: first.address) { $0.close() }
        }
        #expect(error?.isAddressInUse == true)
        #expect(error?.name == "EADDRINUSE")
        #expect(error?.description.contains("\(first.address): address already in use") == true)
    }

    @Test func `an address of another machine is refused`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let foreign = try Address(host: "192.0.2.1", port: 0)
        let error = #expect(throws: UVError.self) {
            _ = try TCPListener(loop, address: foreign) { $0.close() }
        }
        #expect(error?.name == "EADDRNOTAVAIL")
    }

    @Test func `connecting where nobody listens is refused`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let listener = try TCPListener(loop, address: .anyPort) { $0.close() }
        let address = listener.address
        listener.close()
        loop.runWithoutWaiting()
        var result: UVError?
        let stream = try TCPStream.connect(loop, to: address) { _, error in result = error }
        #expect(loop.run { result != nil })
        #expect(result?.isConnectionRefused == true)
        #expect(result?.description.contains("connect to \(address)") == true)
        #expect(stream.isClosing)
    }

    @Test func `closing an attempt to connect silences it`() throws {
        let loop = try Loop()
        let listener = try TCPListener(loop, address: .anyPort) { $0.close() }
        var results = 0
        let stream = try TCPStream.connect(loop, to: listener.address) { _, _ in results += 1 }
        stream.close()
        loop.closeAllHandles()
        #expect(results == 0)
    }

    @Test func `a connection leaves from the address that was asked for`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        var accepted: TCPStream?
        let listener = try TCPListener(loop, address: .anyPort) { accepted = $0 }
        let local = try Address(host: "127.0.0.2", port: 0)
        var done = false
        let client = try TCPStream.connect(loop, to: listener.address, from: local) { _, _ in
            done = true
        }
        #expect(loop.run { done && accepted != nil })
        #expect(accepted?.peerAddress?.host == "127.0.0.2")
        #expect(client.localAddress == accepted?.peerAddress)
        #expect(client.peerAddress == listener.address)
        #expect(accepted?.descriptor ?? -1 >= 0)
    }

    @Test func `IPv4 and IPv6 listen side by side on one port`() throws {
        let loop = try Loop()
        defer { loop.closeAllHandles() }
        let four = try TCPListener(loop, address: Address(host: "0.0.0.0", port: 0)) { $0.close() }
        let any = try Address(host: "::", port: four.address.port)
        let six = Result { try TCPListener(loop, address: any) { $0.close() } }
        switch six {
        case .success(let listener): #expect(listener.address.port == four.address.port)
        case .failure(let error):
            // A machine without IPv6, or whose port was taken meanwhile.
            let name = (error as? UVError)?.name
            #expect(name == "EAFNOSUPPORT" || name == "EADDRINUSE" || name == "EADDRNOTAVAIL")
        }
    }

    @Test func `a thousand connections are served and freed`() throws {
        let connections = 1000
        weak var last: TCPStream?
        do {
            let loop = try Loop()
            defer { loop.closeAllHandles() }
            var servers: [TCPStream] = []
            let listener = try TCPListener(loop, address: .anyPort) { stream in
                let owner = Recorder()
                owner.onReceived = { $0.write(ByteBuffer([42])) }
                owner.onEnded = { $0.close() }
                stream.owner = owner
                stream.startReading()
                servers.append(stream)
            }
            var answered = 0
            var clients: [TCPStream] = []
            for _ in 0..<connections {
                let client = try TCPStream.connect(loop, to: listener.address) { stream, error in
                    guard error == nil else { return }
                    stream.startReading()
                    _ = try? stream.tryWrite(bytes: [1])
                }
                let owner = Recorder()
                owner.onReceived = { _ in answered += 1 }
                client.owner = owner
                clients.append(client)
            }
            #expect(loop.run { answered == connections })
            #expect(servers.count == connections)
            last = clients.last
            for client in clients { client.close() }
            #expect(loop.run { servers.allSatisfy { $0.isClosing } })
        }
        #expect(last == nil)
    }
}
