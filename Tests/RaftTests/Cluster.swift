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
    }
    let configure: (inout RaftConfiguration) -> Void
    /// Another group on the same nodes: they have one clock and one `PairLiveness` for both.
    let companion: Cluster?

    struct Envelope {
        enum Payload {
            case raft(RaftMessage, records: [UInt8])
            case ping(LivenessPing)
            case pong(LivenessPong)
        }
        var from: NodeID
        var to: NodeID
        var payload: Payload
        var deliverAt: Int64 = 0
    }

    init(
        _ count: Int, besides companion: Cluster? = nil,
        configure: @escaping (inout RaftConfiguration) -> Void = { _ in }
    ) {
        self.companion = companion
        self.configure = configure
        let members = (1...count).map { NodeID(UInt16($0)) }
        for id in members {
            nodes.append(Node(id: id, members: members))
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
            id: node.id, group: GroupID(1), members: node.members)
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
        node.lastCommit = 0
        node.nextPing = time
        node.reads = []
    }

    /// The process dies; of what was handed to the disk and not synced, `keeping` operations survive.
    func crash(_ node: Node, keeping: Int = 0) {
        node.disk.crash(keeping: keeping)
        statistics.crashes += 1
        node.replica = nil
        node.reads = []
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
        }
        for outbound in node.effects.messages {
            if case .timeoutNow = outbound.message.body { statistics.transfers += 1 }
            var records = ByteBuffer()
            replica.core.copyRecords(of: outbound, into: &records)
            network.append(
                Envelope(
                    from: node.id, to: outbound.to,
                    payload: .raft(outbound.message, records: records.copyBytes())))
        }
        node.fetches += node.effects.fetches
        if replica.core.commit != node.lastCommit {
            note("  \(node.id) commit \(replica.core.commit)")
            node.lastCommit = replica.core.commit
        }
        if node.effects.transferFailed { note("  \(node.id) gives up the transfer") }
        node.effects.removeAll()
        oracle.check(node, in: self)
        finishReads(node)
    }

    private func noteRole(_ node: Node) {
        let core = node.core
        guard core.role != node.lastRole || core.term != node.lastTerm else { return }
        if core.role == .leader { statistics.elections += 1 }
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
        for fetch in fetches {
            statistics.fetches += 1
            let records = node.disk.read(fetch)
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
    let members: [NodeID]
    var boot: UInt64 = 0
    var seed: UInt64 = 0
    var disk = Disk()
    var replica: Replica?
    var liveness: PairLiveness
    var effects = RaftEffects()
    var fetches: [LogFetch] = []
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

    struct Read {
        var round: UInt64
        var term: Term
        var index: LogIndex
        /// What was acknowledged anywhere when the read began.
        var mustSee: LogIndex
    }

    init(id: NodeID, members: [NodeID]) {
        self.id = id
        self.members = members
        liveness = PairLiveness(
            node: id, boot: 0, peers: members, promise: .milliseconds(300),
            now: Instant(nanoseconds: 0))
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
            pendingReason: replica.core.pendingReason, vote: replica.core.vote)
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
    }
}

/// One node's disk: what is durable, and what was only handed to it.
struct Disk {
    struct Operation {
        var ticketed: TicketedIO
        var entries: [Entry]
    }
    struct Entry: Equatable {
        var term: Term
        var record: [UInt8]
    }

    var wasUsed = false
    var term: Term = 0
    var vote: NodeID?
    var entries: [Entry] = []
    var pending: [Operation] = []
    /// How many of the newest entries a restart finds in memory.
    var restoredTail = Int.max

    mutating func submit(_ ticketed: TicketedIO, log replica: Replica) {
        var written: [Entry] = []
        if case .append(let range) = ticketed.io {
            for index in range {
                guard let record = recordInMemory(replica.core, at: index),
                    let term = replica.core.log.term(at: index)
                else { fatalError("entry \(index) left memory before it was written") }
                written.append(Entry(term: term, record: record))
            }
        }
        pending.append(Operation(ticketed: ticketed, entries: written))
    }

    /// Makes operations durable, in order; returns the last ticket.
    mutating func sync(count: Int) -> IOTicket? {
        var ticket: IOTicket?
        for operation in pending.prefix(count) {
            carryOut(operation)
            ticket = operation.ticketed.ticket
        }
        pending.removeFirst(min(count, pending.count))
        return ticket
    }

    private mutating func carryOut(_ operation: Operation) {
        wasUsed = true
        switch operation.ticketed.io {
        case .hardState(let term, let vote):
            precondition(term >= self.term)
            precondition(term > self.term || self.vote == nil || self.vote == vote)
            self.term = term
            self.vote = vote
        case .truncate(let from):
            entries.removeLast(max(0, entries.count - Int(from - 1)))
        case .append(let range):
            precondition(Int(range.lowerBound) == entries.count + 1, "a gap on disk")
            entries += operation.entries
        }
    }

    mutating func crash(keeping count: Int) {
        _ = sync(count: count)
        pending = []
    }

    func restore() -> RestoredGroup {
        var restored = RestoredGroup()
        restored.directoryWasEmpty = !wasUsed
        restored.term = term
        restored.vote = vote
        restored.lastIndex = LogIndex(entries.count)
        for (position, entry) in entries.enumerated()
        where position == 0 || entries[position - 1].term != entry.term {
            restored.termStarts.append(
                TermStart(index: LogIndex(position + 1), term: entry.term))
        }
        for entry in entries.suffix(restoredTail) { restored.tail.append(entry.record) }
        return restored
    }

    func read(_ fetch: LogFetch) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = fetch.from
        while index <= fetch.upTo, index <= LogIndex(entries.count) {
            let record = entries[Int(index) - 1].record
            if !bytes.isEmpty, bytes.count + record.count > fetch.maxBytes { break }
            bytes += record
            index += 1
        }
        return bytes
    }
}
