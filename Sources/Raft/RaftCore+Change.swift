public import Bytes

// Changing the members (paper, section 6; thesis, chapter 4): the leader's half. `GroupMembers` has the
// steps.
//
//     proposeChange --+-- new voters --> staging: they learn --+-- caught up --> joint --> settled
//                     |                                        +-- not in time --> as before
//                     +-- voters go only ----------------------------------------> joint --> settled
//                     +-- learners only -----------------------------------------------------> settled
//
// Each step is an entry, and the next one is appended by `advanceChange` at the end of the turn in which it
// is committed; by the next leader, if this one is gone by then. So at most one membership entry waits
// for its commit, and a leader knows that of the entries before its term once it has committed one of its
// own (S11 a): nothing is changed before.
//
// Who is a member no more gets no entries from the moment the entry without it is in the leader's log,
// so it never holds that entry: it stays a voter by its own log, for whoever needs its vote in case the
// entry is lost. It is told (`notMember`) when the entry is committed, and whenever it asks after that.
// One that never hears it asks for pre-votes, and is refused: a live leader's followers do not answer
// yes, and those who have the entry that began its removal have the better log. It changes no terms.
//
// A leader that removes itself leads without counting itself until that is committed, then hands over to
// a voter. It learns that it is succeeded from the vote request (`campaign`).

extension RaftCore {
    /// Makes these the group's voters and learners: any set out of any other. Returns when the first step
    /// is in this leader's log; how it ends, `RaftEffects.changeEnded` tells, on this leader.
    ///
    /// New voters learn first. When all of them have caught up, and a majority of the future voters is
    /// well, the leader goes on by itself; if that takes longer than `RaftConfiguration.catchUpTimeout`,
    /// it undoes what the change did.
    public mutating func proposeChange(
        voters: [NodeID], learners: [NodeID], now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) throws(ChangeRefusal) {
        guard role == .leader, !isMuted else { throw .notLeader }
        guard committedInTerm else { throw .notReady }
        guard transfer == nil, members.isVoter(configuration.id) else { throw .transferring }
        guard !members.isChanging, members.since <= commit else { throw .changing }
        let wished = GroupMembers(voters: voters, learners: learners)
        guard !wished.isUnknown else { throw .noVoters }
        guard wished.all.count <= Limits.membersMax else { throw .tooManyMembers }
        if wished.voters == members.voters {
            guard wished.learners != members.learners else { throw .unchanged }
            append(members: wished, now: now, effects: &effects)
        } else if wished.voters.allSatisfy({ members.voters.contains($0) }) {
            guard hasReadyMajority(of: wished.voters, now: now, liveness: liveness) else {
                throw .noQuorum
            }
            append(
                members: members.joint(voters: voters, learners: wished.learners), now: now,
                effects: &effects)
        } else {
            append(
                members: members.staging(voters: voters, learners: wished.learners), now: now,
                effects: &effects)
        }
        change = Change(deadline: now + configuration.catchUpTimeout)
    }

    /// Gives up a change whose new voters still catch up; false if there is none, or if it is too far.
    @discardableResult
    public mutating func giveUpChange(now: Instant, effects: inout RaftEffects) -> Bool {
        guard role == .leader, !isMuted, transfer == nil, committedInTerm, members.wish != nil,
            members.since <= commit
        else { return false }
        giveUp(.cancelled, now: now, effects: &effects)
        return true
    }

    /// Takes the next step of a change, if it is time.
    mutating func advanceChange(
        now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) {
        guard role == .leader else { return }
        changeCheckAt = .distantFuture
        if members.isChanging, change == nil {
            change = Change(deadline: now + configuration.catchUpTimeout)
        }
        if let wish = members.wish {
            changeCheckAt =
                now + Interval(nanoseconds: configuration.electionTimeout.nanoseconds / 4)
            noteRounds(of: wish, now: now)
        }
        guard committedInTerm, members.since <= commit, transfer == nil, !isMuted else { return }
        if members.isJoint {
            append(members: members.settled(), now: now, effects: &effects)
        } else if let wish = members.wish {
            advance(to: wish, now: now, liveness: liveness, effects: &effects)
        } else if mustLeave {
            let successor = transferLeadership(
                to: nil, now: now, liveness: liveness, effects: &effects)
            if !successor { stepDown(now: now, effects: &effects) }
        }
    }

    private mutating func advance(
        to wish: GroupMembers.Wish, now: Instant, liveness: PairLiveness,
        effects: inout RaftEffects
    ) {
        let late = wish.voters.filter {
            !members.voters.contains($0) && !hasCaughtUp($0, now: now, liveness: liveness)
        }
        let isReady =
            late.isEmpty && hasReadyMajority(of: wish.voters, now: now, liveness: liveness)
        if isReady {
            changeCheckAt = .distantFuture
            append(
                members: members.joint(voters: wish.voters, learners: wish.learners), now: now,
                effects: &effects)
        } else if let change, now >= change.deadline {
            giveUp(late.isEmpty ? .noQuorum : .notCaughtUp(late), now: now, effects: &effects)
        }
    }

    private mutating func giveUp(
        _ failure: ChangeFailure, now: Instant, effects: inout RaftEffects
    ) {
        changeCheckAt = .distantFuture
        change?.failure = failure
        append(members: members.givenUp(), now: now, effects: &effects)
    }

    private mutating func append(
        members next: GroupMembers, now: Instant, effects: inout RaftEffects
    ) {
        // What the leaders before began is known, and each two that decide share a majority.
        invariant(
            committedInTerm && members.since <= commit,
            "members change before those in force are committed")
        var next = next
        next.since = log.lastIndex + 1
        var payload = ByteBuffer()
        next.encode(into: &payload)
        // Never refused for want of room: it may be what makes room.
        let index = append(.membership, payload.readable)
        invariant(index == next.since, "members of another entry")
        history.append(next)
        adoptNewestMembers(now: now, effects: &effects)
    }

    /// Members are committed under this leader: if they end a change, the host hears of it.
    mutating func endChange(effects: inout RaftEffects) {
        guard let change, !committedMembers.isChanging else { return }
        self.change = nil
        effects.changeEnded = change.failure.map { .failed($0) } ?? .completed
    }

    // MARK: Who has caught up

    /// Begins and ends the rounds of those who are to vote.
    private mutating func noteRounds(of wish: GroupMembers.Wish, now: Instant) {
        for position in peers.indices
        where halves[position].isEmpty && wish.voters.contains(peers[position]) {
            let match = progress[position].match
            var isQuick = match == log.lastIndex
            if let round = progress[position].catchUp {
                let isTimely = now <= round.began + configuration.electionTimeout
                guard match >= round.upTo else {
                    if !isTimely { progress[position].catchUp?.isQuick = false }
                    continue
                }
                if isTimely { isQuick = true }
            }
            progress[position].catchUp = Progress.CatchUp(
                upTo: log.lastIndex, began: now, isQuick: isQuick)
        }
    }

    /// Whether a learner has all but what came within the last election timeout, on a disk that it
    /// vouches for.
    private func hasCaughtUp(_ node: NodeID, now: Instant, liveness: PairLiveness) -> Bool {
        guard let position = position(of: node), let round = progress[position].catchUp else {
            return false
        }
        // Its own log makes it a member from then on: without that it would not vote (R11).
        return round.isQuick && progress[position].match >= members.since
            && isReady(position, now: now, liveness: liveness)
    }

    /// Whether enough of the future voters are well, so that the group can go on with them.
    private func hasReadyMajority(
        of voters: [NodeID], now: Instant, liveness: PairLiveness
    ) -> Bool {
        let ready = voters.filter { voter in
            if voter == configuration.id { return true }
            guard let position = position(of: voter) else { return false }
            return isReady(position, now: now, liveness: liveness)
        }
        return ready.count > voters.count / 2
    }

    /// Whether a follower is well, has a state, and lacks no more than what may be on its way.
    private func isReady(_ position: Int, now: Instant, liveness: PairLiveness) -> Bool {
        let follower = progress[position]
        guard follower.linkUp, follower.state == .replicate, follower.vouchesForLog,
            liveness.isUp(follower.id, now: now)
        else { return false }
        if follower.match >= commit { return true }
        return follower.match + 1 >= log.firstInMemory
            && log.recordBytes(from: follower.match + 1) <= configuration.inflightBytesMax
    }
}
