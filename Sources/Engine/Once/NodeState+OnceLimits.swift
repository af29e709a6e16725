internal import Bytes
internal import Configuration
internal import Raft

/// Payload of an entry of kind `configuration`, directives that decide applied state:
/// `u8 version | count | (directive | value) ...`, LEB128. Directives: 1 `once-max-size` in bytes,
/// 2 `once-timeout` in ms.
struct ConfigurationPayload {
    var once: OnceTable.Limits

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(CommandPayload.version)
        bytes.append(varint: 2)
        bytes.append(varint: 1)
        bytes.append(varint: UInt64(once.bytes))
        bytes.append(varint: 2)
        bytes.append(varint: UInt64(once.idleMilliseconds))
    }

    init(once: OnceTable.Limits) { self.once = once }

    init(decoding payload: Span<UInt8>, over current: OnceTable.Limits) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        once = current
        for _ in 0..<(try reader.readCount()) {
            let directive = try reader.readVarint()
            let value = try reader.readCount()
            switch directive {
            case 1: once.bytes = value
            case 2: once.idleMilliseconds = Int64(value)
            default: throw .invalid("directive")
            }
        }
    }
}

/// What decides applied state must come from the log: a leader whose directives differ from the
/// group's says so in an entry. With nodes that are configured differently the leader's hold.
extension NodeState {
    mutating func considerOnceLimits(_ group: Int, now: ClockReading) {
        guard replicas[group].group != .system, replicas[group].core.committedInTerm,
            replicas[group].onceLimitsIndex <= replicas[group].applied
        else { return }
        let wanted = OnceTable.Limits(
            bytes: configuration.onceMaxSize,
            idleMilliseconds: configuration.onceTimeout.milliseconds)
        guard replicas[group].once.limits != wanted else { return }
        var payload = ByteBuffer()
        ConfigurationPayload(once: wanted).encode(into: &payload)
        if propose(group, kind: .configuration, payload: payload.readable, now: now) {
            replicas[group].onceLimitsIndex = replicas[group].core.lastIndex
        }
    }
}
