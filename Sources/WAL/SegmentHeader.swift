internal import Bytes

/// The first sector of a segment file; layout in LogRecord.swift.
struct SegmentHeader: Equatable {
    static let magic: UInt64 = 0x4C41_574E_4945_4B53  // "SKEINWAL"
    static let version: UInt32 = 2
    /// Batches begin behind the header's sector.
    static let size = WALLimits.sectorBytes

    var segment: UInt64
    var salt: UInt64
    /// Equal in all segments of a directory.
    var logIdentity: UInt64
    var capacity: Int
    /// Segments below this one were not needed any more when this one was opened.
    var oldest: UInt64
    var firstBatch: UInt64
    /// Where the segment before ends: nothing behind this offset counts. 0 for segment 1.
    var previousEnd: Int
    /// Header checksum of the last batch before this segment; 0 at the log's beginning.
    var chain: UInt32
    /// The number of the newest state copy when the run began that wrote the segment; 0 if there was
    /// none. What that copy knows is in the run's first batch, or was in the log before.
    var stateSequence: UInt64

    /// Writes the header over the first sector of `bytes`, which is all zero.
    func encode(over bytes: inout ByteBuffer) {
        bytes.overwrite(littleEndian: Self.magic, at: 0)
        bytes.overwrite(littleEndian: Self.version, at: 12)
        bytes.overwrite(littleEndian: segment, at: 16)
        bytes.overwrite(littleEndian: salt, at: 24)
        bytes.overwrite(littleEndian: logIdentity, at: 32)
        bytes.overwrite(littleEndian: UInt64(capacity), at: 40)
        bytes.overwrite(littleEndian: oldest, at: 48)
        bytes.overwrite(littleEndian: firstBatch, at: 56)
        bytes.overwrite(littleEndian: UInt64(previousEnd), at: 64)
        bytes.overwrite(littleEndian: chain, at: 72)
        bytes.overwrite(littleEndian: stateSequence, at: 80)
        let checksum = CRC32C.checksum(bytes.readable.extracting(12..<Self.size))
        bytes.overwrite(littleEndian: checksum, at: 8)
    }

    /// What the first sector of a file can be.
    enum Reading: Equatable {
        /// All zero, or the file is empty: preallocated and never used, or not durably.
        case blank
        case header(SegmentHeader)
        /// Whole, but of a format that this build does not read.
        case otherVersion(UInt32)
        case damaged
    }

    /// The header of a segment's file; nil if it is blank.
    static func read(_ segment: UInt64, _ source: borrowing some WALSource & ~Copyable)
        throws(WALError) -> SegmentHeader?
    {
        let start = WALPosition(segment: segment, offset: 0)
        var sector = ByteBuffer()
        try source.read(start, count: size, into: &sector)
        switch read(sector.readable) {
        case .blank: return nil
        case .damaged: throw .damaged(start, .segmentHeader)
        case .otherVersion(let version): throw .unknownVersion(segment: segment, version)
        case .header(let header):
            guard header.segment == segment else {
                throw .foreignSegment(segment, reason: "its header has another number")
            }
            return header
        }
    }

    /// Reads the first sector of a file, or what there is of it.
    static func read(_ sector: Span<UInt8>) -> Reading {
        if isZero(sector) { return .blank }
        do {
            guard sector.count == size else { return .damaged }
            var reader = ByteReader(sector)
            guard try reader.read(UInt64.self) == magic else { return .damaged }
            let checksum = try reader.read(UInt32.self)
            guard checksum == CRC32C.checksum(sector.extracting(12..<size)) else { return .damaged }
            let version = try reader.read(UInt32.self)
            guard version == Self.version else { return .otherVersion(version) }
            let segment = try reader.read(UInt64.self)
            let salt = try reader.read(UInt64.self)
            let logIdentity = try reader.read(UInt64.self)
            let capacity = try reader.read(UInt64.self)
            let oldest = try reader.read(UInt64.self)
            let firstBatch = try reader.read(UInt64.self)
            let previousEnd = try reader.read(UInt64.self)
            let chain = try reader.read(UInt32.self)
            _ = try reader.read(UInt32.self)
            let stateSequence = try reader.read(UInt64.self)
            guard let capacity = Int(exactly: capacity), let end = Int(exactly: previousEnd),
                oldest <= segment
            else { return .damaged }
            return .header(
                SegmentHeader(
                    segment: segment, salt: salt, logIdentity: logIdentity, capacity: capacity,
                    oldest: oldest, firstBatch: firstBatch, previousEnd: end, chain: chain,
                    stateSequence: stateSequence))
        } catch {
            return .damaged
        }
    }
}

/// Whether every byte is zero.
///
/// Every start looks at a whole preallocated segment with this, so it goes by words; `unsafe` for
/// the loads, which stay inside the span.
func isZero(_ bytes: Span<UInt8>) -> Bool {
    unsafe bytes.withUnsafeBufferPointer { bytes in
        let raw = UnsafeRawBufferPointer(bytes)
        let words = raw.count / 8
        var all: UInt64 = 0
        for i in 0..<words {
            all |= unsafe raw.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)
        }
        for i in words * 8..<raw.count { all |= unsafe UInt64(raw[i]) }
        return all == 0
    }
}

/// The next multiple of a sector at or above `offset`.
func sectorAligned(_ offset: Int) -> Int {
    (offset + WALLimits.sectorBytes - 1) / WALLimits.sectorBytes * WALLimits.sectorBytes
}
