internal import Bytes
internal import Engine
internal import Raft
internal import UV

/// The links to peers: dials those that the engine asks for, moves bytes. Loop thread only.
///
/// The engine does the handshake and decides when to try again; a failed attempt is reported to it as
/// a link that closed.
final class PeerLinks {
    private unowned let host: NodeHost
    private let bind: BindAddresses
    private var connections: [UInt64: PeerConnection] = [:]
    private var dials: [UInt16: PeerDial] = [:]
    /// The last failure told about each peer: the same one is not told again.
    private var toldFailures: [UInt16: String] = [:]
    private var nextLink: UInt64 = 1
    /// One buffer for all links: a read is handed to the engine before the next one begins.
    let readBuffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ServerLimits.linkReadBytes, alignment: 16)

    init(_ host: NodeHost, from bind: BindAddresses) {
        self.host = host
        self.bind = bind
    }

    deinit { readBuffer.deallocate() }

    private func newLink() -> LinkID {
        defer { nextLink += 1 }
        return LinkID(nextLink)
    }

    /// Connects to a peer, from the node's own address.
    func dial(_ dial: Dial) {
        let peer = dial.peer
        guard dials[peer.raw] == nil, let port = UInt16(exactly: dial.port) else { return }
        dials[peer.raw] = PeerDial(
            host.loop, host: dial.host, port: port, from: bind, within: ServerLimits.connectTime
        ) { [unowned self] result in
            dials[peer.raw] = nil
            switch result {
            case .success(let stream):
                toldFailures[peer.raw] = nil
                stream.write(ConnectionGreeting.peerLink.bytes)
                open(stream, dialed: peer)
            case .failure(let error):
                tell(error, of: peer)
                host.engine.linkClosed(newLink(), dialed: peer, now: SystemClock.reading())
            }
        }
    }

    private func tell(_ error: UVError, of peer: NodeID) {
        guard toldFailures.updateValue(error.description, forKey: peer.raw) != error.description
        else { return }
        host.say(.notice, "peer-unreachable peer=\(peer.raw) error=\"\(error)\"")
    }

    /// Takes over a connection that carries the peer protocol.
    func open(_ stream: TCPStream, dialed: NodeID?) {
        let link = newLink()
        stream.setNoDelay()
        stream.readBytesPerTurn = ServerLimits.readBytesPerTurn
        stream.setUnacknowledgedTimeout(ServerLimits.unacknowledgedTime)
        let connection = PeerConnection(host, link, dialed: dialed, stream)
        connections[link.raw] = connection
        stream.owner = connection
        host.engine.linkOpened(link, dialed: dialed, now: SystemClock.reading())
        stream.startReading()
    }

    /// Writes what the link has to say.
    func flush(_ link: LinkID) {
        guard let connection = connections[link.raw], let error = connection.flush() else { return }
        lost(link, error)
    }

    /// Closes a link once its output is written, or given to the kernel as far as it takes it.
    func close(_ link: LinkID) {
        guard let connection = connections[link.raw] else { return }
        _ = connection.flush()
        forget(connection)
    }

    /// The connection ended or broke.
    func lost(_ link: LinkID, _ error: UVError?) {
        guard let connection = connections[link.raw] else { return }
        if let error { host.say(.notice, "peer-link-lost link=\(link.raw) error=\"\(error)\"") }
        forget(connection)
    }

    private func forget(_ connection: PeerConnection) {
        connections[connection.link.raw] = nil
        connection.stream.close()
        host.engine.linkClosed(
            connection.link, dialed: connection.dialed, now: SystemClock.reading())
    }

    /// Ends all links and attempts: the process ends.
    func closeAll() {
        for dial in dials.values { dial.cancel() }
        for connection in connections.values { connection.stream.close() }
        dials = [:]
        connections = [:]
    }
}

/// A peer's socket on one side, its link in the engine on the other. Loop thread only.
final class PeerConnection: TCPStreamOwner {
    private unowned let host: NodeHost
    let link: LinkID
    let dialed: NodeID?
    let stream: TCPStream

    init(_ host: NodeHost, _ link: LinkID, dialed: NodeID?, _ stream: TCPStream) {
        self.host = host
        self.link = link
        self.dialed = dialed
        self.stream = stream
    }

    func readBuffer(for _: TCPStream) -> UnsafeMutableRawBufferPointer { host.links.readBuffer }

    func stream(_: TCPStream, received count: Int) {
        let bytes = UnsafeRawBufferPointer(rebasing: host.links.readBuffer[..<count])
        host.engine.receive(
            Span<UInt8>(_unsafeBytes: bytes), link: link, now: SystemClock.reading())
    }

    func streamEnded(_: TCPStream) { host.links.lost(link, nil) }

    func stream(_: TCPStream, failed error: UVError) { host.links.lost(link, error) }

    func streamWrote(_: TCPStream) { host.engine.outputQueued(stream.queuedBytes, for: link) }

    /// Writes what the link has to say; the error that broke it, if one did.
    func flush() -> UVError? {
        var failure: UVError?
        if stream.queuedBytes == 0 {
            let stream = stream
            host.engine.writeOutput(of: link) { bytes in
                do throws(UVError) {
                    return try stream.tryWrite(bytes)
                } catch {
                    failure = error
                    return 0
                }
            }
        }
        if let failure { return failure }
        if host.engine.output(of: link) > 0 {
            stream.write(host.engine.takeOutput(of: link))
            host.engine.outputQueued(stream.queuedBytes, for: link)
        }
        return nil
    }
}
