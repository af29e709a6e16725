internal import Bytes
internal import Raft

/// Where things lie in the segments of a log: for tests that aim damage at them.
///
/// Reads what is whole, segment by segment, and judges nothing: behind the first batch of a segment
/// that is not whole, nothing of that segment is found.
public struct WALLayout: Sendable {
    public enum Part: String, CaseIterable, Sendable {
        case segmentHeader, batchHeader
        /// Records, header and payload.
        case nodeRecord, vote, truncation, entries, start, checkpoint
        /// What fills a batch up to the next sector. Its checksum covers it.
        case padding
        /// Behind the last batch: what the file held before it was used again.
        case oldRecords
        /// Behind the last batch: zeros.
        case unused
    }

    public struct Place: Equatable, Sendable {
        public var part: Part
        public var position: WALPosition
        /// At least 1.
        public var bytes: Int
        /// The batch that it belongs to; 0 for none.
        public var batch: UInt64
    }

    /// In the order of the files. What a file held before is one place per sector that is not zero.
    public private(set) var places: [Place] = []
    /// The last whole batch; 0 if there is none.
    public private(set) var lastBatch: UInt64 = 0

    public init(_ source: borrowing some WALSource & ~Copyable) throws(WALError) {
        for segment in source.segments {
            var bytes = ByteBuffer()
            try source.read(
                WALPosition(segment: segment, offset: 0), count: try source.size(of: segment),
                into: &bytes)
            add(segment, bytes.readable)
        }
    }

    /// The places of one kind.
    public func places(of part: Part) -> [Place] { places.filter { $0.part == part } }

    private mutating func add(_ segment: UInt64, _ file: Span<UInt8>) {
        var offset = 0
        let sector = file.extracting(0..<min(SegmentHeader.size, file.count))
        if case .header(let header) = SegmentHeader.read(sector), header.segment == segment {
            note(.segmentHeader, segment, 0, SegmentHeader.size, 0)
            offset = SegmentHeader.size
            while let batch = Self.batch(file, at: offset, of: header) {
                addRecords(of: batch, segment, file, at: offset)
                offset += BatchHeader.size + batch.bodyLength
                lastBatch = max(lastBatch, batch.number)
            }
        }
        while offset < file.count {
            let end = min(offset + WALLimits.sectorBytes, file.count)
            if isZero(file.extracting(offset..<end)) {
                noteUnused(segment, offset, end - offset)
            } else {
                note(.oldRecords, segment, offset, end - offset, 0)
            }
            offset = end
        }
    }

    private static func batch(_ file: Span<UInt8>, at offset: Int, of segment: SegmentHeader)
        -> BatchHeader?
    {
        guard offset + BatchHeader.size <= file.count,
            let header = BatchHeader.decode(file.extracting(offset...)),
            header.salt == segment.salt, header.segment == segment.segment,
            offset + BatchHeader.size + header.bodyLength <= file.count
        else { return nil }
        let body = file.extracting(offset + BatchHeader.size..<file.count)
            .extracting(0..<header.bodyLength)
        return CRC32C.checksum(body) == header.bodyChecksum ? header : nil
    }

    private mutating func addRecords(
        of batch: BatchHeader, _ segment: UInt64, _ file: Span<UInt8>, at start: Int
    ) {
        note(.batchHeader, segment, start, BatchHeader.size, batch.number)
        var offset = start + BatchHeader.size
        let end = offset + batch.bodyLength
        while offset < end {
            guard file[offset] != 0,
                let record = try? RecordHeader.decode(file.extracting(offset..<end)),
                offset + RecordHeader.size + record.length <= end
            else {
                note(.padding, segment, offset, end - offset, batch.number)
                return
            }
            let bytes = RecordHeader.size + record.length
            note(Part(record.kind), segment, offset, bytes, batch.number)
            offset += bytes
        }
    }

    private mutating func note(
        _ part: Part, _ segment: UInt64, _ offset: Int, _ bytes: Int, _ batch: UInt64
    ) {
        places.append(
            Place(
                part: part, position: WALPosition(segment: segment, offset: offset), bytes: bytes,
                batch: batch))
    }

    /// Zeros that follow each other are one place.
    private mutating func noteUnused(_ segment: UInt64, _ offset: Int, _ bytes: Int) {
        if let last = places.last, last.part == .unused, last.position.segment == segment,
            last.position.offset + last.bytes == offset
        {
            places[places.count - 1].bytes += bytes
        } else {
            note(.unused, segment, offset, bytes, 0)
        }
    }
}

extension WALLayout.Part {
    fileprivate init(_ kind: RecordKind) {
        switch kind {
        case .node: self = .nodeRecord
        case .hardState: self = .vote
        case .truncate: self = .truncation
        case .entries: self = .entries
        case .start: self = .start
        case .checkpoint: self = .checkpoint
        }
    }
}
