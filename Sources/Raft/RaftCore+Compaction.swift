public import Bytes

// Where this replica's log begins, and what it stands on: a durable snapshot of the state at one
// index (thesis, chapter 5).
//
// What a host owes, in this order:
//
// - Own snapshot. The state at `index` is durable on disk (file, name and directory synced) -> `compact`
//   -> the turn's `RaftIO.start` goes into the log batch like any other operation. Between the two a
//   crash costs nothing: a restart finds the snapshot, and a log that reaches further back.
// - A leader's snapshot. All of it is received, verified and durable -> `install`. If that says true:
//   the state becomes the snapshot's, and `applied` its index, before anything is applied again. It may
//   be loaded before (into another keyspace) or after (nothing is applied meanwhile); in both cases a
//   restart starts from it. If it says false, this replica is further on already. In both cases the
//   leader is to hear the index from which this replica wants entries: `commit`.
// - A restart. The newest snapshot that can be read goes into `RestoredGroup.snapshotIndex`. None that
//   the log goes on from (`snapshotIndex + 1 >= firstIndex`): `requireSnapshot`, also later, when a
//   snapshot turns out to be damaged while it is loaded and no older one reaches the log. Entries that
//   the disk had and has no more (damage below the durable mark, a machine that went down with relaxed
//   appendfsync): `distrustLog`, see `RaftCore+Recovery.swift`.
//
// Why a snapshot may be installed in any role and term, though it carries only the term of its last
// entry: what it holds is committed, so no log that will ever win an election lacks it. A tail that
// disagrees with it holds nothing committed, and a tail that agrees is kept. What follows from it
// later is R7: a deposed leader of this term is not helped by this replica's knowing better.

extension RaftCore {
    /// Forgets the entries up to `index`; the turn's operations say so to the disk. What the log does
    /// not hold any more is nothing to do.
    ///
    /// - Precondition: all up to `index` is applied, and in a durable snapshot.
    public mutating func compact(upTo index: LogIndex) {
        invariant(index <= commit, "compacted what may still change")
        guard index >= log.firstIndex, let term = log.term(at: index) else { return }
        log.compact(upTo: index)
        history.compact(upTo: index)
        durability.begin(after: index, term: term, replaced: false)
    }

    /// This replica's state is a durable snapshot that ends at entry `index` of `term`: the log begins
    /// behind it. Entries behind it stay if the log holds that very entry.
    ///
    /// False: nothing changed, because all of it is committed here already; or, for a replica that lost
    /// its state, because the log goes on only from `snapshotFloor`. True: see above for what the host
    /// owes then.
    ///
    /// - Parameter members: those that the snapshot holds; nil for one of a group whose members never
    ///   changed.
    public mutating func install(
        index: LogIndex, term snapshotTerm: Term, members: GroupMembers? = nil, now: Instant,
        liveness: PairLiveness, effects: inout RaftEffects
    ) -> Bool {
        guard needsSnapshot ? index >= snapshotFloor : index > commit else { return false }
        invariant(snapshotTerm <= Limits.termMax, "a snapshot of no possible term")
        if role == .leader {
            // Somebody else has committed what this leader has not: it was deposed.
            pendingReason = .steppedDown
            stepDown(now: now, effects: &effects)
        }
        if snapshotTerm > term {
            // A majority elected a leader in that term (L3 a).
            abandonFollowed(liveness: liveness)
            setTerm(snapshotTerm, effects: &effects)
        }
        if role != .follower || leader == nil {
            // There is a leader, or was a moment ago.
            setRole(.follower, effects: &effects)
            electionDeadline = now + configuration.electionTimeout + randomUpTo(2)
        }
        let before = commit
        begin(after: index, term: snapshotTerm, members: members)
        // Of another history no more than this is known to be committed.
        if isOvertaken { commit = index }
        if commit < before {
            committedMembers = history.asOf(commit)
            effects.membersChanged = true
        }
        adoptNewestMembers(now: now, effects: &effects)
        needsSnapshot = false
        isOvertaken = false
        if index > commit {
            commit = index
            effects.commitAdvanced = true
        }
        return true
    }

    /// This replica has no state that its log goes on from. It keeps following, tells its leader that
    /// it needs a snapshot, and until `install` takes no entries and never campaigns (R8).
    ///
    /// - Parameter logIsWhole: the log, term and vote are all that they were, only the state is lost: then
    ///   this replica votes, so that two of three nodes, one of them without a state, can elect. If
    ///   entries may be missing as well: `distrustLog` too.
    public mutating func requireSnapshot(
        logIsWhole: Bool = false, now: Instant, effects: inout RaftEffects
    ) {
        guard !needsSnapshot else { return }
        needsSnapshot = true
        votesWithoutState = logIsWhole
        standBack(now: now, effects: &effects)
    }

    /// Back to following, whatever this replica was at.
    mutating func standBack(now: Instant, effects: inout RaftEffects) {
        if role == .leader {
            pendingReason = .steppedDown
            stepDown(now: now, effects: &effects)
        }
        setRole(.follower, effects: &effects)
        replyOwed = followed != nil
        electionDeadline = max(now, silentUntil) + configuration.electionTimeout + randomUpTo(2)
    }

    /// A replica that lost its state can use only a snapshot that ends here or later: entries between
    /// that end and the log's start would be missing. Of a log that was overtaken nothing is kept.
    public var snapshotFloor: LogIndex { isOvertaken ? 0 : log.firstIndex - 1 }

    /// Begins with the snapshot that a restart found.
    mutating func startFrom(_ index: LogIndex, _ snapshotTerm: Term) {
        if snapshotTerm > term {
            // The snapshot was durable before the term in which it came.
            term = snapshotTerm
            vote = nil
        }
        if log.term(at: index) != snapshotTerm {
            begin(after: index, term: snapshotTerm, members: nil)
        }
        commit = index
    }

    private mutating func begin(after index: LogIndex, term: Term, members: GroupMembers?) {
        if log.term(at: index) == term {
            if index >= log.firstIndex { log.compact(upTo: index) }
            history.compact(upTo: index, members: members)
            durability.begin(after: index, term: term, replaced: false)
            return
        }
        // Without its state a log may not know the term of the entry that it begins behind.
        let isUnknown = needsSnapshot && log.term(at: index) == 0
        // A snapshot that contradicts what is committed here is as good a proof as any.
        let isOvertaken = needsSnapshot && configuration.mayLoseEntries
        invariant(
            index > commit || isUnknown || isOvertaken,
            "a snapshot contradicts the committed entry \(index)")
        log.restart(after: index, term: term)
        if index < commit, isOvertaken {
            commit = index
            // nil: they had never changed then, whatever was after.
            history = MembersHistory(
                base: members ?? GroupMembers(voters: configuration.members))
        } else {
            // What this log said behind its commit index may never have happened.
            if members == nil { history.truncate(from: commit + 1) }
            history.compact(upTo: .max, members: members)
        }
        durability.begin(after: index, term: term, replaced: true)
        // What was acknowledged of the old log was true then; nothing more is said about it.
        verified = 0
        acknowledged = 0
    }
}
