import Bytes

@testable import Raft

/// Nodes of one group in memory: cores, disks that can lose what was not synced, and a network that
/// only moves what a test tells it to. Scripts and the randomized test drive the same type.
final class Cluster {
    /// Real time, in nanoseconds; each node sees it through its own clock.
    var time: Int64 = 1_000_000_000
    var nodes: [Node] = []
    var network: [Envelope] = []
    var oracle = Oracle()
    /// What happened, for scripts.
    var trace: [String] = []
    var isTracing = true
    var statistics = Statistics()
    /// How many turns lie between two walks over a whole log.
    var walkEvery = 1
    private var turns = 0

    /// What a run came by; a run that met nothing proves nothing.
    struct Statistics {
        var elections = 0
        var leaseReads = 0
        var roundReads = 0
        var transfers = 0
        var truncations = 0
        var fetches = 0
        var crashes = 0
        var snapshots = 0
        var installs = 0
        var staleInstalls = 0
        var replacedLogs = 0
        var snapshotsWanted = 0
        var lostStates = 0
        var lostEntries = 0
        var recovered = 0
        var members = MemberStatistics()
    }
    let configure: (inout RaftConfiguration) -> Void
    /// Another group on the same nodes: they have one clock and one `PairLiveness` for both.
    let companion: Cluster?

    struct Envelope {
        enum Payload {
            case raft(RaftMessage, records: [UInt8])
            case ping(LivenessPing)
            case pong(LivenessPong)
            /// What hosts say to each other: a snapshot, and up to where its receiver has everything;
            /// nil if it has no use for it.
            case snapshot(Disk.Snapshot)
            case installed(LogIndex?)
        }
        var from: NodeID
        var to: NodeID
        var payload: Payload
        var deliverAt: Int64 = 0
    }

    init(
        _ count: Int, founders: Int? = nil, besides companion: Cluster? = nil,
        configure: @escaping (inout RaftConfiguration) -> Void = { _ in }
    ) {
        self.companion = companion
        self.configure = configure
        let members = (1...count).map { NodeID(UInt16($0)) }
        let founders = founders.map { Array(members.prefix($0)) } ?? members
        oracle.members = GroupMembers(voters: founders)
        for id in members {
            nodes.append(
                // Some of those who join do not know who began.
                Node(
                    id: id, members: members,
                    founders: founders.contains(id) || id.raw % 2 == 0 ? founders : []))
        }
        for node in nodes { start(node) }
    }

    func node(_ id: NodeID) -> Node { nodes[Int(id.raw) - 1] }
    subscript(_ id: Int) -> Node { nodes[id - 1] }

    func start(_ node: Node) {
        node.boot += 1
        if let other = companion?.node(node.id) {
            node.clockOffset = other.clockOffset
            node.clockRate = other.clockRate
        }
        let now = node.clock(time)
        var configuration = RaftConfiguration(
            id: node.id, group: GroupID(1), members: node.founders)
        configure(&configuration)
        node.liveness =
            companion?.node(node.id).liveness
            ?? PairLiveness(
                node: node.id, boot: node.boot, peers: node.members,
                promise: configuration.electionTimeout, now: now)
        let seed = UInt64(node.id.raw) * 1000 + node.boot + node.seed
        node.replica = Replica(
            RaftCore(configuration, restored: node.disk.restore(), seed: seed, now: now))
        node.lastRole = .follower
        node.lastTerm = node.core.term
        node.lastCommit = node.core.commit
        node.lastMembers = node.replica!.core.members
        if node.lastMembers.isJoint { statistics.members.jointRestarts += 1 }
        node.nextPing = time
        node.reads = []
        let snapshot = node.disk.usableSnapshot
        node.applied = snapshot?.index ?? 0
        node.state = snapshot?.state ?? Node.emptyState
        let isStateLost = snapshot == nil && node.disk.base > 0
        if isStateLost { statistics.lostStates += 1 }
        if node.disk.lacksEntries { statistics.lostEntries += 1 }
        guard isStateLost || node.disk.lacksEntries else { return }
        // Before anything else: a turn would already take the log for whole.
        turn(node) { replica, now, _, effects in
            if isStateLost {
                replica.core.requireSnapshot(logIsWhole: true, now: now, effects: &effects)
            }
            if node.disk.lacksEntries { replica.core.distrustLog(now: now, effects: &effects) }
        }
    }

    /// The process dies; of what was handed to the disk and not synced, `keeping` operations survive.
    func crash(_ node: Node, keeping: Int = 0) {
        node.disk.crash(keeping: keeping)
        statistics.crashes += 1
        node.replica = nil
        node.reads = []
        node.fetches = []
        node.forgetSnapshotWork()
        network.removeAll { $0.from == node.id && $0.deliverAt == 0 }
        node.pausedUntil = 0
        node.loopPausedUntil = 0
    }

    // MARK: Events

    /// Runs `body` on a node's core, ends the turn, and carries out the effects.
    func turn(
        _ node: Node, _ body: (Replica, Instant, PairLiveness, inout RaftEffects) -> Void
    ) {
        guard let replica = node.replica else { return }
        let now = node.clock(time)
        node.liveness.stampLoop(now: now)
        node.membersBefore = replica.core.members
        body(replica, now, node.liveness, &node.effects)
        replica.core.endTurn(now: now, liveness: node.liveness, effects: &node.effects)
        turns += 1
        if turns % walkEvery == 0 { replica.core.checkInvariants() }
        carryOut(node, replica)
    }

    private func carryOut(_ node: Node, _ replica: Replica) {
        noteRole(node)
        for ticketed in node.effects.io {
            note("  \(node.id) io \(ticketed.ticket) \(describe(ticketed.io))")
            node.disk.submit(ticketed, log: replica)
            if case .truncate = ticketed.io { statistics.truncations += 1 }
            if case .start(_, _, false) = ticketed.io { statistics.replacedLogs += 1 }
        }
        for outbound in node.effects.messages {
            if case .timeoutNow = outbound.message.body { statistics.transfers += 1 }
            noteVote(outbound, of: replica)
            var records = ByteBuffer()
            replica.core.copyRecords(of: outbound, into: &records)
            network.append(
                Envelope(
                    from: node.id, to: outbound.to,
                    payload: .raft(outbound.message, records: records.copyBytes())))
        }
        for fetch in node.effects.fetches {
            node.fetches.append((fetch, node.disk.read(fetch)))
        }
        for peer in node.effects.snapshotsWanted {
            note("  \(node.id) wants a snapshot for \(peer)")
            statistics.snapshotsWanted += 1
            node.wanted.append(peer)
        }
        if replica.core.commit != node.lastCommit {
            note("  \(node.id) commit \(replica.core.commit)")
            node.lastCommit = replica.core.commit
        }
        noteMembers(node, replica)
        if node.effects.transferFailed { note("  \(node.id) gives up the transfer") }
        if node.disk.lacksEntries, replica.core.isLogWhole {
            note("  \(node.id) lacks nothing any more")
            statistics.recovered += 1
            node.disk.lacksEntries = false
        }
        node.effects.removeAll()
        oracle.check(node, in: self)
        apply(node, replica)
        finishReads(node)
    }

    private func apply(_ node: Node, _ replica: Replica) {
        guard !replica.core.needsSnapshot else { return }
        while node.applied < replica.core.commit {
            let index = node.applied + 1
            guard
                let record = recordInMemory(replica.core, at: index)
                    ?? node.disk.entry(at: index)?.record
            else { fatalError("\(node.id) has no entry \(index) to apply") }
            node.state = Node.state(node.state, applying: record)
            node.applied = index
        }
        oracle.checkState(node)
    }

    private func noteRole(_ node: Node) {
        let core = node.core
        guard core.role != node.lastRole || core.term != node.lastTerm else { return }
        if core.role == .leader { noteElection(node) }
        var line = "  \(node.id) \(core.role) of term \(core.term)"
        if core.role == .candidate || core.role == .preCandidate {
            line += " (\(core.role == .candidate ? core.electionReason : core.pendingReason))"
        }
        note(line)
        node.lastRole = core.role
        node.lastTerm = core.term
        node.reads = []
    }

    func deliver(_ envelope: Envelope) {
        let node = node(envelope.to)
        guard node.replica != nil else { return }
        let now = node.clock(time)
        switch envelope.payload {
        case .ping(let ping):
            guard let pong = node.liveness.receive(ping, now: now) else { return }
            network.append(Envelope(from: node.id, to: envelope.from, payload: .pong(pong)))
        case .pong(let pong):
            node.liveness.receive(pong, now: now)
        case .snapshot(let snapshot):
            node.received.append((snapshot, envelope.from))
        case .installed(let index):
            node.transfers.removeAll { $0.peer == envelope.from }
            turn(node) { replica, now, _, effects in
                if let index {
                    replica.core.snapshotInstalled(
                        at: envelope.from, index: index, now: now, effects: &effects)
                } else {
                    replica.core.snapshotFailed(at: envelope.from)
                }
            }
        case .raft(let message, let records):
            // Every message travels through its encoding.
            var encoded = ByteBuffer()
            message.encode(into: &encoded)
            turn(node) { replica, now, liveness, effects in
                do {
                    var reader = ByteReader(encoded.readable)
                    let decoded = try RaftMessage.decode(&reader)
                    precondition(decoded == message && reader.remaining == 0)
                    try replica.core.receive(
                        decoded, entries: records.span, from: envelope.from, now: now,
                        liveness: liveness, effects: &effects)
                } catch {
                    fatalError("a message does not decode: \(error)")
                }
            }
        }
    }

    /// The disk finishes the first `count` operations under way.
    func sync(_ node: Node, count: Int = .max) {
        guard node.replica != nil, let ticket = node.disk.sync(count: count) else { return }
        note("\(node.id) durable \(ticket)")
        turn(node) { replica, now, liveness, effects in
            replica.core.durable(upTo: ticket, now: now, liveness: liveness, effects: &effects)
        }
    }

    func answerFetches(_ node: Node, failing: Bool = false) {
        let fetches = node.fetches
        node.fetches = []
        for (fetch, records) in fetches {
            statistics.fetches += 1
            turn(node) { replica, now, _, _ in
                if failing || records.isEmpty {
                    replica.core.fetchFailed(fetch, now: now)
                    return
                }
                do {
                    try replica.core.fetched(fetch, records: records.span, now: now)
                } catch {
                    fatalError("a fetch does not fit: \(error)")
                }
            }
        }
    }

    func tick(_ node: Node) {
        turn(node) { replica, now, liveness, effects in
            replica.core.tick(now: now, liveness: liveness, effects: &effects)
        }
        if let replica = node.replica {
            precondition(
                replica.core.nextDeadline > node.clock(time),
                "\(node.id) would spin: \(replica.core.role) \(replica.core.nextDeadline)")
        }
    }

    @discardableResult
    func propose(_ node: Node, _ value: [UInt8]) -> Proposal {
        var result = Proposal.notLeader
        turn(node) { replica, now, liveness, effects in
            result = replica.core.propose(
                kind: .commands, payload: value.span, now: now, liveness: liveness,
                effects: &effects)
        }
        return result
    }

    func sendPing(from node: Node, to peer: NodeID) {
        guard node.replica != nil else { return }
        guard let ping = node.liveness.ping(to: peer, now: node.clock(time)) else { return }
        network.append(Envelope(from: node.id, to: peer, payload: .ping(ping)))
    }

    // MARK: Snapshots

    /// The state as it is now; `finishSnapshot` makes it durable.
    func beginSnapshot(_ node: Node) {
        guard let replica = node.replica, let term = replica.core.log.term(at: node.applied),
            let members = replica.core.members(asOf: node.applied)
        else { return }
        oracle.check(members, asOf: node.applied)
        node.writing = Disk.Snapshot(
            index: node.applied, term: term, state: node.state, members: members)
    }

    func finishSnapshot(_ node: Node) {
        guard let snapshot = node.writing else { return }
        node.writing = nil
        statistics.snapshots += 1
        node.disk.keep(snapshot)
        note("  \(node.id) snapshot at \(snapshot.index)@\(snapshot.term)")
    }

    /// Forgets the log up to `index`, or to the newest snapshot if that ends before.
    func compact(_ node: Node, upTo index: LogIndex) {
        guard let snapshot = node.disk.snapshots.last else { return }
        turn(node) { replica, _, _, _ in
            guard !replica.core.needsSnapshot else { return }
            replica.core.compact(upTo: min(index, snapshot.index, replica.core.commit))
        }
    }

    /// A snapshot came in whole: it is made durable and installed, and its sender hears of it.
    func install(_ node: Node, _ snapshot: Disk.Snapshot, from sender: NodeID) {
        guard let replica = node.replica else { return }
        if !replica.core.needsSnapshot || snapshot.index >= replica.core.snapshotFloor {
            node.disk.keep(snapshot)
        }
        var answer: LogIndex?
        turn(node) { replica, now, liveness, effects in
            let isTaken = replica.core.install(
                index: snapshot.index, term: snapshot.term, members: snapshot.members, now: now,
                liveness: liveness, effects: &effects)
            note(
                "  \(node.id) \(isTaken ? "installs" : "refuses") \(snapshot.index)@\(snapshot.term)"
            )
            if isTaken {
                node.applied = snapshot.index
                node.state = snapshot.state
                statistics.installs += 1
                if replica.core.members.since > node.lastMembers.since {
                    statistics.members.installed += 1
                }
            } else {
                statistics.staleInstalls += 1
            }
            answer = replica.core.needsSnapshot ? nil : replica.core.commit
        }
        network.append(Envelope(from: node.id, to: sender, payload: .installed(answer)))
    }

    // MARK: Reads

    /// Begins a read by ReadIndex; it is checked against the oracle when its round is confirmed.
    func beginRead(_ node: Node) {
        turn(node) { replica, _, _, _ in
            guard replica.core.committedInTerm else {
                note("  \(node.id) may not read: no entry of its term is committed")
                return
            }
            let round = replica.core.beginReadRound()
            node.reads.append(
                Node.Read(
                    round: round, term: replica.core.term, index: replica.core.commit,
                    mustSee: oracle.commit))
            note("  \(node.id) read in round \(round) at \(replica.core.commit)")
        }
    }

    private func finishReads(_ node: Node) {
        guard let replica = node.replica else { return }
        while let read = node.reads.first, replica.core.confirmedReadRound >= read.round {
            precondition(read.term == replica.core.term, "a read outlived its term")
            precondition(read.index >= read.mustSee, "a stale read by ReadIndex")
            statistics.roundReads += 1
            if replica.core.members.isJoint { statistics.members.jointReads += 1 }
            note("  \(node.id) read of round \(read.round) confirmed")
            node.reads.removeFirst()
        }
    }

    func note(_ line: @autoclosure () -> String) {
        if isTracing { trace.append(line()) }
    }
}

/// A copy of an entry's record; nil when it is not in memory.
func recordInMemory(_ core: borrowing RaftCore, at index: LogIndex) -> [UInt8]? {
    guard let entry = core.log.entry(at: index) else { return nil }
    return ByteBuffer(copying: entry.record).copyBytes()
}

/// Noncopyable state needs a home that an optional can hold.
final class Replica {
    var core: RaftCore

    init(_ core: consuming RaftCore) { self.core = core }
}

final class Node {
    let id: NodeID
    /// All nodes there are; they have links to each other.
    let members: [NodeID]
    /// The members that the group began with, as far as it knows.
    let founders: [NodeID]
    var boot: UInt64 = 0
    var seed: UInt64 = 0
    var disk = Disk()
    var replica: Replica?
    var liveness: PairLiveness
    var effects = RaftEffects()
    /// Reads of the log under way, with what the disk gave when they began.
    var fetches: [(fetch: LogFetch, records: [UInt8])] = []
    /// The state machine: what it is after entry `applied`.
    var applied: LogIndex = 0
    var state = Node.emptyState
    /// A snapshot that is being written, snapshots that came in, and what this leader's host owes.
    var writing: Disk.Snapshot?
    var received: [(snapshot: Disk.Snapshot, from: NodeID)] = []
    var wanted: [NodeID] = []
    var transfers: [(peer: NodeID, deadline: Int64)] = []
    var reads: [Read] = []
    var nextPing: Int64 = 0
    /// The process, or only its loop, does nothing until then.
    var pausedUntil: Int64 = 0
    var loopPausedUntil: Int64 = 0
    /// The node's clock: offset and rate in parts per million.
    var clockOffset: Int64 = 0
    var clockRate: Int64 = 0
    // For the trace.
    var lastRole = RaftRole.follower
    var lastTerm: Term = 0
    var lastCommit: LogIndex = 0
    var lastMembers = GroupMembers(voters: [])
    /// In force when the turn began.
    var membersBefore = GroupMembers(voters: [])
    /// How the change ended that this leader had under way.
    var changeEnded: ChangeOutcome?

    struct Read {
        var round: UInt64
        var term: Term
        var index: LogIndex
        /// What was acknowledged anywhere when the read began.
        var mustSee: LogIndex
    }

    init(id: NodeID, members: [NodeID], founders: [NodeID]) {
        self.id = id
        self.members = members
        self.founders = founders
        liveness = PairLiveness(
            node: id, boot: 0, peers: members, promise: .milliseconds(300),
            now: Instant(nanoseconds: 0))
    }

    static let emptyState: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The state that `record` makes of `state`: all of the history is in it.
    static func state(_ state: UInt64, applying record: [UInt8]) -> UInt64 {
        record.reduce(state) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    func forgetSnapshotWork() {
        writing = nil
        received = []
        wanted = []
        transfers = []
    }

    func clock(_ time: Int64) -> Instant {
        Instant(nanoseconds: clockOffset + time + time / 1_000_000 * clockRate)
    }

    /// What tests read of the core, by value.
    var core: Summary {
        guard let replica else { return Summary() }
        return Summary(
            role: replica.core.role, term: replica.core.term, leader: replica.core.leader,
            commit: replica.core.commit, lastIndex: replica.core.lastIndex,
            durableIndex: replica.core.durableIndex, electionReason: replica.core.electionReason,
            pendingReason: replica.core.pendingReason, vote: replica.core.vote,
            firstIndex: replica.core.log.firstIndex, needsSnapshot: replica.core.needsSnapshot,
            isLogWhole: replica.core.isLogWhole, members: replica.core.members,
            committedMembers: replica.core.committedMembers, isRemoved: replica.core.isRemoved)
    }

    struct Summary {
        var role = RaftRole.follower
        var term: Term = 0
        var leader: NodeID?
        var commit: LogIndex = 0
        var lastIndex: LogIndex = 0
        var durableIndex: LogIndex = 0
        var electionReason = ElectionReason.none
        var pendingReason = ElectionReason.none
        var vote: NodeID?
        var firstIndex: LogIndex = 1
        var needsSnapshot = false
        var isLogWhole = true
        var members = GroupMembers(voters: [])
        var committedMembers = GroupMembers(voters: [])
        var isRemoved = false
    }
}
