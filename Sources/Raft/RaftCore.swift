public import Bytes
internal import DequeModule

/// One Raft group at one node: a pure state machine in the words of the paper (Ongaro, Ousterhout
/// 2014; "thesis" is Ongaro's).
///
/// Every call takes the time and the node's `PairLiveness`, changes this value, and leaves what is to
/// be done in `RaftEffects`. No clock, no thread, no randomness of its own. How a host drives it:
///
/// 1. During a turn it calls `receive`, `propose`, `durable`, `fetched`, `tick` (when `nextDeadline`
///    has passed), `beginReadRound` and so on, in any order.
/// 2. At the end of the turn it calls `endTurn` of every group that it called anything of, and takes
///    the effects: `io` goes into the log batch in order, `messages` to the peers. All of a turn's
///    durable operations come out of `endTurn`, at most one of each kind: hard state, start of the
///    log, truncation, append, in this order, so that a torn batch leaves a prefix that makes sense.
/// 3. When a batch is durable it calls `durable(upTo:)` with the last ticket in it.
/// 4. It applies entries up to `commit`, reading them from `log` or, evicted, through a fetch.
/// 5. What it owes when snapshots come in: see `RaftCore+Compaction.swift` (this replica's own log) and
///    `RaftCore+SnapshotTransfer.swift` (a leader's followers).
///
/// Roles, each arrow with the function that makes it:
///
///     follower --becomePreCandidate--> preCandidate --campaign--> candidate --becomeLeader--> leader
///        ^            |                     |                        |                          |
///        |            +-----campaign (TimeoutNow)--------------------+                          |
///        +-----------follow, becomeFollower---------------------------+-----------stepDown------+
///
/// What is durable before what leaves:
/// - A vote request and a granted vote leave when term, vote and the whole log they speak of are
///   durable (S8). The candidate counts its own vote only then.
/// - An append reply acknowledges min(durable, equal to this leader's log).
/// - The leader counts itself at `durable`, by the same path in a group of one (S9).
///
/// Numbered invariants, beside those of `RaftLog`, `Progress` and `PairLiveness`:
///  R1  `commit <= log.lastIndex`; entries up to `commit` are never truncated, and `commit` never goes
///      back, but for a replica that was overtaken (`RaftCore+Overtaking.swift`).
///  R2  `durableIndex <= submittedIndex <= log.lastIndex`: a truncation lowers the first two at once,
///      and clamps the completions still under way, so that no completion of a replaced entry
///      counts (S6 a, b).
///  R3  At most one leader is ever seen in one term; another one ends the process (NuRaft 531).
///  R4  Only an entry of the own term is committed by counting (paper, 5.4.2).
///  R5  Read rounds rise for the life of this value; a confirmation counts only in the term that
///      asked (S1).
///  R6  `log.firstIndex - 1 <= commit`: the log begins behind a durable snapshot of committed entries.
///  R7  A follower acknowledges only what an append of this term's leader proved: an entry of the same
///      index and term in both logs, or where this one begins. That it is committed proves nothing
///      about the leader of a term in which it was not.
///  R8  A replica without a state (`needsSnapshot`) follows, and says so; it neither campaigns, takes
///      entries nor acknowledges any. It votes only if its log is known to be whole.
///  R9  A replica that may lack entries which it acknowledged (`!isLogWhole`) neither votes nor campaigns
///      until a leader has seen it acknowledge everything that it may have acknowledged before.
///  R10 The members in force are those of the newest membership entry in the log, or those that its
///      start brought. Everything that counts, counts a majority of each of their sets of voters.
///  R11 A replica votes only while its own log makes it a member, and campaigns only while that makes it
///      a voter, by any of the members in force from the commit index on, and since it was removed last.
///      It votes for, and follows, whom its log does not know: who asks or leads may be ahead of it.
public struct RaftCore: ~Copyable {
    public let configuration: RaftConfiguration
    /// The members in force (R10).
    public internal(set) var members: GroupMembers
    /// The newest members that are known as committed.
    public internal(set) var committedMembers: GroupMembers
    var history: MembersHistory
    /// The other members in force, ascending, and what each counts in.
    var peers: [NodeID] = []
    var halves: [Halves] = []
    /// What this replica counts in.
    var ownHalves: Halves = []
    var generator: SeededGenerator

    // Hard state, as it will be durable when this turn's operations are.
    public internal(set) var term: Term
    public internal(set) var vote: NodeID?
    public internal(set) var log: RaftLog

    public internal(set) var role = RaftRole.follower
    /// Who leads in `term`, as far as known; nil while looking for one.
    public internal(set) var leader: NodeID?
    /// Everything up to here is committed. Not persisted: after a restart it is where the snapshot ends.
    public internal(set) var commit: LogIndex
    /// The state is lost, and only a leader's snapshot brings it back (R8).
    public internal(set) var needsSnapshot = false
    /// What is committed here is not what the cluster has committed: see `RaftCore+Overtaking.swift`.
    /// Until `install`.
    public internal(set) var isOvertaken = false
    /// A replica without a state whose log is whole may vote: a vote is about the log.
    var votesWithoutState = false
    /// Whether the log holds all that this replica ever acknowledged (R9).
    public internal(set) var isLogWhole = true
    /// Appends that contradicted what is committed here, and were dropped: of a deposed leader that does
    /// not know it yet, or see `isOvertaken`. Many of them mean that the replicas' histories are not one;
    /// for INFO.
    public internal(set) var contradictions: UInt64 = 0
    /// Why this replica campaigned last.
    public internal(set) var electionReason = ElectionReason.none
    /// A replica that is muted takes part in nothing: it drops messages, never votes, never
    /// campaigns. For a node that must not speak yet (genesis) or any more (corruption).
    public internal(set) var isMuted = false

    // Durability.
    var durability: Durability
    /// Messages that wait for their ticket.
    var held = Deque<Held>()
    /// How many at the end of `held` were queued this turn and have no ticket yet.
    var heldThisTurn = 0

    // Follower.
    /// The leader of this term and what was promised to it; set by its first append.
    var followed: Followed?
    /// The log equals this term's leader's up to here.
    var verified: LogIndex = 0
    /// What was acknowledged to this term's leader.
    var acknowledged: LogIndex = 0
    var roundSeen: UInt64 = 0
    var replyOwed = false
    /// When a quiet leader is asked whether it still leads.
    var probeAt = Instant.distantFuture

    // Election.
    /// Until when this replica neither votes nor campaigns, after a restart (L5).
    private(set) var silentUntil: Instant
    /// The leader's commit index, as far as it was told.
    var leaderCommit: LogIndex = 0
    var electionDeadline: Instant
    /// The election of this term in which this replica voted is given so long to succeed; nil when it did,
    /// or when there is none.
    var electionEnd: Instant?
    /// Random part of the election timeout while following.
    var jitter = Interval(nanoseconds: 0)
    /// Who gave this candidate its vote or pre-vote.
    var granted: [NodeID] = []
    /// What the next campaign is for.
    var pendingReason = ElectionReason.start
    /// Nodes whose links are down, members or not.
    var downLinks: [NodeID] = []
    /// This replica was told, or saw committed, that it is no member any more.
    public internal(set) var isRemoved = false
    /// What is to be kept of this replica if it is forgotten; or what was kept of the one before it.
    public internal(set) var removal: RemovedReplica?
    /// It saw that committed, and is still to let go of its leadership.
    var mustLeave = false

    // Leader.
    var progress: [Progress] = []
    /// The first entry of this leader's term.
    var termStartIndex: LogIndex = 0
    var electedAt = Instant(nanoseconds: 0)
    /// Bytes of records behind `commit`.
    var uncommittedBytes = 0
    var transfer: Transfer?
    /// The change of members that this leader began or goes on with.
    var change: Change?
    /// When new voters are looked after again.
    var changeCheckAt = Instant.distantFuture
    /// L4: TimeoutNow left in this term.
    var leaseVoid = false
    /// A lease end that `leaseEnd` told while this leader leads and hands nothing over; it stays true,
    /// so that a read needs a comparison and no lock. Invariant: `.min` in any other role, from the
    /// start of a transfer, and for ever in a term in which TimeoutNow left.
    var knownLeaseEnd = Instant(nanoseconds: .min)
    var quorumCheckAt = Instant.distantFuture
    /// The newest read round begun; R5.
    var round: UInt64 = 0
    /// The round begun in this turn has not left yet.
    var roundOpen = false
    public internal(set) var confirmedReadRound: UInt64 = 0

    // Fetches.
    var lastFetch: UInt64 = 0
    var staging = Staging()

    struct Held: Sendable {
        var ticket: IOTicket
        var outbound: RaftOutbound
    }

    struct Followed: Sendable {
        let leader: NodeID
        /// The leader's process, as seen when its newest append came.
        var boot: UInt64?
        /// The follow epoch quoted last; nil when none was.
        var quoted: UInt64?
        /// The leader itself gave the term up.
        var gone = false
        let since: Instant
    }

    struct Transfer: Sendable {
        let target: NodeID
        let deadline: Instant
        var resendAt: Instant?
    }

    /// A change of members under way, as its leader sees it.
    struct Change: Sendable {
        /// When it is given up, unless the new voters have caught up.
        var deadline: Instant
        /// Why it was given up; the entry that says so waits for its commit.
        var failure: ChangeFailure?
    }

    /// A replica as its log on disk remembers it.
    ///
    /// - Parameter seed: of the randomness of its timeouts; another one for every group and node.
    public init(
        _ configuration: RaftConfiguration, restored: consuming RestoredGroup, seed: UInt64,
        now: Instant
    ) {
        let initial = GroupMembers(voters: configuration.members)
        invariant(initial.voters.count == configuration.members.count, "a member named twice")
        invariant(initial.voters.count <= Limits.membersMax, "too many members")
        invariant(
            configuration.appendBytesMax <= Limits.recordBytesMax, "appends larger than a frame")
        // No invariant may mention `self` before all of it is set: its autoclosure would capture a half
        // initialised value, and the optimiser (6.3.1) then releases fields that were never set.
        let restoredTerm = restored.term
        let restoredVote = restored.vote
        let isFresh = restored.directoryWasEmpty
        let restoredRemoval = restored.removal
        let restoredLog = RaftLog(restored: restored, chunkBytes: configuration.logChunkBytes)
        let lastIndex = restoredLog.lastIndex
        let firstIndex = restoredLog.firstIndex
        let snapshotIndex = restored.snapshotIndex
        let snapshotTerm = restored.snapshotTerm
        let restoredHistory = MembersHistory(
            initial: initial, restored: restored, log: restoredLog)
        let restoredMembers = restoredHistory.newest
        // It may have been a member of more before.
        let wasAlwaysAlone =
            restoredHistory.base == initial && restoredHistory.changes.isEmpty
            && initial.isAlone(configuration.id)
        invariant(
            restoredTerm >= restoredRemoval?.term ?? 0, "the removal was in a term that never came")
        self.configuration = configuration
        history = restoredHistory
        removal = restoredRemoval
        members = restoredMembers
        committedMembers = restoredHistory.base
        generator = SeededGenerator(seed: seed)
        term = restoredTerm
        vote = restoredVote
        log = restoredLog
        commit = firstIndex - 1
        durability = Durability(term: restoredTerm, vote: restoredVote, lastIndex: lastIndex)
        let mayHavePromised = !isFresh && !wasAlwaysAlone
        silentUntil =
            mayHavePromised
            ? now + (configuration.restartSilence ?? configuration.electionTimeout)
            : Instant(nanoseconds: .min)
        electionDeadline = now
        if !wasAlwaysAlone {
            electionDeadline = now + configuration.electionTimeout + randomUpTo(2)
        }
        // Also where a damaged log was let begin right behind it.
        if snapshotIndex + 1 >= firstIndex { startFrom(snapshotIndex, snapshotTerm) }
        invariant(term >= log.lastTerm, "an entry of a term that never came")
        members = history.newest
        committedMembers = history.asOf(commit)
        arrangePeers()
    }

    // MARK: What a host asks

    public var lastIndex: LogIndex { log.lastIndex }
    /// Everything up to here is durable at this node.
    public var durableIndex: LogIndex { durability.index }
    public var isLeader: Bool { role == .leader }
    /// Whether leadership is being handed over.
    public var isTransferring: Bool { transfer != nil }
    /// Whether this leader has committed an entry of its own term: before that it does not know what
    /// is committed, and serves no read (S3).
    public var committedInTerm: Bool { role == .leader && commit >= termStartIndex }

    /// Since when this replica leads; nil while it does not.
    public var leadsSince: Instant? { role == .leader ? electedAt : nil }

    /// What this leader knows about its followers, in the order of their ids; empty elsewhere.
    public var followers: [FollowerStatus] {
        progress.map {
            let state: FollowerStatus.State =
                switch $0.state {
                case .probe: .probe
                case .replicate: .replicate
                case .snapshot: .snapshot
                }
            return FollowerStatus(
                id: $0.id, state: state, match: $0.match, next: $0.next,
                inflightBytes: $0.inflightBytes, repliedAt: $0.repliedAt, isLinked: $0.linkUp,
                isVoter: members.isVoter($0.id))
        }
    }

    /// Lets this replica neither vote nor campaign until `instant`: its log may lack entries that it
    /// has acknowledged (a machine that went down with `appendfsync everysec|no`).
    public mutating func silence(until instant: Instant) {
        silentUntil = max(silentUntil, instant)
        electionDeadline = max(electionDeadline, silentUntil)
    }

    /// Ends what `silence` began; a promise made before the restart still counts.
    public mutating func endSilence(now: Instant, startedAt: Instant) {
        let promised = startedAt + (configuration.restartSilence ?? configuration.electionTimeout)
        silentUntil = promised
        electionDeadline = max(now, promised) + configuration.electionTimeout + randomUpTo(2)
    }

    /// Whether this follower has everything that its leader has committed, and that is everything
    /// that was committed before it was elected: of an earlier term a leader does not know what is
    /// (paper, 5.4.2).
    public var isCaughtUp: Bool {
        !needsSnapshot && isLogWhole && leader != nil && leaderCommit > 0 && commit >= leaderCommit
            && durableIndex >= commit && log.term(at: commit) == term
    }

    /// Stops or resumes taking part; see `isMuted`. A leader that is muted steps down first.
    public mutating func setMuted(_ muted: Bool, now: Instant, effects: inout RaftEffects) {
        guard muted != isMuted else { return }
        if muted {
            if role == .leader { stepDown(now: now, effects: &effects) }
            if role != .follower { setRole(.follower, effects: &effects) }
            setLeader(nil, effects: &effects)
        } else {
            electionDeadline = max(now, silentUntil) + randomUpTo(2)
        }
        isMuted = muted
    }

    /// Drops the oldest entries from memory until at most `bytes` remain; what is not applied, not
    /// committed or not durable stays.
    public mutating func evictLog(toBytes bytes: Int, applied: LogIndex) {
        log.evict(toBytes: bytes, keeping: min(applied, commit, durability.index) + 1)
    }

    // MARK: Small things that all parts use

    /// A random time below electionTimeout / `divisor`.
    mutating func randomUpTo(_ divisor: Int64) -> Interval {
        let bound = max(configuration.electionTimeout.nanoseconds / divisor, 1)
        return Interval(nanoseconds: Int64(generator.below(UInt64(bound))))
    }

    func position(of peer: NodeID) -> Int? {
        for position in peers.indices where peers[position] == peer { return position }
        return nil
    }

    mutating func setRole(_ role: RaftRole, effects: inout RaftEffects) {
        guard role != self.role else { return }
        self.role = role
        effects.roleChanged = true
    }

    mutating func setLeader(_ leader: NodeID?, effects: inout RaftEffects) {
        guard leader != self.leader else { return }
        self.leader = leader
        effects.leaderChanged = true
    }

    /// Enters a higher term. The caller has left the old one properly (L2, L3).
    mutating func setTerm(_ term: Term, effects: inout RaftEffects) {
        invariant(term > self.term, "terms only rise")
        invariant(role != .leader, "a leader steps down before it leaves its term")
        self.term = term
        vote = nil
        electionEnd = nil
        followed = nil
        verified = 0
        acknowledged = 0
        roundSeen = 0
        replyOwed = false
        probeAt = .distantFuture
        setLeader(nil, effects: &effects)
        effects.roleChanged = true
    }

    func send(_ body: RaftMessage.Body, to peer: NodeID, effects: inout RaftEffects) {
        effects.messages.append(
            RaftOutbound(to: peer, message: RaftMessage(term: term, body: body)))
    }

    /// Keeps a message back until all that this turn makes durable is durable.
    mutating func sendWhenDurable(_ body: RaftMessage.Body, to peer: NodeID) {
        held.append(
            Held(
                ticket: .max,
                outbound: RaftOutbound(to: peer, message: RaftMessage(term: term, body: body))))
        heldThisTurn += 1
    }
}
