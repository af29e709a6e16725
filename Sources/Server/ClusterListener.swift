internal import Bytes
internal import Engine
internal import UV

/// The cluster port: accepts peers and sends each connection where it belongs. Loop thread only.
final class ClusterListener {
    private unowned let host: NodeHost
    private let listeners: [TCPListener]
    /// Connections that have not said what they are, the oldest first.
    private var unidentified: [GreetingReader] = []

    init(_ host: NodeHost, _ listeners: [TCPListener]) {
        self.host = host
        self.listeners = listeners
        for listener in listeners {
            listener.onConnection = { [unowned self] in accept($0) }
            listener.onFailure = { [unowned self] error in
                self.host.say(.warning, "peer-not-accepted error=\"\(error)\"")
            }
        }
    }

    private func accept(_ stream: TCPStream) {
        // Whoever says nothing for longest makes room: a peer speaks at once, so nobody can keep peers
        // out by holding connections open.
        if unidentified.count == ServerLimits.greetingsMax { unidentified.removeFirst().giveUp() }
        stream.setNoDelay()
        unidentified.append(
            GreetingReader(stream, within: ServerLimits.greetingTime) {
                [unowned self] reader, stream, greeting in
                unidentified.removeAll { $0 === reader }
                identified(stream, as: greeting)
            })
    }

    private func identified(_ stream: TCPStream, as greeting: ConnectionGreeting?) {
        switch greeting {
        case .peerLink:
            host.links.open(stream, dialed: nil)
        case .liveness:
            do throws(UVError) {
                host.livenessThread.adopt(descriptor: try stream.duplicateDescriptor())
            } catch {
                host.say(.warning, "liveness-not-accepted error=\"\(error)\"")
            }
            // Only this loop's half: the connection goes on under its other descriptor.
            stream.close()
        case nil:
            let address = stream.peerAddress?.description ?? "unknown"
            host.say(.notice, "stranger-at-cluster-port addr=\(address)")
            stream.close()
        }
    }

    /// Accepts nobody any more.
    func close() {
        for listener in listeners { listener.close() }
    }
}
