public import Bytes

// Which members are in force, and what follows from that (R10, R11). How they are changed stands in
// `RaftCore+Change.swift`.
//
// What a host owes:
//
// - The initial voters in `RaftConfiguration.members`, the same at every member, also at one that joins
//   later and is not among them; nobody, if they are not known there.
// - Where a removed replica is forgotten, with its log and state: `removal`, kept durably for as long as the
//   replica may come back on this node, and given back by `RestoredGroup.rejoining` at every start of the
//   new one. Nothing else may be forgotten under the same node id. Why that is enough:
//   - The new replica follows and acknowledges only leaders of its term at the removal, or later. All of
//     them know of the removal, which was committed; so whoever of them sends it anything has it as a member
//     again, and nobody who still counts it from before gets an acknowledgement or a vote.
//   - It votes and campaigns only by members that came after the removal. Without that it would, while it
//     reads the old log once more, take itself for what it was then, perhaps for the only voter.
// - With each snapshot, `members(asOf:)` its index, and both back in `RestoredGroup` or `install`. Also where
//   the log begins, if that is kept apart: a replica that finds no snapshot at a restart goes by the
//   initial members otherwise. It only votes, but may not know that it may.
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

/// What must be kept of a replica that was removed: without it, one that comes back on the same node could
/// vote twice, or help a leader that does not know of the removal.
public struct RemovedReplica: Equatable, Sendable {
    /// Nobody who leads in this term, or later, does not know of the removal.
    public var term: Term
    /// The vote in that term.
    public var vote: NodeID?
    /// It was no member as of this entry, which is committed.
    public var index: LogIndex

    public init(term: Term, vote: NodeID?, index: LogIndex) {
        self.term = term
        self.vote = vote
        self.index = index
    }
}

extension RestoredGroup {
    /// A replica of a group that this node had one of before, until it was removed and forgotten.
    public static func rejoining(_ removal: RemovedReplica) -> RestoredGroup {
        var group = RestoredGroup()
        group.term = removal.term
        group.vote = removal.vote
        group.removal = removal
        return group
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
    /// were when the newest committed entry was written, and whoever leads.
    public var nodesToReach: [NodeID] {
        var nodes: [NodeID] = []
        let known = history.nodes(from: commit) + (leader.map { [$0] } ?? [])
        for node in known.sorted()
        where node != configuration.id && node != nodes.last { nodes.append(node) }
        return nodes
    }

    /// Whether this replica may vote, as far as its log tells (R11). A learner may: it may be a voter by
    /// an entry that it has not got yet, and only who knows that asks it.
    var mayVote: Bool {
        !isRemoved
            && history.contains(from: commit) {
                isAfterRemoval($0) && $0.contains(configuration.id)
            }
    }

    /// Whether this replica may campaign, as far as its log tells (R11). One that an uncommitted entry
    /// removes may: others can be unable to win without it (thesis, 4.2.2).
    var mayCampaign: Bool {
        !isRemoved
            && history.contains(from: commit) {
                isAfterRemoval($0) && $0.isVoter(configuration.id)
            }
    }

    private func isAfterRemoval(_ members: GroupMembers) -> Bool {
        guard let removal else { return true }
        return members.since > removal.index
    }

    // MARK: Taking members into force

    /// Takes the newest members of the log into force.
    mutating func adoptNewestMembers(now: Instant, effects: inout RaftEffects) {
        guard history.newest != members else { return }
        members = history.newest
        effects.membersChanged = true
        if isAfterRemoval(members), members.contains(configuration.id) { isRemoved = false }
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
                if before.contains(configuration.id), !newest.contains(configuration.id),
                    isAfterRemoval(newest)
                {
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
        if mustLeave, role != .leader {
            becomeRemoved(asOf: commit, term: term, now: now, effects: &effects)
        }
    }

    // MARK: Removal

    /// Answers one who asks as if it were a member, and by what is committed is none. Not without a
    /// state: it may have brought other members than those that this replica goes by.
    func tellIfRemoved(_ sender: NodeID, effects: inout RaftEffects) {
        guard commit > 0, !needsSnapshot, !members.contains(sender),
            !history.asOf(commit).contains(sender),
            !history.asOf(commit).isUnknown, let term = log.term(at: commit)
        else { return }
        send(.notMember(index: commit, indexTerm: term), to: sender, effects: &effects)
    }

    /// Somebody knows that as of a committed entry this replica is no member. That is news unless its
    /// own log makes it one by a later entry: later by term, then by index, as between two logs. A replica
    /// that may lack such an entry cannot judge; it is silent anyway, or follows.
    mutating func receiveNotMember(
        index: LogIndex, indexTerm: Term, term senderTerm: Term, now: Instant,
        effects: inout RaftEffects
    ) {
        // A leader finds out by the lack of a quorum, or hands over by itself.
        guard role != .leader, mayVote, isLogWhole, !needsSnapshot else { return }
        let since = history.newest { $0.contains(configuration.id) }.since
        if let term = since >= log.firstIndex ? log.term(at: since) : 0 {
            guard (indexTerm, index) >= (term, since) else { return }
        }
        // What lies before the log's start is committed, as the other entry is.
        guard since >= log.firstIndex || index >= since else { return }
        becomeRemoved(asOf: index, term: senderTerm, now: now, effects: &effects)
    }

    /// This replica is no member any more, as of entry `index`, as somebody in `senderTerm` knows.
    private mutating func becomeRemoved(
        asOf index: LogIndex, term senderTerm: Term, now: Instant, effects: inout RaftEffects
    ) {
        invariant(role != .leader, "a leader is removed before it handed over")
        isRemoved = true
        removal = RemovedReplica(
            term: max(term, senderTerm), vote: senderTerm > term ? nil : vote,
            index: max(index, removal?.index ?? 0))
        mustLeave = false
        effects.removed = true
        setRole(.follower, effects: &effects)
        setLeader(nil, effects: &effects)
        electionDeadline = now + configuration.electionTimeout
    }
}
