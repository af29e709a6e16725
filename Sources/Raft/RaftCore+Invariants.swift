internal import Bytes
internal import DequeModule

extension RaftCore {
    /// Walks the whole replica; tests and the simulator call it every step.
    ///
    /// - Parameter walksLog: false leaves out the log in memory, which costs a checksum of all of it.
    public func checkInvariants(walksLog: Bool = true) {
        if walksLog { log.checkInvariants() }
        invariant(commit <= log.lastIndex, "commit past the log")
        invariant(commit + 1 >= log.firstIndex, "the log begins behind the commit")
        invariant(
            durability.submittedIndex + 1 >= log.firstIndex || durability.start != nil,
            "the log begins behind what the disk knows")
        invariant(!needsSnapshot || role == .follower, "a role without a state")
        invariant(term >= log.lastTerm, "an entry of a term that never came")
        invariant(durability.index <= durability.submittedIndex, "durable before written")
        invariant(durability.submittedIndex <= log.lastIndex, "written past the log")
        invariant(durability.ticket <= durability.lastTicket, "a ticket from nowhere")
        invariant(durability.submittedTerm <= term, "a written term above the term")
        var previous: IOTicket = durability.ticket
        for append in durability.appends {
            invariant(append.ticket > previous, "appends under way out of order")
            invariant(append.last <= durability.submittedIndex, "a completion past the log")
            previous = append.ticket
        }
        checkRole()
        checkMembers()
        for follower in progress {
            follower.checkInvariants(
                lastIndex: log.lastIndex, inflightMax: configuration.inflightBytesMax)
            invariant(follower.roundAcknowledged <= round, "a round that never was")
        }
    }

    private func checkMembers() {
        history.checkInvariants()
        invariant(members == history.newest, "members in force that are not the log's newest")
        invariant(members.since <= log.lastIndex, "members of an entry that is gone")
        invariant(
            peers == members.all.filter { $0 != configuration.id }, "peers that are no members")
        invariant(halves == peers.map { members.halves(of: $0) }, "a peer that counts wrongly")
        let uncommitted = history.changes.filter { $0.since > commit }
        invariant(
            role != .leader || !committedInTerm || uncommitted.count <= 1, "two changes at once")
        let first = max(log.firstInMemory, commit + 1, history.base.since + 1)
        for index in first..<max(first, log.lastIndex + 1) {
            guard let entry = log.entry(at: index) else { continue }
            let isNoted = history.changes.contains { $0.since == index }
            invariant(isNoted == (entry.kind == .membership), "entry \(index) is noted wrongly")
        }
    }

    private func checkRole() {
        switch role {
        case .leader:
            invariant(leader == configuration.id, "a leader that follows another")
            invariant(followed == nil, "a leader that follows")
            invariant(
                progress.map(\.id) == peers, "a leader without its followers' progress")
            invariant(vote == configuration.id, "a leader that did not vote for itself")
            invariant(
                termStartIndex < log.firstIndex || log.term(at: termStartIndex) == term,
                "the term starts with another one")
            invariant(
                uncommittedBytes == log.recordBytes(from: commit + 1),
                "uncommitted bytes are miscounted")
            invariant(confirmedReadRound <= round, "a confirmed round that never was")
        case .candidate:
            invariant(vote == configuration.id, "a candidate that did not vote for itself")
            invariant(leader == nil && followed == nil, "a candidate that follows")
        case .preCandidate:
            invariant(leader == nil, "a pre-candidate that follows")
        case .follower:
            invariant(leader == nil || leader == followed?.leader, "a leader that never spoke")
        }
        invariant(
            knownLeaseEnd.nanoseconds == .min
                || role == .leader && transfer == nil && !leaseVoid && committedInTerm,
            "a lease is known where there is none")
        invariant(role == .leader || progress.isEmpty, "progress without leadership")
        invariant(role == .leader || transfer == nil, "a transfer without leadership")
        invariant(verified <= log.lastIndex, "verified past the log")
        invariant(acknowledged <= log.lastIndex, "acknowledged past the log")
    }
}
