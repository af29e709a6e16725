internal import Bytes
internal import Raft

/// The file's first 64 bytes; layout in SnapshotFormat.swift.
extension SnapshotHeader {
    /// Appends the encoded header. Returns its checksum, with which the chain begins.
    func encode(into bytes: inout ByteBuffer) -> UInt32 {
        invariant(
            1...SnapshotLimits.chunkBytesMax ~= chunkBytes, "chunks of \(chunkBytes) bytes")
        let start = bytes.count
        bytes.append(littleEndian: SnapshotFormat.magic)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: SnapshotFormat.version)
        bytes.append(littleEndian: clusterHigh)
        bytes.append(littleEndian: clusterLow)
        bytes.append(littleEndian: id.group.raw)
        bytes.append(littleEndian: UInt32(chunkBytes))
        bytes.append(littleEndian: id.index)
        bytes.append(littleEndian: id.term)
        bytes.append(littleEndian: UInt64(0))
        let end = start + SnapshotFormat.headerBytes
        invariant(bytes.count == end, "a snapshot header of the wrong size")
        let checksum = CRC32C.checksum(bytes.readable.extracting(start + 12..<end))
        bytes.overwrite(littleEndian: checksum, at: start + 8)
        return checksum
    }

    /// The header in `bytes`, which is exactly as long, and its checksum.
    static func decode(_ bytes: Span<UInt8>) throws(SnapshotDamage)
        -> (header: SnapshotHeader, checksum: UInt32)
    {
        guard bytes.integer(UInt64.self, at: 0) == SnapshotFormat.magic else {
            throw SnapshotDamage(at: 0, .header("magic number"))
        }
        let checksum = bytes.integer(UInt32.self, at: 8)
        guard CRC32C.checksum(bytes.extracting(12..<SnapshotFormat.headerBytes)) == checksum else {
            throw SnapshotDamage(at: 0, .header("checksum"))
        }
        let version = bytes.integer(UInt32.self, at: 12)
        guard version == SnapshotFormat.version else {
            throw SnapshotDamage(at: 0, .otherVersion(version))
        }
        let id = SnapshotID(
            group: GroupID(bytes.integer(at: 32)), index: bytes.integer(at: 40),
            term: bytes.integer(at: 48))
        var header = SnapshotHeader(
            id: id, clusterHigh: bytes.integer(at: 16), clusterLow: bytes.integer(at: 24))
        header.chunkBytes = Int(bytes.integer(UInt32.self, at: 36))
        guard 1...SnapshotLimits.chunkBytesMax ~= header.chunkBytes else {
            throw SnapshotDamage(at: 0, .header("length of chunks"))
        }
        return (header, checksum)
    }
}
