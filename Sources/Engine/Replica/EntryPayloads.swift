internal import Bytes

/// Payload of an entry of kind `time`: `u8 version | i64 log time, ms`. Proposed when a read meets a
/// key that is past due by the clock and not yet by the log.
struct TimePayload {
    var time: Int64

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(CommandPayload.version)
        bytes.append(littleEndian: time)
    }

    init(time: Int64) { self.time = time }

    init(decoding payload: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        time = try reader.read()
    }
}

/// Payload of an entry of kind `expire`: `u8 version | i64 log time, ms | varint at most`. Deletes the
/// keys that are due at that time, earliest first, at most so many.
struct ExpirePayload {
    var time: Int64
    var atMost: Int

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(CommandPayload.version)
        bytes.append(littleEndian: time)
        bytes.append(varint: UInt64(atMost))
    }

    init(time: Int64, atMost: Int) {
        self.time = time
        self.atMost = atMost
    }

    init(decoding payload: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        time = try reader.read()
        atMost = try reader.readCount()
    }
}

/// Payload of an entry of kind `fragment`, a piece of a large command:
/// `u8 version | i64 log time, ms | origin node | origin boot | command | offset | bytes`.
struct FragmentPayload: ~Escapable {
    let time: Int64
    let origin: Origin
    let command: UInt64
    let offset: UInt64
    let bytes: Span<UInt8>

    static func encode(
        time: Int64, origin: Origin, command: UInt64, offset: UInt64, piece: Span<UInt8>,
        into bytes: inout ByteBuffer
    ) {
        bytes.append(CommandPayload.version)
        bytes.append(littleEndian: time)
        bytes.append(varint: UInt64(origin.node))
        bytes.append(varint: origin.boot)
        bytes.append(varint: command)
        bytes.append(varint: offset)
        bytes.append(piece)
    }

    @_lifetime(copy payload)
    init(decoding payload: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        time = try reader.read()
        guard let node = UInt16(exactly: try reader.readVarint()) else { throw .invalid("origin") }
        origin = Origin(node: node, boot: try reader.readVarint())
        command = try reader.readVarint()
        offset = try reader.readVarint()
        let rest = reader.remaining
        bytes = try reader.readBytes(rest)
    }
}

extension ByteReader {
    /// Every payload begins with its format version.
    @_lifetime(self: copy self)
    mutating func expectVersion() throws(DecodeError) {
        guard try read(UInt8.self) == CommandPayload.version else {
            throw .invalid("payload version")
        }
    }
}
