// The bytes of a cluster map, all integers little-endian:
//
//   u8 format version (1) | u64 u64 cluster id | u64 u64 hash seed | u32 cluster version
//   varint members, each: u16 id | name | host | u16 peer port | u16 client port | u64 incarnation
//   varint groups, each: u32 id | u16 first slot | u16 last slot
//
// A name or host is a varint length and UTF-8. Nothing follows the last group: a field more is a new
// format version, and an unknown version is refused, never guessed at.

public import Bytes

extension ClusterMap {
    /// The version of the format that `encode` writes.
    public static let formatVersion: UInt8 = 1

    /// Appends the bytes of the map.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(Self.formatVersion)
        buffer.append(littleEndian: clusterID.high)
        buffer.append(littleEndian: clusterID.low)
        buffer.append(littleEndian: hashSeed.key0)
        buffer.append(littleEndian: hashSeed.key1)
        buffer.append(littleEndian: clusterVersion)
        buffer.append(varint: UInt64(members.count))
        for member in members {
            buffer.append(littleEndian: member.id)
            buffer.append(lengthPrefixed: Array(member.name.utf8).span)
            buffer.append(lengthPrefixed: Array(member.host.utf8).span)
            buffer.append(littleEndian: member.peerPort)
            buffer.append(littleEndian: member.clientPort)
            buffer.append(littleEndian: member.incarnation)
        }
        buffer.append(varint: UInt64(groups.count))
        for group in groups {
            buffer.append(littleEndian: group.id)
            buffer.append(littleEndian: group.slots.first.raw)
            buffer.append(littleEndian: group.slots.last.raw)
        }
    }

    /// Decodes all of `bytes`; throws for anything that `encode` would not write.
    public init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self) == Self.formatVersion else {
            throw .invalid("format version of the cluster map")
        }
        let clusterID = (high: try reader.read(UInt64.self), low: try reader.read(UInt64.self))
        let seed = SipHash(key0: try reader.read(), key1: try reader.read())
        let version = try reader.read(UInt32.self)
        let memberCount = try reader.readCount()
        guard memberCount <= Self.membersMax else { throw .invalid("number of members") }
        var members: [Member] = []
        for _ in 0..<memberCount {
            members.append(
                Member(
                    id: try reader.read(), name: try Self.readText(&reader),
                    host: try Self.readText(&reader), peerPort: try reader.read(),
                    clientPort: try reader.read(), incarnation: try reader.read()))
        }
        let groupCount = try reader.readCount()
        guard groupCount <= Self.groupsMax else { throw .invalid("number of groups") }
        var groups: [Group] = []
        for _ in 0..<groupCount {
            let id = try reader.read(UInt32.self)
            let first = try reader.read(UInt16.self)
            let last = try reader.read(UInt16.self)
            guard first <= last, last < UInt16(HashSlot.count) else {
                throw .invalid("slots of a group")
            }
            groups.append(Group(id: id, slots: SlotRange(HashSlot(first), HashSlot(last))))
        }
        guard reader.remaining == 0 else { throw .invalid("bytes after the cluster map") }
        try self.init(
            clusterID: clusterID, hashSeed: seed, clusterVersion: version, members: members,
            groups: groups)
    }

    private static func readText(_ reader: inout ByteReader) throws(DecodeError) -> String {
        let count = try reader.readCount()
        guard count <= nameBytesMax else { throw .invalid("length of a name") }
        let bytes = try reader.readBytes(count)
        let text = unsafe bytes.withUnsafeBufferPointer {
            unsafe String(validating: $0, as: UTF8.self)
        }
        guard let text else { throw .invalid("a name that is not UTF-8") }
        return text
    }
}
