internal import Bytes
internal import Raft

/// The file's first 64 bytes, and the members behind them; layout in SnapshotFormat.swift.
extension SnapshotHeader {
    /// Appends the encoded header. Returns its checksum, with which the chain begins.
    func encode(into bytes: inout ByteBuffer) -> UInt32 {
        invariant(
            1...SnapshotLimits.chunkBytesMax ~= chunkBytes, "chunks of \(chunkBytes) bytes")
        invariant(members.count <= SnapshotLimits.membersBytesMax, "too many members")
        let start = bytes.count
        bytes.append(littleEndian: SnapshotFormat.magic)
        bytes.append(littleEndian: UInt32(0))
        // A file without members is one that every program reads.
        bytes.append(littleEndian: members.isEmpty ? 1 : SnapshotFormat.version)
        bytes.append(littleEndian: clusterHigh)
        bytes.append(littleEndian: clusterLow)
        bytes.append(littleEndian: id.group.raw)
        bytes.append(littleEndian: UInt32(chunkBytes))
        bytes.append(littleEndian: id.index)
        bytes.append(littleEndian: id.term)
        bytes.append(littleEndian: UInt32(members.count))
        bytes.append(
            littleEndian: members.isEmpty ? UInt32(0) : CRC32C.checksum(members.span))
        let end = start + SnapshotFormat.headerBytes
        invariant(bytes.count == end, "a snapshot header of the wrong size")
        let checksum = CRC32C.checksum(bytes.readable.extracting(start + 12..<end))
        bytes.overwrite(littleEndian: checksum, at: start + 8)
        bytes.append(members.span)
        return checksum
    }

    /// How many bytes the header takes that begins with these 64, which are found right.
    static func length(from bytes: Span<UInt8>) throws(SnapshotDamage) -> Int {
        guard bytes.integer(UInt64.self, at: 0) == SnapshotFormat.magic else {
            throw SnapshotDamage(at: 0, .header("magic number"))
        }
        let checksum = CRC32C.checksum(bytes.extracting(12..<SnapshotFormat.headerBytes))
        guard checksum == bytes.integer(UInt32.self, at: 8) else {
            throw SnapshotDamage(at: 0, .header("checksum"))
        }
        let version = bytes.integer(UInt32.self, at: 12)
        guard 1...SnapshotFormat.version ~= version else {
            throw SnapshotDamage(at: 0, .otherVersion(version))
        }
        let members = Int(bytes.integer(UInt32.self, at: 56))
        guard members <= SnapshotLimits.membersBytesMax else {
            throw SnapshotDamage(at: 0, .header("length of the members"))
        }
        return SnapshotFormat.headerBytes + members
    }

    /// The header in `bytes`, which are as many as `length` says, and its checksum.
    static func decode(_ bytes: Span<UInt8>) throws(SnapshotDamage)
        -> (header: SnapshotHeader, checksum: UInt32)
    {
        let length = try length(from: bytes)
        let members = bytes.extracting(SnapshotFormat.headerBytes...)
        guard length == bytes.count,
            members.isEmpty || CRC32C.checksum(members) == bytes.integer(UInt32.self, at: 60)
        else { throw SnapshotDamage(at: SnapshotFormat.headerBytes, .header("members")) }
        let id = SnapshotID(
            group: GroupID(bytes.integer(at: 32)), index: bytes.integer(at: 40),
            term: bytes.integer(at: 48))
        var header = SnapshotHeader(
            id: id, clusterHigh: bytes.integer(at: 16), clusterLow: bytes.integer(at: 24))
        header.chunkBytes = Int(bytes.integer(UInt32.self, at: 36))
        guard 1...SnapshotLimits.chunkBytesMax ~= header.chunkBytes else {
            throw SnapshotDamage(at: 0, .header("length of chunks"))
        }
        for at in members.indices { header.members.append(members[at]) }
        return (header, bytes.integer(at: 8))
    }
}
