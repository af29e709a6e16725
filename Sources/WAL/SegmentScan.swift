internal import Bytes
internal import Raft

/// Walks the batches of segment files through one reused piece of memory.
struct SegmentScan: ~Copyable {
    private var piece = ByteBuffer()
    /// Where `piece` begins.
    private var start = WALPosition(segment: 0, offset: 0)
    private let pieceBytes: Int

    init(pieceBytes: Int) { self.pieceBytes = pieceBytes }

    /// Replays a segment's batches into `state`: all up to `end` where a later segment says that
    /// they were durable, else those that are whole. `offset` is where the next batch would lie.
    mutating func replay(
        _ segment: SegmentHeader, upTo end: Int?, from source: borrowing some WALSource & ~Copyable,
        _ expected: inout Expected, _ offset: inout Int, into state: inout RecoveredState
    ) throws(WALError) {
        offset = SegmentHeader.size
        while offset != end {
            let at = WALPosition(segment: segment.segment, offset: offset)
            guard let header = try readBatch(at, segment, expected, upTo: end, source) else {
                if end == nil { return }
                throw .damaged(at, .batch(expected.number))
            }
            let total = BatchHeader.size + header.bodyLength
            if let end, offset + total > end { throw .damaged(at, .batch(expected.number)) }
            let from = offset - start.offset
            let body = piece.readable.extracting(from + BatchHeader.size..<from + total)
            try state.replay(body, of: header, at: at)
            expected = Expected(number: header.number + 1, chain: header.checksum)
            offset += total
        }
    }

    /// The header of the expected batch, if it is whole at `at`; its bytes are in `piece` then.
    private mutating func readBatch(
        _ at: WALPosition, _ segment: SegmentHeader, _ expected: Expected, upTo end: Int?,
        _ source: borrowing some WALSource & ~Copyable
    ) throws(WALError) -> BatchHeader? {
        guard try hold(at, BatchHeader.size, upTo: end, source) else { return nil }
        guard let header = BatchHeader.decode(held(at, BatchHeader.size)),
            header.salt == segment.salt, header.segment == segment.segment,
            header.number == expected.number, header.chain == expected.chain
        else { return nil }
        let total = BatchHeader.size + header.bodyLength
        guard try hold(at, total, upTo: end, source) else { return nil }
        let body = held(at, total).extracting(BatchHeader.size...)
        return CRC32C.checksum(body) == header.bodyChecksum ? header : nil
    }

    /// Reads until `count` bytes from `at` on are in `piece`; false if the file ends before.
    ///
    /// What is read ahead is no reason to fail: not behind `end`, where a repair may have left a
    /// sector that cannot be read, and not where a batch is whole in front of such a sector.
    private mutating func hold(
        _ at: WALPosition, _ count: Int, upTo end: Int?,
        _ source: borrowing some WALSource & ~Copyable
    ) throws(WALError) -> Bool {
        if start.segment == at.segment, at.offset >= start.offset,
            at.offset + count <= start.offset + piece.count
        {
            return true
        }
        piece.removeAll(keepingCapacityUpTo: 4 * pieceBytes)
        start = at
        let ahead = max(count, end.map { min(pieceBytes, $0 - at.offset) } ?? pieceBytes)
        do throws(WALError) {
            try source.read(at, count: ahead, into: &piece)
        } catch {
            guard case .unreadable = error, ahead > count else { throw error }
            if piece.count >= count { return true }
            piece.removeAll(keepingCapacityUpTo: 4 * pieceBytes)
            try source.read(at, count: count, into: &piece)
        }
        return piece.count >= count
    }

    @_lifetime(borrow self)
    private func held(_ at: WALPosition, _ count: Int) -> Span<UInt8> {
        let from = at.offset - start.offset
        return piece.readable.extracting(from..<from + count)
    }

    /// Judges what lies behind the last whole batch of the newest segment (R3). Nil: nothing, which
    /// is zeros, or what a file that is used again held before.
    func judgeTail(
        of segment: SegmentHeader, at end: Int, size: Int, _ expected: Expected,
        _ source: borrowing some WALSource & ~Copyable
    ) throws(WALError) -> RecoveredLog.TornTail? {
        let at = WALPosition(segment: segment.segment, offset: end)
        var proof = false
        var batches = 0
        var foreign = 0
        let dirty = try Self.forEachSector(of: segment.segment, from: end, source) {
            offset, header in
            guard header.salt == segment.salt, header.segment == segment.segment else {
                foreign += 1
                return
            }
            batches += 1
            // A header of this run at the very place of the failed batch can only be that batch;
            // with another number or chain it is the work of a bug or a misdirected write.
            let isFailed = offset == end
            let fits =
                isFailed
                ? header.number == expected.number && header.chain == expected.chain
                : header.number > expected.number
            if header.mark >= expected.number || !fits { proof = true }
        }
        if proof { throw .damaged(at, .batch(expected.number)) }
        guard let lastDirty = dirty, batches > 0 || foreign == 0 else { return nil }
        return RecoveredLog.TornTail(
            position: at, bytes: lastDirty - end, firstLostBatch: expected.number,
            headersFound: batches)
    }

    /// Calls `body` with every sector of a file that begins like a batch header with a valid
    /// checksum. Returns the end of the last sector that is not all zero; nil if there is none.
    @discardableResult
    static func forEachSector(
        of segment: UInt64, from offset: Int, _ source: borrowing some WALSource & ~Copyable,
        _ body: (Int, BatchHeader) -> Void
    ) throws(WALError) -> Int? {
        var at = WALPosition(segment: segment, offset: offset)
        var piece = ByteBuffer()
        var lastDirty: Int?
        while true {
            piece.removeAll()
            try source.read(at, count: WALLimits.recoveryPieceBytes, into: &piece)
            if piece.isEmpty { return lastDirty }
            var from = 0
            while from < piece.count {
                let to = min(from + WALLimits.sectorBytes, piece.count)
                let sector = piece.readable.extracting(from..<to)
                if !isZero(sector) {
                    lastDirty = at.offset + to
                    if let header = BatchHeader.decode(sector) { body(at.offset + from, header) }
                }
                from = to
            }
            at.offset += piece.count
        }
    }
}
