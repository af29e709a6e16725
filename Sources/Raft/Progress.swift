public import Bytes
internal import DequeModule

/// What a leader knows about one follower, and what is on its way to it.
///
///     probe --handleAccepted--> replicate --handleRejected, linkUp, retransmit--> probe
///     probe, replicate --needSnapshot (what is next lies before the log's start)--> snapshot
///     snapshot --snapshotInstalled, snapshotFailed, linkUp--> probe
///     snapshot --handleAccepted (the follower turns out to have what was missing)--> replicate
///
/// In `probe` one append is on its way at a time, to find where the logs part; in `replicate` appends
/// are pipelined up to a window of bytes; in `snapshot` no entries are sent, but read rounds and
/// whatever else wants an answer, in appends that say nothing about the log (`sendNotice`).
///
/// Invariant: `match < next`; in `replicate` all of `match + 1 ..< next` is in flight or accepted but
/// not durable at the follower; in `snapshot` nothing is in flight.
struct Progress: Sendable {
    enum State: Equatable, Sendable {
        case probe
        case replicate
        case snapshot
    }

    let id: NodeID
    var state = State.probe
    /// Durable at the follower and equal to this leader's log up to here.
    var match: LogIndex = 0
    /// The next entry to send.
    var next: LogIndex
    /// Appends that were sent in `replicate` and not acknowledged: last index and bytes of each.
    private(set) var inflight = Deque<Sent>()
    private(set) var inflightBytes = 0
    /// In `probe`: a probe is on its way.
    var probeSent = false
    /// In `probe`: the next one carries no entries, because they may have arrived already.
    var probeEmpty = false
    /// An append should go out this turn even if there is nothing new.
    var heartbeatWanted = false
    /// The commit index that the follower will know when all that was sent arrives.
    var commitSent: LogIndex = 0
    /// The commit index that the follower reported last.
    var commitKnown: LogIndex = 0
    var roundSent: UInt64 = 0
    var roundAcknowledged: UInt64 = 0
    /// The follow epoch quoted in this term; 0 before the first reply.
    var followEpoch: UInt64 = 0
    /// When this leader asked for a reply only to learn a newer epoch.
    var epochAskedAt: Instant?
    /// Since when a reply is overdue that something depends on; nil when nothing does.
    var waitingSince: Instant?
    /// When the follower replied last in this term.
    var repliedAt: Instant?
    /// Whether messages can reach the follower, as far as the host said.
    var linkUp: Bool
    /// The fetch of old entries under way for this follower.
    var fetch: UInt64?
    /// After a failed fetch: not again before.
    var fetchNotBefore: Instant?
    /// In `snapshot`: the host was asked to send one.
    var snapshotAsked = false
    /// The host could not bring a snapshot there; the next wish waits a while.
    var snapshotFailed = false
    var snapshotNotBefore: Instant?
    /// The follower said that its log may lack entries.
    var recovery: Recovery?
    /// The follower has use only for a snapshot that ends here or later.
    var snapshotFloor: LogIndex = 0
    /// How a learner that is to vote comes on.
    var catchUp: CatchUp?

    struct Sent: Sendable {
        var last: LogIndex
        var bytes: Int
    }

    /// A follower that no longer vouches for what it acknowledged.
    struct Recovery: Sendable {
        /// Its process that said so.
        var boot: UInt32
        /// Nothing behind this can it have acknowledged to this leader before.
        var upTo: LogIndex
        /// It has acknowledged all of that anew.
        var isOver = false
    }

    /// Rounds of catching up (thesis, 4.2.1): each ends when the follower has what the leader had when it
    /// began.
    struct CatchUp: Sendable {
        /// What the round under way must bring.
        var upTo: LogIndex
        var began: Instant
        /// The last whole round took at most an election timeout, as the one under way does so far.
        var isQuick = false
    }

    init(id: NodeID, next: LogIndex, linkUp: Bool) {
        self.id = id
        self.next = next
        self.linkUp = linkUp
    }

    /// Whether everything that the follower acknowledged counts, and it may vote by what it knows.
    var vouchesForLog: Bool { recovery?.isOver ?? true }

    /// Whether the window has room for another append.
    func hasRoom(bytesMax: Int) -> Bool {
        inflightBytes < bytesMax && inflight.count < Limits.inflightMessagesMax
    }

    /// Notes that entries up to `last` were sent.
    mutating func sent(last: LogIndex, bytes: Int) {
        invariant(last >= next, "sent backwards")
        inflight.append(Sent(last: last, bytes: bytes))
        inflightBytes += bytes
        next = last + 1
    }

    /// Notes that the follower has everything up to `match` on disk; its window opens.
    mutating func acknowledge(_ match: LogIndex) {
        self.match = max(self.match, match)
        next = max(next, self.match + 1)
        while let first = inflight.first, first.last <= self.match {
            inflightBytes -= first.bytes
            inflight.removeFirst()
        }
    }

    /// The search is over: the logs agree up to `verified`. `bytes`: of the records behind `match` up to
    /// there.
    mutating func beginReplicating(verified: LogIndex, bytes: Int) {
        state = .replicate
        probeSent = false
        clearWindow()
        next = verified + 1
        if verified > match {
            inflight.append(Sent(last: verified, bytes: bytes))
            inflightBytes = bytes
        }
    }

    /// Takes everything on its way for lost: begins again behind what is durable. A search that is
    /// under way goes on where it is.
    mutating func restart() {
        if state == .replicate {
            state = .probe
            next = match + 1
            // Most likely it has arrived: ask before sending it again.
            probeEmpty = true
        }
        clearWindow()
        probeSent = false
        roundSent = roundAcknowledged
        commitSent = min(commitSent, commitKnown)
    }

    /// What the follower needs next lies before this log's start.
    mutating func needSnapshot() {
        guard state != .snapshot else { return }
        state = .snapshot
        snapshotAsked = false
        probeSent = false
        probeEmpty = false
        clearWindow()
        // A follower that was only ever refused has not quoted its epoch: no lease counts it yet.
        if followEpoch == 0 { heartbeatWanted = true }
    }

    /// Begins a new search at `next`. `empty`: without entries, which may have arrived already.
    mutating func search(from next: LogIndex, empty: Bool) {
        invariant(next > match, "searched below the match")
        state = .probe
        self.next = next
        probeSent = false
        probeEmpty = empty
        clearWindow()
    }

    /// The follower lacks what it acknowledged; only what it says from here on counts.
    mutating func forgetMatch(commitKnown: LogIndex) {
        match = 0
        self.commitKnown = commitKnown
        commitSent = min(commitSent, commitKnown)
    }

    /// Forgets the window; what was in it is resent or known to have arrived.
    mutating func clearWindow() {
        inflight.removeAll(keepingCapacity: true)
        inflightBytes = 0
    }

    /// Whether this leader needs to hear from the follower. `commit`: the leader's.
    func isWaiting(commit: LogIndex) -> Bool {
        probeSent || !inflight.isEmpty || roundAcknowledged < roundSent
            || commitKnown < min(commit, match)
    }

    func checkInvariants(lastIndex: LogIndex, inflightMax: Int) {
        invariant(match < next, "next entry at or before the match")
        invariant(match <= lastIndex, "a match beyond the leader's log")
        invariant(next <= lastIndex + 1, "next entry beyond the leader's log")
        var bytes = 0
        var last = match
        for sent in inflight {
            invariant(sent.last > last, "the window is out of order")
            last = sent.last
            bytes += sent.bytes
        }
        invariant(last < next, "the window holds what was not sent")
        invariant(bytes == inflightBytes, "bytes in flight are miscounted")
        invariant(inflight.count <= Limits.inflightMessagesMax, "too many appends in flight")
        invariant(
            state != .snapshot || inflight.isEmpty && !probeSent,
            "entries are on their way to a follower that needs a snapshot")
    }
}

/// What a leader knows about one follower; for INFO and the choice of a successor.
public struct FollowerStatus: Sendable, Equatable {
    public enum State: String, Sendable {
        case probe, replicate, snapshot
    }

    public let id: NodeID
    public let state: State
    /// Durable there up to here.
    public let match: LogIndex
    /// The next entry to send.
    public let next: LogIndex
    /// Bytes of records sent and not acknowledged.
    public let inflightBytes: Int
    /// When it replied last in this term.
    public let repliedAt: Instant?
    /// Whether messages can reach it.
    public let isLinked: Bool
    /// Whether it counts; otherwise it learns.
    public let isVoter: Bool
}
