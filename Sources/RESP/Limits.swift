/// What a client may send; each limit is answered with a protocol error and the connection closes.
public struct RESPLimits: Sendable, Equatable {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    public var bulkBytesMax: Int
    /// The most arguments of one command. Redis before 7.0 had this limit, 7.0 takes 2^31 - 1; every
    /// argument costs 16 bytes here, so that a command without contents costs 16 MB at most.
    public var argumentsMax: Int
    /// The longest inline command and the longest header line, in bytes without its end.
    public var inlineBytesMax: Int

    public init(
        bulkBytesMax: Int = 512 << 20, argumentsMax: Int = 1 << 20, inlineBytesMax: Int = 64 << 10
    ) {
        self.bulkBytesMax = bulkBytesMax
        self.argumentsMax = argumentsMax
        self.inlineBytesMax = inlineBytesMax
    }

    /// From this length on a bulk counts as big: its receiver may want memory of its own for it.
    public static let bigBulkBytes = 32 << 10

    /// Ranges a parser or decoder keeps room for between commands; more is given back, so that one
    /// large command does not cost a session its memory for ever.
    static let keptRanges = 256

    /// Bytes of unescaped inline arguments that a parser keeps room for between commands.
    static let keptScratchBytes = 1024
}

/// The protocol a session speaks; chosen by HELLO, 2 until then.
public enum RESPVersion: UInt8, Sendable {
    case two = 2
    case three = 3
}
