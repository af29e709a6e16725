public import Bytes
internal import DequeModule

/// What was handed to the disk and what came back (R2).
struct Durability: Sendable {
    /// Hard state and entries as handed out last.
    var submittedTerm: Term
    var submittedVote: NodeID?
    var submittedIndex: LogIndex
    /// A new start of the log that was not handed out yet.
    var start: Start?
    /// A truncation that was not handed out yet.
    var truncateFrom: LogIndex?
    /// The ticket handed out last, and the last one that is durable.
    var lastTicket: IOTicket = 0
    var ticket: IOTicket = 0
    /// The ticket of the hard state handed out last.
    var hardStateTicket: IOTicket = 0
    /// Entries up to here, as they are in the log now, are durable.
    var index: LogIndex
    /// Appends under way, in the order of their tickets.
    var appends = Deque<PendingAppend>()

    struct PendingAppend: Sendable {
        var ticket: IOTicket
        /// The last entry of it that is still in the log.
        var last: LogIndex
    }

    struct Start: Sendable {
        var index: LogIndex
        var term: Term
        var keepsRest: Bool
    }

    init(term: Term, vote: NodeID?, lastIndex: LogIndex) {
        submittedTerm = term
        submittedVote = vote
        submittedIndex = lastIndex
        index = lastIndex
    }

    /// Entries from `from` on leave the log: what is under way for them counts no more.
    mutating func truncate(from: LogIndex) {
        index = min(index, from - 1)
        for position in appends.indices {
            appends[position].last = min(appends[position].last, from - 1)
        }
        guard from <= submittedIndex else { return }
        truncateFrom = min(truncateFrom ?? from, from)
        submittedIndex = from - 1
    }

    /// The log begins behind `index`. `replaced`: and nothing of what was in it counts any more.
    mutating func begin(after index: LogIndex, term: Term, replaced: Bool) {
        // Where the disk does not hold entry `index` of this log (yet), what lies behind it can not be
        // kept: it is written anew.
        let keepsRest = !replaced && index <= submittedIndex && start?.keepsRest != false
        start = Start(index: index, term: term, keepsRest: keepsRest)
        if replaced {
            appends.removeAll(keepingCapacity: true)
            self.index = 0
        }
        if !keepsRest {
            submittedIndex = index
            truncateFrom = nil
        }
    }

    mutating func nextTicket() -> IOTicket {
        lastTicket += 1
        return lastTicket
    }
}

extension RaftCore {
    /// Everything up to `ticket` is durable.
    ///
    /// - Precondition: tickets come in order; one that was reported before is ignored.
    public mutating func durable(
        upTo ticket: IOTicket, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        invariant(ticket <= durability.lastTicket, "a ticket that was never handed out")
        guard ticket > durability.ticket else { return }
        durability.ticket = ticket
        while let first = durability.appends.first, first.ticket <= ticket {
            durability.index = max(durability.index, first.last)
            durability.appends.removeFirst()
        }
        invariant(durability.index <= durability.submittedIndex, "durable before it was written")
        switch role {
        case .candidate: countVotes(now: now, liveness: liveness, effects: &effects)
        case .leader: advanceCommit(effects: &effects)
        case .follower, .preCandidate: break
        }
    }

    /// Whether the term and the vote of now are on disk.
    var hardStateIsDurable: Bool {
        durability.submittedTerm == term && durability.submittedVote == vote
            && durability.hardStateTicket <= durability.ticket
    }

    /// Emits what this turn changed: hard state, start of the log, truncation, entries, in this order.
    /// The hard state first, because a log never begins behind a term that the disk has not heard of.
    mutating func submit(effects: inout RaftEffects) {
        if durability.submittedTerm != term || durability.submittedVote != vote {
            invariant(term >= durability.submittedTerm, "the term went backwards")
            invariant(
                term > durability.submittedTerm || durability.submittedVote == nil,
                "a vote was changed within a term")
            durability.submittedTerm = term
            durability.submittedVote = vote
            durability.hardStateTicket = durability.nextTicket()
            effects.io.append(
                TicketedIO(
                    ticket: durability.hardStateTicket, io: .hardState(term: term, vote: vote)))
        }
        if let start = durability.start {
            durability.start = nil
            let ticket = durability.nextTicket()
            durability.appends.append(
                Durability.PendingAppend(ticket: ticket, last: start.index))
            effects.io.append(
                TicketedIO(
                    ticket: ticket,
                    io: .start(
                        index: start.index, term: start.term, keepingRest: start.keepsRest)))
        }
        if let from = durability.truncateFrom {
            durability.truncateFrom = nil
            effects.io.append(
                TicketedIO(ticket: durability.nextTicket(), io: .truncate(from: from)))
        }
        if log.lastIndex > durability.submittedIndex {
            let range = (durability.submittedIndex + 1)...log.lastIndex
            let ticket = durability.nextTicket()
            durability.submittedIndex = log.lastIndex
            durability.appends.append(
                Durability.PendingAppend(ticket: ticket, last: log.lastIndex))
            effects.io.append(TicketedIO(ticket: ticket, io: .append(range)))
        }
    }

    /// Gives this turn's held messages their ticket, and lets those go whose ticket is durable.
    mutating func releaseHeld(effects: inout RaftEffects) {
        for position in (held.count - heldThisTurn)..<held.count {
            held[position].ticket = durability.lastTicket
        }
        heldThisTurn = 0
        while let first = held.first, first.ticket <= durability.ticket {
            // What an earlier term wanted said is of no use to anybody.
            if first.outbound.message.term == term { effects.messages.append(first.outbound) }
            held.removeFirst()
        }
    }
}
