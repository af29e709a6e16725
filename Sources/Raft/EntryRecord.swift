public import Bytes

/// What an entry does when it is applied. Reserved numbers are never reused; an unknown one stops
/// the replica, it is never skipped.
public enum EntryKind: UInt8, Sendable {
    /// Nothing: the first entry of a leader's term (Raft paper, section 8).
    case noop = 1
    /// The cluster's birth certificate; first entry of the system group.
    case genesis = 2
    /// A batch of client commands.
    case commands = 3
    /// Log time moves on.
    case time = 4
    /// A piece of a command too large for one entry.
    case fragment = 5
    /// Active expiry: at most n keys due at time t.
    case expire = 6
    /// The effects of a script or transaction with the versions it read.
    case guardedEffects = 7
    /// An origin's deduplication window.
    case session = 8
    /// A directive that influences applied state.
    case configuration = 9
    /// The group's slot range divides.
    case split = 10
    /// Two-phase commit over groups.
    case prepare = 11
    /// Two-phase commit over groups.
    case commit = 12
    /// Two-phase commit over groups.
    case abort = 13
    /// The group's members change: `GroupMembers`. Proposed by the core alone.
    case membership = 14
    /// All replicas take a digest of some slots, to be compared.
    case audit = 15
    /// A new birth certificate in place of the one before: the cluster lost its majority for good, and
    /// goes on from one of its members.
    case refoundation = 16
    /// The cluster's nodes change; in the system group.
    case nodes = 17
}

/// One encoding of an entry serves the log on disk, the wire, memory and apply.
///
///     offset  0  u32  payload length
///             4  u32  CRC-32C of all bytes that follow this field
///             8  u64  index
///            16  u64  term
///            24  u8   kind
///            25  u8   format version, 1
///            26  u16  zero
///            28       payload
///
/// All little-endian. The length is not under the checksum itself, but a wrong length moves the
/// checksummed bytes, so the checksum fails all the same.
public enum EntryRecord {
    /// Bytes before the payload.
    public static let headerBytes = 28

    /// The version that this build writes and reads.
    public static let formatVersion: UInt8 = 1
}

extension ByteBuffer {
    /// Appends the record of one entry.
    ///
    /// - Precondition: the payload is at most `Limits.payloadBytesMax` long.
    public mutating func appendRecord(
        index: LogIndex, term: Term, kind: EntryKind, payload: Span<UInt8>
    ) {
        appendRecord(index: index, term: term, kindRaw: kind.rawValue, payload: payload)
    }

    /// Appends the record of one entry whose kind this build may not know.
    mutating func appendRecord(
        index: LogIndex, term: Term, kindRaw: UInt8, payload: Span<UInt8>
    ) {
        invariant(payload.count <= Limits.payloadBytesMax, "an entry longer than a record may be")
        let start = count
        reserve(EntryRecord.headerBytes + payload.count)
        append(littleEndian: UInt32(payload.count))
        append(littleEndian: UInt32(0))
        append(littleEndian: index)
        append(littleEndian: term)
        append(kindRaw)
        append(EntryRecord.formatVersion)
        append(littleEndian: UInt16(0))
        append(payload)
        let checked = CRC32C.checksum(readable.extracting((start + 8)..<count))
        overwrite(littleEndian: checked, at: start + 4)
    }
}

/// One entry, borrowed from the bytes of its record.
public struct EntryView: ~Escapable {
    public let index: LogIndex
    public let term: Term
    /// The kind as written; may be one that this build does not know.
    public let kindRaw: UInt8
    /// The format version as written; may be one that this build does not know.
    public let version: UInt8
    /// What the kind gives meaning to.
    public let payload: Span<UInt8>
    /// Header and payload.
    public let record: Span<UInt8>

    /// The kind, or nil when the kind or the format version is unknown to this build.
    public var kind: EntryKind? {
        version == EntryRecord.formatVersion ? EntryKind(rawValue: kindRaw) : nil
    }

    /// A view of `record`, which must be one whole record that was verified before.
    @_lifetime(copy record)
    init(verified record: Span<UInt8>) {
        index = record.littleEndian(at: 8)
        term = record.littleEndian(at: 16)
        kindRaw = record[24]
        version = record[25]
        payload = record.extracting(EntryRecord.headerBytes..<record.count)
        self.record = record
    }
}

/// Walks the records that lie one behind the other in borrowed bytes, verifying each checksum.
public struct EntryRecords: ~Escapable {
    private var reader: ByteReader

    /// Starts at the first byte of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) {
        reader = ByteReader(bytes)
    }

    /// Bytes walked over so far.
    public var offset: Int { reader.offset }

    /// The next entry, or nil at the end.
    ///
    /// - Throws: `.truncated` when the bytes end inside a record, `.invalid` when a record is longer
    ///   than it may be or fails its checksum.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func next() throws(DecodeError) -> EntryView? {
        try next(verifying: true)
    }

    /// The next entry of bytes that were walked over with `next` before.
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    mutating func nextVerified() -> EntryView? {
        do {
            return try next(verifying: false)
        } catch {
            invariantFailed("a verified record does not decode")
        }
    }

    @_lifetime(copy self)
    @_lifetime(self: copy self)
    private mutating func next(verifying: Bool) throws(DecodeError) -> EntryView? {
        guard reader.remaining > 0 else { return nil }
        var header = reader
        let payloadBytes = try header.read(UInt32.self)
        guard payloadBytes <= UInt32(Limits.payloadBytesMax) else {
            throw .invalid("record length")
        }
        let crc = try header.read(UInt32.self)
        let record = try reader.readBytes(EntryRecord.headerBytes + Int(payloadBytes))
        guard !verifying || CRC32C.checksum(record.extracting(8..<record.count)) == crc else {
            throw .invalid("record checksum")
        }
        return EntryView(verified: record)
    }
}

extension Span<UInt8> {
    /// The little-endian integer at `offset`.
    func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> T {
        invariant(offset >= 0 && offset + MemoryLayout<T>.size <= count, "field out of bounds")
        let value = unsafe withUnsafeBufferPointer {
            unsafe UnsafeRawPointer($0.baseAddress! + offset).loadUnaligned(as: T.self)
        }
        return T(littleEndian: value)
    }
}
