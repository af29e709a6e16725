/// What members of one group say to each other. The frame around it names the group.
///
/// Fixed-size fields; the records of an append follow the message in the frame and are handed to
/// `RaftCore.receive` beside it.
public struct RaftMessage: Sendable, Equatable {
    /// The sender's current term, in every message.
    public var term: Term
    public var body: Body

    public init(term: Term, body: Body) {
        self.term = term
        self.body = body
    }

    public enum Body: Sendable, Equatable {
        /// Would you vote for me in `term + 1`? (Ongaro's thesis, 9.6.) Changes nothing at either.
        case preVote(lastIndex: LogIndex, lastTerm: Term)
        /// `requested` repeats the term that the question was asked in. A refusal's `term` lets a
        /// candidate that fell behind catch up.
        case preVoteReply(requested: Term, granted: Bool)
        /// Vote for me in `term`. `transfer`: the leader itself asked for this election.
        case vote(lastIndex: LogIndex, lastTerm: Term, transfer: Bool)
        case voteReply(granted: Bool)
        case append(Append)
        case appendReply(AppendReply)
        /// Campaign at once: the leader hands over to you.
        case timeoutNow
        /// I led in `term` and do so no more, nor ever will again in that term.
        case steppedDown(led: Term)
        /// You have acknowledged to me all that you may have acknowledged to anybody before you began to
        /// say that entries are missing. `boot`: the process of yours that said so.
        case logIsWhole(boot: UInt32)
        /// Do you lead in `term`?
        case probe
        /// `asked` repeats the term of the question.
        case probeReply(asked: Term, leads: Bool)
        /// As of entry `index` of `indexTerm`, which is committed, you are no member.
        case notMember(index: LogIndex, indexTerm: Term)
    }

    /// AppendEntries; without records it is a heartbeat, a probe or a commit notice.
    public struct Append: Sendable, Equatable {
        public var previousIndex: LogIndex
        public var previousTerm: Term
        /// The leader's commit index.
        public var commit: LogIndex
        /// The newest read round begun when this left; 0 when none ever was.
        public var readRound: UInt64
        /// Whether the follower should answer even if there is nothing new to acknowledge.
        public var wantsReply: Bool

        public init(
            previousIndex: LogIndex, previousTerm: Term, commit: LogIndex, readRound: UInt64,
            wantsReply: Bool
        ) {
            self.previousIndex = previousIndex
            self.previousTerm = previousTerm
            self.commit = commit
            self.readRound = readRound
            self.wantsReply = wantsReply
        }
    }

    /// The answer to one or several appends.
    public struct AppendReply: Sendable, Equatable {
        /// Refused: the log does not contain the entry at `previousIndex` with `previousTerm`.
        public var rejected: Bool
        /// Accepted: everything up to here equals the leader's log and is durable. Rejected: the
        /// `previousIndex` that was refused.
        public var index: LogIndex
        /// Accepted: everything up to here equals the leader's log, durable yet or not. Rejected: the
        /// last index at which the logs may agree, with the term there in `hintTerm`. A hint above
        /// `index` says that the follower's log begins behind it: there the logs do agree.
        public var hintIndex: LogIndex
        public var hintTerm: Term
        /// The newest read round of this leader that the follower saw in this term.
        public var readRound: UInt64
        /// The follower's commit index, so that the leader knows when to stop telling.
        public var commit: LogIndex
        /// See `PairLiveness`; 0 when it has none.
        public var followEpoch: UInt64
        /// The follower has lost its state, and takes no entries before a snapshot came that ends at
        /// `hintIndex` or later. It acknowledges nothing then (`index` 0), but read rounds.
        public var needsSnapshot: Bool
        /// The follower's log may lack entries that it acknowledged before its process began: what it
        /// acknowledged then counts no more. It does not vote until it hears `logIsWhole`.
        public var lacksEntries: Bool

        public init(
            rejected: Bool, index: LogIndex, hintIndex: LogIndex = 0, hintTerm: Term = 0,
            readRound: UInt64, commit: LogIndex, followEpoch: UInt64, needsSnapshot: Bool = false,
            lacksEntries: Bool = false
        ) {
            self.rejected = rejected
            self.index = index
            self.hintIndex = hintIndex
            self.hintTerm = hintTerm
            self.readRound = readRound
            self.commit = commit
            self.followEpoch = followEpoch
            self.needsSnapshot = needsSnapshot
            self.lacksEntries = lacksEntries
        }
    }
}
