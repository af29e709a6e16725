internal import Bytes
internal import Raft

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
        if mayRelease { release() }
    }

    private mutating func sealPending() -> WALBatch {
        let fits = offset + sectorAligned(pending.count - SegmentHeader.size) <= capacity
        let isOpening = segment == 0 || !fits
        // A checkpoint comes before the batch's own records, and moves them.
        let shift = isOpening ? insertCheckpoint() : 0
        let unpadded = pending.count - SegmentHeader.size
        let length = sectorAligned(unpadded)
        pending.append(repeating: 0, count: length - unpadded)
        expectedBatchBytes = min(max(length, 4096), 1 << 20)

        let opening = isOpening ? open(toFit: length) : nil
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

        settle(at: offset + batchStart + shift)
        let position = WALPosition(segment: segment, offset: offset)
        offset += pending.count
        segments.extend(by: pending.count)
        invariant(offset <= capacity, "a batch does not fit its segment")
        nextBatch += 1
        let mustSync = pendingMustSync
        pendingMustSync = false
        return WALBatch(
            number: nextBatch - 1, position: position, opens: opening, mustSync: mustSync,
            bytes: pending.take(), log: run.logIdentity, stateCopy: takeStateCopy())
    }

    /// The second copy of what the batch just sealed has changed.
    private mutating func takeStateCopy() -> WALStateCopy? {
        guard pendingChangesState else { return nil }
        pendingChangesState = false
        defer { stateSequence += 1 }
        return WALStateCopy(
            sequence: stateSequence, logIdentity: run.logIdentity, batch: lastBatch,
            cutsDamage: false, checkpoint: checkpoint())
    }

    /// Puts a checkpoint of everything sealed in front of the pending records (W7); returns by how
    /// much they moved. Copies the batch: once per segment.
    private mutating func insertCheckpoint() -> Int {
        let payload = checkpoint().encode()
        var bytes = ByteBuffer(
            minimumCapacity: pending.count + RecordHeader.size + payload.count
                + WALLimits.sectorBytes)
        bytes.append(repeating: 0, count: Self.reserved)
        let header = RecordHeader(
            kind: .checkpoint, group: GroupID(0), a: 0, b: 0, length: payload.count)
        header.encode(into: &bytes)
        bytes.append(payload.readable)
        bytes.append(pending.readable.extracting(Self.reserved...))
        let shift = bytes.count - pending.count
        pending = bytes
        return shift
    }

    private func checkpoint() -> Checkpoint {
        Checkpoint(
            nodeRecords: nodeRecords,
            groups: zip(indexes.groups, groups).map { Checkpoint.Group($0, $1.hardState) })
    }

    /// Opens the next segment with room for `length` bytes; writes its header over the front of the
    /// pending buffer.
    private mutating func open(toFit length: Int) -> WALBatch.Opening {
        let previousEnd = segment == 0 ? run.previousEnd : offset
        // The segment before is durable before this header is written (W2), so this is W8.
        let oldest = oldestNeeded(ifDurable: lastBatch) ?? run.firstSegment
        segment = segment == 0 ? run.firstSegment : segment + 1
        segmentSalt = Self.salt(seed: run.saltSeed, segment: segment)
        capacity = max(run.segmentBytes, SegmentHeader.size + length)
        offset = 0
        segments.append(.init(number: segment, firstBatch: nextBatch, end: 0))
        mayRelease = true
        let header = SegmentHeader(
            segment: segment, salt: segmentSalt, logIdentity: run.logIdentity,
            capacity: capacity, oldest: oldest, firstBatch: nextBatch,
            previousEnd: previousEnd, chain: chain, stateSequence: firstStateSequence)
        header.encode(over: &pending)
        return WALBatch.Opening(segment: segment, capacity: capacity)
    }

    /// Notes what the pending records change, now that their place is known: a record lies at
    /// `start` plus its offset.
    private mutating func settle(at start: Int) {
        for change in pendingChanges {
            switch change.kind {
            case .entries:
                let place = WALPosition(segment: segment, offset: start + change.offset)
                indexes.append(
                    slot: change.slot, first: change.a, last: change.b, at: place,
                    bytes: change.bytes)
            case .truncate:
                indexes.truncate(slot: change.slot, from: change.a)
                shorten()
            case .start:
                indexes.start(slot: change.slot, after: change.a, term: change.b)
                shorten()
            case .hardState:
                groups[change.slot].hardState = HardState(
                    term: change.a, vote: UInt16(change.b))
            case .node:
                let record = pendingNodeRecords[Int(change.a)]
                nodeRecords.add(record.bytes, replacing: record.replacing)
                invariant(
                    nodeRecords.bytes <= WALLimits.nodeRecordsBytesMax,
                    "node records beyond their limit")
            case .checkpoint: invariantFailed("a checkpoint among the pending records")
            }
        }
        pendingChanges.removeAll(keepingCapacity: true)
        if !pendingNodeRecords.isEmpty { pendingNodeRecords.removeAll() }
    }

    private mutating func shorten() {
        shorteningBatch = nextBatch
        mayRelease = true
    }

    private static func salt(seed: UInt64, segment: UInt64) -> UInt64 {
        var generator = SeededGenerator(seed: seed ^ segment)
        return generator.next()
    }
}

extension Checkpoint.Group {
    init(_ index: GroupIndex, _ hardState: HardState) {
        self.init(
            group: index.group, hardState: hardState, precedingIndex: index.first - 1,
            precedingTerm: index.precedingTerm, last: index.last)
    }
}
