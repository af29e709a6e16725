internal import Bytes

// Elections: pre-vote, vote, and what it takes to leave a leader (thesis, 3.4, 3.6.1, 9.6).
//
// A follower whose leader's pair is up never campaigns, unless that leader said that it does not lead
// or another process runs in its place.

extension RaftCore {
    // MARK: Campaigning

    /// Asks for a pre-vote: changes nothing anywhere, so a node that cannot win disturbs nobody.
    mutating func becomePreCandidate(
        _ reason: ElectionReason, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        pendingReason = reason
        if isAlone {
            campaign(transfer: false, now: now, liveness: liveness, effects: &effects)
            return
        }
        setRole(.preCandidate, effects: &effects)
        setLeader(nil, effects: &effects)
        granted.removeAll(keepingCapacity: true)
        electionDeadline = now + quarter + randomUpTo(4)
        for position in peers.indices where !halves[position].isEmpty {
            send(
                .preVote(lastIndex: log.lastIndex, lastTerm: log.lastTerm), to: peers[position],
                effects: &effects)
        }
    }

    /// A quarter of the election timeout: the least pause between two rounds of pre-votes.
    private var quarter: Interval {
        Interval(nanoseconds: configuration.electionTimeout.nanoseconds / 4)
    }

    /// Stands for election in the next term. `transfer`: because the leader wished so.
    mutating func campaign(
        transfer: Bool, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        invariant(role != .leader, "a leader campaigns")
        // The leader's own wish needs no release (L3 d).
        if !transfer, !releaseFollowed(now: now, liveness: liveness) {
            // The promise to the old leader runs a little longer.
            electionDeadline = now + quarter
            return
        }
        electionReason = pendingReason
        var asked: [NodeID] = []
        for position in peers.indices where !halves[position].isEmpty {
            asked.append(peers[position])
        }
        // A leader that is no member any more counts nowhere, but learns like this that it is succeeded.
        if transfer, let leader = followed?.leader, !asked.contains(leader) { asked.append(leader) }
        setTerm(term + 1, effects: &effects)
        vote = configuration.id
        setRole(.candidate, effects: &effects)
        granted.removeAll(keepingCapacity: true)
        electionDeadline = now + configuration.electionTimeout + randomUpTo(2)
        electionEnd = electionDeadline
        // Held until the vote and the whole log are durable: otherwise a crash could leave a
        // candidate of the same term with a shorter log than the one that it was voted for.
        for peer in asked {
            sendWhenDurable(
                .vote(lastIndex: log.lastIndex, lastTerm: log.lastTerm, transfer: transfer),
                to: peer)
        }
    }

    /// Becomes leader if the votes suffice; the own one counts when it is durable.
    mutating func countVotes(now: Instant, liveness: PairLiveness, effects: inout RaftEffects) {
        guard role == .candidate, hardStateIsDurable, vote == configuration.id else { return }
        if hasWon { becomeLeader(now: now, effects: &effects) }
    }

    // MARK: Leaving a leader

    /// Leaves the leader of this term, if a promise to it allows (L2). A dead process holds none:
    /// without that, a reply that left after its death would bind this replica to its successor, which
    /// may ping for ever and never lead.
    mutating func releaseFollowed(now: Instant, liveness: PairLiveness) -> Bool {
        if let followed, !followed.gone, let quoted = followed.quoted,
            !leaderRestarted(liveness: liveness)
        {
            guard liveness.release(followed.leader, quoted: quoted, now: now) else { return false }
            self.followed?.quoted = nil
        }
        return true
    }

    /// Leaves the leader of this term without asking, because a later one was elected (L3 a).
    mutating func abandonFollowed(liveness: PairLiveness) {
        if let followed, let quoted = followed.quoted {
            liveness.abandon(followed.leader, quoted: quoted)
            self.followed?.quoted = nil
        }
    }

    /// The leader itself gave up this term, or its process is another one.
    mutating func leaderIsGone(
        _ reason: ElectionReason, now: Instant, effects: inout RaftEffects
    ) {
        guard followed != nil, followed?.gone == false else { return }
        followed?.gone = true
        pendingReason = reason
        setLeader(nil, effects: &effects)
        let soon = max(now, silentUntil) + randomUpTo(4)
        electionDeadline = min(electionDeadline, soon)
    }

    /// When the leader that is followed was heard of last.
    func leaderContact(liveness: PairLiveness) -> Instant? {
        guard let followed, !followed.gone else { return nil }
        guard let heard = liveness.lastHeard(from: followed.leader) else { return followed.since }
        return max(heard, followed.since)
    }

    /// Whether another process runs at the leader's node than the one that led.
    func leaderRestarted(liveness: PairLiveness) -> Bool {
        guard let followed, let boot = followed.boot else { return false }
        return liveness.boot(of: followed.leader) != boot
    }

    /// Whether there is a leader that this replica should stand by.
    func hasLiveLeader(now: Instant, liveness: PairLiveness) -> Bool {
        if role == .leader { return quorumIsActive(now: now, liveness: liveness) }
        guard role == .follower, leader != nil, !leaderRestarted(liveness: liveness),
            let contact = leaderContact(liveness: liveness)
        else { return false }
        return now < contact + configuration.electionTimeout
    }

    /// Whether another one is being elected with this replica's vote. Votes count when they are durable:
    /// where disks are slow, whoever asks next would end each election before it succeeds.
    private func isElecting(otherThan sender: NodeID, now: Instant) -> Bool {
        guard let electionEnd, vote != sender else { return false }
        return now < electionEnd
    }

    /// Whether a log that ends so is at least as good as this one (paper, 5.4.1).
    func isUpToDate(lastIndex: LogIndex, lastTerm: Term) -> Bool {
        lastTerm > log.lastTerm || (lastTerm == log.lastTerm && lastIndex >= log.lastIndex)
    }

    /// Whether another candidate's log is the better one; between equal ones the higher id decides.
    private func isBetter(_ other: NodeID, _ lastIndex: LogIndex, _ lastTerm: Term) -> Bool {
        (lastTerm, lastIndex, other.raw)
            > (log.lastTerm, log.lastIndex, configuration.id.raw)
    }

    func isSilent(now: Instant) -> Bool { now < silentUntil }

    /// Whether this replica must neither vote nor campaign now: a promise from before a restart may
    /// still run (L5), entries may be missing (R8, R9), or it is no member (R11).
    func isBarred(now: Instant) -> Bool {
        !isLogWhole || needsSnapshot && !votesWithoutState || isSilent(now: now) || !mayVote
    }

    /// Takes over a higher term that a refusal told; false when a promise forbids it.
    mutating func learn(
        term newTerm: Term, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) -> Bool {
        guard !isBarred(now: now), releaseFollowed(now: now, liveness: liveness) else {
            return false
        }
        if role == .leader {
            pendingReason = .steppedDown
            stepDown(now: now, effects: &effects)
        }
        setTerm(newTerm, effects: &effects)
        setRole(.follower, effects: &effects)
        electionDeadline = now + quarter + randomUpTo(4)
        return true
    }

    // MARK: Messages

    mutating func receivePreVote(
        from sender: NodeID, at position: Int?, term senderTerm: Term, lastIndex: LogIndex,
        lastTerm: Term, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if let followed, followed.leader == sender, senderTerm >= term {
            // The leader of this term does not ask for votes while it leads.
            leaderIsGone(.leaderSteppedDown, now: now, effects: &effects)
        }
        let stands = hasLiveLeader(now: now, liveness: liveness)
        let isGranted =
            !isBarred(now: now) && senderTerm >= term && !stands
            && !isElecting(otherThan: sender, now: now)
            && isUpToDate(lastIndex: lastIndex, lastTerm: lastTerm)
        send(
            .preVoteReply(requested: senderTerm, granted: isGranted), to: sender,
            effects: &effects)
        if isGranted, role == .preCandidate, isBetter(sender, lastIndex, lastTerm) {
            // Two survivors that campaign at once would split the votes: one of them yields.
            setRole(.follower, effects: &effects)
            electionDeadline = now + configuration.electionTimeout + randomUpTo(2)
        }
        // Whoever left the group and does not know it is no reason to ask anybody anything.
        guard stands, let position else { return }
        if role == .leader {
            // It does not know that we lead.
            progress[position].heartbeatWanted = true
        } else {
            // Our leader's node is well; make sure soon that it still leads this group.
            probeAt = min(probeAt, now)
        }
    }

    mutating func receivePreVoteReply(
        from sender: NodeID, term senderTerm: Term, requested: Term,
        isGranted: Bool, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        guard role == .preCandidate else { return }
        if !isGranted {
            // A refusal tells the higher term, or this candidate would never catch up (S12).
            if senderTerm > term {
                _ = learn(term: senderTerm, now: now, liveness: liveness, effects: &effects)
            }
            return
        }
        guard requested == term else { return }
        if !granted.contains(sender) { granted.append(sender) }
        if hasWon {
            campaign(transfer: false, now: now, liveness: liveness, effects: &effects)
        }
    }

    mutating func receiveVote(
        from sender: NodeID, term senderTerm: Term, lastIndex: LogIndex, lastTerm: Term,
        transfer: Bool, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if role == .leader, mustLeave, transfer, senderTerm > term {
            // The election that this leader asked for when it found itself no member any more.
            stepDown(now: now, effects: &effects)
        }
        if isBarred(now: now) { return }
        if senderTerm > term {
            if let followed, followed.leader == sender {
                leaderIsGone(.leaderSteppedDown, now: now, effects: &effects)
            }
            // The leader's own wish needs no release (L3 d).
            let mayLeave =
                transfer
                || !hasLiveLeader(now: now, liveness: liveness)
                    && releaseFollowed(now: now, liveness: liveness)
            guard mayLeave else {
                send(.voteReply(granted: false), to: sender, effects: &effects)
                return
            }
            if role == .leader {
                pendingReason = .steppedDown
                stepDown(now: now, effects: &effects)
            }
            setTerm(senderTerm, effects: &effects)
            setRole(.follower, effects: &effects)
            electionDeadline = now + quarter + randomUpTo(4)
        }
        let isFree = vote == nil && followed == nil && (role == .follower || role == .preCandidate)
        guard senderTerm == term, isFree || vote == sender,
            isUpToDate(lastIndex: lastIndex, lastTerm: lastTerm)
        else {
            send(.voteReply(granted: false), to: sender, effects: &effects)
            return
        }
        vote = sender
        setRole(.follower, effects: &effects)
        electionDeadline = now + configuration.electionTimeout + randomUpTo(2)
        electionEnd = electionDeadline
        pendingReason = .retry
        sendWhenDurable(.voteReply(granted: true), to: sender)
    }

    mutating func receiveVoteReply(
        from sender: NodeID, term senderTerm: Term, isGranted: Bool, now: Instant,
        liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if senderTerm > term {
            _ = learn(term: senderTerm, now: now, liveness: liveness, effects: &effects)
            return
        }
        guard role == .candidate, senderTerm == term, isGranted else { return }
        if !granted.contains(sender) { granted.append(sender) }
        countVotes(now: now, liveness: liveness, effects: &effects)
    }

    mutating func receiveProbe(
        from sender: NodeID, at position: Int?, term senderTerm: Term, effects: inout RaftEffects
    ) {
        let leads = role == .leader && senderTerm == term
        send(.probeReply(asked: senderTerm, leads: leads), to: sender, effects: &effects)
        if role == .leader, !leads, let position { progress[position].heartbeatWanted = true }
    }

    mutating func receiveProbeReply(
        from sender: NodeID, term senderTerm: Term, asked: Term, leads: Bool, now: Instant,
        liveness: PairLiveness, effects: inout RaftEffects
    ) {
        guard !leads, asked == term, senderTerm >= term, followed?.leader == sender else { return }
        leaderIsGone(.leaderDenied, now: now, effects: &effects)
    }

    mutating func receiveSteppedDown(
        from sender: NodeID, led: Term, now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) {
        guard led == term, followed?.leader == sender else { return }
        leaderIsGone(.leaderSteppedDown, now: now, effects: &effects)
    }

    mutating func receiveTimeoutNow(
        from sender: NodeID, term senderTerm: Term, now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) {
        guard senderTerm == term, role == .follower, followed?.leader == sender,
            !isBarred(now: now), !needsSnapshot, mayCampaign
        else { return }
        pendingReason = .transfer
        campaign(transfer: true, now: now, liveness: liveness, effects: &effects)
    }
}
