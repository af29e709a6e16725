internal import Bytes
internal import Configuration
internal import Engine
internal import UV

/// The clients: accepts them, knows their connections by session. Loop thread only.
final class ClientListener {
    private unowned let host: NodeHost
    private let listeners: [TCPListener]
    /// By the session's index. Invariant: a connection here has that very session.
    private var connections: [ClientConnection?] = []

    init(_ host: NodeHost, _ listeners: [TCPListener]) {
        self.host = host
        self.listeners = listeners
        for listener in listeners {
            listener.onConnection = { [unowned self] in accept($0) }
            listener.onFailure = { [unowned self] error in
                self.host.say(.warning, "client-not-accepted error=\"\(error)\"")
            }
        }
    }

    /// Where clients are accepted.
    var addresses: [Address] { listeners.map(\.address) }

    private func accept(_ stream: TCPStream) {
        guard let address = stream.peerAddress else { return stream.close() }
        // As CONFIG SET has left it.
        let configuration = host.engine.configuration
        guard !configuration.protectedMode || address.isLoopback else {
            return refuse(stream, Self.protectedModeText)
        }
        let session = host.engine.open(
            address: address.description, local: stream.localAddress?.description ?? "",
            descriptor: stream.descriptor, now: SystemClock.reading())
        guard let session else {
            return refuse(stream, "-ERR max number of clients reached\r\n")
        }
        stream.setNoDelay()
        stream.readBytesPerTurn = ServerLimits.readBytesPerTurn
        let keepAlive = UInt32(clamping: configuration.tcpKeepaliveSeconds)
        if keepAlive > 0 { stream.setKeepAlive(after: keepAlive) }
        let connection = ClientConnection(host, session, stream)
        stream.owner = connection
        let index = Int(session.index)
        if index >= connections.count {
            connections.append(
                contentsOf: repeatElement(nil, count: index + 1 - connections.count))
        }
        invariant(connections[index] == nil, "a session index given out twice")
        connections[index] = connection
        stream.startReading()
    }

    private func refuse(_ stream: TCPStream, _ text: StaticString) {
        var reply = ByteBuffer()
        reply.append(text)
        // A fresh socket takes a line; if not, closing says enough.
        _ = try? stream.tryWrite(reply.readable)
        stream.close()
    }

    private func connection(of session: SessionID) -> ClientConnection? {
        let index = Int(session.index)
        guard index < connections.count, let connection = connections[index],
            connection.session == session
        else { return nil }
        return connection
    }

    /// Writes what the session has to say.
    func flush(_ session: SessionID) {
        guard let connection = connection(of: session), !connection.flush() else { return }
        lost(session)
    }

    /// Lets the client go once it has got what there is for it.
    func close(_ session: SessionID) {
        guard let connection = connection(of: session) else { return }
        let isStanding = connection.flush()
        forget(session)
        if isStanding { connection.leave() } else { connection.end() }
    }

    /// Stops or resumes reading: the engine has enough of this client for now, or room again.
    func setPaused(_ session: SessionID, _ isPaused: Bool) {
        guard let stream = connection(of: session)?.stream else { return }
        if isPaused { stream.pauseReading() } else { stream.startReading() }
    }

    /// The client is gone.
    func lost(_ session: SessionID) {
        guard let connection = connection(of: session) else { return }
        forget(session)
        connection.end()
    }

    private func forget(_ session: SessionID) {
        connections[Int(session.index)] = nil
        host.engine.close(session)
    }

    /// Accepts nobody any more and lets everybody go: the process ends.
    func closeAll() {
        for listener in listeners { listener.close() }
        for connection in connections { connection?.end() }
        connections = []
    }

    private static let protectedModeText: StaticString = """
        -DENIED Skein is running in protected mode: it has no password, so only clients on this \
        machine are served. To be reached from elsewhere, set protected-mode no in the \
        configuration file, but only in a network that strangers cannot enter.\r\n
        """
}
