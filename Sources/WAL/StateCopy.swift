public import Bytes
internal import Raft

// Votes cannot be had back from peers: a node that forgets one may vote twice in a term. So what a
// checkpoint holds (terms, votes, the node's own records) is kept a second time, outside of the
// log's segments, and one damaged place never takes both.

/// The second copy of the log's small state, as of one batch.
///
/// Written by the host after the batch is durable and before that is reported, whenever a batch
/// changes a term, a vote or a node record. So it says two things: what the node may have promised,
/// and that the log reached that batch.
///
/// Of several batches that became durable together the host writes the last one's copy (`newest`).
/// Two files take turns, so that a write that the power cuts off leaves the copy before:
///
///     0  u64 magic "SKEINSTA"          32  u64 batch
///     8  u32 checksum of all from 12   40  u32 flags; 1: entries may be missing
///    12  u32 format version, 1         44  u32 length of the payload
///    16  u64 sequence, from 1          48  payload: a checkpoint
///    24  u64 log identity
public struct WALStateCopy: Equatable, Sendable {
    static let magic: UInt64 = 0x4154_534E_4945_4B53  // "SKEINSTA"
    static let version: UInt32 = 1
    static let headerBytes = 48

    public static let slots = 2
    /// The file of a slot.
    public static func fileName(_ slot: Int) -> String { "wal-state-\(slot)" }

    var sequence: UInt64
    var logIdentity: UInt64
    /// The log was durable up to this batch.
    var batch: UInt64
    /// Damage is being cut off behind `batch`: what the log held there is to come from the peers,
    /// and this copy, not the log, says what was promised.
    var cutsDamage: Bool
    var checkpoint: Checkpoint

    /// Which of the two files it goes to.
    public var slot: Int { Int(sequence % UInt64(Self.slots)) }

    /// The file's contents. A file that is longer keeps its tail, which means nothing.
    public func encode() -> ByteBuffer {
        let payload = checkpoint.encode()
        var bytes = ByteBuffer(minimumCapacity: Self.headerBytes + payload.count)
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: Self.version)
        bytes.append(littleEndian: sequence)
        bytes.append(littleEndian: logIdentity)
        bytes.append(littleEndian: batch)
        bytes.append(littleEndian: UInt32(cutsDamage ? 1 : 0))
        bytes.append(littleEndian: UInt32(payload.count))
        bytes.append(payload.readable)
        let checksum = CRC32C.checksum(bytes.readable.extracting(12...))
        bytes.overwrite(littleEndian: checksum, at: 8)
        return bytes
    }

    /// The copy to be written for batches that became durable together, in their order, behind the one
    /// that was `written` last in this run. Copies are numbered as they are written, without gaps.
    public static func newest(of copies: [WALStateCopy], behind written: WALStateCopy?)
        -> WALStateCopy?
    {
        guard var newest = copies.last else { return nil }
        newest.sequence = written.map { $0.sequence + 1 } ?? copies[0].sequence
        return newest
    }

    init(
        sequence: UInt64, logIdentity: UInt64, batch: UInt64, cutsDamage: Bool,
        checkpoint: Checkpoint
    ) {
        self.sequence = sequence
        self.logIdentity = logIdentity
        self.batch = batch
        self.cutsDamage = cutsDamage
        self.checkpoint = checkpoint
    }

    init(decoding file: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(file)
        guard try reader.read(UInt64.self) == Self.magic else { throw .invalid("magic") }
        let checksum = try reader.read(UInt32.self)
        let version = try reader.read(UInt32.self)
        sequence = try reader.read()
        logIdentity = try reader.read()
        batch = try reader.read()
        let flags = try reader.read(UInt32.self)
        let length = Int(try reader.read(UInt32.self))
        let end = Self.headerBytes + length
        guard end <= file.count, checksum == CRC32C.checksum(file.extracting(12..<end)) else {
            throw .invalid("checksum")
        }
        guard version == Self.version, flags <= 1, sequence > 0 else {
            throw .invalid("version or flags")
        }
        cutsDamage = flags == 1
        checkpoint = try Checkpoint(decoding: file.extracting(Self.headerBytes..<end))
    }
}

/// Both files, as recovery found them.
public struct WALStateCopies: Equatable, Sendable {
    public enum File: Equatable, Sendable {
        case absent
        case damaged
        case whole(WALStateCopy)
    }

    public let files: [File]

    /// From the two files' contents; nil for one that does not exist.
    public init(_ contents: (Int) throws -> ByteBuffer?) rethrows {
        files = try (0..<WALStateCopy.slots).map { slot in
            guard let bytes = try contents(slot), !bytes.isEmpty else { return .absent }
            // One that was made and not written yet is all zero.
            if isZero(bytes.readable) { return .absent }
            do throws(DecodeError) {
                let copy = try WALStateCopy(decoding: bytes.readable)
                return copy.slot == slot ? .whole(copy) : .damaged
            } catch { return .damaged }
        }
    }

    public static let none = WALStateCopies { _ in nil }

    /// Whether a damaged log could be repaired with them.
    public var areTrusted: Bool { trusted != nil }

    /// The newest copy that can be read.
    var newest: WALStateCopy? {
        var newest: WALStateCopy?
        for case .whole(let copy) in files where copy.sequence > newest?.sequence ?? 0 {
            newest = copy
        }
        return newest
    }

    /// The newest copy, if it is certain that there was no newer one: the other file holds the one
    /// before, or there was none before.
    var trusted: WALStateCopy? {
        guard let newest else { return nil }
        let before = files[(newest.slot + 1) % WALStateCopy.slots]
        switch before {
        case .absent: return newest.sequence == 1 ? newest : nil
        case .damaged: return nil
        case .whole(let before): return before.sequence + 1 == newest.sequence ? newest : nil
        }
    }
}
