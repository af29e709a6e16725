internal import Bytes
internal import DequeModule
internal import PeerProtocol
internal import Raft

/// One connection to a peer, as the engine sees it.
///
/// Output has three classes. Frames of consensus go out at once. Frames of clients (forwarded commands
/// and replies) wait in `client` and go out through a window, so that they never delay a vote by more
/// than the window's bytes. Pieces of large commands and of large replies go out when nothing else
/// waits, through a smaller window, so that they delay nobody's command by more than that.
struct PeerLink: ~Copyable {
    let id: LinkID
    /// The peer that was dialed; nil when the peer dialed.
    let dialed: NodeID?
    let openedAt: Instant
    /// The peer, once its hello was admitted.
    var peer: NodeID?
    /// The hello of one that is no peer, and may become one: of a node that wants to join, or of a member
    /// whose cluster this node waits to join.
    var applicant: Hello?
    /// It was sent the map.
    var isWelcomed = false
    /// When its cause was last put forward.
    var submittedAt = Instant(nanoseconds: .min)
    var input = ByteBuffer()
    var output = FrameWriter()
    var client = FrameWriter()
    /// Pieces of large commands.
    var pieces = FrameWriter()
    /// Replies larger than a frame, and the replies behind them.
    private var bulk = Deque<BulkReply>()
    /// What of it is not sent yet.
    private(set) var bulkBytes = 0
    /// The reply frame at the end of `client` that still takes answers.
    private var openReply: (kind: PeerFrameKind, group: UInt32)?
    /// Replies to reads that relied on the lease in this turn: sent when the end of the turn has
    /// confirmed it.
    var provisional: [ProvisionalReply] = []
    var provisionalBytes = ByteBuffer()

    struct ProvisionalReply {
        var group: UInt32
        var sequence: UInt64
        var count: Int
    }
    /// Bytes that the host has taken and not yet written.
    var queuedInHost = 0
    var isClosing = false
    var isFlushing = false

    init(id: LinkID, dialed: NodeID?, now: Instant) {
        self.id = id
        self.dialed = dialed
        openedAt = now
    }

    /// Adds an answer; answers of one kind and group share a frame.
    mutating func reply(
        _ kind: PeerFrameKind, group: UInt32, sequence: UInt64, status: ReplyStatus,
        bytes: Span<UInt8>
    ) {
        let needed = bytes.count + ReplyRecord.overheadBytesMax
        let isBehind = !bulk.isEmpty && bulk.contains { $0.isOf(kind, group) }
        if isBehind || needed > PeerLimits.bodyBytesMax / 2 {
            // An answer must not overtake a larger one before it, of the same kind and group.
            bulkBytes += bytes.count
            bulk.append(
                BulkReply(
                    kind: kind, group: group, sequence: sequence, status: status,
                    bytes: ByteBuffer(copying: bytes)))
            return
        }
        if let open = openReply,
            open != (kind, group) || client.openBytes + needed > PeerLimits.frameBytesMax
        {
            closeReplies()
        }
        if openReply == nil {
            client.open(kind)
            client.bytes.append(varint: UInt64(group))
            openReply = (kind, group)
        }
        ReplyRecord.encode(
            sequence: sequence, status: status, bytes: bytes, into: &client.bytes)
    }

    /// Ends the reply frame that is still open. Before any other client frame, and before sending.
    mutating func closeReplies() {
        guard openReply != nil else { return }
        client.close()
        openReply = nil
    }

    /// Moves client frames, then pieces of bulk replies, into the output as far as the window goes.
    mutating func fillWindow() {
        closeReplies()
        var room = PeerLimits.clientWindowBytes - queuedInHost - output.bytes.count
        while room > 0, !client.bytes.isEmpty {
            let length = Self.firstFrameLength(client.bytes)
            Self.copy(client.bytes, length, to: &output.bytes)
            client.bytes.consume(length)
            room -= length
        }
        room = PeerLimits.bulkWindowBytes - queuedInHost - output.bytes.count
        while room > 0, !pieces.bytes.isEmpty {
            let length = Self.firstFrameLength(pieces.bytes)
            Self.copy(pieces.bytes, length, to: &output.bytes)
            pieces.bytes.consume(length)
            room -= length
        }
        while room > 0, let first = bulk.first {
            let (before, unsent) = (output.bytes.count, first.byteCount)
            let isLast = first.appendPiece(to: &output)
            bulkBytes -= unsent - first.byteCount
            if isLast { bulk.removeFirst() }
            room -= output.bytes.count - before
        }
    }

    /// Forgets the answers of one kind and group that wait to be sent, or were sent in part.
    mutating func dropBulk(_ kind: PeerFrameKind, group: UInt32) {
        for reply in bulk where reply.isOf(kind, group) { bulkBytes -= reply.byteCount }
        bulk.removeAll { $0.isOf(kind, group) }
    }

    private static func firstFrameLength(_ bytes: borrowing ByteBuffer) -> Int {
        guard let length = try? PeerFrame(in: bytes.readable)?.length else {
            invariantFailed("an own frame can not be read")
        }
        return length
    }

    private static func copy(
        _ source: borrowing ByteBuffer, _ count: Int, to target: inout ByteBuffer
    ) {
        target.append(source.readable.extracting(0..<count))
    }

    /// Whether so many answers wait to be sent that reads of this peer are not executed for now: what they
    /// ask for is larger than what they are.
    var isFullOfAnswers: Bool {
        bulkBytes + provisionalBytes.count >= EngineLimits.forwardedReplyBytesMax
    }

    /// Whether client frames wait for room.
    var hasWaiting: Bool { !client.bytes.isEmpty || !pieces.bytes.isEmpty || !bulk.isEmpty }
}

/// A reply too large for a frame, cut into pieces as the window allows.
final class BulkReply {
    private let kind: PeerFrameKind
    private let group: UInt32
    private let sequence: UInt64
    private let status: ReplyStatus
    private var bytes: ByteBuffer
    private var offset = 0

    init(
        kind: PeerFrameKind, group: UInt32, sequence: UInt64, status: ReplyStatus,
        bytes: consuming ByteBuffer
    ) {
        self.kind = kind
        self.group = group
        self.sequence = sequence
        self.status = status
        self.bytes = bytes
    }

    /// Bytes that are not sent yet.
    var byteCount: Int { bytes.count }

    func isOf(_ kind: PeerFrameKind, _ group: UInt32) -> Bool {
        self.kind == kind && self.group == group
    }

    private static let pieceBytes = PeerLimits.bodyBytesMax - ReplyRecord.overheadBytesMax - 5

    /// Appends the next piece as a frame of its own; true when it was the last.
    func appendPiece(to output: inout FrameWriter) -> Bool {
        let count = min(bytes.count, Self.pieceBytes)
        let isLast = count == bytes.count
        output.open(kind)
        output.bytes.append(varint: UInt64(group))
        ReplyRecord.encode(
            sequence: sequence, status: isLast ? status : .piece, offset: offset,
            bytes: bytes.readable.extracting(0..<count), into: &output.bytes)
        output.close()
        bytes.consume(count)
        offset += count
        return isLast
    }
}
