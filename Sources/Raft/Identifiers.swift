/// A node of the cluster: 1...n, the position of its name among the sorted names of
/// `initial-cluster`. 0 is no node.
public struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let raw: UInt16

    @inlinable
    public init(_ raw: UInt16) { self.raw = raw }

    @inlinable
    public static func < (left: NodeID, right: NodeID) -> Bool { left.raw < right.raw }

    public var description: String { "n\(raw)" }
}

/// A Raft group. 0 is the system group.
public struct GroupID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let raw: UInt32

    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    @inlinable
    public static func < (left: GroupID, right: GroupID) -> Bool { left.raw < right.raw }

    /// The slotless group that holds genesis and the cluster map.
    public static let system = GroupID(0)

    public var description: String { "g\(raw)" }
}

/// A leader's reign (Raft paper, 5.1). 0: before the first election.
public typealias Term = UInt64

/// A position in a group's log; the first entry is 1, and 0 stands before it.
public typealias LogIndex = UInt64

/// Names one durable operation of one group. Rises by one with each operation; completions are
/// cumulative: "durable up to ticket t".
public typealias IOTicket = UInt64
