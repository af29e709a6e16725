internal import Bytes

// The follower's half of replication (paper, 5.3).

extension RaftCore {
    mutating func receiveAppend(
        _ append: RaftMessage.Append, entries: Span<UInt8>, from sender: NodeID,
        term senderTerm: Term, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) throws(DecodeError) {
        try validate(entries, of: append, term: senderTerm)
        guard senderTerm >= term else {
            // A deposed leader learns of the new term.
            send(
                .appendReply(
                    RaftMessage.AppendReply(
                        rejected: true, index: append.previousIndex, readRound: 0, commit: 0,
                        followEpoch: 0)),
                to: sender, effects: &effects)
            return
        }
        invariant(
            role != .leader || senderTerm > term,
            "two leaders in term \(term): \(sender) and \(configuration.id)")
        invariant(
            senderTerm > term || followed == nil || followed?.leader == sender,
            "two leaders in term \(term): \(sender) and another one")
        follow(sender, term: senderTerm, now: now, liveness: liveness, effects: &effects)

        roundIsNew(append.readRound)
        guard agrees(append.previousIndex, append.previousTerm) else {
            reject(append, to: sender, effects: &effects)
            return
        }
        let before = log.lastIndex
        let last = store(entries, behind: append.previousIndex)
        verified = max(verified, last)
        // New entries are answered when they are durable; the first append of a term at once, so that
        // the leader learns the follow epoch.
        let isFirst = followed?.gone == false && followed?.quoted == nil
        if isFirst || append.wantsReply && log.lastIndex == before { replyOwed = true }
        // Never beyond what this leader's own check covered (S6 g, h).
        leaderCommit = max(leaderCommit, append.commit)
        let known = min(append.commit, last)
        if known > commit {
            commit = known
            effects.commitAdvanced = true
        }
    }

    private mutating func roundIsNew(_ readRound: UInt64) {
        guard readRound > roundSeen else { return }
        roundSeen = readRound
        replyOwed = true
    }

    /// Verifies records before anything changes: whole, contiguous, of possible terms.
    private func validate(
        _ entries: Span<UInt8>, of append: RaftMessage.Append, term: Term
    ) throws(DecodeError) {
        var records = EntryRecords(entries)
        var index = append.previousIndex
        var previousTerm = append.previousTerm
        while let entry = try records.next() {
            guard entry.index == index &+ 1 else { throw .invalid("entry index") }
            guard entry.term >= previousTerm, entry.term <= term else {
                throw .invalid("entry term")
            }
            index = entry.index
            previousTerm = entry.term
        }
    }

    /// Recognises the leader of `senderTerm`, entering the term if need be.
    private mutating func follow(
        _ sender: NodeID, term senderTerm: Term, now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) {
        if senderTerm > term {
            // A majority elected it; what was promised to an older leader binds no more (L3 a).
            abandonFollowed(liveness: liveness)
            if role == .leader { stepDown(now: now, effects: &effects) }
            setTerm(senderTerm, effects: &effects)
        }
        setRole(.follower, effects: &effects)
        if followed == nil {
            followed = Followed(
                leader: sender, boot: liveness.boot(of: sender), quoted: nil, since: now)
            jitter = randomUpTo(2)
            electionDeadline = now + configuration.electionTimeout + jitter
        } else if followed?.gone == false {
            followed?.boot = liveness.boot(of: sender)
        }
        if followed?.gone == false {
            setLeader(sender, effects: &effects)
            probeAt = now + configuration.probeInterval + jitter
        }
    }

    /// Whether the log holds `index` with `term`. What is committed agrees by itself.
    private func agrees(_ index: LogIndex, _ term: Term) -> Bool {
        if index < log.firstIndex, index <= commit { return true }
        return log.term(at: index) == term
    }

    private func reject(
        _ append: RaftMessage.Append, to sender: NodeID, effects: inout RaftEffects
    ) {
        // Skip the whole terms that cannot be the leader's; what is committed always agrees.
        let hint = max(
            log.lastIndex(
                upTo: min(append.previousIndex, log.lastIndex), notAfter: append.previousTerm),
            commit)
        send(
            .appendReply(
                RaftMessage.AppendReply(
                    rejected: true, index: append.previousIndex, hintIndex: hint,
                    hintTerm: log.term(at: hint) ?? 0, readRound: 0, commit: commit,
                    followEpoch: 0)),
            to: sender, effects: &effects)
    }

    /// Takes over the entries that the log lacks; cuts off what conflicts. Returns the last index
    /// that is known to equal the leader's log.
    private mutating func store(_ entries: Span<UInt8>, behind previous: LogIndex) -> LogIndex {
        var records = EntryRecords(entries)
        var last = previous
        while let entry = records.nextVerified() {
            last = entry.index
            if entry.index < log.firstIndex { continue }
            if let mine = log.term(at: entry.index) {
                if mine == entry.term { continue }
                invariant(
                    entry.index > commit || configuration.mayLoseEntries,
                    "a committed entry \(entry.index) conflicts with the leader's log")
                guard entry.index > commit else {
                    contradictions += 1
                    return entry.index - 1
                }
                log.truncate(from: entry.index)
                durability.truncate(from: entry.index)
                verified = min(verified, entry.index - 1)
                invariant(acknowledged < entry.index, "an acknowledged entry is replaced")
            }
            log.append(entry)
        }
        return last
    }

    /// Sends this turn's answer to the leader, if there is one to give.
    mutating func sendReply(liveness: PairLiveness, effects: inout RaftEffects) {
        guard role == .follower, let followed, durability.submittedTerm == term else { return }
        // Nothing is said in a term that a crash could forget.
        guard durability.hardStateTicket <= durability.ticket else { return }
        let durable = min(durability.index, verified)
        guard replyOwed || durable > acknowledged else { return }
        replyOwed = false
        acknowledged = max(acknowledged, durable)
        var epoch: UInt64 = 0
        if !followed.gone {
            epoch = liveness.followEpoch(for: followed.leader)
            self.followed?.quoted = epoch
        }
        send(
            .appendReply(
                RaftMessage.AppendReply(
                    rejected: false, index: durable, hintIndex: verified, hintTerm: 0,
                    readRound: roundSeen, commit: commit, followEpoch: epoch)),
            to: followed.leader, effects: &effects)
    }
}
