internal import Bytes
internal import DequeModule
internal import Store

// What replicas must agree on, as bytes and as a digest:
//
//     limits: bytes | idle ms | last opened | u64 chain
//     count of horizons | (opener | number) ...
//     count of sessions | (group | number | window | i64 last used | floor | count of answers |
//         (sequence - floor | u64 digest | 0, or 1 + length | reply) ...) ...   silent for longest first
//
// Numbers without a type are LEB128. The order of the sessions is part of the state: it decides who
// goes next.
extension OnceTable {
    func encode(into image: inout ByteBuffer) {
        image.append(varint: UInt64(limits.bytes))
        image.append(varint: UInt64(limits.idleMilliseconds))
        image.append(varint: lastOpened)
        image.append(littleEndian: chain)
        image.append(varint: UInt64(horizons.count))
        for horizon in horizons {
            image.append(varint: UInt64(horizon.opener))
            image.append(varint: horizon.number)
        }
        image.append(varint: UInt64(count))
        for entry in byLastUse { Self.encode(entry, into: &image) }
    }

    private static func encode(_ entry: Entry, into image: inout ByteBuffer) {
        image.append(varint: UInt64(entry.session.group))
        image.append(varint: entry.session.number)
        image.append(varint: UInt64(entry.session.window))
        image.append(littleEndian: entry.lastUsed)
        image.append(varint: entry.floor)
        image.append(varint: UInt64(entry.answers.count))
        for answer in entry.answers {
            image.append(varint: answer.sequence - entry.floor)
            image.append(littleEndian: answer.digest)
            image.append(varint: UInt64(answer.reply.map { $0.count + 1 } ?? 0))
            if let reply = answer.reply { image.append(reply) }
        }
    }

    init(decoding reader: inout ByteReader) throws(DecodeError) {
        let limits = Limits(
            bytes: try reader.readCount(), idleMilliseconds: Int64(try reader.readCount()))
        let lastOpened = try reader.readVarint()
        let chain: UInt64 = try reader.read()
        var horizons: [(opener: UInt32, number: UInt64)] = []
        for _ in 0..<(try reader.readCount()) {
            guard let opener = UInt32(exactly: try reader.readVarint()),
                horizons.last.map({ $0.opener < opener }) ?? true
            else { throw .invalid("opener of sessions") }
            horizons.append((opener, try reader.readVarint()))
        }
        self.init(limits: limits, lastOpened: lastOpened, chain: chain, horizons: horizons)
        var last = Int64.min
        for _ in 0..<(try reader.readCount()) {
            let entry = try Self.decodeEntry(&reader)
            guard entry.lastUsed >= last, restore(entry) else { throw .invalid("session order") }
            last = entry.lastUsed
        }
    }

    private static func decodeEntry(_ reader: inout ByteReader) throws(DecodeError) -> Entry {
        guard let group = UInt32(exactly: try reader.readVarint()),
            let number = Int64(exactly: try reader.readVarint())
        else { throw .invalid("session") }
        let window = try reader.readCount()
        guard window >= 1, window <= OnceSession.windowMax else { throw .invalid("window") }
        let session = OnceSession(group: group, number: UInt64(number), window: window)
        var entry = Entry(session: session, lastUsed: try reader.read())
        entry.floor = try reader.readVarint()
        let count = try reader.readCount()
        guard count <= window else { throw .invalid("answers") }
        for _ in 0..<count {
            let (sequence, overflow) = entry.floor.addingReportingOverflow(try reader.readVarint())
            guard !overflow, sequence > entry.answers.last?.sequence ?? entry.floor else {
                throw .invalid("sequence of a request")
            }
            let digest: UInt64 = try reader.read()
            let length = try reader.readCount()
            var reply: [UInt8]?
            if length > 0 { reply = try reader.readBytes(length - 1).copied }
            entry.replyBytes += reply?.count ?? 0
            entry.answers.append(Answer(sequence: sequence, digest: digest, reply: reply))
        }
        return entry
    }

    /// Feeds everything.
    func feed(into hash: inout StateHash) {
        feedSummary(into: &hash)
        hash.feed(limits.bytes)
        hash.feed(limits.idleMilliseconds)
        for horizon in horizons {
            hash.feed(UInt64(horizon.opener))
            hash.feed(horizon.number)
        }
        for entry in byLastUse {
            hash.feed(UInt64(entry.session.group))
            hash.feed(entry.session.number)
            hash.feed(entry.lastUsed)
            hash.feed(entry.floor)
            for answer in entry.answers {
                hash.feed(answer.sequence)
                hash.feed(answer.digest)
                hash.feed(answer.reply?.count ?? -1)
                if let reply = answer.reply { hash.feed(reply.span) }
            }
        }
    }

    /// Feeds what stands for everything, for an audit that must not take long: the chain holds every
    /// answer that was ever recorded.
    func feedSummary(into hash: inout StateHash) {
        hash.feed(chain)
        hash.feed(lastOpened)
        hash.feed(count)
        hash.feed(byteCount)
    }
}
