public import Bytes
internal import DequeModule

// The leader's half of replication (paper, 5.3 and 5.4).

extension RaftCore {
    /// Appends an entry to the leader's log. It leaves, to the disk and to the followers at once, in
    /// `endTurn`.
    ///
    /// - Precondition: the payload is at most `Limits.payloadBytesMax` long.
    public mutating func propose(
        kind: EntryKind, payload: Span<UInt8>, now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) -> Proposal {
        invariant(kind != .membership, "members are changed by proposeChange")
        guard role == .leader, !isMuted else { return .notLeader }
        guard transfer == nil else { return .transferring }
        let bytes = EntryRecord.headerBytes + payload.count
        guard uncommittedBytes + bytes <= configuration.uncommittedBytesMax || uncommittedBytes == 0
        else { return .overloaded }
        return .appended(append(kind, payload))
    }

    mutating func append(_ kind: EntryKind, _ payload: Span<UInt8>) -> LogIndex {
        uncommittedBytes += EntryRecord.headerBytes + payload.count
        return log.append(term: term, kind: kind, payload: payload)
    }

    mutating func becomeLeader(now: Instant, effects: inout RaftEffects) {
        invariant(role == .candidate && followed == nil, "leader without an election")
        setRole(.leader, effects: &effects)
        setLeader(configuration.id, effects: &effects)
        electedAt = now
        leaseVoid = false
        transfer = nil
        roundOpen = false
        confirmedReadRound = 0
        electionDeadline = .distantFuture
        electionEnd = nil
        quorumCheckAt = isAlone ? .distantFuture : now + configuration.electionTimeout
        progress.removeAll(keepingCapacity: true)
        for peer in peers { progress.append(newProgress(of: peer)) }
        change = nil
        uncommittedBytes = log.recordBytes(from: commit + 1)
        // The first entry of the term: commits what earlier terms left (paper, section 8). It is
        // never refused for want of room.
        termStartIndex = append(.noop, ByteBuffer().readable)
    }

    /// What a leader knows of a follower that it has not heard of.
    func newProgress(of peer: NodeID) -> Progress {
        Progress(id: peer, next: log.lastIndex + 1, linkUp: !downLinks.contains(peer))
    }

    /// Stops leading, in the same term; the followers are told, so that they need not wait (S13).
    mutating func stepDown(now: Instant, effects: inout RaftEffects) {
        invariant(role == .leader, "only a leader steps down")
        for peer in peers { send(.steppedDown(led: term), to: peer, effects: &effects) }
        setRole(.follower, effects: &effects)
        setLeader(nil, effects: &effects)
        forgetLease()
        progress.removeAll(keepingCapacity: true)
        transfer = nil
        change = nil
        changeCheckAt = .distantFuture
        roundOpen = false
        confirmedReadRound = 0
        uncommittedBytes = 0
        quorumCheckAt = .distantFuture
        electionDeadline = now + randomUpTo(2)
    }

    // MARK: Commit

    /// Commits what a quorum has on disk, if it is of this term (R4).
    mutating func advanceCommit(effects: inout RaftEffects) {
        let reached = agreed(own: durability.index, least: 0) { progress[$0].match }
        guard reached > commit, reached >= termStartIndex else { return }
        invariant(log.term(at: reached) == term, "an entry behind the term's start of another term")
        commit = reached
        uncommittedBytes = log.recordBytes(from: commit + 1)
        effects.commitAdvanced = true
    }

    // MARK: Replies

    mutating func receiveAppendReply(
        _ reply: RaftMessage.AppendReply, at position: Int, term senderTerm: Term, now: Instant,
        liveness: PairLiveness, effects: inout RaftEffects
    ) {
        if senderTerm > term {
            _ = learn(term: senderTerm, now: now, liveness: liveness, effects: &effects)
            return
        }
        guard role == .leader, senderTerm == term, noteProcess(of: reply, at: position) else {
            return
        }
        progress[position].repliedAt = now
        let searchedSince = progress[position].probeSent ? progress[position].waitingSince : nil
        progress[position].waitingSince = nil
        progress[position].commitKnown = max(progress[position].commitKnown, reply.commit)
        if reply.needsSnapshot {
            handleNeedy(reply, at: position, effects: &effects)
        } else if reply.rejected {
            handleRejected(reply, at: position)
        } else {
            progress[position].followEpoch = max(progress[position].followEpoch, reply.followEpoch)
            handleAccepted(reply, at: position, effects: &effects)
            confirmRound(reply.readRound, at: position, effects: &effects)
        }
        if reply.lacksEntries { endRecovery(at: position, effects: &effects) }
        // A probe's answer is still due when this was the answer to something else, such as a read
        // round: many of those must not put its repetition off for ever.
        if progress[position].probeSent {
            progress[position].waitingSince = searchedSince
        } else if progress[position].isWaiting(commit: commit) {
            progress[position].waitingSince = now
        }
    }

    private mutating func handleAccepted(
        _ reply: RaftMessage.AppendReply, at position: Int, effects: inout RaftEffects
    ) {
        invariant(
            reply.index <= log.lastIndex && reply.hintIndex <= log.lastIndex,
            "\(peers[position]) acknowledged entries that this leader does not have")
        if reply.index > progress[position].match {
            progress[position].acknowledge(reply.index)
            advanceCommit(effects: &effects)
        }
        switch progress[position].state {
        case .probe:
            // An answer to something else than the probe does not end the search.
            guard reply.hintIndex + 1 >= progress[position].next else { return }
        case .snapshot:
            // No snapshot is needed any more if the follower has all that this log lacks.
            guard reply.hintIndex + 1 >= log.firstIndex else { return }
        case .replicate:
            progress[position].next = max(
                progress[position].next, max(reply.hintIndex, reply.index) + 1)
            return
        }
        // Exactly what the follower verified. What is not durable there stays in the window, or a
        // follower with a stalled disk would be sent another window after each search.
        let match = progress[position].match
        let verified = max(reply.hintIndex, match)
        progress[position].beginReplicating(
            verified: verified,
            bytes: log.recordBytes(from: match + 1) - log.recordBytes(from: verified + 1))
    }

    private mutating func handleRejected(_ reply: RaftMessage.AppendReply, at position: Int) {
        if reply.hintIndex > reply.index {
            handleStartsLater(reply, at: position)
            return
        }
        switch progress[position].state {
        case .snapshot:
            return
        case .replicate:
            // Not of this search: the follower agreed further on since.
            guard reply.index > progress[position].match else { return }
            progress[position].restart()
        case .probe:
            guard reply.index == progress[position].next - 1 else { return }
            if reply.index <= progress[position].match {
                // It refuses what it acknowledged: its log was lost with a machine (relaxed
                // appendfsync) or to damage. An old refusal that looks like this costs a search.
                progress[position].forgetMatch(commitKnown: reply.commit)
            }
        }
        // Skip the terms that the follower cannot have (S19).
        let hint = log.lastIndex(upTo: reply.hintIndex, notAfter: reply.hintTerm)
        progress[position].next = max(
            min(reply.index, hint + 1), progress[position].match + 1)
        progress[position].probeSent = false
        progress[position].probeEmpty = false
    }

    /// The follower's log begins behind what was sent: it holds a snapshot of later entries. Go on
    /// behind that; what is committed there is in this log, unless this leader is a deposed one.
    private mutating func handleStartsLater(
        _ reply: RaftMessage.AppendReply, at position: Int
    ) {
        guard reply.hintIndex > progress[position].match else { return }
        if contradictsHint(reply) {
            showContradiction(reply, at: position)
            return
        }
        // Said about an old append; what was sent since goes on from there.
        if progress[position].state == .replicate, reply.hintIndex < progress[position].next {
            return
        }
        progress[position].search(from: reply.hintIndex + 1, empty: false)
    }

    // MARK: Sending

    /// Sends one follower what this turn has for it.
    mutating func replicate(
        to position: Int, now: Instant, effects: inout RaftEffects
    ) {
        guard progress[position].linkUp else { return }
        var isTold = false
        switch progress[position].state {
        case .probe:
            if !progress[position].probeSent {
                isTold = sendProbe(to: position, now: now, effects: &effects)
            }
        case .replicate where progress[position].next < log.firstIndex:
            // Whatever of the window still arrives, what comes behind it is gone.
            progress[position].needSnapshot()
        case .replicate:
            while progress[position].next <= log.lastIndex,
                progress[position].hasRoom(bytesMax: configuration.inflightBytesMax),
                sendEntries(to: position, now: now, effects: &effects)
            {
                isTold = true
            }
        case .snapshot:
            break
        }
        wishSnapshot(for: position, now: now, effects: &effects)
        if !isTold { sendNotice(to: position, now: now, effects: &effects) }
    }

    /// Sends the entries from `next` on that one append holds; false when they must be fetched first, or
    /// are in no log any more.
    private mutating func sendEntries(
        to position: Int, now: Instant, effects: inout RaftEffects
    ) -> Bool {
        let next = progress[position].next
        guard next >= log.firstIndex else {
            progress[position].needSnapshot()
            return false
        }
        var staged = false
        var run = log.fit(
            from: next, upTo: log.lastIndex, maxBytes: configuration.appendBytesMax)
        if run == nil {
            run = staging.run(for: peers[position], from: next)
            staged = run != nil
        }
        guard let run else {
            fetchEntries(for: position, now: now, effects: &effects)
            return false
        }
        sendAppend(
            to: position, previous: next - 1, entries: next...run.last, staged: staged,
            wantsReply: true, now: now, effects: &effects)
        if progress[position].state == .replicate {
            progress[position].sent(last: run.last, bytes: run.bytes)
        }
        return true
    }

    /// Looks for the place where the logs agree; false when it lies before this log's start.
    private mutating func sendProbe(
        to position: Int, now: Instant, effects: inout RaftEffects
    ) -> Bool {
        let next = progress[position].next
        guard next >= log.firstIndex else {
            progress[position].needSnapshot()
            return false
        }
        progress[position].probeSent = true
        if !progress[position].probeEmpty, next <= log.lastIndex, next >= log.firstInMemory {
            _ = sendEntries(to: position, now: now, effects: &effects)
        } else {
            sendAppend(
                to: position, previous: next - 1, entries: nil, staged: false, wantsReply: true,
                now: now, effects: &effects)
        }
        return true
    }

    /// Tells a follower without new entries what else is new: the commit index, a read round. At
    /// most one such message per follower and turn.
    private mutating func sendNotice(to position: Int, now: Instant, effects: inout RaftEffects) {
        let isReplicating = progress[position].state == .replicate
        // Where the follower's log is known to agree, so that it is never refused: at the least where
        // all logs begin, which says nothing about them.
        let agreed = isReplicating ? progress[position].next - 1 : progress[position].match
        let previous = agreed + 1 >= log.firstIndex ? agreed : 0
        let commitIsNew = min(commit, previous) > progress[position].commitSent
        let roundIsNew = round > progress[position].roundSent
        let isWanted = progress[position].heartbeatWanted
        guard commitIsNew || roundIsNew || isWanted else { return }
        sendAppend(
            to: position, previous: previous, entries: nil, staged: false,
            wantsReply: isWanted || roundIsNew, now: now, effects: &effects)
    }

    private mutating func sendAppend(
        to position: Int, previous: LogIndex, entries: ClosedRange<LogIndex>?, staged: Bool,
        wantsReply: Bool, now: Instant, effects: inout RaftEffects
    ) {
        guard let previousTerm = previous == 0 ? 0 : log.term(at: previous) else {
            invariantFailed("no term is known for entry \(previous)")
        }
        let last = entries?.upperBound ?? previous
        effects.messages.append(
            RaftOutbound(
                to: peers[position],
                message: RaftMessage(
                    term: term,
                    body: .append(
                        RaftMessage.Append(
                            previousIndex: previous, previousTerm: previousTerm, commit: commit,
                            readRound: round, wantsReply: wantsReply))),
                entries: entries, staged: staged))
        progress[position].heartbeatWanted = false
        progress[position].commitSent = max(progress[position].commitSent, min(commit, last))
        progress[position].roundSent = round
        if progress[position].waitingSince == nil { progress[position].waitingSince = now }
    }

    /// The records of an outbound append, to follow its message in the frame.
    ///
    /// - Precondition: the outbound is of this turn's effects.
    public func copyRecords(of outbound: RaftOutbound, into buffer: inout ByteBuffer) {
        guard let entries = outbound.entries else { return }
        if outbound.staged {
            staging.copyRecords(entries, for: outbound.to, into: &buffer)
            return
        }
        let last = log.copyRecords(
            from: entries.lowerBound, upTo: entries.upperBound, maxBytes: .max, into: &buffer)
        invariant(last == entries.upperBound, "entries left memory before they were sent")
    }

    // MARK: Links

    /// Takes everything on its way to a follower for lost.
    mutating func restart(_ position: Int) {
        progress[position].restart()
        // More may have arrived than was acknowledged: a snapshot only if the follower says so.
        if progress[position].state == .probe, progress[position].next < log.firstIndex {
            searchAgain(position)
        }
    }

    /// Asks a follower where it stands, as far back as this log tells.
    mutating func searchAgain(_ position: Int) {
        if isBeyondLog(position) { return showEnd(to: position) }
        progress[position].search(
            from: max(progress[position].match + 1, log.firstIndex), empty: true)
    }

    /// The connection to `peer` is there (again): whatever was on its way is lost. With `withGaps` the
    /// peer may lack what it has acknowledged, so its match counts no more.
    public mutating func linkUp(_ peer: NodeID, withGaps: Bool = false) {
        downLinks.removeAll { $0 == peer }
        guard role == .leader, let position = position(of: peer) else { return }
        if withGaps {
            progress[position].forgetMatch(commitKnown: 0)
            progress[position].search(from: log.lastIndex + 1, empty: true)
        }
        progress[position].linkUp = true
        if progress[position].state == .snapshot {
            // Ask where it stands now; if it still needs a snapshot, the host hears so again.
            searchAgain(position)
        }
        restart(position)
        progress[position].waitingSince = nil
    }

    /// The connection to `peer` is gone: nothing is sent to it as leader until `linkUp`.
    public mutating func linkDown(_ peer: NodeID) {
        if !downLinks.contains(peer) { downLinks.append(peer) }
        guard role == .leader, let position = position(of: peer) else { return }
        progress[position].linkUp = false
        progress[position].waitingSince = nil
    }
}
