internal import Bytes

// The follower's half of replication (paper, 5.3).

extension RaftCore {
    mutating func receiveAppend(
        _ append: RaftMessage.Append, entries: Span<UInt8>, from sender: NodeID,
        term senderTerm: Term, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) throws(DecodeError) {
        let run = try validate(entries, of: append, term: senderTerm)
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
        // A leader that was deposed before what it contradicts was committed: learning of that from a
        // snapshot raises no term, so its term can be this one. It needs no answer. Or entries were lost.
        let showsLoss = run.contradicted.map { isProofOfLoss($0, append) } ?? false
        if run.contradicted != nil {
            contradictions += 1
            guard showsLoss || needsSnapshot else { return }
        }
        follow(sender, term: senderTerm, now: now, liveness: liveness, effects: &effects)
        if showsLoss { noteOvertaken(effects: &effects) }

        roundIsNew(append.readRound)
        // Without a state, or with one of another history, nothing can be taken.
        if needsSnapshot || isOvertaken {
            if append.wantsReply || !entries.isEmpty { replyOwed = true }
            leaderCommit = max(leaderCommit, append.commit)
            return
        }
        guard agrees(append, lastIndex: run.last) else {
            reject(append, to: sender, effects: &effects)
            return
        }
        let before = log.lastIndex
        let last = store(entries, behind: append.previousIndex, now: now, effects: &effects)
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

    /// Verifies records before anything changes: whole, contiguous, of possible terms. Tells the last
    /// index, and the first place where the append contradicts what is committed here.
    private func validate(
        _ entries: Span<UInt8>, of append: RaftMessage.Append, term: Term
    ) throws(DecodeError) -> (last: LogIndex, contradicted: LogIndex?) {
        var records = EntryRecords(entries)
        var index = append.previousIndex
        var previousTerm = append.previousTerm
        var contradicted = isContradicted(index, previousTerm) ? index : nil
        while let entry = try records.next() {
            guard entry.index == index &+ 1 else { throw .invalid("entry index") }
            guard entry.term >= previousTerm, entry.term <= term else {
                throw .invalid("entry term")
            }
            index = entry.index
            previousTerm = entry.term
            _ = try GroupMembers(entry: entry)
            if contradicted == nil, isContradicted(index, previousTerm) { contradicted = index }
        }
        return (index, contradicted)
    }

    /// Whether another entry than the one of `term` is committed at `index`, as far as the log tells. What
    /// it says of the entry before its first is not always known (term 0) without the state that ends there.
    private func isContradicted(_ index: LogIndex, _ term: Term) -> Bool {
        guard index <= commit else { return false }
        if needsSnapshot {
            guard configuration.mayLoseEntries, !isOvertaken else { return false }
        }
        guard let mine = log.term(at: index) else {
            // Before the log's start: terms never decrease on the way there.
            return configuration.mayLoseEntries && log.precedingTerm > 0
                && term > log.precedingTerm
        }
        return mine != term && !(needsSnapshot && mine == 0)
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
        electionEnd = nil
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

    /// Whether the log holds an entry of the append, or the one before it; then both logs are equal up to
    /// there (paper, 5.3). That an index is committed is not enough: the leader of this term may be one
    /// that was deposed before that, and an acknowledgement would let it commit another entry there.
    private func agrees(_ append: RaftMessage.Append, lastIndex: LogIndex) -> Bool {
        if append.previousIndex >= log.firstIndex - 1 {
            return log.term(at: append.previousIndex) == append.previousTerm
        }
        // All logs agree at 0. Otherwise the entries must reach the log's start, whose term is known
        // and was compared.
        return lastIndex == 0 || lastIndex + 1 >= log.firstIndex
    }

    private func reject(
        _ append: RaftMessage.Append, to sender: NodeID, effects: inout RaftEffects
    ) {
        // Skip the whole terms that cannot be the leader's; what is committed always agrees. A search
        // before the log's start is told where that is.
        let hint =
            append.previousIndex < log.firstIndex - 1
            ? log.firstIndex - 1
            : max(
                log.lastIndex(
                    upTo: min(append.previousIndex, log.lastIndex),
                    notAfter: append.previousTerm),
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
    private mutating func store(
        _ entries: Span<UInt8>, behind previous: LogIndex, now: Instant, effects: inout RaftEffects
    ) -> LogIndex {
        var records = EntryRecords(entries)
        var last = previous
        defer { adoptNewestMembers(now: now, effects: &effects) }
        while let entry = records.nextVerified() {
            last = entry.index
            if entry.index < log.firstIndex { continue }
            if let mine = log.term(at: entry.index) {
                if mine == entry.term { continue }
                invariant(
                    entry.index > commit,
                    "a committed entry \(entry.index) conflicts with the leader's log")
                log.truncate(from: entry.index)
                history.truncate(from: entry.index)
                durability.truncate(from: entry.index)
                verified = min(verified, entry.index - 1)
                invariant(acknowledged < entry.index, "an acknowledged entry is replaced")
            }
            log.append(entry)
            noteMembers(entry)
        }
        return last
    }

    /// The members of an entry that was appended (R10).
    private mutating func noteMembers(_ entry: borrowing EntryView) {
        guard entry.kind == .membership else { return }
        do throws(DecodeError) {
            if let members = try GroupMembers(entry: entry) { history.append(members) }
        } catch {
            invariantFailed("members that were validated do not decode")
        }
    }

    /// Sends this turn's answer to the leader, if there is one to give.
    mutating func sendReply(liveness: PairLiveness, effects: inout RaftEffects) {
        guard role == .follower, let followed, durability.submittedTerm == term else { return }
        // Nothing is said in a term that a crash could forget.
        guard durability.hardStateTicket <= durability.ticket else { return }
        let durable = needsSnapshot ? 0 : min(durability.index, verified)
        guard replyOwed || durable > acknowledged else { return }
        replyOwed = false
        acknowledged = max(acknowledged, durable)
        var epoch: UInt64 = 0
        // The append may have come from a process that has not pinged yet, or one that did so since: an
        // epoch binds this replica to the process that it knows as the leader's, or to none. A leader
        // that sees promises under an epoch that was not quoted asks again.
        if !followed.gone, followed.boot == liveness.boot(of: followed.leader) {
            epoch = liveness.followEpoch(for: followed.leader)
            self.followed?.quoted = epoch
        }
        send(
            .appendReply(
                RaftMessage.AppendReply(
                    rejected: false, index: durable,
                    hintIndex: needsSnapshot ? snapshotFloor : verified, hintTerm: 0,
                    readRound: roundSeen, commit: commit, followEpoch: epoch,
                    needsSnapshot: needsSnapshot, lacksEntries: !isLogWhole)),
            to: followed.leader, effects: &effects)
    }
}
