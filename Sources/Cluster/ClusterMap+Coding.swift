// The bytes of a cluster map, all integers little-endian:
//
//   u8 format version (1 or 2) | u64 u64 cluster id | u64 u64 hash seed | u32 cluster version
//   varint members, each: u16 id | name | host | u16 peer port | u16 client port | u64 incarnation
//   varint groups, each: u32 id | u16 first slot | u16 last slot
//   version 2: u64 epoch | u16 last node | varint founders, each u16 | varint leaving, each u16
//
// A name or host is a varint length and UTF-8. Version 1 is a map as it was at genesis: all members are
// founders, and none is leaving. Nothing follows the last field: one more is a new format version, and
// an unknown version is refused, never guessed at.

public import Bytes

extension ClusterMap {
    /// The newest version of the format.
    public static let formatVersion: UInt8 = 2

    /// Whether it is what version 1 of the format can say.
    private var isAsFounded: Bool {
        epoch == 0 && founders == members.map(\.id) && lastNode == founders.last
    }

    /// Appends the bytes of the map.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(isAsFounded ? 1 : Self.formatVersion)
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
        guard !isAsFounded else { return }
        buffer.append(littleEndian: epoch)
        buffer.append(littleEndian: lastNode)
        for list in [founders, members.filter(\.isLeaving).map(\.id)] {
            buffer.append(varint: UInt64(list.count))
            for id in list { buffer.append(littleEndian: id) }
        }
    }

    /// Decodes all of `bytes`; throws for anything that `encode` would not write.
    public init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        let format = try reader.read(UInt8.self)
        guard 1...Self.formatVersion ~= format else {
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
        var epoch: UInt64 = 0
        var lastNode: UInt16?
        var founders: [UInt16]?
        if format > 1 {
            epoch = try reader.read()
            lastNode = try reader.read(UInt16.self)
            founders = try Self.readIDs(&reader)
            let leaving = try Self.readIDs(&reader)
            for at in members.indices { members[at].isLeaving = leaving.contains(members[at].id) }
        }
        guard reader.remaining == 0 else { throw .invalid("bytes after the cluster map") }
        try self.init(
            clusterID: clusterID, hashSeed: seed, clusterVersion: version, members: members,
            groups: groups, founders: founders, lastNode: lastNode, epoch: epoch)
    }

    private static func readIDs(_ reader: inout ByteReader) throws(DecodeError) -> [UInt16] {
        let count = try reader.readCount()
        guard count <= membersMax else { throw .invalid("number of members") }
        var ids: [UInt16] = []
        for _ in 0..<count {
            let id: UInt16 = try reader.read()
            guard id > ids.last ?? 0 else { throw .invalid("order of members") }
            ids.append(id)
        }
        return ids
    }

    static func readText(_ reader: inout ByteReader) throws(DecodeError) -> String {
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
