public import Bytes

/// Which snapshot a frame speaks of, and in which leadership.
public struct SnapshotFrameHeader: Equatable, Sendable {
    public var group: UInt32
    /// The term in which the leader sends.
    public var leaderTerm: UInt64
    /// The last entry that the snapshot covers, and its term.
    public var index: UInt64
    public var term: UInt64

    public init(group: UInt32, leaderTerm: UInt64, index: UInt64, term: UInt64) {
        self.group = group
        self.leaderTerm = leaderTerm
        self.index = index
        self.term = term
    }

    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: UInt64(group))
        bytes.append(varint: leaderTerm)
        bytes.append(varint: index)
        bytes.append(varint: term)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let group = UInt32(exactly: try reader.readVarint()) else { throw .invalid("group") }
        self.group = group
        leaderTerm = try reader.readVarint()
        index = try reader.readVarint()
        term = try reader.readVarint()
    }
}

/// A piece of a snapshot's file on its way to a follower: header, size of the file, offset, bytes.
public struct SnapshotPieceFrame: ~Escapable {
    /// Bytes of the file in one frame, at most.
    public static let bytesMax = 48 * 1024

    public let header: SnapshotFrameHeader
    public let fileBytes: Int
    public let offset: Int
    public let bytes: Span<UInt8>

    public static func encode(
        _ header: SnapshotFrameHeader, fileBytes: Int, offset: Int, piece: Span<UInt8>,
        into body: inout ByteBuffer
    ) {
        invariant(piece.count <= bytesMax, "a snapshot's piece of \(piece.count) bytes")
        header.encode(into: &body)
        body.append(varint: UInt64(fileBytes))
        body.append(varint: UInt64(offset))
        body.append(piece)
    }

    @_lifetime(copy reader)
    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try SnapshotFrameHeader(from: &reader)
        guard let fileBytes = Int(exactly: try reader.readVarint()),
            let offset = Int(exactly: try reader.readVarint())
        else { throw .invalid("snapshot offset") }
        let rest = reader.remaining
        bytes = try reader.readBytes(rest)
        guard offset + bytes.count <= fileBytes, rest <= Self.bytesMax else {
            throw .invalid("snapshot piece")
        }
        self.fileBytes = fileBytes
        self.offset = offset
    }
}

/// What a follower says about a snapshot that its leader sends: header, status, offset.
public struct SnapshotProgressFrame: Equatable, Sendable {
    public enum Status: UInt8, Sendable {
        /// The file is there up to the offset; go on from it.
        case wants = 0
        /// The follower's state covers the snapshot; instead of the offset comes up to where.
        case installed = 1
        /// The follower could not take it; begin anew, later.
        case failed = 2
        /// As `wants`, but what was sent from the offset on is lost.
        case rewinds = 3
    }

    public var header: SnapshotFrameHeader
    public var status: Status
    public var offset: UInt64

    public init(_ header: SnapshotFrameHeader, _ status: Status, offset: UInt64) {
        self.header = header
        self.status = status
        self.offset = offset
    }

    public func encode(into bytes: inout ByteBuffer) {
        header.encode(into: &bytes)
        bytes.append(status.rawValue)
        bytes.append(varint: offset)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try SnapshotFrameHeader(from: &reader)
        guard let status = Status(rawValue: try reader.read()) else {
            throw .invalid("snapshot status")
        }
        self.status = status
        offset = try reader.readVarint()
    }
}

/// Who of a group's replicas may write a snapshot now: one at a time, and its leader says which.
public enum SnapshotTurn: UInt8, Sendable {
    /// A replica asks its leader.
    case ask = 0
    /// The leader lets it.
    case grant = 1
    /// It is done, or has given up.
    case done = 2
}
