public import Bytes

/// Where a forward frame belongs: group, addressed term, and its place in the stream.
///
/// A stream is everything that an origin sends to one leader in one term. It begins with the oldest
/// unanswered command; a new stream (a higher number) replaces the one before it.
public struct ForwardHeader: Equatable, Sendable {
    public var group: UInt32
    public var term: UInt64
    /// Rises with every stream of this origin's process for this group.
    public var stream: UInt64
    /// Position of the frame in its stream, from 0.
    public var position: UInt64

    public init(group: UInt32, term: UInt64, stream: UInt64, position: UInt64) {
        self.group = group
        self.term = term
        self.stream = stream
        self.position = position
    }

    /// At most this many bytes.
    public static let encodedBytesMax = 5 + 10 + 10 + 10

    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: UInt64(group))
        bytes.append(varint: term)
        bytes.append(varint: stream)
        bytes.append(varint: position)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let group = UInt32(exactly: try reader.readVarint()) else { throw .invalid("group") }
        self.group = group
        term = try reader.readVarint()
        stream = try reader.readVarint()
        position = try reader.readVarint()
    }
}

/// How an answer is to be understood.
public enum ReplyStatus: UInt8, Sendable {
    /// The reply's bytes follow; it is complete.
    case complete = 0
    /// A piece of a reply; more pieces follow in later frames.
    case piece = 1
    /// Executed, but the reply is no longer there: the client gets `-UNCERTAIN`.
    case evicted = 2
    /// The group does not own the slot; certainly not executed, to be routed anew.
    case moved = 3
}

/// One answer within a reply frame.
public struct ReplyRecord: ~Escapable {
    public let sequence: UInt64
    public let status: ReplyStatus
    /// Where the bytes belong within the whole reply; 0 unless pieces came before.
    public let offset: Int
    public let bytes: Span<UInt8>

    /// Reads the next answer.
    @_lifetime(copy reader)
    public init(from reader: inout ByteReader) throws(DecodeError) {
        sequence = try reader.readVarint()
        guard let status = ReplyStatus(rawValue: try reader.read()) else {
            throw .invalid("reply status")
        }
        self.status = status
        offset = try reader.readCount()
        bytes = try reader.readLengthPrefixed()
    }

    /// Bytes around the reply itself, at most.
    public static let overheadBytesMax = 10 + 1 + 10 + 5

    /// Appends an answer to a reply frame's body.
    public static func encode(
        sequence: UInt64, status: ReplyStatus, offset: Int = 0, bytes: Span<UInt8>,
        into buffer: inout ByteBuffer
    ) {
        buffer.append(varint: sequence)
        buffer.append(status.rawValue)
        buffer.append(varint: UInt64(offset))
        buffer.append(lengthPrefixed: bytes)
    }
}

/// A piece of a large command: which command of which process, where the piece belongs.
public struct FragmentHeader: Equatable, Sendable {
    /// Number of the command among the origin process's large commands for this group.
    public var command: UInt64
    /// Offset of the piece within the command's bytes.
    public var offset: UInt64

    public init(command: UInt64, offset: UInt64) {
        self.command = command
        self.offset = offset
    }

    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: command)
        bytes.append(varint: offset)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        command = try reader.readVarint()
        offset = try reader.readVarint()
    }
}
