public import Bytes

/// What a group needs to know about itself and its pace.
public struct RaftConfiguration: Sendable {
    /// This node.
    public var id: NodeID
    public var group: GroupID
    /// The voters that the group began with, in force until an entry or a snapshot says otherwise. The
    /// same at all members, this node among them or not; empty where they are not known.
    public var members: [NodeID]
    /// How long a leader's node may be silent before its followers look for another; equal to the
    /// promise of `PairLiveness`, on all members (S4 d).
    public var electionTimeout: Interval = .milliseconds(300)
    /// How long a replica neither votes nor campaigns after a restart: at least the longest promise
    /// that it may have given before (L5). Longer than the election timeout only when that was
    /// lowered since the last run.
    public var restartSilence: Interval?
    /// How long a message may stay unanswered on an open link before it is taken for lost.
    public var retransmitTimeout: Interval = .milliseconds(300)
    /// How often a follower of a quiet leader asks whether it still leads.
    public var probeInterval: Interval = .seconds(3)
    /// How long new voters may take to catch up; then the change that wants them is given up. Counted
    /// anew by every leader.
    public var catchUpTimeout: Interval = .seconds(600)
    /// Whether reads may rely on the leader lease; without it each turn's reads cost a round.
    public var readLease = true
    /// Whether acknowledged entries may be lost when a majority of machines goes down (relaxed
    /// appendfsync). What is committed here can be contradicted by what the others have committed then, and
    /// gives way: see `RaftCore+Overtaking.swift`.
    public var mayLoseEntries = false
    /// As `Limits` says, or less.
    public var inflightBytesMax = Limits.inflightBytesMax
    /// Bytes of records in one append, unless a single one is larger. At most
    /// `Limits.recordBytesMax`.
    public var appendBytesMax = Limits.recordBytesMax
    /// As `Limits` says, or less.
    public var uncommittedBytesMax = Limits.uncommittedBytesMax
    public var logChunkBytes = Limits.logChunkBytes

    public init(id: NodeID, group: GroupID, members: [NodeID]) {
        self.id = id
        self.group = group
        self.members = members
    }
}

/// A term and the index of its first entry.
public struct TermStart: Equatable, Sendable {
    public var index: LogIndex
    public var term: Term

    public init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }
}

/// One group as its log on disk remembers it. All of it must be durable: recovery syncs what it
/// has read before it hands it over.
public struct RestoredGroup: ~Copyable, Sendable {
    public var term: Term = 0
    public var vote: NodeID?
    /// First entry on disk; 1 until the log is compacted.
    public var firstIndex: LogIndex = 1
    /// Term of the entry before `firstIndex`.
    public var precedingTerm: Term = 0
    /// Last entry on disk; `firstIndex - 1` when there is none.
    public var lastIndex: LogIndex = 0
    /// Where each term begins, ascending, from `firstIndex` on.
    public var termStarts: [TermStart] = []
    /// Records of the newest entries, contiguous up to `lastIndex`: as many as the cache holds,
    /// possibly none.
    public var tail = ByteBuffer()
    /// The durable snapshot that this replica starts from, if it has one. A log that lacks entry
    /// `snapshotIndex` of `snapshotTerm` (the process died before it began anew behind an installed
    /// snapshot) is replaced by an empty one behind it. A snapshot from before the log's start is of no
    /// use here: then `RaftCore.requireSnapshot`.
    public var snapshotIndex: LogIndex = 0
    public var snapshotTerm: Term = 0
    /// The members as of `snapshotIndex`, or without a snapshot as of `firstIndex - 1`; nil if nothing was
    /// ever stored about them: then they are those of `RaftConfiguration.members`.
    public var members: GroupMembers?
    /// What the entries of kind `membership` in the log hold (`GroupMembers.init(entry:)`), ascending. Those
    /// in `tail` may be left out, and those up to `snapshotIndex`: the core finds or ignores them.
    public var memberEntries: [GroupMembers] = []
    /// When this node had a replica of the group before, which was removed and forgotten.
    public var removal: RemovedReplica?
    /// Whether the node's whole data directory was empty. Otherwise the replica neither votes nor
    /// campaigns for one promise after the start: it may have promised before it stopped.
    public var directoryWasEmpty = false

    public init() {}

    /// A group on a node that never ran before.
    public static func fresh() -> RestoredGroup {
        var group = RestoredGroup()
        group.directoryWasEmpty = true
        return group
    }
}
