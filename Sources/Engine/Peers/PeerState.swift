internal import Bytes
internal import PeerProtocol
internal import Raft

/// What this node knows of one peer, across links.
struct PeerState {
    let id: NodeID
    let name: String
    var host: String
    var port: Int
    /// A newer node of the same name is at its address.
    var isReplaced = false
    /// Since when there is no link.
    var unlinkedSince: Instant
    /// The admitted link.
    var link: LinkID?
    /// The peer's last admitted hello.
    var hello: Hello? {
        didSet { space = hello.flatMap { LogSpace(rawValue: $0.logSpace) } ?? .ample }
    }
    /// How much room it has, by that hello.
    private(set) var space = LogSpace.ample
    /// When to dial next, and after how long again.
    var dialAt: Instant?
    var backoff = PeerState.backoffMin
    /// When a peer of a lower id was last dialed, which should have dialed itself.
    var lookedForAt = Instant(nanoseconds: .min)
    /// Why the peer refused this node, or this node refused it; for the log, once per reason.
    var lastRefusal = ""
    /// No snapshot is sent there before this moment: the last one found no room.
    var snapshotRetryAt = Instant(nanoseconds: .min)
    /// What is looked at once a second.
    var watch = PeerWatch()
    /// The forward streams that come from this peer, by group.
    var inbound: [InboundStreams] = []

    static let backoffMin = Interval.milliseconds(50)
    static let backoffMax = Interval.seconds(1)

    init(id: NodeID, name: String, host: String, port: Int, now: Instant) {
        unlinkedSince = now
        self.id = id
        self.name = name
        self.host = host
        self.port = port
    }
}

/// How far the streams of one origin for one group have come at this node.
struct InboundStreams {
    var writes = InboundStream()
    var reads = InboundStream()
}

/// One stream: frames are taken in order, each once.
struct InboundStream {
    private var boot: UInt64 = 0
    private var term: Term = 0
    private var stream: UInt64 = 0
    /// The stream that is being taken.
    var current: UInt64 { stream }
    private var next: UInt64 = 0

    enum Verdict: Equatable {
        case take
        /// Taken before, or of a stream that was given up.
        case ignore
        /// Something before it is missing: the origin must begin again.
        case gap
    }

    /// Judges the next frame, in the receiver's current term.
    mutating func judge(_ header: ForwardHeader, boot: UInt64) -> Verdict {
        if boot < self.boot { return .ignore }
        let isKnown = boot == self.boot && header.term == term && header.stream == stream
        if !isKnown {
            let isOlder =
                boot == self.boot
                && (header.term < term || (header.term == term && header.stream < stream))
            if isOlder { return .ignore }
            guard header.position == 0 else { return .gap }
            self.boot = boot
            term = header.term
            stream = header.stream
            next = 1
            return .take
        }
        if header.position < next { return .ignore }
        if header.position > next { return .gap }
        next += 1
        return .take
    }

    /// The frame that was just taken could not be used: the stream is to begin again.
    mutating func spoil() { next = .max }
}
