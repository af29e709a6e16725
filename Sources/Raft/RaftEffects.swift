/// One durable operation. All operations of a group form one ordered stream (Raft anchors,
/// decision 2): a recovered log is always a prefix of that stream.
public enum RaftIO: Equatable, Sendable {
    /// Term and vote, together.
    case hardState(term: Term, vote: NodeID?)
    /// The log begins behind entry `index`, which has `term`: a durable snapshot holds what is before.
    /// Not `keepingRest`: nothing of the log as it is on disk counts any more; what lies behind `index`
    /// is appended anew. Always synced, whatever the mode. A log that was overtaken can begin earlier than
    /// before, never keeping the rest.
    case start(index: LogIndex, term: Term, keepingRest: Bool)
    /// Forget all entries from this index on.
    case truncate(from: LogIndex)
    /// Write these entries; their records are in `RaftCore.log` until the turn's effects are taken.
    case append(ClosedRange<LogIndex>)
}

/// An operation with its place in the group's stream.
public struct TicketedIO: Equatable, Sendable {
    public let ticket: IOTicket
    public let io: RaftIO

    public init(ticket: IOTicket, io: RaftIO) {
        self.ticket = ticket
        self.io = io
    }
}

/// A message to a peer. When `entries` is set, `RaftCore.copyRecords(of:into:)` gives the records
/// that follow it in the frame; call it in the same turn, before anything else happens to the core.
public struct RaftOutbound: Equatable, Sendable {
    public let to: NodeID
    public let message: RaftMessage
    public let entries: ClosedRange<LogIndex>?
    /// Whether the records are those of a `LogFetch` instead of the log in memory.
    let staged: Bool

    init(
        to: NodeID, message: RaftMessage, entries: ClosedRange<LogIndex>? = nil,
        staged: Bool = false
    ) {
        self.to = to
        self.message = message
        self.entries = entries
        self.staged = staged
    }
}

/// A wish to read entries back that are no longer in memory. The host reads them from the log on
/// disk and answers with `RaftCore.fetched`.
public struct LogFetch: Equatable, Sendable {
    public enum Purpose: Equatable, Sendable {
        /// For a follower that lags behind what is in memory.
        case follower(NodeID)
        /// For the applier of this replica.
        case apply
    }

    /// Rises with each fetch of the group; never reused.
    public let id: UInt64
    public let purpose: Purpose
    /// The first entry wanted.
    public let from: LogIndex
    /// The last entry of use; fewer may be returned, but at least one.
    public let upTo: LogIndex
    /// Bytes of records of use.
    public let maxBytes: Int
}

/// What became of a proposal.
public enum Proposal: Equatable, Sendable {
    /// It is in the leader's log at this index, in the leader's current term.
    case appended(LogIndex)
    /// Certainly not executed: this replica does not lead.
    case notLeader
    /// Certainly not executed: leadership is being handed over. Hold it and try again when the
    /// leader changed or the transfer was given up.
    case transferring
    /// Certainly not executed: too many bytes wait for their commit already.
    case overloaded
}

/// Why a change of members was not begun; nothing has happened then.
public enum ChangeRefusal: Error, Equatable, Sendable {
    /// This replica does not lead.
    case notLeader
    /// No entry of this leader's term is committed yet: ask again soon (S11 a).
    case notReady
    /// Leadership is being handed over: ask the next leader.
    case transferring
    /// Another change is under way.
    case changing
    /// The group would have no voters.
    case noVoters
    /// More voters and learners than `Limits.membersMax`.
    case tooManyMembers
    /// These are the members.
    case unchanged
    /// A majority of the voters that would remain is not well or lags far behind: nothing could be
    /// committed any more.
    case noQuorum
}

/// How a change of members ended that this leader began or went on with.
public enum ChangeOutcome: Equatable, Sendable {
    /// The new members decide alone.
    case completed
    /// The members are as they were before.
    case failed(ChangeFailure)
}

/// Why a change of members was given up.
public enum ChangeFailure: Equatable, Sendable {
    /// These new voters had not caught up within `RaftConfiguration.catchUpTimeout`.
    case notCaughtUp([NodeID])
    /// The new voters had, but a majority of the future voters was not well or lagged far behind.
    case noQuorum
    /// `RaftCore.giveUpChange` was called.
    case cancelled
}

/// What a replica is at the moment.
public enum RaftRole: Equatable, Sendable {
    case follower
    case preCandidate
    case candidate
    case leader
}

/// What made this replica campaign last; for INFO and the log.
public enum ElectionReason: String, Sendable {
    case none
    /// No leader was known since the start.
    case start
    /// The leader's node has been silent for longer than the election timeout.
    case leaderSilent = "leader-silent"
    /// The leader's process restarted.
    case leaderRestarted = "leader-restarted"
    /// The leader said that it stepped down.
    case leaderSteppedDown = "leader-stepped-down"
    /// Asked, the leader said that it does not lead.
    case leaderDenied = "leader-denied"
    /// The leader handed over to this replica.
    case transfer
    /// An earlier election of this replica found no majority.
    case retry
    /// This replica led before, and stepped down.
    case steppedDown = "stepped-down"
}

/// What the calls of a turn want done. Reused: `removeAll` keeps the memory.
///
/// Order of use: `io` into the log batch, in order; then `messages` and the rest. Nothing in `messages` waits for
/// this turn's `io`: what must wait is kept back by the core until `RaftCore.durable`.
public struct RaftEffects: Sendable {
    public var io: [TicketedIO] = []
    public var messages: [RaftOutbound] = []
    public var fetches: [LogFetch] = []
    /// Followers that need a snapshot: what they lack is no longer in this leader's log. Each is named
    /// once per need, and the need ends with `RaftCore.snapshotInstalled`, `RaftCore.snapshotFailed` or
    /// this leadership; named again while a transfer to it is under way, it wants that one to go on.
    public var snapshotsWanted: [NodeID] = []
    /// The role or the term is another one than before: reads and proposals of the old leadership
    /// are void. Treat this before anything else of the turn.
    public var roleChanged = false
    /// The known leader is another one than before (also when it became unknown).
    public var leaderChanged = false
    /// `RaftCore.commit` moved.
    public var commitAdvanced = false
    /// A read round was confirmed.
    public var readRoundConfirmed = false
    /// A transfer ended without success; proposals are welcome again.
    public var transferFailed = false
    /// The members in force, or those known as committed, are others than before: see
    /// `RaftCore.members`, `committedMembers` and `nodesToReach`.
    public var membersChanged = false
    /// The change of members that this leader had under way is over. A leadership that ends before says
    /// nothing: the next leader goes on.
    public var changeEnded: ChangeOutcome?
    /// What is committed here is not what the cluster has committed (`RaftCore.isOvertaken`): the state and
    /// all snapshots are worth nothing. The host owes what `RaftCore+Overtaking.swift` says, in this turn.
    public var overtaken = false
    /// This replica is no member any more, as of a committed entry. It has let go of any leadership and
    /// takes part in nothing; the host may forget it, with its log.
    public var removed = false

    public init() {}

    /// Whether there is nothing to do.
    public var isEmpty: Bool {
        io.isEmpty && messages.isEmpty && fetches.isEmpty && snapshotsWanted.isEmpty
            && !roleChanged && !leaderChanged && !commitAdvanced && !readRoundConfirmed
            && !transferFailed && !membersChanged && changeEnded == nil && !overtaken
            && !removed
    }

    /// Forgets everything, keeps the memory.
    public mutating func removeAll() {
        io.removeAll(keepingCapacity: true)
        messages.removeAll(keepingCapacity: true)
        fetches.removeAll(keepingCapacity: true)
        snapshotsWanted.removeAll(keepingCapacity: true)
        roleChanged = false
        leaderChanged = false
        commitAdvanced = false
        readRoundConfirmed = false
        transferFailed = false
        membersChanged = false
        changeEnded = nil
        overtaken = false
        removed = false
    }
}
