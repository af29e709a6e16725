public import Bytes

// u8 type | u8 flags | u16 zero | u64 term | then, by type:
//
//     1 preVote       u64 lastIndex, u64 lastTerm
//     2 preVoteReply  u64 requested                                   flag 1: granted
//     3 vote          u64 lastIndex, u64 lastTerm                     flag 1: transfer
//     4 voteReply                                                     flag 1: granted
//     5 append        u64 previousIndex, previousTerm, commit, round  flag 1: wantsReply
//     6 appendReply   u64 index, hintIndex, hintTerm, round, commit, epoch   flag 1: rejected,
//                                                                2: needsSnapshot, 4: lacksEntries
//     7 timeoutNow
//     8 steppedDown   u64 led
//     9 probe
//    10 probeReply    u64 asked                                       flag 1: leads
//    11 logIsWhole    u64 boot
//    12 notMember     u64 index, u64 indexTerm
//
// Little-endian. The length follows from the type, so a message needs no length of its own.

extension RaftMessage {
    /// The longest encoding, in bytes.
    public static let encodedBytesMax = 12 + 6 * 8

    /// Appends the encoding of this message.
    public func encode(into buffer: inout ByteBuffer) {
        switch body {
        case .preVote(let lastIndex, let lastTerm):
            encode(1, false, into: &buffer)
            buffer.append(littleEndian: lastIndex)
            buffer.append(littleEndian: lastTerm)
        case .preVoteReply(let requested, let granted):
            encode(2, granted, into: &buffer)
            buffer.append(littleEndian: requested)
        case .vote(let lastIndex, let lastTerm, let transfer):
            encode(3, transfer, into: &buffer)
            buffer.append(littleEndian: lastIndex)
            buffer.append(littleEndian: lastTerm)
        case .voteReply(let granted):
            encode(4, granted, into: &buffer)
        case .append(let append):
            encode(5, append.wantsReply, into: &buffer)
            buffer.append(littleEndian: append.previousIndex)
            buffer.append(littleEndian: append.previousTerm)
            buffer.append(littleEndian: append.commit)
            buffer.append(littleEndian: append.readRound)
        case .appendReply(let reply):
            encode(
                6,
                flags: (reply.rejected ? 1 : 0) | (reply.needsSnapshot ? 2 : 0)
                    | (reply.lacksEntries ? 4 : 0), into: &buffer)
            buffer.append(littleEndian: reply.index)
            buffer.append(littleEndian: reply.hintIndex)
            buffer.append(littleEndian: reply.hintTerm)
            buffer.append(littleEndian: reply.readRound)
            buffer.append(littleEndian: reply.commit)
            buffer.append(littleEndian: reply.followEpoch)
        case .timeoutNow:
            encode(7, false, into: &buffer)
        case .steppedDown(let led):
            encode(8, false, into: &buffer)
            buffer.append(littleEndian: led)
        case .probe:
            encode(9, false, into: &buffer)
        case .probeReply(let asked, let leads):
            encode(10, leads, into: &buffer)
            buffer.append(littleEndian: asked)
        case .logIsWhole(let boot):
            encode(11, false, into: &buffer)
            buffer.append(littleEndian: UInt64(boot))
        case .notMember(let index, let indexTerm):
            encode(12, false, into: &buffer)
            buffer.append(littleEndian: index)
            buffer.append(littleEndian: indexTerm)
        }
    }

    private func encode(_ type: UInt8, _ flag: Bool, into buffer: inout ByteBuffer) {
        encode(type, flags: flag ? 1 : 0, into: &buffer)
    }

    private func encode(_ type: UInt8, flags: UInt8, into buffer: inout ByteBuffer) {
        buffer.append(type)
        buffer.append(flags)
        buffer.append(littleEndian: UInt16(0))
        buffer.append(littleEndian: term)
    }

    /// Decodes one message from the front of `reader`; what follows it is left there.
    ///
    /// - Throws: `.truncated`, or `.invalid` for an unknown type or flag.
    @_lifetime(reader: copy reader)
    public static func decode(_ reader: inout ByteReader) throws(DecodeError) -> RaftMessage {
        let type = try reader.read(UInt8.self)
        let flags = try reader.read(UInt8.self)
        guard flags <= (type == 6 ? 7 : 1) else { throw .invalid("message flags") }
        guard try reader.read(UInt16.self) == 0 else { throw .invalid("message padding") }
        let flag = flags & 1 == 1
        let term = try reader.read(UInt64.self)
        let body: Body
        switch type {
        case 1:
            body = .preVote(lastIndex: try reader.read(), lastTerm: try reader.read())
        case 2:
            body = .preVoteReply(requested: try reader.read(), granted: flag)
        case 3:
            body = .vote(
                lastIndex: try reader.read(), lastTerm: try reader.read(), transfer: flag)
        case 4:
            body = .voteReply(granted: flag)
        case 5:
            body = .append(
                Append(
                    previousIndex: try reader.read(), previousTerm: try reader.read(),
                    commit: try reader.read(), readRound: try reader.read(), wantsReply: flag))
        case 6:
            body = .appendReply(
                AppendReply(
                    rejected: flag, index: try reader.read(), hintIndex: try reader.read(),
                    hintTerm: try reader.read(), readRound: try reader.read(),
                    commit: try reader.read(), followEpoch: try reader.read(),
                    needsSnapshot: flags & 2 == 2, lacksEntries: flags & 4 == 4))
        case 7: body = .timeoutNow
        case 8: body = .steppedDown(led: try reader.read())
        case 9: body = .probe
        case 10: body = .probeReply(asked: try reader.read(), leads: flag)
        case 11:
            let boot = try reader.read(UInt64.self)
            guard let boot = UInt32(exactly: boot) else { throw .invalid("boot") }
            body = .logIsWhole(boot: boot)
        case 12: body = .notMember(index: try reader.read(), indexTerm: try reader.read())
        default: throw .invalid("message type")
        }
        return RaftMessage(term: term, body: body)
    }
}
