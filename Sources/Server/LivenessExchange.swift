internal import Bytes
internal import Logging
internal import Raft
internal import UV

/// Pings to all peers and their answers. Liveness thread only.
///
/// Between two nodes the one with the lower id dials. Both ping over the one connection.
final class LivenessExchange {
    private struct Peer {
        var settings: LivenessSettings.Peer
        var connection: LivenessConnection?
        var dial: PeerDial?
        var dialAt = Instant(nanoseconds: .min)
    }

    private let loop: Loop
    private var settings: LivenessSettings
    private let liveness: PairLiveness
    private let log: Logger
    private var peers: [Peer]
    /// Connections whose hello has not come yet.
    private var strangers: [LivenessConnection] = []
    private var heartbeat: Timer?

    init(_ loop: Loop, _ settings: LivenessSettings, _ liveness: PairLiveness, log: Logger) {
        self.loop = loop
        self.settings = settings
        self.liveness = liveness
        self.log = log
        peers = settings.peers.map { Peer(settings: $0) }
        heartbeat = Timer(loop) { [unowned self] in beat() }
        heartbeat?.start(after: .milliseconds(0), every: settings.heartbeat)
    }

    /// Talks to these peers from now on. A connection to one that stays stays; one of a node that got
    /// its id just now begins anew.
    func change(to next: LivenessSettings) {
        let isRenamed = next.node != settings.node
        settings = next
        for peer in peers
        where isRenamed || !next.peers.contains(where: { $0.node == peer.settings.node }) {
            peer.dial?.cancel()
            peer.connection?.stream.close()
        }
        peers = next.peers.map { named in
            guard !isRenamed, var known = peers.first(where: { $0.settings.node == named.node })
            else { return Peer(settings: named) }
            known.settings = named
            return known
        }
    }

    /// Takes over a connection that a peer opened.
    func adopt(descriptor: Int32) {
        guard let stream = try? TCPStream(loop, adopting: descriptor) else { return }
        if strangers.count >= ServerLimits.greetingsMax { lost(strangers[0], reason: "too many") }
        greet(LivenessConnection(self, stream))
    }

    private func greet(_ connection: LivenessConnection) {
        strangers.append(connection)
        connection.sendHello(settings.node, token: settings.token)
    }

    private func beat() {
        let now = bootInstant()
        for connection in strangers where now - connection.heardAt > settings.silence {
            lost(connection, reason: "silent")
        }
        for at in peers.indices {
            if let connection = peers[at].connection, now - connection.heardAt > settings.silence {
                lost(connection, reason: "silent")
            }
            dialIfNeeded(at, now: now)
            guard let connection = peers[at].connection else { continue }
            // Read anew for each: leases count from the send time.
            if let ping = liveness.ping(to: peers[at].settings.node, now: bootInstant()) {
                connection.send(.ping(ping))
            }
        }
    }

    private func dialIfNeeded(_ at: Int, now: Instant) {
        let peer = peers[at].settings
        guard settings.node < peer.node, peers[at].connection == nil, peers[at].dial == nil,
            now >= peers[at].dialAt,
            !strangers.contains(where: { $0.dialed == peer.node })
        else { return }
        // Not faster than that, but also not slower the longer it lasts: a peer that is back must be
        // known at once, and one attempt each heartbeat or two costs nothing.
        peers[at].dialAt = now + settings.heartbeat + settings.heartbeat
        peers[at].dial = PeerDial(
            loop, host: peer.host, port: peer.port, from: settings.bind, within: settings.silence
        ) { [unowned self] result in
            // Others may have come or gone.
            if let at = peers.firstIndex(where: { $0.settings.node == peer.node }) {
                peers[at].dial = nil
            }
            guard case .success(let stream) = result else { return }
            stream.write(ConnectionGreeting.liveness.bytes)
            greet(LivenessConnection(self, stream, dialed: peer.node))
        }
    }

    /// Judges a hello. A newer connection of the same peer replaces the older one.
    func admit(_ connection: LivenessConnection, node: NodeID, token: UInt64) -> Bool {
        guard let at = peers.firstIndex(where: { $0.settings.node == node }),
            settings.tokens.contains(token), connection.dialed == nil || connection.dialed == node
        else {
            let address = connection.stream.peerAddress?.description ?? "unknown"
            log.warning(
                "liveness-refused addr=\(address) node=\(node.raw) reason=\"another cluster, or no member\""
            )
            lost(connection, reason: "refused")
            return false
        }
        strangers.removeAll { $0 === connection }
        peers[at].connection?.stream.close()
        peers[at].connection = connection
        log.info("liveness-connected peer=\(peers[at].settings.name)")
        return true
    }

    /// Answers a ping, notes a pong.
    func take(_ message: LivenessMessage, from peer: NodeID, on connection: LivenessConnection) {
        switch message {
        case .ping(let ping):
            guard ping.sender == peer else { return lost(connection, reason: "foreign sender") }
            if let pong = liveness.receive(ping, now: bootInstant()) {
                connection.send(.pong(pong))
            }
        case .pong(let pong):
            guard pong.sender == peer else { return lost(connection, reason: "foreign sender") }
            liveness.receive(pong, now: bootInstant())
        }
    }

    /// Ends a connection.
    func lost(_ connection: LivenessConnection, reason: String) {
        connection.stream.close()
        strangers.removeAll { $0 === connection }
        guard let at = peers.firstIndex(where: { $0.connection === connection }) else { return }
        peers[at].connection = nil
        peers[at].dialAt = Instant(nanoseconds: .min)
        log.info("liveness-lost peer=\(peers[at].settings.name) reason=\"\(reason)\"")
    }

    /// Ends everything.
    func close() {
        heartbeat?.close()
        for peer in peers {
            peer.dial?.cancel()
            peer.connection?.stream.close()
        }
        for connection in strangers { connection.stream.close() }
    }
}
