public import Bytes

// Which members are in force, and what follows from that (R10, R11). How they are changed stands in
// `RaftCore+Change.swift`.
//
// What a host owes:
//
// - The initial voters in `RaftConfiguration.members`, or nobody for a replica that joins a group that
//   exists. A replica that was removed and forgotten may come back on the same node only like that: it
//   may have voted before, and does not remember. As a joiner it votes once its own log makes it a member
//   again. That is late enough: who leads in a term that it forgot a vote of had entries of that term,
//   or none of those by which this replica left or came back, committed; its log loses against one that
//   has them.
// - With each snapshot, `members(asOf:)` its index, and both back in `RestoredGroup` or `install`.
// - At a restart, the membership entries of the log (`RestoredGroup.memberEntries`).
// - Links to, and liveness of, `nodesToReach` of all its groups: to be looked at when
//   `RaftEffects.membersChanged` says so. Nodes that a peer's liveness does not know give no lease and
//   are taken for silent.

extension GroupMembers {
    /// What an entry of kind `membership` holds; nil for an entry of another kind.
    ///
    /// - Throws: when its payload is damaged, or of another version.
    public init?(entry: borrowing EntryView) throws(DecodeError) {
        guard entry.kind == .membership else { return nil }
        try self.init(decoding: entry.payload)
        guard since == entry.index else { throw .invalid("members of another entry") }
    }
}

extension MembersHistory {
    /// What a restart finds: the members where it begins, then those of the log.
    init(initial: GroupMembers, restored: borrowing RestoredGroup, log: borrowing RaftLog) {
        self.init(base: restored.members ?? initial)
        let start = restored.members == nil ? 0 : restored.snapshotIndex
        let from = max(start, log.firstIndex - 1)
        for members in restored.memberEntries where members.since < log.firstInMemory {
            if members.since > from, members.since <= log.lastIndex { append(members) }
        }
        for index in log.firstInMemory..<(log.lastIndex + 1) where index > from {
            guard let entry = log.entry(at: index) else { continue }
            do throws(DecodeError) {
                if let members = try GroupMembers(entry: entry) { append(members) }
            } catch {
                invariantFailed("restored members are damaged: \(error)")
            }
        }
    }
}

extension RaftCore {
    // MARK: What a host asks

    /// The members as of entry `index`, which is committed here: what a snapshot of that index must hold.
    /// nil while a replica that joined does not know them; it can take no snapshot yet.
    public func members(asOf index: LogIndex) -> GroupMembers? {
        invariant(index <= commit && index + 1 >= log.firstIndex, "members that may still change")
        let members = history.asOf(index)
        return members.isUnknown ? nil : members
    }

    /// The other nodes that this replica may have to reach, ascending: all that are members in force or
    /// were when the newest committed entry was written.
    public var nodesToReach: [NodeID] {
        var nodes: [NodeID] = []
        for node in history.nodes(from: commit).sorted()
        where node != configuration.id && node != nodes.last { nodes.append(node) }
        return nodes
    }

    /// Whether this replica may vote, as far as its log tells (R11). A learner may: it may be a voter by
    /// an entry that it has not got yet, and only who knows that asks it.
    var mayVote: Bool {
        !isRemoved && history.contains(from: commit) { $0.contains(configuration.id) }
    }

    /// Whether this replica may campaign, as far as its log tells (R11). One that an uncommitted entry
    /// removes may: others can be unable to win without it (thesis, 4.2.2).
    var mayCampaign: Bool {
        !isRemoved && history.contains(from: commit) { $0.isVoter(configuration.id) }
    }

    // MARK: Taking members into force

    /// Takes the newest members of the log into force.
    mutating func adoptNewestMembers(now: Instant, effects: inout RaftEffects) {
        guard history.newest != members else { return }
        members = history.newest
        effects.membersChanged = true
        if members.contains(configuration.id) { isRemoved = false }
        let known = progress
        arrangePeers()
        guard role == .leader else { return }
        progress.removeAll(keepingCapacity: true)
        for peer in peers {
            progress.append(known.first { $0.id == peer } ?? newProgress(of: peer))
        }
        // It was counted in other voters.
        forgetLease()
        quorumCheckAt =
            isAlone
            ? .distantFuture : min(quorumCheckAt, now + configuration.electionTimeout)
        // Fewer may be needed now.
        advanceCommit(effects: &effects)
        updateConfirmedRound(effects: &effects)
    }

    mutating func arrangePeers() {
        peers = members.all.filter { $0 != configuration.id }
        halves = peers.map { members.halves(of: $0) }
        ownHalves = members.halves(of: configuration.id)
    }

    /// Notices that other members are committed now: who is none any more is told, or notices itself.
    mutating func noteCommittedMembers(now: Instant, effects: inout RaftEffects) {
        if committedMembers.since != members.since {
            let newest = history.asOf(commit)
            if newest != committedMembers {
                let before = committedMembers
                committedMembers = newest
                effects.membersChanged = true
                if before.contains(configuration.id), !newest.contains(configuration.id) {
                    mustLeave = true
                }
                if role == .leader {
                    for node in before.all where !newest.contains(node) && node != configuration.id
                    {
                        tellIfRemoved(node, effects: &effects)
                    }
                    endChange(effects: &effects)
                }
            }
        }
        if mustLeave, members.contains(configuration.id) { mustLeave = false }
        if mustLeave, role != .leader { becomeRemoved(now: now, effects: &effects) }
    }

    // MARK: Removal

    /// Answers one who asks as if it were a member, and by what is committed is none.
    func tellIfRemoved(_ sender: NodeID, effects: inout RaftEffects) {
        guard commit > 0, !members.contains(sender), !history.asOf(commit).contains(sender),
            !history.asOf(commit).isUnknown, let term = log.term(at: commit)
        else { return }
        send(.notMember(index: commit, indexTerm: term), to: sender, effects: &effects)
    }

    /// Somebody knows that as of a committed entry this replica is no member. That is news unless its
    /// own log makes it one by a later entry: later by term, then by index, as between two logs.
    mutating func receiveNotMember(
        index: LogIndex, term indexTerm: Term, now: Instant, effects: inout RaftEffects
    ) {
        // A leader finds out by the lack of a quorum, or hands over by itself.
        guard role != .leader, mayVote else { return }
        let since = history.newest { $0.contains(configuration.id) }.since
        if let term = since >= log.firstIndex ? log.term(at: since) : 0 {
            guard (indexTerm, index) >= (term, since) else { return }
        }
        // What lies before the log's start is committed, as the other entry is.
        guard since >= log.firstIndex || index >= since else { return }
        becomeRemoved(now: now, effects: &effects)
    }

    /// This replica is no member any more.
    mutating func becomeRemoved(now: Instant, effects: inout RaftEffects) {
        invariant(role != .leader, "a leader is removed before it handed over")
        isRemoved = true
        mustLeave = false
        effects.removed = true
        setRole(.follower, effects: &effects)
        electionDeadline = now + configuration.electionTimeout
    }
}
