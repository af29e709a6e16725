public import Bytes

// The leader's half of snapshot transfer: which followers need one, and where to go on afterwards.
// The bytes travel outside of the core.
//
// What a host owes for each node in `RaftEffects.snapshotsWanted`: to send it a durable snapshot that
// ends at `snapshotFloor(of:)` or later (taking one first if there is none), and to tell the outcome:
// `snapshotInstalled` with the index that the follower named (also when it was further on already),
// or `snapshotFailed`. A leadership that ends makes both void. While a transfer is under way the log
// should keep what lies behind the snapshot that is sent, or the follower needs the next one at once
// (S14 h); `followers` tells who is in state `snapshot`.
//
// Such a follower is a full member all the while: it follows this leader, its promises count in the
// lease and in CheckQuorum, and it confirms read rounds (`sendNotice`). It only acknowledges nothing.

extension RaftCore {
    /// The follower has a snapshot that ends at `index`, or has everything up to there otherwise: the
    /// search goes on behind it. Nothing counts as acknowledged by this; only appends prove that.
    public mutating func snapshotInstalled(
        at peer: NodeID, index: LogIndex, now: Instant, effects: inout RaftEffects
    ) {
        guard role == .leader, let position = position(of: peer),
            // It went on by itself meanwhile.
            progress[position].state != .replicate
        else { return }
        // Nobody has more that is committed than the leader; unless this one was deposed, or more was lost.
        guard index <= log.lastIndex else {
            if configuration.mayLoseEntries { showEnd(to: position) }
            return
        }
        progress[position].waitingSince = nil
        progress[position].search(
            from: max(index, progress[position].match) + 1, empty: false)
    }

    /// The follower could not be brought a snapshot. It is asked again where it stands, and wanted a
    /// snapshot for again after `retransmitTimeout`.
    public mutating func snapshotFailed(at peer: NodeID) {
        guard role == .leader, let position = position(of: peer),
            progress[position].state == .snapshot
        else { return }
        progress[position].snapshotFailed = true
        progress[position].waitingSince = nil
        searchAgain(position)
    }

    /// The least index at which a snapshot for `peer` may end: its own log, or this leader's, goes on
    /// from there.
    public func snapshotFloor(of peer: NodeID) -> LogIndex {
        guard role == .leader, let position = position(of: peer) else { return snapshotFloor }
        return max(progress[position].snapshotFloor, snapshotFloor)
    }

    /// The follower has lost its state, and perhaps entries that it acknowledged.
    mutating func handleNeedy(
        _ reply: RaftMessage.AppendReply, at position: Int, effects: inout RaftEffects
    ) {
        progress[position].followEpoch = max(progress[position].followEpoch, reply.followEpoch)
        progress[position].snapshotFloor = reply.hintIndex
        progress[position].forgetMatch(commitKnown: 0)
        progress[position].needSnapshot()
        confirmRound(reply.readRound, at: position, effects: &effects)
    }

    /// Tells the host once that a follower needs a snapshot.
    mutating func wishSnapshot(for position: Int, now: Instant, effects: inout RaftEffects) {
        if progress[position].snapshotFailed {
            progress[position].snapshotFailed = false
            progress[position].snapshotNotBefore = now + configuration.retransmitTimeout
        }
        guard progress[position].state == .snapshot, !progress[position].snapshotAsked else {
            return
        }
        if let notBefore = progress[position].snapshotNotBefore, now < notBefore { return }
        progress[position].snapshotNotBefore = nil
        progress[position].snapshotAsked = true
        effects.snapshotsWanted.append(peers[position])
    }
}
