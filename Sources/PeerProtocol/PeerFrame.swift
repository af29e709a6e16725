public import Bytes

/// The peer protocol: what two nodes say to each other over their one link.
///
/// A link is one TCP connection; the node with the lower id dials. Bytes on it are frames:
///
///     u32 length of what follows (9 bytes less than the whole frame is the body)
///     u32 CRC-32C of what follows this field
///     u8  kind
///     body
///
/// All integers are little-endian, counts and sequences LEB128. The first frame in each direction is
/// `hello`; anything else before it, an unknown kind, a wrong checksum or a frame beyond 64 KiB ends
/// the link. A frame is at most 64 KiB so that a vote never waits behind a large value: whatever is
/// larger travels in pieces, in the class `client`, of which only a window is on its way at a time.
///
/// Invariants:
/// 1. A frame is believed only when its checksum fits; within a link frames arrive in order.
/// 2. Nothing of a group is accepted before the hello of the link was admitted.
/// 3. A forwarded command names the term that it addresses; a node that does not lead in exactly
///    that term refuses, so a delayed frame cannot act under a later leadership.
/// 4. A forward stream names what precedes each frame; a gap or a repetition is seen and refused.
public enum PeerFrameKind: UInt8, Sendable {
    /// Who the sender is; see `Hello`.
    case hello = 1
    /// Why the link is about to be closed; the text is for the operator.
    case refused = 2
    /// A Raft message of one group; append messages carry entry records behind it.
    case raft = 3
    /// Logged commands for the leader of a group; see `ForwardHeader`.
    case forward = 4
    /// Reads for the leader of a group.
    case forwardRead = 5
    /// A piece of a large command for the leader of a group.
    case fragment = 6
    /// Up to where the pieces of a large command are applied.
    case fragmentApplied = 7
    /// Answers to logged commands.
    case reply = 8
    /// Answers to reads.
    case readReply = 9
    /// The receiver does not lead the group in that term, or the stream has a gap.
    case forwardRefused = 10
    /// A piece of a snapshot's file, for a follower that needs what the leader's log has let go of.
    case snapshotPiece = 11
    /// How far the follower has come with it.
    case snapshotProgress = 12
    /// Who may write a snapshot; see `SnapshotTurn`.
    case snapshotTurn = 13
    /// What a replica's state came to at an audit entry, for its leader.
    case auditDigest = 14
    /// The receiver's state is not the majority's, by the audit at an index.
    case diverged = 15
    /// A follower's question for the index up to which it must have applied the log before it answers
    /// the reads that have arrived there.
    case readIndex = 16
    /// The leader's answer.
    case readIndexReply = 17
    /// The cluster's map: to a node that has become a member and does not know it yet, and to every peer when
    /// a link begins.
    case welcome = 18
    /// The receiver is no member any more; see `Farewell`.
    case farewell = 19
    /// A wish of an operator, for the leader of a group; see `OperatorRequest`.
    case request = 20
}

/// Sizes of the peer protocol.
public enum PeerLimits {
    /// A whole frame, header included. A larger one ends the link.
    public static let frameBytesMax = 64 * 1024
    /// Header: length, checksum, kind.
    public static let headerBytes = 9
    /// What fits behind the header.
    public static let bodyBytesMax = frameBytesMax - headerBytes
    /// Commands and replies on their way to one peer; what is beyond waits in the sender's queue.
    public static let clientWindowBytes = 1 << 20
    /// The same for pieces of large commands and replies: what a small command may have to wait for.
    public static let bulkWindowBytes = 256 * 1024
    /// A node's or host's name in a hello.
    public static let nameBytesMax = 255
}

/// Appends frames to a buffer: `open`, write the body, `close`.
public struct FrameWriter: ~Copyable {
    /// Finished frames, and the open one at the end.
    public var bytes: ByteBuffer
    private var openedAt: Int?

    public init() {
        bytes = ByteBuffer()
        openedAt = nil
    }

    /// Begins a frame; its body follows in `bytes`.
    public mutating func open(_ kind: PeerFrameKind) {
        invariant(openedAt == nil, "a frame inside a frame")
        openedAt = bytes.count
        bytes.append(littleEndian: UInt64(0))
        bytes.append(kind.rawValue)
    }

    /// Bytes of the open frame so far, header included.
    public var openBytes: Int { openedAt.map { bytes.count - $0 } ?? 0 }

    /// Whether a frame is open.
    public var isOpen: Bool { openedAt != nil }

    /// Ends the open frame: fills in its length and checksum.
    public mutating func close() {
        guard let start = openedAt else { invariantFailed("no frame to close") }
        let length = bytes.count - start
        invariant(length <= PeerLimits.frameBytesMax, "a frame of \(length) bytes")
        let crc = CRC32C.checksum(bytes.readable.extracting((start + 8)..<bytes.count))
        bytes.overwrite(littleEndian: UInt32(length - 4), at: start)
        bytes.overwrite(littleEndian: crc, at: start + 4)
        openedAt = nil
    }
}

/// What ends a link: the peer does not speak the protocol.
public enum FrameError: Error, Equatable, Sendable {
    case tooLong(Int)
    case tooShort(Int)
    case checksum
    case unknownKind(UInt8)
    case body(DecodeError)
}

/// One frame, borrowed from a link's input.
public struct PeerFrame: ~Escapable {
    public let kind: PeerFrameKind
    public let body: Span<UInt8>
    /// Bytes of the input that the frame takes.
    public let length: Int

    /// The first frame in `input`, or nil when it is not complete yet.
    @_lifetime(copy input)
    public init?(in input: Span<UInt8>) throws(FrameError) {
        guard input.count >= PeerLimits.headerBytes else { return nil }
        var reader = ByteReader(input)
        let rest: Int
        let crc: UInt32
        do {
            rest = Int(try reader.read(UInt32.self))
            crc = try reader.read(UInt32.self)
        } catch {
            throw .body(error)
        }
        guard rest + 4 <= PeerLimits.frameBytesMax else { throw .tooLong(rest) }
        guard rest >= 5 else { throw .tooShort(rest) }
        guard input.count >= rest + 4 else { return nil }
        let checked = input.extracting(8..<rest + 4)
        guard CRC32C.checksum(checked) == crc else { throw .checksum }
        guard let kind = PeerFrameKind(rawValue: checked[0]) else { throw .unknownKind(checked[0]) }
        self.kind = kind
        body = checked.extracting(1..<checked.count)
        length = rest + 4
    }
}
