public import Bytes

/// "My loop moves and my disk writes": sent every heartbeat to every peer.
public struct LivenessPing: Equatable, Sendable {
    public var sender: NodeID
    /// The sender's incarnation; rises with every start of its process.
    public var boot: UInt64
    /// On the sender's clock, read before the bytes are handed to the socket.
    public var sendTime: Instant
    /// Rises with every ping of one boot to one peer.
    public var sequence: UInt64
    /// How gladly the sender leads; the highest is preferred. A hint.
    public var priority = LivenessPing.usualPriority

    /// The priority of a node that says nothing.
    public static let usualPriority = 100
    /// The highest priority.
    public static let priorityMax = 1000

    /// Bytes of the encoding:
    /// `u8 1 | u8 version | u16 sender | u32 priority + 1, or 0 | u64 boot, time, sequence`.
    public static let encodedBytes = 32

    public init(sender: NodeID, boot: UInt64, sendTime: Instant, sequence: UInt64) {
        self.sender = sender
        self.boot = boot
        self.sendTime = sendTime
        self.sequence = sequence
    }
}

/// "Heard, and promised": the answer to one ping. See `PairLiveness` for what is promised.
public struct LivenessPong: Equatable, Sendable {
    /// Who answers.
    public var sender: NodeID
    /// The answering node's incarnation.
    public var boot: UInt64
    /// The ping's own boot, time and sequence, given back.
    public var pingBoot: UInt64
    public var pingTime: Instant
    public var pingSequence: UInt64
    /// The answering node's follow epoch for the pinging node, at the moment of the promise.
    public var followEpoch: UInt64
    /// On the answering node's clock, when it promised. Only compared with itself, to judge rates.
    public var promisedAt: Instant
    /// For how long it promised, so that a node configured otherwise is believed no more than it said
    /// (S4 d).
    public var promise: Interval

    /// Bytes of the encoding: `u8 2 | u8 version | u16 sender | u32 zero | 7 * u64`.
    public static let encodedBytes = 64

    public init(
        sender: NodeID, boot: UInt64, pingBoot: UInt64, pingTime: Instant, pingSequence: UInt64,
        followEpoch: UInt64, promisedAt: Instant, promise: Interval
    ) {
        self.sender = sender
        self.boot = boot
        self.pingBoot = pingBoot
        self.pingTime = pingTime
        self.pingSequence = pingSequence
        self.followEpoch = followEpoch
        self.promisedAt = promisedAt
        self.promise = promise
    }
}

/// Either of the two messages of a liveness connection.
public enum LivenessMessage: Equatable, Sendable {
    case ping(LivenessPing)
    case pong(LivenessPong)

    /// The version of both encodings.
    public static let formatVersion: UInt8 = 1

    /// Appends the encoding of this message.
    public func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .ping(let ping):
            Self.encodeHead(1, ping.sender, UInt32(ping.priority + 1), into: &buffer)
            buffer.append(littleEndian: ping.boot)
            buffer.append(littleEndian: ping.sendTime.nanoseconds)
            buffer.append(littleEndian: ping.sequence)
        case .pong(let pong):
            Self.encodeHead(2, pong.sender, 0, into: &buffer)
            buffer.append(littleEndian: pong.boot)
            buffer.append(littleEndian: pong.pingBoot)
            buffer.append(littleEndian: pong.pingTime.nanoseconds)
            buffer.append(littleEndian: pong.pingSequence)
            buffer.append(littleEndian: pong.followEpoch)
            buffer.append(littleEndian: pong.promisedAt.nanoseconds)
            buffer.append(littleEndian: pong.promise.nanoseconds)
        }
    }

    private static func encodeHead(
        _ type: UInt8, _ sender: NodeID, _ extra: UInt32, into buffer: inout ByteBuffer
    ) {
        buffer.append(type)
        buffer.append(formatVersion)
        buffer.append(littleEndian: sender.raw)
        buffer.append(littleEndian: extra)
    }

    /// Decodes a message that fills `bytes` exactly.
    ///
    /// - Throws: `.truncated`, or `.invalid` for an unknown type or version or bytes left over.
    public static func decode(_ bytes: Span<UInt8>) throws(DecodeError) -> LivenessMessage {
        var reader = ByteReader(bytes)
        let type = try reader.read(UInt8.self)
        guard try reader.read(UInt8.self) == formatVersion else {
            throw .invalid("liveness version")
        }
        let sender = NodeID(try reader.read())
        let extra = try reader.read(UInt32.self)
        let message: LivenessMessage
        switch type {
        case 1:
            var ping = LivenessPing(
                sender: sender, boot: try reader.read(),
                sendTime: Instant(nanoseconds: try reader.read()), sequence: try reader.read())
            if extra > 0 { ping.priority = min(Int(extra) - 1, LivenessPing.priorityMax) }
            message = .ping(ping)
        case 2:
            message = .pong(
                LivenessPong(
                    sender: sender, boot: try reader.read(), pingBoot: try reader.read(),
                    pingTime: Instant(nanoseconds: try reader.read()),
                    pingSequence: try reader.read(), followEpoch: try reader.read(),
                    promisedAt: Instant(nanoseconds: try reader.read()),
                    promise: Interval(nanoseconds: try reader.read())))
        default:
            throw .invalid("liveness message type")
        }
        guard reader.remaining == 0 else { throw .invalid("liveness message length") }
        return message
    }
}
