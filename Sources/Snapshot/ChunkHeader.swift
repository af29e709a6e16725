internal import Bytes

/// The fixed part in front of a chunk's stored bytes; layout in SnapshotFormat.swift.
struct ChunkHeader: Equatable {
    var storedBytes: Int
    /// Equal to `storedBytes` if the chunk is stored as it is.
    var rawBytes: Int
    var storedChecksum: UInt32
    var rawChecksum: UInt32
    var number: Int
    /// Checksum of the header before: the chunk's, or the file's.
    var chain: UInt32

    var isCompressed: Bool { storedBytes < rawBytes }

    /// Writes the header over the 32 bytes at `offset`. Returns its checksum.
    func encode(over bytes: inout ByteBuffer, at offset: Int) -> UInt32 {
        bytes.overwrite(littleEndian: SnapshotFormat.chunkMagic, at: offset)
        bytes.overwrite(littleEndian: UInt32(storedBytes), at: offset + 8)
        bytes.overwrite(littleEndian: UInt32(rawBytes), at: offset + 12)
        bytes.overwrite(littleEndian: storedChecksum, at: offset + 16)
        bytes.overwrite(littleEndian: rawChecksum, at: offset + 20)
        bytes.overwrite(littleEndian: UInt32(number), at: offset + 24)
        bytes.overwrite(littleEndian: chain, at: offset + 28)
        let end = offset + SnapshotFormat.chunkHeaderBytes
        let checksum = CRC32C.checksum(bytes.readable.extracting(offset + 8..<end))
        bytes.overwrite(littleEndian: checksum, at: offset + 4)
        return checksum
    }

    /// The header of the chunk that comes next, in `bytes` of exactly its length, and its checksum.
    static func decode(_ bytes: Span<UInt8>, after before: ChainLink, of header: SnapshotHeader)
        throws(SnapshotDamage) -> (chunk: ChunkHeader, checksum: UInt32)
    {
        guard bytes.integer(UInt32.self, at: 0) == SnapshotFormat.chunkMagic else {
            throw before.damage("magic number")
        }
        let checksum = bytes.integer(UInt32.self, at: 4)
        guard CRC32C.checksum(bytes.extracting(8..<SnapshotFormat.chunkHeaderBytes)) == checksum
        else { throw before.damage("checksum of its header") }
        let chunk = ChunkHeader(
            storedBytes: Int(bytes.integer(UInt32.self, at: 8)),
            rawBytes: Int(bytes.integer(UInt32.self, at: 12)),
            storedChecksum: bytes.integer(at: 16), rawChecksum: bytes.integer(at: 20),
            number: Int(bytes.integer(UInt32.self, at: 24)), chain: bytes.integer(at: 28))
        guard chunk.chain == before.checksum, chunk.number == before.chunks else {
            throw before.damage("not what follows here")
        }
        guard 1...header.chunkBytes ~= chunk.rawBytes, 1...chunk.rawBytes ~= chunk.storedBytes,
            !before.isLastChunk
        else { throw before.damage("length") }
        return (chunk, checksum)
    }
}

/// Where in a file's chain of headers one stands: behind some of its chunks.
struct ChainLink: Equatable {
    /// What the next header must name as the one before.
    var checksum: UInt32
    /// Where in the file the next header begins.
    var offset: Int
    /// Chunks so far.
    var chunks = 0
    /// Their bytes.
    var rawBytes = 0
    /// The chunk before was a short one: none may follow.
    var isLastChunk = false
    var rawChecksum = RawChecksum()

    /// Behind the header of a file.
    init(behindHeader checksum: UInt32, of bytes: Int = SnapshotFormat.headerBytes) {
        self.checksum = checksum
        offset = bytes
    }

    /// Goes on behind the chunk.
    mutating func pass(_ chunk: ChunkHeader, checksum: UInt32, of header: SnapshotHeader) {
        self.checksum = checksum
        offset += SnapshotFormat.chunkHeaderBytes + chunk.storedBytes
        chunks += 1
        rawBytes += chunk.rawBytes
        isLastChunk = chunk.rawBytes < header.chunkBytes
        rawChecksum.add(chunk.rawChecksum)
    }

    /// Damage of the chunk that begins here.
    func damage(_ field: SnapshotDamage.Field) -> SnapshotDamage {
        SnapshotDamage(at: offset, .chunk(chunks, field))
    }
}
