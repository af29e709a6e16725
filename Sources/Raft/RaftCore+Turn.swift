public import Bytes

// Where events come in and effects go out.

extension RaftCore {
    /// Takes a message of a peer. `entries`: the records behind it, for an append; otherwise empty.
    ///
    /// - Throws: when the records are damaged or do not fit the message. Nothing has changed then;
    ///   the host drops the link that brought them.
    public mutating func receive(
        _ message: RaftMessage, entries: Span<UInt8>, from sender: NodeID, now: Instant,
        liveness: PairLiveness, effects: inout RaftEffects
    ) throws(DecodeError) {
        guard !isMuted else { return }
        guard message.term <= Limits.termMax else { throw .invalid("term") }
        if case .append(let append) = message.body {
            try receiveAppend(
                append, entries: entries, from: sender, term: message.term, now: now,
                liveness: liveness, effects: &effects)
            return
        }
        guard entries.isEmpty else { throw .invalid("records behind a message without") }
        // Who asks, leads or refuses may be a member by an entry that is not here yet; so nothing but
        // what counts towards a quorum asks for membership.
        let position = position(of: sender)
        switch message.body {
        case .append:
            break
        case .appendReply(let reply):
            guard let position else { return tellIfRemoved(sender, effects: &effects) }
            receiveAppendReply(
                reply, at: position, term: message.term, now: now, liveness: liveness,
                effects: &effects)
        case .preVote(let lastIndex, let lastTerm):
            tellIfRemoved(sender, effects: &effects)
            receivePreVote(
                from: sender, at: position, term: message.term, lastIndex: lastIndex,
                lastTerm: lastTerm, now: now, liveness: liveness, effects: &effects)
        case .preVoteReply(let requested, let isGranted):
            receivePreVoteReply(
                from: sender, term: message.term, requested: requested,
                isGranted: isGranted, now: now, liveness: liveness, effects: &effects)
        case .vote(let lastIndex, let lastTerm, let transfer):
            tellIfRemoved(sender, effects: &effects)
            receiveVote(
                from: sender, term: message.term, lastIndex: lastIndex, lastTerm: lastTerm,
                transfer: transfer, now: now, liveness: liveness, effects: &effects)
        case .voteReply(let isGranted):
            receiveVoteReply(
                from: sender, term: message.term, isGranted: isGranted, now: now,
                liveness: liveness, effects: &effects)
        case .timeoutNow:
            receiveTimeoutNow(
                from: sender, term: message.term, now: now, liveness: liveness, effects: &effects)
        case .steppedDown(let led):
            receiveSteppedDown(
                from: sender, led: led, now: now, liveness: liveness, effects: &effects)
        case .logIsWhole(let boot):
            receiveLogIsWhole(
                from: sender, term: message.term, boot: boot, now: now, liveness: liveness)
        case .notMember(let index, let indexTerm):
            receiveNotMember(
                index: index, indexTerm: indexTerm, term: message.term, now: now, effects: &effects)
        case .probe:
            tellIfRemoved(sender, effects: &effects)
            receiveProbe(from: sender, at: position, term: message.term, effects: &effects)
        case .probeReply(let asked, let leads):
            receiveProbeReply(
                from: sender, term: message.term, asked: asked, leads: leads, now: now,
                liveness: liveness, effects: &effects)
        }
    }

    /// Ends a turn: everything that the turn wants done is in `effects` now.
    public mutating func endTurn(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        invariant(!isOvertaken || needsSnapshot, "a state that was overtaken is kept")
        staging.forgetOffered()
        noteCommittedMembers(now: now, effects: &effects)
        advanceChange(now: now, liveness: liveness, effects: &effects)
        submit(effects: &effects)
        if role == .leader {
            if roundOpen {
                roundOpen = false
                updateConfirmedRound(effects: &effects)
            }
            for position in progress.indices {
                replicate(to: position, now: now, effects: &effects)
            }
            advanceTransfer(now: now, effects: &effects)
            refreshLease(now: now, liveness: liveness)
        }
        staging.offer()
        releaseHeld(effects: &effects)
        sendReply(liveness: liveness, effects: &effects)
    }

    // MARK: Time

    /// When `tick` wants to be called next.
    public var nextDeadline: Instant {
        if isMuted { return .distantFuture }
        switch role {
        case .preCandidate, .candidate:
            return electionDeadline
        case .follower:
            return leader == nil ? electionDeadline : min(electionDeadline, probeAt)
        case .leader:
            var deadline = quorumCheckAt
            for position in progress.indices where progress[position].linkUp {
                if let since = progress[position].waitingSince {
                    deadline = min(deadline, since + configuration.retransmitTimeout)
                }
                if let notBefore = progress[position].fetchNotBefore {
                    deadline = min(deadline, notBefore)
                }
                if let notBefore = progress[position].snapshotNotBefore {
                    deadline = min(deadline, notBefore)
                }
            }
            deadline = min(deadline, changeCheckAt)
            if let transfer {
                deadline = min(deadline, transfer.resendAt ?? transfer.deadline, transfer.deadline)
            }
            return deadline
        }
    }

    /// Time has passed. Harmless when `nextDeadline` has not.
    public mutating func tick(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        invariant(
            liveness.promise <= configuration.restartSilence ?? configuration.electionTimeout,
            "promises outlive the silence after a restart")
        guard !isMuted else { return }
        switch role {
        case .follower: tickFollower(now: now, liveness: liveness, effects: &effects)
        case .preCandidate: tickPreCandidate(now: now, liveness: liveness, effects: &effects)
        case .candidate:
            guard now >= electionDeadline else { return }
            becomePreCandidate(.retry, now: now, liveness: liveness, effects: &effects)
        case .leader: tickLeader(now: now, liveness: liveness, effects: &effects)
        }
    }

    private mutating func tickFollower(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if isRemoved {
            // Until somebody makes it a member again there is nobody to ask.
            electionDeadline = now + configuration.electionTimeout
            probeAt = .distantFuture
            return
        }
        if now >= probeAt, let leader {
            probeAt = now + configuration.probeInterval + jitter
            send(.probe, to: leader, effects: &effects)
            // The leader's word that nothing is missing may have been lost.
            if !isLogWhole { replyOwed = true }
        }
        guard now >= electionDeadline else { return }
        if isSilent(now: now) {
            electionDeadline = silentUntil + randomUpTo(2)
            return
        }
        if needsSnapshot || !isLogWhole || !mayCampaign {
            // Whoever leads will find this replica.
            if let leader = standingLeader(now: now, liveness: liveness) {
                if self.leader == nil { stand(by: leader, now: now, effects: &effects) }
            } else {
                setLeader(nil, effects: &effects)
            }
            electionDeadline = now + configuration.electionTimeout + jitter
            return
        }
        guard let contact = leaderContact(liveness: liveness) else {
            becomePreCandidate(pendingReason, now: now, liveness: liveness, effects: &effects)
            return
        }
        if leaderRestarted(liveness: liveness) {
            becomePreCandidate(.leaderRestarted, now: now, liveness: liveness, effects: &effects)
            return
        }
        // The deadline moves only when it is met: an idle group wakes once per election timeout.
        electionDeadline = contact + configuration.electionTimeout + jitter
        if now >= electionDeadline {
            becomePreCandidate(.leaderSilent, now: now, liveness: liveness, effects: &effects)
        }
    }

    private mutating func tickPreCandidate(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        guard now >= electionDeadline else { return }
        if let leader = standingLeader(now: now, liveness: liveness) {
            // The leader's node is back, and nobody else leads: stand by it, and ask.
            setRole(.follower, effects: &effects)
            stand(by: leader, now: now, effects: &effects)
            return
        }
        becomePreCandidate(pendingReason, now: now, liveness: liveness, effects: &effects)
    }

    /// The leader that this replica followed last in its term, if nothing is known against it.
    private func standingLeader(now: Instant, liveness: PairLiveness) -> NodeID? {
        guard let followed, !followed.gone, !leaderRestarted(liveness: liveness),
            liveness.isUp(followed.leader, now: now)
        else { return nil }
        return followed.leader
    }

    /// Follows the leader again that it followed before, and asks it whether it still leads.
    private mutating func stand(by leader: NodeID, now: Instant, effects: inout RaftEffects) {
        setLeader(leader, effects: &effects)
        electionDeadline = now + configuration.electionTimeout + jitter
        probeAt = now + configuration.probeInterval + jitter
        send(.probe, to: leader, effects: &effects)
    }

    private mutating func tickLeader(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if now >= quorumCheckAt {
            guard quorumIsActive(now: now, liveness: liveness) else {
                // CheckQuorum (thesis, 6.2): others may have been elected already.
                pendingReason = .steppedDown
                stepDown(now: now, effects: &effects)
                return
            }
            quorumCheckAt =
                isAlone
                ? .distantFuture
                : quorumContact(liveness: liveness) + configuration.electionTimeout
            refreshEpochs(now: now, liveness: liveness)
        }
        for position in progress.indices where progress[position].linkUp {
            if let notBefore = progress[position].fetchNotBefore, now >= notBefore {
                progress[position].fetchNotBefore = nil
            }
            if let notBefore = progress[position].snapshotNotBefore, now >= notBefore {
                progress[position].snapshotNotBefore = nil
            }
            guard let since = progress[position].waitingSince,
                now >= since + configuration.retransmitTimeout
            else { continue }
            progress[position].waitingSince = nil
            guard progress[position].isWaiting(commit: commit) else { continue }
            if progress[position].state == .replicate, progress[position].inflight.isEmpty {
                progress[position].heartbeatWanted = true
            } else {
                restart(position)
            }
        }
        if let transfer, now >= transfer.deadline {
            self.transfer = nil
            effects.transferFailed = true
            // Nobody took over from a leader that is no member any more: they elect without it.
            if mustLeave { stepDown(now: now, effects: &effects) }
        }
    }

    /// Asks for a reply where a follower's promises carry a newer epoch than its replies: the lease
    /// counts it again then. Only after a follower left this node in another group.
    private mutating func refreshEpochs(now: Instant, liveness: PairLiveness) {
        guard configuration.readLease else { return }
        for position in progress.indices where progress[position].state != .probe {
            let epoch = liveness.promisedEpoch(of: peers[position])
            if epoch > progress[position].followEpoch, liveness.isUp(peers[position], now: now) {
                progress[position].heartbeatWanted = true
            }
        }
    }
}
