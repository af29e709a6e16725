public import Bytes

// A replica whose log may lack entries that it acknowledged: damage below the durable mark, or a
// machine that went down with relaxed appendfsync.
//
// A leader may have committed entries on the strength of those acknowledgements. So until it has them
// again, such a replica must not help to elect anybody who has not (Protocol-aware recovery, FAST '18).
// How it learns that it has them again:
//
// 1. It says `lacksEntries` in every append reply. It takes entries and acknowledges them as usual; what
//    it acknowledges now is true.
// 2. The leader forgets what it knew of this follower's log (`match`), and notes where its own log ends
//    at that moment: nothing behind that can the follower have acknowledged to it before. Replies of an
//    earlier process of the follower are ignored from then on.
// 3. When the follower has acknowledged everything up to there, the leader says `logIsWhole`, naming the
//    process that it is said to.
//
// Why that is enough. Let e be an entry that this replica P acknowledged before, and that is or will be
// committed with P's help. Acknowledged to this leader, e is in its log below the mark of step 2.
// Acknowledged to the leader of an earlier term, e is in this leader's log as well, since a voter of
// this leader's majority held e when it voted: another one than P, or P itself while its log was whole.
// Acknowledged to the leader of a later term it can not be: P's own term is at least that one, and P
// follows nobody of a lower term. This needs P's hard state. A replica that lost its term and vote as
// well may have helped a later leader, or voted twice in one term; it can not be taken back like this.
//
// The host keeps in mind over restarts, durably, that a log is not whole, until `isLogWhole` says so.

extension RaftCore {
    /// The log may lack entries that this replica acknowledged: it neither votes nor campaigns until a
    /// leader has confirmed that nothing is missing (`isLogWhole`). Useless in a group of one, which has
    /// nobody to ask.
    public mutating func distrustLog(now: Instant, effects: inout RaftEffects) {
        guard isLogWhole else { return }
        isLogWhole = false
        standBack(now: now, effects: &effects)
    }

    /// Takes the log for whole without anybody's confirmation: for a cluster that has nobody left who
    /// could confirm it, and lives with the loss.
    public mutating func trustLog() { isLogWhole = true }

    /// What a follower's reply says about its process and its log; false when the reply is of a process
    /// that is gone.
    mutating func noteProcess(of reply: RaftMessage.AppendReply, at position: Int) -> Bool {
        if reply.rejected { return true }
        let boot = UInt32(reply.followEpoch >> 32)
        let known = UInt32(progress[position].followEpoch >> 32)
        // 0: it does not follow any more.
        if boot != 0, boot < known { return false }
        guard reply.lacksEntries else {
            // Of an earlier process, then. The one that said so itself may have changed its mind without
            // this leader (`trustLog`), and is never heard again unless that is taken from it.
            if let recovery = progress[position].recovery, boot < recovery.boot, !recovery.isOver {
                return false
            }
            progress[position].recovery = nil
            return true
        }
        guard boot != 0 else { return false }
        if progress[position].recovery?.boot != boot {
            progress[position].recovery = Progress.Recovery(boot: boot, upTo: log.lastIndex)
            progress[position].forgetMatch(commitKnown: reply.commit)
        }
        return true
    }

    /// Tells a follower that nothing is missing any more. Said again as long as it asks.
    mutating func endRecovery(at position: Int, effects: inout RaftEffects) {
        guard let recovery = progress[position].recovery,
            recovery.isOver || progress[position].match >= recovery.upTo
        else { return }
        progress[position].recovery?.isOver = true
        send(.logIsWhole(boot: recovery.boot), to: peers[position], effects: &effects)
    }

    mutating func receiveLogIsWhole(
        from sender: NodeID, term senderTerm: Term, boot: UInt32, now: Instant,
        liveness: PairLiveness
    ) {
        guard senderTerm == term, followed?.leader == sender, !isLogWhole,
            boot == UInt32(truncatingIfNeeded: liveness.boot)
        else { return }
        isLogWhole = true
        electionDeadline =
            max(now, silentUntil) + configuration.electionTimeout + randomUpTo(2)
    }
}
