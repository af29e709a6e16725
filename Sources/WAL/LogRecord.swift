// The write-ahead log of one process: what it holds, byte by byte, and why a crash cannot harm it.
//
// All groups of a node share one log, so that one fdatasync makes the work of a whole turn durable.
// The log is a sequence of *batches*, numbered from 1 without gaps. The engine builds one batch per
// turn; the log thread writes batches in order and syncs, one sync in flight. Batches lie in
// *segments*: preallocated files `wal-<number in 16 hex digits>.log`, numbered from 1.
//
//     segment   | header sector | batch | batch | ... | zeros or garbage up to the end of the file |
//     batch     | header, 64 bytes | records | zeros up to the next sector |
//     record    | header, 32 bytes | payload |
//
// A sector is 512 bytes: the unit in which a disk writes wholly or not at all. All integers are
// little-endian, all checksums CRC-32C.
//
// Segment header (one sector)               Batch header (64 bytes, at a sector's start)
//     0  u64 magic "SKEINWAL"                   0  u32 magic "\xB5SKB"
//     8  u32 checksum of bytes 12..<512         4  u32 checksum of bytes 8..<64
//    12  u32 format version, 2                  8  u64 salt of the segment
//    16  u64 segment number                    16  u64 segment number
//    24  u64 salt                              24  u64 batch number
//    32  u64 log identity                      32  u64 mark: all batches up to this number were
//    40  u64 capacity of the file in bytes             durable when this one was sealed
//    48  u64 oldest segment needed then        40  u32 length of the body: records and padding
//    56  u64 number of its first batch         44  u32 checksum of the body
//    64  u64 end of the segment before         48  u32 chain: header checksum of the batch before
//    72  u32 chain of the batch before         52  zeros
//    76  zeros, 4 bytes
//    80  u64 newest state copy at the run's start
//    88  zeros
//
// Record header (32 bytes, not aligned)
//     0  u8  kind (0: padding, the batch ends here)
//     1  three zeros
//     4  u32 group, 0 where none is meant
//     8  u64 a
//    16  u64 b
//    24  u32 payload length
//    28  u32 checksum of bytes 0..<28
//
//     kind          a                       b                        payload
//     1 node        class, 0 none           0                        opaque bytes
//     2 hard state  term                    vote, 0 none
//     3 truncate    first index cut         0
//     4 entries     first index             last index               as in Raft/EntryRecord
//     5 start       last index not needed   its term
//     6 checkpoint  0                       0                        as in Checkpoint.swift
//
// The header checksum of a batch covers its body's checksum and the chain, so it stands for the
// whole history of its segment and, through the segment header, of the log.
//
// How the log stays bounded. A *start* record says that a group's log begins behind an index from
// now on: what stands before is in a durable snapshot. A start at or above the group's last index
// empties its log; a start before the first one is of another history (relaxed appendfsync, see
// RaftCore+Overtaking.swift), and comes when the log was emptied. Every segment opens with a
// *checkpoint*: the small state of all groups (term, vote, start, last index) and the node's own
// records, as of its beginning. So any prefix of the segments can go as soon as no group needs an
// entry in it. Nothing else says which segments may be missing: a log that is complete without them
// did not need them. The file of such a segment is
// removed, or used again for a later one.
//
// Invariants. W are kept by the writer and whoever executes its batches, R by recovery.
//  W1 A batch is written once, at the place chosen when it was sealed, and never again. Batches
//     start at sectors: no later write touches a sector that holds a durable byte.
//  W2 A segment's header is written together with its first batch, and only after the segment
//     before was synced. So a valid header proves that everything before `end` was durable.
//  W3 A segment is written by one run of the process. Each start continues in a new one.
//  W4 The mark of a batch is less than its number. It only tells what a completed sync covered,
//     in the relaxed appendfsync modes too.
//  W5 A salt is random per run and mixed per segment; the log identity is random per directory.
//  W6 Per group the entries of successive records are contiguous, except after a truncate record,
//     which cuts at or below the last index, and a start record, which may jump ahead of it, or
//     back where there are no entries; a group's record order is its history's order.
//  W7 The first record of each segment's first batch is a checkpoint of what the batches before add
//     up to; there is none elsewhere. Node records of one class count once, the newest, there and
//     in what recovery returns.
//  W8 A segment is given up only when no group needs an entry in it or before it, by records that
//     are durable (starts, and truncations too), and a later segment's first batch is durable.
//     `oldest` in a header states this for the moment before its own first batch.
//  W9 A file that is used again loses its header sector first: zeros, synced, then the rename to
//     its new name, then a sync of the directory. Its old batches stay: they carry another salt and
//     another segment number.
//  W10 What a batch changes of terms, votes and node records is kept a second time beside the log
//     (StateCopy.swift), written after the batch is durable and before that is reported.
//  R1 The host syncs the files and the directory before recovery reads them: what a dead process
//     wrote but did not sync is durable, or gone, before anybody relies on it.
//  R2 Batches count in order, each with the right salt, segment, number, chain and checksums. The
//     first that fails ends the log. Nothing behind it is ever used.
//  R3 That end is a *torn tail* if nothing proves that the failed batch was durable, and dropped.
//     It is *corruption* if a later segment exists (W2), or a later batch header with a valid
//     checksum and the right salt carries a mark at or above its number, or the last run left such
//     a mark beside the log (WALMark.swift), or a state copy is of such a batch. To cut there would
//     forget what the node has promised (Alagappan et al., FAST '18): see R6.
//  R4 Recovery reads the newest gapless run of segments with whole headers, not below `oldest` of
//     the newest one. The first checkpoint in it stands for everything before. Every further one
//     must equal what the replay has come to.
//  R5 If a group lacks entries at the end, or no checkpoint was found, then what is missing was
//     needed, and is named. A segment that is missing or damaged while nothing in it is needed, or
//     only what whole snapshots stand for, does no harm. The newest segment is always needed.
//  R6 A damaged log is refused by a node without peers. Any other cuts it before the damage
//     (WALRepair.swift), takes the small state from the copy beside it, and votes in no group until
//     the group's leader has seen it acknowledge everything again. Refused, too, when that copy is
//     damaged as well: then nobody knows how this node has voted.
//
// Why a dropped tail stays dropped. By W3 the next run opens a new segment, whose header names the
// end at which recovery stopped. Once that header is durable, bytes behind that end are not read.
// Until it is durable nothing relies on its absence: recovery reads the same (now synced) bytes
// again and comes to the same end. A segment file that was preallocated, or half written without
// its header, may be used by the next run under the same number: its old batches carry another
// salt (W5). Its header sector is all zero or whole, since it goes from zeros to its contents once.
//
// What a mark in a batch cannot show: damage to the last batches before the mark that never got one.
// The mark beside the log shows it after a kill, also the loss of the newest segment's file. After a
// loss of power that mark may be gone. An idle log therefore writes an empty batch that only carries
// the mark (`needsIdleMark`), so the window is the time between the last write and the next, in a
// process that lost its power there. Files are not lost singly by crashes (the directory is synced
// on creation).
//
// Rejected: a checksum per record only (a lost sector in the middle of unsynced batches would
// resurrect what follows); continuing behind a torn tail in the same segment (needs an epoch in
// each batch, and proof that equal bytes do not join an old chain again); "a zero sector means torn"
// (a durable zeroed sector would be cut away silently); a file that lists the segments (one more
// thing to keep in step, to sync and to damage; the checkpoints say all that it would); copying
// entries that an idle group needs into newer segments (a snapshot of that group is cheaper, and
// `WALWriter.oldestHolder` names it).

internal import Bytes
internal import Raft

/// What a record says; `zero` padding ends a batch.
enum RecordKind: UInt8 {
    /// Opaque bytes of the node itself: identity, boots.
    case node = 1
    /// Term and vote of a group.
    case hardState = 2
    /// A group's entries from an index on are void.
    case truncate = 3
    /// A run of entry records of one group.
    case entries = 4
    /// A group's log begins behind an index.
    case start = 5
    /// The small state of the whole log, at the beginning of a segment.
    case checkpoint = 6
}

/// The fixed part of a record. What `a` and `b` mean depends on the kind; see above.
struct RecordHeader {
    static let size = 32

    var kind: RecordKind
    var group: GroupID
    var a: UInt64
    var b: UInt64
    /// Bytes of payload behind the header.
    var length: Int

    /// Appends the encoded header.
    func encode(into bytes: inout ByteBuffer) {
        invariant(length >= 0 && length <= UInt32.max, "record payload too long")
        let start = bytes.count
        bytes.append(littleEndian: UInt32(kind.rawValue))
        bytes.append(littleEndian: group.raw)
        bytes.append(littleEndian: a)
        bytes.append(littleEndian: b)
        bytes.append(littleEndian: UInt32(length))
        let checksum = CRC32C.checksum(bytes.readable.extracting(start..<start + 28))
        bytes.append(littleEndian: checksum)
        invariant(bytes.count - start == Self.size, "record header of the wrong size")
    }

    /// Decodes the header at the start of `bytes`.
    static func decode(_ bytes: Span<UInt8>) throws(DecodeError) -> RecordHeader {
        guard bytes.count >= size else { throw .truncated }
        var reader = ByteReader(bytes)
        let kindAndZeros = try reader.read(UInt32.self)
        let group = try reader.read(UInt32.self)
        let a = try reader.read(UInt64.self)
        let b = try reader.read(UInt64.self)
        let length = try reader.read(UInt32.self)
        let checksum = try reader.read(UInt32.self)
        guard checksum == CRC32C.checksum(bytes.extracting(0..<28)) else {
            throw .invalid("record header checksum")
        }
        guard let raw = UInt8(exactly: kindAndZeros), let kind = RecordKind(rawValue: raw) else {
            throw .invalid("record kind")
        }
        return RecordHeader(kind: kind, group: GroupID(group), a: a, b: b, length: Int(length))
    }
}

/// A place in the log: a byte of a segment file.
public struct WALPosition: Hashable, Comparable, Sendable {
    public var segment: UInt64
    /// Bytes from the start of the file.
    public var offset: Int

    public init(segment: UInt64, offset: Int) {
        self.segment = segment
        self.offset = offset
    }

    public static func < (left: WALPosition, right: WALPosition) -> Bool {
        (left.segment, left.offset) < (right.segment, right.offset)
    }
}
