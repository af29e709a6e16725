internal import Bytes
internal import Logging
internal import Raft
internal import UV

/// What the liveness thread needs to know.
struct LivenessSettings: Sendable {
    struct Peer: Sendable {
        var node: NodeID
        var name: String
        var host: String
        var port: UInt16
    }

    var node: NodeID
    var peers: [Peer]
    /// Where connections leave from.
    var bind: BindAddresses
    /// Between two pings.
    var heartbeat: Interval
    /// A connection that says nothing for so long is closed.
    var silence: Interval
    /// What this node says to show that it belongs here, and what it accepts: a checksum of
    /// `initial-cluster`, and the cluster's id. Founders know the first before the second, nodes that
    /// came later only the second; so that is said once nodes have come or gone.
    var token: UInt64
    var tokens: [UInt64]
}

/// Runs the liveness exchange on a thread and a loop of its own, so that neither a long command nor
/// a full socket of the node's work delays it.
final class LivenessThread {
    enum Command: Sendable {
        /// A connection that a peer opened, its greeting read.
        case adopt(descriptor: Int32)
        /// This node's id, its peers or their addresses are others now.
        case change(LivenessSettings)
        case stop
    }

    private let commands = Mailbox<Command>()
    private let thread: Thread

    /// Starts the thread.
    init(_ settings: LivenessSettings, _ liveness: PairLiveness, log: Logger) throws(UVError) {
        let commands = commands
        thread = try Thread(name: "skein-liveness") {
            do throws(UVError) {
                let loop = try Loop()
                let exchange = LivenessExchange(loop, settings, liveness, log: log)
                try commands.attach(to: loop) { command in
                    switch command {
                    case .adopt(let descriptor): exchange.adopt(descriptor: descriptor)
                    case .change(let settings): exchange.change(to: settings)
                    case .stop: loop.stop()
                    }
                }
                loop.run()
                commands.detach()
                exchange.close()
                loop.closeAllHandles()
            } catch {
                // Without it the node would be deaf and its leases void: better not to run.
                invariantFailed("the liveness thread cannot start: \(error)")
            }
        }
    }

    /// Hands over a connection whose greeting said liveness; the descriptor goes with it.
    func adopt(descriptor: Int32) { adopter(descriptor) }

    /// `adopt`, for use from any thread.
    var adopter: @Sendable (Int32) -> Void {
        let commands = commands
        return { commands.post(.adopt(descriptor: $0)) }
    }

    /// Who there is, from now on.
    func change(to settings: LivenessSettings) { commands.post(.change(settings)) }

    /// Ends the exchange: this node vouches for itself no more. `join` is to follow.
    func beginStop() { commands.post(.stop) }

    /// Waits for the end of the thread.
    func join() { thread.join() }
}
