public import Raft

/// Which state a snapshot holds: that of one group after the entry at `index` was applied.
///
/// Everything that has one id has the same contents, whichever replica took it: the state is a
/// function of the log.
public struct SnapshotID: Hashable, Sendable, CustomStringConvertible {
    public var group: GroupID
    /// The last entry that the state includes.
    public var index: LogIndex
    /// That entry's term.
    public var term: Term

    public init(group: GroupID, index: LogIndex, term: Term) {
        self.group = group
        self.index = index
        self.term = term
    }

    public var description: String { "\(group)@\(index)/\(term)" }
}

/// By group, and within a group from the oldest to the newest.
extension SnapshotID: Comparable {
    public static func < (left: SnapshotID, right: SnapshotID) -> Bool {
        (left.group.raw, left.index, left.term) < (right.group.raw, right.index, right.term)
    }
}

/// The names of files: `g<group>-<index>-<term>.snap`, index and term in 16 hex digits.
extension SnapshotID {
    /// A whole snapshot, durable since it has this name.
    public var fileName: String { stem + Self.suffix }
    /// While this node writes it.
    var partName: String { stem + Self.partSuffix }
    /// While it comes from a peer.
    var incomingName: String { stem + Self.incomingSuffix }

    private static let suffix = ".snap"
    private static let partSuffix = ".part"
    private static let incomingSuffix = ".incoming"

    private var stem: String { "g\(group.raw)-\(Self.hex(index))-\(Self.hex(term))" }

    /// The snapshot that a file of this name holds; nil for other files, and for names that this
    /// code would not have given.
    public init?(fileName: String) {
        guard fileName.hasSuffix(Self.suffix) else { return nil }
        let fields = fileName.dropLast(Self.suffix.utf8.count)
            .split(separator: "-", omittingEmptySubsequences: false)
        guard fields.count == 3, fields[0].hasPrefix("g"),
            let group = UInt32(fields[0].dropFirst()),
            let index = UInt64(fields[1], radix: 16), let term = UInt64(fields[2], radix: 16)
        else { return nil }
        self.init(group: GroupID(group), index: index, term: term)
        guard self.fileName == fileName else { return nil }
    }

    /// Whether a file of this name is a snapshot under way: worthless once its writer is gone.
    static func isUnfinished(fileName: String) -> Bool {
        for suffix in [partSuffix, incomingSuffix] where fileName.hasSuffix(suffix) {
            let whole = String(fileName.dropLast(suffix.utf8.count)) + Self.suffix
            if SnapshotID(fileName: whole) != nil { return true }
        }
        return false
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
