internal import Bytes
public import Raft

/// Builds the batches of one log and decides where each of them lies. Loop thread only.
///
/// The engine adds records while it ends its turn, then seals. Nothing here does I/O: the host
/// executes the batches in order and reports back through `durable(upTo:)`.
///
/// Invariants: batches are numbered without gaps; `durableBatch < nextBatch`; `offset` is a multiple
/// of a sector; the pending buffer starts with room for the headers.
public struct WALWriter: ~Copyable {
    /// Where and with what secrets a run of the process goes on. Made by recovery.
    struct Start {
        var logIdentity: UInt64
        /// Random per run (W5).
        var saltSeed: UInt64
        var segmentBytes: Int
        var nextBatch: UInt64
        var nextSegment: UInt64
        var oldestSegment: UInt64
        var previousEnd: Int
        var chain: UInt32
        var indexes: LogIndexes
    }

    /// A run of entries in the pending batch, to be placed when the batch is.
    private struct PendingRun {
        var slot: Int
        /// Whether entries (first...last) or a truncation (from first).
        var isTruncation: Bool
        var first: LogIndex
        var last: LogIndex
        var offset: Int
        var bytes: Int
    }

    /// Room kept at the front of the pending buffer: a segment header, should the batch open one,
    /// and the batch header.
    private static let reserved = SegmentHeader.size + BatchHeader.size

    private let start: Start
    private var indexes: LogIndexes
    private var nextBatch: UInt64
    /// Header checksum of the batch sealed last.
    private var chain: UInt32
    /// 0: no segment is open yet in this run.
    private var segment: UInt64 = 0
    private var segmentSalt: UInt64 = 0
    private var capacity = 0
    private var offset = 0

    private var pending = ByteBuffer()
    private var pendingRuns: [PendingRun] = []
    private var pendingMustSync = false
    /// Last index per group including pending records; `indexes` only knows sealed ones.
    private var pendingLast: [LogIndex]
    private var expectedBatchBytes = 4096

    /// All batches up to this number are on stable storage.
    public private(set) var durableBatch: UInt64
    /// The newest mark in a sealed batch.
    private var sealedMark: UInt64
    /// The newest batch with more in it than a mark.
    private var lastContentBatch: UInt64

    init(_ start: consuming Start) {
        invariant(
            start.segmentBytes >= WALLimits.segmentBytesMin
                && start.segmentBytes.isMultiple(of: WALLimits.sectorBytes)
                && start.segmentBytes <= WALLimits.batchBytesMax,
            "segment size \(start.segmentBytes) is too small, too large or not whole sectors")
        indexes = start.indexes
        start.indexes = LogIndexes()
        pendingLast = indexes.groups.map(\.last)
        nextBatch = start.nextBatch
        chain = start.chain
        // What recovery read had been synced before (R1).
        durableBatch = start.nextBatch - 1
        sealedMark = durableBatch
        lastContentBatch = durableBatch
        self.start = start
    }
}

// Adding records to the pending batch.
extension WALWriter {
    /// Whether nothing waits to be sealed.
    public var isEmpty: Bool { pending.count <= Self.reserved }

    /// Bytes of records that wait to be sealed.
    public var pendingBytes: Int { max(0, pending.count - Self.reserved) }

    /// The number of the batch sealed last; what is pending goes into the one after it.
    public var lastBatch: UInt64 { nextBatch - 1 }

    /// Makes the pending batch sync at once in every appendfsync mode: for entries that change
    /// membership, and snapshot marks.
    public mutating func requireSync() { pendingMustSync = true }

    /// Adds opaque bytes of the node: its identity, a boot. Recovery returns all of them in order.
    public mutating func identity(_ bytes: Span<UInt8>) {
        invariant(bytes.count <= WALLimits.nodeRecordBytesMax, "node record too long")
        begin(RecordHeader(kind: .node, group: GroupID(0), a: 0, b: 0, length: bytes.count))
        pending.append(bytes)
        pendingMustSync = true
    }

    /// Adds a group's term and vote; the last one added counts.
    public mutating func hardState(group: GroupID, term: Term, vote: NodeID?) {
        invariant(vote?.raw != 0, "node 0 does not exist")
        _ = slot(of: group)
        let vote = UInt64(vote?.raw ?? 0)
        begin(RecordHeader(kind: .hardState, group: group, a: term, b: vote, length: 0))
        pendingMustSync = true
    }

    /// Voids the group's entries from `index` on; they must exist.
    public mutating func truncate(group: GroupID, from index: LogIndex) {
        let slot = slot(of: group)
        invariant(index >= 1 && index <= pendingLast[slot], "truncation outside the log")
        begin(RecordHeader(kind: .truncate, group: group, a: index, b: 0, length: 0))
        pendingLast[slot] = index - 1
        pendingRuns.append(
            PendingRun(slot: slot, isTruncation: true, first: index, last: 0, offset: 0, bytes: 0))
    }

    /// Adds entries `first...last`, encoded as entry records one behind the other. They follow the
    /// group's last entry.
    public mutating func entries(
        group: GroupID, records: Span<UInt8>, first: LogIndex, last: LogIndex
    ) {
        let slot = slot(of: group)
        invariant(first == pendingLast[slot] + 1 && first <= last, "entries out of order")
        var from = 0
        var index = first
        while index <= last {
            let run = EntryRun.prefix(
                of: records.extracting(from...), maxBytes: WALLimits.runBytesMax)
            append(run, of: records.extracting(from..<from + run.bytes), slot: slot, first: index)
            index += run.entries
            from += run.bytes
        }
        invariant(index == last + 1 && from == records.count, "entries and their range differ")
        pendingLast[slot] = last
    }

    private mutating func append(
        _ run: EntryRun, of records: Span<UInt8>, slot: Int, first: LogIndex
    ) {
        let last = first + run.entries - 1
        let group = indexes.groups[slot].group
        let offset = begin(
            RecordHeader(kind: .entries, group: group, a: first, b: last, length: run.bytes))
        pending.append(records)
        pendingRuns.append(
            PendingRun(
                slot: slot, isTruncation: false, first: first, last: last, offset: offset,
                bytes: run.bytes))
    }

    /// Writes a record's header; returns its offset from the batch's start.
    @discardableResult
    private mutating func begin(_ header: RecordHeader) -> Int {
        if pending.isEmpty { openPending() }
        let offset = pending.count - SegmentHeader.size
        header.encode(into: &pending)
        invariant(
            pending.count + header.length <= WALLimits.batchBytesMax, "a batch beyond its limit")
        return offset
    }

    private mutating func openPending() {
        pending.reserve(Self.reserved + expectedBatchBytes)
        pending.append(repeating: 0, count: Self.reserved)
    }

    private mutating func slot(of group: GroupID) -> Int {
        let known = indexes.groups.count
        let slot = indexes.slot(of: group)
        if indexes.groups.count > known {
            pendingLast.insert(0, at: slot)
            for i in pendingRuns.indices where pendingRuns[i].slot >= slot {
                pendingRuns[i].slot += 1
            }
        }
        return slot
    }
}

// Sealing and completion.
extension WALWriter {
    /// Turns what is pending into the next batch; nil if nothing is.
    public mutating func seal() -> WALBatch? {
        guard !isEmpty else { return nil }
        let number = nextBatch
        lastContentBatch = number
        return sealPending()
    }

    /// Whether the log is idle and its last batches are not yet covered by a mark on disk. Then
    /// `sealIdleMark` closes the window in which their damage would look like a torn tail.
    public var needsIdleMark: Bool {
        isEmpty && durableBatch == lastBatch && sealedMark < lastContentBatch
    }

    /// An empty batch that only carries the mark.
    public mutating func sealIdleMark() -> WALBatch {
        invariant(needsIdleMark, "an idle mark without need")
        if pending.isEmpty { openPending() }
        return sealPending()
    }

    /// Notes that all batches up to `batch` are on stable storage: a sync that began after their
    /// writes has returned. In the relaxed modes this is not the same as "answered".
    public mutating func durable(upTo batch: UInt64) {
        invariant(batch < nextBatch, "a batch became durable before it was sealed")
        durableBatch = max(durableBatch, batch)
    }

    private mutating func sealPending() -> WALBatch {
        let unpadded = pending.count - SegmentHeader.size
        let length = sectorAligned(unpadded)
        pending.append(repeating: 0, count: length - unpadded)
        expectedBatchBytes = min(max(length, 4096), 1 << 20)

        let opening = open(toFit: length)
        if opening == nil { pending.consume(SegmentHeader.size) }
        let batchStart = opening == nil ? 0 : SegmentHeader.size
        sealedMark = durableBatch
        let bodyStart = batchStart + BatchHeader.size
        let bodyLength = pending.count - bodyStart
        let bodyChecksum = CRC32C.checksum(pending.readable.extracting(bodyStart...))
        var header = BatchHeader(
            salt: segmentSalt, segment: segment, number: nextBatch, mark: sealedMark,
            bodyLength: bodyLength, bodyChecksum: bodyChecksum, chain: chain)
        header.encode(over: &pending, at: batchStart)
        chain = header.checksum

        place(at: offset + batchStart)
        let position = WALPosition(segment: segment, offset: offset)
        offset += pending.count
        invariant(offset <= capacity, "a batch does not fit its segment")
        nextBatch += 1
        let mustSync = pendingMustSync
        pendingMustSync = false
        return WALBatch(
            number: nextBatch - 1, position: position, opens: opening, mustSync: mustSync,
            bytes: pending.take())
    }

    /// Opens the next segment if the current one has no room for `length` bytes; writes its header
    /// over the front of the pending buffer.
    private mutating func open(toFit length: Int) -> WALBatch.Opening? {
        if segment != 0, offset + length <= capacity { return nil }
        let previousEnd = segment == 0 ? start.previousEnd : offset
        segment = segment == 0 ? start.nextSegment : segment + 1
        segmentSalt = Self.salt(seed: start.saltSeed, segment: segment)
        capacity = max(start.segmentBytes, SegmentHeader.size + length)
        offset = 0
        let header = SegmentHeader(
            segment: segment, salt: segmentSalt, logIdentity: start.logIdentity,
            capacity: capacity, oldest: start.oldestSegment, firstBatch: nextBatch,
            previousEnd: previousEnd, chain: chain)
        header.encode(over: &pending)
        return WALBatch.Opening(segment: segment, capacity: capacity)
    }

    /// Enters the pending runs into the sparse index, now that the batch's start is known.
    private mutating func place(at batchStart: Int) {
        for run in pendingRuns {
            if run.isTruncation {
                indexes.truncate(slot: run.slot, from: run.first)
            } else {
                let place = WALPosition(segment: segment, offset: batchStart + run.offset)
                indexes.append(
                    slot: run.slot, first: run.first, last: run.last, at: place, bytes: run.bytes)
            }
        }
        pendingRuns.removeAll(keepingCapacity: true)
    }

    private static func salt(seed: UInt64, segment: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: seed ^ segment)
        return generator.next()
    }
}

// Finding old entries.
extension WALWriter {
    /// A read of entries `first...last` of `group`, or of as many of them from `first` on as one
    /// stretch of the log and `maxBytes` yield: at least one. All must be durable and not pending.
    public func fetch(group: GroupID, from first: LogIndex, upTo last: LogIndex, maxBytes: Int)
        -> WALFetch?
    {
        guard let index = indexes.find(group), first >= index.first, first <= last,
            last <= index.last
        else { return nil }
        let found = index.locate(first, maxBytes: maxBytes)
        let position = WALPosition(
            segment: UInt64(found.start.segment), offset: Int(found.start.offset))
        return WALFetch(
            group: group, first: first, last: min(last, max(first, found.upTo)),
            maxBytes: maxBytes, position: position)
    }

    /// Points in the sparse index, for INFO.
    public var indexPointCount: Int { indexes.pointCount }
}
