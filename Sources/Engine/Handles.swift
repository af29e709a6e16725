/// A client connection as the engine sees it: an index into the session table, and the generation
/// that tells it from earlier users of the same index.
public struct SessionID: Hashable, Sendable {
    public let index: UInt32
    public let generation: UInt32

    public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    /// Stands for "nobody waits": never handed out.
    static let none = SessionID(index: .max, generation: .max)
}

/// A connection to a peer, chosen by the host and never used again.
public struct LinkID: Hashable, Comparable, Sendable {
    public let raw: UInt64

    public init(_ raw: UInt64) { self.raw = raw }

    public static func < (left: LinkID, right: LinkID) -> Bool { left.raw < right.raw }
}

/// A request for older log records, answered by `Engine.logRead`.
public struct LogReadID: Hashable, Sendable {
    public let raw: UInt64

    public init(_ raw: UInt64) { self.raw = raw }
}
