internal import Bytes

// Two histories that were both committed: what happens when a majority of machines loses entries at once
// that it had acknowledged (`RaftConfiguration.mayLoseEntries`). The others elect a leader among themselves and
// go on with what they have; who still has what they lost must take over their history.
//
// How a replica finds out. An append says of some entry what its leader has there, and how far that leader
// has committed. If the entry is within that, and something else is committed here at that index, then
// both are committed, and something was lost: nothing but a loss makes that possible, since every leader has
// what leaders before it committed (paper, 5.4.3). An entry that the leader has not committed proves nothing:
// this leader may have been deposed. So the replica waits for more, and its state stays what it is.
//
// Where the log begins behind that entry, terms tell: they never decrease along a log. An entry before
// the log's start whose term is higher than that of what the log begins behind is of another history.
//
// What the host owes for `RaftEffects.overtaken`, in this order:
//
// 1. The state is forgotten, and `requireSnapshot` called.
// 2. All durable snapshots of the group are removed, and what may still become one, before one that the
//    leader sends can be durable: a restart would go back to them, and take what was acknowledged
//    since along.
//
// The replica then needs a snapshot of any length (`snapshotFloor` is 0). `install` lets its log begin again
// there, also before where it began until now, and lowers `commit`. A restart in between finds a log without
// a state; it finds the contradiction again, or gets a snapshot from behind its log's start before that.
//
// Why it may forget its log and vote all the while. What survived and is committed anew, up to the contradicted
// entry at the least, a majority has acknowledged to leaders whose history is not this log's, hence without
// this replica (unless it forgot that in yet another loss). So every election's majority meets that one elsewhere.
//
// The leader's part is to show the contradiction. Its search can end where the follower's log begins, with
// another entry there than its own, or where its own log does not reach: then it shows the follower that
// very entry, or its own last one, which is of its own term. Again and again, after `retransmitTimeout` each,
// until enough is committed to prove something.

extension RaftCore {
    /// Whether an append that contradicts what is committed here at `index` shows that entries were lost.
    func isProofOfLoss(_ index: LogIndex, _ append: RaftMessage.Append) -> Bool {
        configuration.mayLoseEntries && index <= append.commit
    }

    /// The leader's history is another one than this replica's.
    mutating func noteOvertaken(effects: inout RaftEffects) {
        guard !isOvertaken else { return }
        isOvertaken = true
        replyOwed = true
        // Said of the other history.
        leaderCommit = 0
        effects.overtaken = true
    }

    /// Whether what the follower's log begins behind is none of this leader's entries.
    func contradictsHint(_ reply: RaftMessage.AppendReply) -> Bool {
        guard reply.hintIndex <= log.lastIndex else { return true }
        guard let mine = log.term(at: reply.hintIndex) else { return false }
        return mine != reply.hintTerm
    }

    /// A follower's log begins behind an entry that contradicts this leader's log: this leader was deposed, or
    /// entries were lost. The follower can tell which, if it hears what is here instead.
    mutating func showContradiction(_ reply: RaftMessage.AppendReply, at position: Int) {
        let shown = min(reply.hintIndex, log.lastIndex)
        // The answer to just that: shown again later, when more is committed.
        guard configuration.mayLoseEntries, progress[position].state == .probe,
            reply.index != shown, shown >= progress[position].match
        else { return }
        progress[position].search(from: shown + 1, empty: true)
    }

    /// Whether the follower wants a snapshot of what this leader's log does not hold yet.
    func isBeyondLog(_ position: Int) -> Bool {
        configuration.mayLoseEntries && progress[position].snapshotFloor > log.lastIndex
    }

    /// Shows a follower where this leader's log ends.
    mutating func showEnd(to position: Int) {
        progress[position].search(from: log.lastIndex + 1, empty: true)
    }
}
