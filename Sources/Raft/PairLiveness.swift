public import Bytes
internal import Synchronization

// Pair liveness, and why a leader may answer reads by its lease.
//
// Every node tells every other one each heartbeat that it is well (ping) and gets a promise back
// (pong). One pair of nodes shares one such exchange for all groups, so idle groups cost nothing and
// the death of a node is one discovery. A node pings only while it vouches for itself: its loop was
// stamped within `busyLimit`, and no sync of its log has run for longer than `diskStallLimit`.
//
// Liveness decides *when* to look for another leader; for safety it is used by the lease alone.
// Terms and quorums protect everything else.
//
// WORDS. N leads group G in term T. P is another member. "P follows N" means: N is the leader of P's
// current term in G, as far as P knows, and N has not told P that it stepped down. P's *follow
// epoch* for N is a number that P quotes in its append replies to N and in its pongs to N; it rises,
// and never repeats, also over restarts (its upper half is the boot).
//
// THE PROMISE. Answering a ping that it received at t (its own clock, read after the ping's bytes),
// P promises until t + promise: in no group where P follows N will P vote for another candidate,
// nor campaign itself, except on N's own wish (TimeoutNow, or a vote request marked `transfer`).
//
// THE LEASE. For each P, N takes the send time s (its own clock, read before the bytes were handed
// to the socket) of the newest ping that P answered with epoch e, but only if P has acknowledged an
// append of G in term T quoting the same e. P binds itself until s + promise - drift, where promise is
// what P's pong says, and never more than N's own. N binds itself without end. The quorum-th greatest
// of these is the end of N's lease for G in T.
//
// Numbered invariants. Each names the code that keeps it.
//
//  L1  An append reply of term T quotes the epoch read while P follows N in T, and while N's pings carry
//      the boot that P follows; otherwise none (RaftCore.sendReply).
//  L2  Before P leaves N in G by voting, by campaigning or by learning of a higher term from a
//      candidate, `release` succeeds: no promise made under the quoted epoch runs, and the
//      epoch has risen past the quoted one. Check and rise are one step under the mutex, and so is
//      granting (`receive(ping)`): no promise slips in between.
//  L3  P leaves N without a promise having ended only if (a) an elected leader of a higher term
//      speaks (`abandon`, which raises the epoch as well); (b) N itself said that it does not lead
//      in T; (c) N's process that P followed is dead (the pings carry another boot); or (d) N asked
//      for it (transfer).
//  L4  N's lease of term T ends for ever when N stops leading in T, and when TimeoutNow left N in T.
//  L5  After a restart a node that may have promised neither votes nor campaigns nor raises its term
//      on a candidate's word, for one promise. A node whose directory was empty has not promised:
//      an append reply of a term leaves only when that term is on disk (RaftCore.sendReply), so
//      nobody counts a node that could forget the term.
//  L6  Elapsed time: while promise - drift passes on N's clock, at most promise passes on P's.
//
// ARGUMENT. Suppose N holds the lease for G in T at real time x by the members Q (a quorum, N in it),
// and M was elected in a term T' > T before x, T' being the first such term, by the voters Q'. Some P
// is in Q and in Q'. P = N cannot be: N leads at x, and to vote in T' it would have left T.
//
// So P acknowledged an append of G in T quoting e, and answered with the same e the ping sent at s
// that N counts. P acknowledged while its term was T, so P voted in T' at v, after that reply. Until
// v, P could leave N only as follows.
//
//  - By `release` (L2). At that moment no promise under e ran any more; every later pong carries
//    another epoch. So the ping of s was answered before, and its promise had ended: at least
//    `promise` had passed on P's clock since P received it, hence since s. By L6 more than
//    promise - drift had passed on N's clock since s: N's lease by P had ended before v.
//  - (a) An elected leader of a higher term spoke: elected before v, hence before x, in a term below
//    T' or in T' itself. The first contradicts the choice of T'. In the second P's vote in T' came
//    first, and this case does not apply to it.
//  - (b), (d) By L4, N has no lease in T after it said so: either N stepped down, which it did before
//    x, or TimeoutNow left before x. Contradiction. A vote request marked `transfer` exists only
//    because the leader of the term before sent TimeoutNow: a candidate marks its request in the one
//    term that follows that leader's, never when it campaigns again. If that leader was a later
//    one than N, see (a).
//  - (c) A dead process holds no lease, and a new one of the same node does not lead in T. What P follows is
//      a boot, the newest that had pinged P when an append of T came. That it is a dead one says nothing if N
//      was elected in T before it pinged P: then e is older than N's first ping to P, which raised it, unless
//      P quoted after that ping, which L1 excludes.
//  - P restarted between the reply and v. The epoch under the new boot is another one, so N's ping of
//    s was answered by the old process. P was silent for one promise after its start (L5), so at v
//    more than `promise` had passed since P answered; as in the first case the lease had ended.
//
// So no other leader exists before the lease ends; everything committed anywhere is in N's log, and
// N knows it as committed once an entry of its own term is. Hence a read by lease needs exactly what
// a read by ReadIndex needs, without the round.
//
// WHILE THE MEMBERS CHANGE. The argument takes a P out of Q and Q', which needs that every quorum by which M
// can be elected has a member in common with every one by which N holds the lease, though M and N may
// go by different members. They share enough of them:
//
//  - N has committed an entry of T, and M's log holds all that N has committed at x: what made it
//    committed are acknowledgements of T, which nobody in Q' gave after voting in T'. There is no leader
//    between T and T', so M's log is the front part of N's, from N's commit index on at the earliest, and
//    M goes by the members as of somewhere there.
//  - At most one membership entry waits for its commit in the log of a leader that has committed in its
//    term (`RaftCore.proposeChange`, `advanceChange`). So M goes by the members that are in force at N, or
//    by those right before them; and two that follow each other have a set of voters in common whose
//    majority both need (`GroupMembers`).
//  - N counts a majority in each set of voters of the members in force (`RaftCore.leaseEnd`), hence in the
//    common one. Q and Q' meet there.
//  - What was counted is forgotten when other members come into force (`adoptNewestMembers`): two steps
//    later M may go by voters that N never counted. So the lease is void until the promises of the new
//    voters cover it: a follower that N has not heard of since it became one has quoted no epoch.
//  - N itself may be no voter any more. Then it does not count itself, and P = N does not come up.
//  - A learner promises like anybody and keeps it: it may be a voter by an entry that it has not got.
//
// A round of reads (`confirmRound`) is counted in the same way, and the same argument covers it.
//
// What L6 assumes: clocks whose rates differ by less than drift / promise, which run on through
// suspend (CLOCK_BOOTTIME); readings taken when they are needed, not cached (see the parameters
// below). A virtual machine that is frozen without its clock noticing breaks it, by the length of the
// freeze minus the drift. Rates are compared between peers all the time (`ClockComparison`); a peer
// whose clock disagrees is not counted in any lease.
//
// Considered and left: heartbeats per group (cost grows with idle groups); promises that name groups
// (the same cost, in bytes); persisting promises (one sync per heartbeat; the silence after a restart
// does the same); TCP's own keep-alive (says nothing about loop and disk).

/// The liveness of this node and its peers, pair by pair; see the essay above.
///
/// Shared by the engine's loop and the liveness thread: every call takes the mutex, does a few
/// comparisons and leaves. No I/O and no clock inside. `now` must be a fresh reading of the boot
/// clock: for `receive` taken after the message's bytes were read from the socket, for `ping` before
/// they are handed to it. A reading of a loop's start will not do.
public final class PairLiveness: Sendable {
    public var node: NodeID { state.withLock { $0.node } }
    /// This process's incarnation; rises with every start of the node.
    public let boot: UInt64
    /// How long a pong binds; equal on all nodes, and equal to the election timeout.
    public let promise: Interval
    /// What is taken off the promise for the lease: bounds how far two clocks drift apart in that
    /// time. drift / promise is the difference in rate that is tolerated.
    public let drift: Interval
    /// How old the loop's stamp may be while this node still vouches for itself.
    public let busyLimit: Interval
    /// How long a sync of the log may run while this node still vouches for itself.
    public let diskStallLimit: Interval

    private let ownPriority = Atomic(LivenessPing.usualPriority)
    private let state: Mutex<State>

    struct State: Sendable {
        var node: NodeID
        var peers: [Peer]
        var loopStamp: Instant
        var syncStarted: Instant?
        var takesPart = true
    }

    struct Peer: Sendable {
        let id: NodeID
        /// No group has it and this node in common any more. What was promised to it still binds.
        var isRetired = false
        // What we hear from the peer, and promised to it.
        var boot: UInt64?
        var lastHeard: Instant?
        var followEpoch: UInt64
        /// Until when promises made under `followEpoch` run.
        var promisedUntil = Instant(nanoseconds: .min)
        /// Until when promises made under earlier epochs run.
        var promisedBeforeUntil = Instant(nanoseconds: .min)
        // What the peer promised to us.
        var sequence: UInt64 = 0
        var peerBoot: UInt64 = 0
        var acknowledgedSend: Instant?
        /// The end of the lease that its promises under `leaseEpoch` give.
        var leaseEnd: Instant?
        var leaseEpoch: UInt64 = 0
        var clock = ClockComparison()
        /// How gladly it leads, as its pings say.
        var priority = LivenessPing.usualPriority
        /// Since when the peer link is down; nil while it is up or was never spoken of.
        var linkDownSince: Instant?
    }

    /// - Parameters:
    ///   - boot: above that of every earlier start of this node; its lower 32 bits count.
    ///   - drift: a tenth of the promise unless given.
    public init(
        node: NodeID, boot: UInt64, peers: [NodeID], promise: Interval,
        drift: Interval? = nil, busyLimit: Interval = .seconds(10),
        diskStallLimit: Interval = .seconds(5), now: Instant
    ) {
        let drift = drift ?? Interval(nanoseconds: promise.nanoseconds / 10)
        invariant(promise > drift && drift.nanoseconds >= 0, "the drift eats up the promise")
        self.boot = boot
        self.promise = promise
        self.drift = drift
        self.busyLimit = busyLimit
        self.diskStallLimit = diskStallLimit
        let firstEpoch = boot << 32 | 1
        let others = peers.filter { $0 != node }.sorted()
        state = Mutex(
            State(
                node: node, peers: others.map { Peer(id: $0, followEpoch: firstEpoch) },
                loopStamp: now))
    }

    // MARK: Vouching for this node

    /// The loop moves: call it every turn.
    public func stampLoop(now: Instant) {
        state.withLock { $0.loopStamp = max($0.loopStamp, now) }
    }

    /// A sync of the log begins. One is in flight at a time.
    public func syncStarted(now: Instant) {
        state.withLock { $0.syncStarted = now }
    }

    /// The sync that began last ended well.
    public func syncFinished(now: Instant) {
        state.withLock { $0.syncStarted = nil }
    }

    /// How gladly this node leads, for its pings to say.
    public var priority: Int {
        get { ownPriority.load(ordering: .relaxed) }
        set {
            ownPriority.store(min(max(0, newValue), LivenessPing.priorityMax), ordering: .relaxed)
        }
    }

    /// How gladly `peer` leads, as its newest ping said.
    public func priority(of peer: NodeID) -> Int {
        state.withLock { state in
            state.position(of: peer).map { state.peers[$0].priority } ?? LivenessPing.usualPriority
        }
    }

    /// The ping to send to `peer` now, or nil while this node may not vouch for itself. To be called
    /// every heartbeat.
    public func ping(to peer: NodeID, now: Instant) -> LivenessPing? {
        guard var ping = plainPing(to: peer, now: now) else { return nil }
        ping.priority = priority
        return ping
    }

    private func plainPing(to peer: NodeID, now: Instant) -> LivenessPing? {
        state.withLock { state in
            guard mayVouch(state, now: now), let at = state.position(of: peer),
                !state.peers[at].isRetired
            else { return nil }
            if let since = state.peers[at].linkDownSince, now - since > promise { return nil }
            state.peers[at].sequence += 1
            return LivenessPing(
                sender: state.node, boot: boot, sendTime: now, sequence: state.peers[at].sequence)
        }
    }

    /// The peer link to `peer`, on which everything but liveness travels, is gone. While it stays so for
    /// longer than a promise the peer gets no pings: it could not be led, and must not be bound.
    public func linkDown(to peer: NodeID, now: Instant) {
        state.withLock { state in
            guard let at = state.position(of: peer) else { return }
            state.peers[at].linkDownSince = state.peers[at].linkDownSince ?? now
        }
    }

    /// The peer link to `peer` is there.
    public func linkUp(to peer: NodeID) {
        state.withLock { state in
            guard let at = state.position(of: peer) else { return }
            state.peers[at].linkDownSince = nil
        }
    }

    /// Whether this node is a member that may be counted on. One whose directory is empty, or was lost,
    /// is silent: its pings would keep up the leaderships of the node that it was before, whose boot
    /// it repeats, and its promises would count for a quorum that it is no part of.
    public func takePart(_ takesPart: Bool) {
        state.withLock { $0.takesPart = takesPart }
    }

    /// This node joined a cluster, and has its id there. Nothing was promised, and nothing acknowledged,
    /// under another one.
    public func join(as node: NodeID) {
        state.withLock { state in
            invariant(
                !state.takesPart || state.node == node || state.node.raw == 0,
                "a member that changes its id")
            state.node = node
        }
    }

    /// These are the peers from now on: all nodes that some group of this node has as members. Others get
    /// no pings and no promises any more; what is known of them, and was promised to them, stays, so that
    /// an epoch never comes twice. A record each, of less than 200 bytes; node ids are never reused.
    public func setPeers(_ nodes: [NodeID]) {
        state.withLock { state in
            for at in state.peers.indices {
                state.peers[at].isRetired = !nodes.contains(state.peers[at].id)
            }
            for peer in nodes where peer != state.node && state.position(of: peer) == nil {
                state.peers.append(Peer(id: peer, followEpoch: boot << 32 | 1))
            }
        }
    }

    /// Whether loop and disk are well enough to vouch for.
    public func mayVouch(now: Instant) -> Bool {
        state.withLock { mayVouch($0, now: now) }
    }

    private func mayVouch(_ state: borrowing State, now: Instant) -> Bool {
        if !state.takesPart { return false }
        if now - state.loopStamp > busyLimit { return false }
        if let started = state.syncStarted, now - started > diskStallLimit { return false }
        return true
    }

    /// What is known of all peers, in the order in which they came to be known.
    func snapshotOfPeers() -> [Peer] { state.withLock { $0.peers } }

    // MARK: Promising to peers

    /// Takes a ping: notes that its sender is well, and promises. nil for a stranger and for a ping of
    /// an earlier boot.
    public func receive(_ ping: LivenessPing, now: Instant) -> LivenessPong? {
        state.withLock { state in
            guard state.takesPart, let at = state.position(of: ping.sender),
                !state.peers[at].isRetired
            else { return nil }
            if let known = state.peers[at].boot, ping.boot < known { return nil }
            state.peers[at].priority = ping.priority
            if state.peers[at].boot != ping.boot {
                if state.peers[at].boot != nil {
                    // L3 (c): the process that we promised to is dead, and with it its leases.
                    state.peers[at].followEpoch += 1
                    state.peers[at].promisedUntil = Instant(nanoseconds: .min)
                    state.peers[at].promisedBeforeUntil = Instant(nanoseconds: .min)
                }
                state.peers[at].boot = ping.boot
            }
            state.peers[at].lastHeard = max(state.peers[at].lastHeard ?? now, now)
            state.peers[at].promisedUntil = max(state.peers[at].promisedUntil, now + promise)
            return LivenessPong(
                sender: state.node, boot: boot, pingBoot: ping.boot, pingTime: ping.sendTime,
                pingSequence: ping.sequence, followEpoch: state.peers[at].followEpoch,
                promisedAt: now, promise: promise)
        }
    }

    /// Frees this node from following `peer` in one group, where it quoted `epoch` last, so that it
    /// may vote for another or campaign there. False while a promise that covers the group runs; then
    /// nothing changed. True: the epoch is above `epoch` now (L2).
    public func release(_ peer: NodeID, quoted epoch: UInt64, now: Instant) -> Bool {
        state.withLock { state in
            guard let at = state.position(of: peer) else { return true }
            invariant(epoch <= state.peers[at].followEpoch, "quoted an epoch that never was")
            guard now >= state.peers[at].promisedBeforeUntil else { return false }
            if epoch < state.peers[at].followEpoch { return true }
            guard now >= state.peers[at].promisedUntil else { return false }
            state.peers[at].followEpoch += 1
            return true
        }
    }

    /// As `release`, but without asking whether a promise runs: an elected leader of a higher term
    /// has spoken (L3 a).
    public func abandon(_ peer: NodeID, quoted epoch: UInt64) {
        state.withLock { state in
            guard let at = state.position(of: peer) else { return }
            guard epoch == state.peers[at].followEpoch else { return }
            // Other groups quote this epoch too; the promise goes on covering them.
            state.peers[at].promisedBeforeUntil = max(
                state.peers[at].promisedBeforeUntil, state.peers[at].promisedUntil)
            state.peers[at].followEpoch += 1
        }
    }

    /// The epoch to quote to `peer` in an append reply. Only while following it in that group (L1).
    public func followEpoch(for peer: NodeID) -> UInt64 {
        state.withLock { state in
            guard let at = state.position(of: peer) else { return 0 }
            return state.peers[at].followEpoch
        }
    }

    // MARK: What peers promised, and whether they are well

    /// Takes a pong: the promise of a peer. Late, repeated and foreign ones are harmless.
    public func receive(_ pong: LivenessPong, now: Instant) {
        state.withLock { state in
            guard pong.pingBoot == boot, let at = state.position(of: pong.sender) else { return }
            guard pong.boot >= state.peers[at].peerBoot, pong.pingTime <= now else { return }
            if pong.boot > state.peers[at].peerBoot {
                state.peers[at].peerBoot = pong.boot
                state.peers[at].clock = ClockComparison()
            }
            state.peers[at].acknowledgedSend = max(
                state.peers[at].acknowledgedSend ?? pong.pingTime, pong.pingTime)
            // A promise under an older epoch than one we know covers nothing that we count.
            let end = pong.pingTime + min(pong.promise, promise) - drift
            if pong.followEpoch > state.peers[at].leaseEpoch {
                state.peers[at].leaseEpoch = pong.followEpoch
                state.peers[at].leaseEnd = end
            } else if pong.followEpoch == state.peers[at].leaseEpoch {
                state.peers[at].leaseEnd = max(state.peers[at].leaseEnd ?? end, end)
            }
            let tolerance = drift.nanoseconds * 1_000_000 / promise.nanoseconds
            state.peers[at].clock.note(
                sent: pong.pingTime, received: now, peer: pong.promisedAt, tolerance: tolerance)
        }
    }

    /// When the newest ping of `peer` came; nil before the first.
    public func lastHeard(from peer: NodeID) -> Instant? {
        state.withLock { state in
            state.position(of: peer).flatMap { state.peers[$0].lastHeard }
        }
    }

    /// Whether `peer` vouched for itself within the last promise.
    public func isUp(_ peer: NodeID, now: Instant) -> Bool {
        guard let heard = lastHeard(from: peer) else { return false }
        return now < heard + promise
    }

    /// The incarnation of `peer` that pinged last; nil before its first ping.
    public func boot(of peer: NodeID) -> UInt64? {
        state.withLock { state in
            state.position(of: peer).flatMap { state.peers[$0].boot }
        }
    }

    /// When the newest ping that `peer` answered was sent, whatever the epoch: for CheckQuorum.
    public func acknowledgedSend(by peer: NodeID) -> Instant? {
        state.withLock { state in
            state.position(of: peer).flatMap { state.peers[$0].acknowledgedSend }
        }
    }

    /// Until when, on this node's clock, `peer` is bound by what it promised under `epoch`: send time +
    /// promise - drift. nil when its newest pongs carry another epoch, or when its clock disagrees
    /// with ours: then it counts in no lease.
    public func leaseEnd(by peer: NodeID, epoch: UInt64) -> Instant? {
        state.withLock { state in
            guard let at = state.position(of: peer), state.peers[at].leaseEpoch == epoch,
                !state.peers[at].clock.disagrees
            else { return nil }
            return state.peers[at].leaseEnd
        }
    }

    /// The epoch that the newest pongs of `peer` carry; 0 before the first. Groups whose newest append
    /// reply quotes a lower one need another reply before they can count the peer.
    public func promisedEpoch(of peer: NodeID) -> UInt64 {
        state.withLock { state in
            state.position(of: peer).map { state.peers[$0].leaseEpoch } ?? 0
        }
    }

    /// Whether the clocks of `peer` and this node ran at different paces when they were compared
    /// last.
    public func clockDisagrees(with peer: NodeID) -> Bool {
        state.withLock { state in
            state.position(of: peer).map { state.peers[$0].clock.disagrees } ?? false
        }
    }
}

extension PairLiveness.State {
    /// Where `peer` is in `peers`; a handful of them, so a walk is fastest.
    func position(of peer: NodeID) -> Int? {
        for position in peers.indices where peers[position].id == peer { return position }
        return nil
    }
}
