internal import Bytes

/// The first 64 bytes of a batch; layout in LogRecord.swift.
struct BatchHeader: Equatable {
    static let magic: UInt32 = 0x424B_53B5
    /// The magic's first byte in the file: neither padding nor a record kind, so that a reader that
    /// walks records can tell a new batch.
    static let firstByte: UInt8 = 0xB5
    static let size = 64

    var salt: UInt64
    var segment: UInt64
    var number: UInt64
    /// Every batch up to this number was durable when this one was sealed.
    var mark: UInt64
    /// Records and padding: the batch ends at a sector.
    var bodyLength: Int
    var bodyChecksum: UInt32
    /// `checksum` of the batch before.
    var chain: UInt32
    /// Covers all other fields; 0 until encoded or decoded.
    var checksum: UInt32 = 0

    /// Writes the header over the first 64 bytes of `bytes`, from `offset` on.
    mutating func encode(over bytes: inout ByteBuffer, at offset: Int) {
        invariant(mark < number, "a batch marks itself durable")
        bytes.overwrite(littleEndian: Self.magic, at: offset)
        bytes.overwrite(littleEndian: salt, at: offset + 8)
        bytes.overwrite(littleEndian: segment, at: offset + 16)
        bytes.overwrite(littleEndian: number, at: offset + 24)
        bytes.overwrite(littleEndian: mark, at: offset + 32)
        bytes.overwrite(littleEndian: UInt32(bodyLength), at: offset + 40)
        bytes.overwrite(littleEndian: bodyChecksum, at: offset + 44)
        bytes.overwrite(littleEndian: chain, at: offset + 48)
        bytes.overwrite(littleEndian: UInt32(0), at: offset + 52)
        bytes.overwrite(littleEndian: UInt64(0), at: offset + 56)
        checksum = CRC32C.checksum(
            bytes.readable.extracting(offset + 8..<offset + Self.size))
        bytes.overwrite(littleEndian: checksum, at: offset + 4)
    }

    /// The header at the start of `bytes`; nil if its magic or checksum is wrong or its fields
    /// contradict each other. Salt, segment, number and chain are for the caller to judge.
    static func decode(_ bytes: Span<UInt8>) -> BatchHeader? {
        guard bytes.count >= size, bytes[0] == firstByte else { return nil }
        do {
            var reader = ByteReader(bytes)
            guard try reader.read(UInt32.self) == magic else { return nil }
            let checksum = try reader.read(UInt32.self)
            guard checksum == CRC32C.checksum(bytes.extracting(8..<size)) else { return nil }
            let header = BatchHeader(
                salt: try reader.read(), segment: try reader.read(), number: try reader.read(),
                mark: try reader.read(), bodyLength: Int(try reader.read(UInt32.self)),
                bodyChecksum: try reader.read(), chain: try reader.read(), checksum: checksum)
            guard header.mark < header.number, header.bodyLength <= WALLimits.batchBytesMax,
                (size + header.bodyLength).isMultiple(of: WALLimits.sectorBytes)
            else { return nil }
            return header
        } catch {
            return nil
        }
    }
}
