public import Bytes

/// A change of the cluster's nodes: the payload of an entry of kind `nodes` in the system group.
///
/// Whoever proposes one has looked at the map as it was then; what it finds when it is applied may be
/// another one. So a change that makes no sense any more changes nothing, on every replica alike.
public enum NodeChange: Equatable, Sendable {
    /// A directory that the cluster does not know joins under the next id. One that it knows is to be found
    /// at this address from now on.
    case add(Newcomer, replacing: UInt16?)
    /// The node is to be removed from all groups.
    case leave(UInt16)
    /// It is in no group any more.
    case remove(UInt16)
    /// All members speak this version: the cluster's is no older from now on.
    case raise(version: UInt32)

    /// A node that is to join.
    public struct Newcomer: Equatable, Sendable {
        public var name: String
        public var host: String
        public var peerPort: UInt16
        public var clientPort: UInt16
        public var incarnation: UInt64

        public init(
            name: String, host: String, peerPort: UInt16, clientPort: UInt16, incarnation: UInt64
        ) {
            self.name = name
            self.host = host
            self.peerPort = peerPort
            self.clientPort = clientPort
            self.incarnation = incarnation
        }
    }
}

extension ClusterMap {
    /// Nodes that stay, at most: every one of them is a voter of every group, and a group has at most 15
    /// (Raft/Limits). One more is refused.
    public static let stayingMax = 15
    /// Ids from here on are never given to a node: they number attempts to reach one that has none yet.
    public static let reservedNodes: UInt16 = 0xFF00

    /// The map after a change; nil if it changes nothing.
    public func applying(_ change: NodeChange) -> ClusterMap? {
        var members = self.members
        var last = lastNode
        var version = clusterVersion
        // Of the nodes: their programs are no matter of `initial-cluster`.
        var next = epoch + 1
        switch change {
        case .add(let new, let replaced):
            if let at = members.firstIndex(where: { $0.incarnation == new.incarnation }) {
                guard !members[at].isLeaving, members[at].name == new.name else { return nil }
                members[at].host = new.host
                members[at].peerPort = new.peerPort
                members[at].clientPort = new.clientPort
                guard members[at] != self.members[at] else { return nil }
                break
            }
            if let at = members.firstIndex(where: { $0.name == new.name && !$0.isLeaving }) {
                guard members[at].id == replaced else { return nil }
                members[at].isLeaving = true
            }
            guard last + 1 < Self.reservedNodes, members.count < Self.membersMax,
                members.count(where: { !$0.isLeaving }) < Self.stayingMax
            else { return nil }
            last += 1
            members.append(
                Member(
                    id: last, name: new.name, host: new.host, peerPort: new.peerPort,
                    clientPort: new.clientPort, incarnation: new.incarnation))
        case .leave(let id):
            guard let at = members.firstIndex(where: { $0.id == id && !$0.isLeaving }),
                members.count(where: { !$0.isLeaving }) > 1
            else { return nil }
            members[at].isLeaving = true
        case .remove(let id):
            guard let at = members.firstIndex(where: { $0.id == id && $0.isLeaving }) else {
                return nil
            }
            members.remove(at: at)
        case .raise(let wanted):
            guard wanted > version else { return nil }
            version = wanted
            next = epoch
        }
        return try? ClusterMap(
            clusterID: clusterID, hashSeed: hashSeed, clusterVersion: version, members: members,
            groups: groups, founders: founders, lastNode: last, epoch: next)
    }
}

//   u8 version (1) | u8 kind
//   1 add     u64 incarnation | name | host | u16 peer port | u16 client port | u16 replaced, 0 none
//   2 leave   u16 id
//   3 remove  u16 id
//   4 raise   u32 version

extension NodeChange {
    private static let formatVersion: UInt8 = 1

    /// Appends the encoding.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(Self.formatVersion)
        switch self {
        case .add(let new, let replaced):
            buffer.append(UInt8(1))
            buffer.append(littleEndian: new.incarnation)
            buffer.append(lengthPrefixed: Array(new.name.utf8).span)
            buffer.append(lengthPrefixed: Array(new.host.utf8).span)
            buffer.append(littleEndian: new.peerPort)
            buffer.append(littleEndian: new.clientPort)
            buffer.append(littleEndian: replaced ?? 0)
        case .leave(let id):
            buffer.append(UInt8(2))
            buffer.append(littleEndian: id)
        case .remove(let id):
            buffer.append(UInt8(3))
            buffer.append(littleEndian: id)
        case .raise(let version):
            buffer.append(UInt8(4))
            buffer.append(littleEndian: version)
        }
    }

    /// Decodes a change that fills `bytes` exactly.
    ///
    /// - Throws: `.truncated`, or `.invalid` for what `encode` would not write.
    public init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self) == Self.formatVersion else {
            throw .invalid("version of a node change")
        }
        switch try reader.read(UInt8.self) {
        case 1:
            let incarnation: UInt64 = try reader.read()
            let new = Newcomer(
                name: try ClusterMap.readText(&reader), host: try ClusterMap.readText(&reader),
                peerPort: try reader.read(), clientPort: try reader.read(),
                incarnation: incarnation)
            let replaced: UInt16 = try reader.read()
            guard !new.name.isEmpty, !new.host.isEmpty else { throw .invalid("a nameless node") }
            self = .add(new, replacing: replaced == 0 ? nil : replaced)
        case 2: self = .leave(try reader.read())
        case 3: self = .remove(try reader.read())
        case 4: self = .raise(version: try reader.read())
        default: throw .invalid("kind of a node change")
        }
        guard reader.remaining == 0 else { throw .invalid("bytes after a node change") }
    }
}
