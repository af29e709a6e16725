internal import Bytes
internal import Raft

// The liveness protocol, one TCP connection for each pair of nodes.
//
//      dialer (the lower id): "SKEINLV1"
//      both, once:            u32 16 | u8 3 | u8 version | u16 node | u32 zero | u64 cluster token
//      both, each heartbeat:  u32 32 | ping              (Raft/LivenessMessages.swift)
//      both, for each ping:   u32 64 | pong
//
// The cluster token is a checksum of `initial-cluster`: nodes that were told of different members do
// not vouch for one another. It guards against mistakes; the peer protocol guards the data.
//
// 1. A ping is sent only when nothing is queued: a connection that does not move carries no old
//    news behind it.
// 2. A connection that was silent for `LivenessSettings.silence` is closed, and dialed anew at once:
//    after a partition TCP would retry later and later.

/// A frame of the liveness protocol.
enum LivenessFrame: Equatable {
    case hello(node: NodeID, token: UInt64)
    case message(LivenessMessage)

    private static let helloType: UInt8 = 3
    private static let helloBytes = 16
    /// No frame is longer.
    static let bytesMax = 64

    /// Appends the frame with its length.
    func encode(into buffer: inout ByteBuffer) {
        switch self {
        case .hello(let node, let token):
            buffer.append(littleEndian: UInt32(Self.helloBytes))
            buffer.append(Self.helloType)
            buffer.append(LivenessMessage.formatVersion)
            buffer.append(littleEndian: node.raw)
            buffer.append(littleEndian: UInt32(0))
            buffer.append(littleEndian: token)
        case .message(.ping(let ping)):
            buffer.append(littleEndian: UInt32(LivenessPing.encodedBytes))
            LivenessMessage.ping(ping).encode(into: &buffer)
        case .message(.pong(let pong)):
            buffer.append(littleEndian: UInt32(LivenessPong.encodedBytes))
            LivenessMessage.pong(pong).encode(into: &buffer)
        }
    }

    /// Takes the first frame of `input`; nil until it is there whole.
    static func take(from input: inout ByteBuffer) throws(DecodeError) -> LivenessFrame? {
        guard input.count >= 4 else { return nil }
        var reader = ByteReader(input.readable)
        let length = Int(try reader.read(UInt32.self))
        guard length > 0, length <= bytesMax else { throw .invalid("liveness frame length") }
        guard reader.remaining >= length else { return nil }
        let frame = try decode(try reader.readBytes(length))
        input.consume(4 + length)
        return frame
    }

    private static func decode(_ body: Span<UInt8>) throws(DecodeError) -> LivenessFrame {
        guard body[0] == helloType else { return .message(try LivenessMessage.decode(body)) }
        guard body.count == helloBytes, body[1] == LivenessMessage.formatVersion else {
            throw .invalid("liveness hello")
        }
        var reader = ByteReader(body.extracting(2...))
        let node = NodeID(try reader.read())
        _ = try reader.read(UInt32.self)
        return .hello(node: node, token: try reader.read())
    }
}
