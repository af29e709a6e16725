public import Raft

/// What became of reading a snapshot through.
public enum SnapshotFinding: Equatable, Sendable {
    case whole(SnapshotSummary)
    /// Its bytes are not what was written once: it is of no use.
    case damaged(String)
    /// The system refused to read it, which says nothing about its bytes.
    case unreadable(String)
}

/// What a data directory holds in snapshots.
public struct SnapshotListing: Equatable, Sendable {
    /// Durable ones whose header and footer are right; by group, the newest first within each.
    public var snapshots: [SnapshotSummary] = []
    /// Files that have the name of a snapshot and cannot be used, with the reason. They stay where they
    /// are: remove them, or write the snapshot anew.
    public var damaged: [Damaged] = []
    /// Unfinished files of a process that is gone, removed by the listing.
    public var leftovers = 0

    public struct Damaged: Equatable, Sendable {
        public var id: SnapshotID
        public var reason: String
    }

    /// The snapshots of a group, the newest first.
    public func snapshots(of group: GroupID) -> [SnapshotSummary] {
        snapshots.filter { $0.id.group == group }
    }
}
