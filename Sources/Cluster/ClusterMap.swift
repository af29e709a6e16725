public import Bytes

/// What must be equal on all nodes: the contents of the genesis entry, the first of the system
/// group's log, as its later entries have changed it (`NodeChange`).
public struct ClusterMap: Equatable, Sendable {
    /// A node that belongs to the cluster.
    public struct Member: Equatable, Sendable {
        /// Of a founder, its position among the sorted names of `initial-cluster`, from 1; of others the
        /// next number that no node had before.
        public var id: UInt16
        /// `node-name`.
        public var name: String
        /// Where peers and clients reach it: an address or a host name.
        public var host: String
        public var peerPort: UInt16
        /// 0 when the founding node did not know it.
        public var clientPort: UInt16
        /// Tells this life of the name from an earlier one whose directory was wiped; random, made
        /// with the node's data directory.
        public var incarnation: UInt64
        /// It is being removed: from the groups first, then from here.
        public var isLeaving: Bool

        public init(
            id: UInt16, name: String, host: String, peerPort: UInt16, clientPort: UInt16,
            incarnation: UInt64, isLeaving: Bool = false
        ) {
            self.isLeaving = isLeaving
            self.id = id
            self.name = name
            self.host = host
            self.peerPort = peerPort
            self.clientPort = clientPort
            self.incarnation = incarnation
        }
    }

    /// A Raft group that holds slots. The system group (0) holds none and is not listed.
    public struct Group: Equatable, Sendable {
        /// From 1.
        public var id: UInt32
        public var slots: SlotRange

        public init(id: UInt32, slots: SlotRange) {
            self.id = id
            self.slots = slots
        }
    }

    /// 128 random bits that tell this cluster from every other.
    public let clusterID: (high: UInt64, low: UInt64)
    /// The key of the order in which everything iterates; clients must not learn it.
    public let hashSeed: SipHash
    /// The version of peer protocol and log that all nodes speak, and whose meaning of commands they follow;
    /// it only rises (`NodeChange.raise`).
    public let clusterVersion: UInt32
    /// Sorted by id.
    public let members: [Member]
    /// Sorted by slots, which they cover without gap or overlap.
    public let groups: [Group]
    /// The ids of those who founded the cluster, ascending: the first voters of every group.
    public let founders: [UInt16]
    /// The highest id that any node ever had.
    public let lastNode: UInt16
    /// How often the nodes have changed since genesis.
    public let epoch: UInt64

    /// Each slot's position in `groups`.
    private let groupOfSlot: [UInt16]

    /// Most members and longest names that a map can have; a genesis entry must fit one record.
    public static let membersMax = 64
    /// Most groups that slots can be divided among in the beginning (12 bytes each in the entry).
    public static let groupsMax = 1024
    /// The longest name or host, in bytes.
    public static let nameBytesMax = 255

    /// A map of these members and groups; throws what is wrong with them.
    public init(
        clusterID: (high: UInt64, low: UInt64), hashSeed: SipHash, clusterVersion: UInt32,
        members: [Member], groups: [Group], founders: [UInt16]? = nil, lastNode: UInt16? = nil,
        epoch: UInt64 = 0
    ) throws(DecodeError) {
        self.founders = founders ?? members.map(\.id)
        self.lastNode = lastNode ?? members.last?.id ?? 0
        self.epoch = epoch
        self.clusterID = clusterID
        self.hashSeed = hashSeed
        self.clusterVersion = clusterVersion
        self.members = members
        self.groups = groups
        try Self.check(members)
        for member in members where member.id > self.lastNode { throw .invalid("id of a member") }
        guard !self.founders.isEmpty, self.founders.count <= Self.membersMax else {
            throw .invalid("founders")
        }
        groupOfSlot = try Self.slotTable(groups)
    }

    public static func == (left: ClusterMap, right: ClusterMap) -> Bool {
        left.clusterID == right.clusterID && left.hashSeed == right.hashSeed
            && left.clusterVersion == right.clusterVersion && left.members == right.members
            && left.groups == right.groups && left.founders == right.founders
            && left.lastNode == right.lastNode && left.epoch == right.epoch
    }

    /// Whether more changes have led to it than to another map of the same cluster.
    public func isNewer(than other: ClusterMap) -> Bool {
        epoch > other.epoch || epoch == other.epoch && clusterVersion > other.clusterVersion
    }

    /// The id of the group that holds `slot`; O(1).
    public func group(for slot: HashSlot) -> UInt32 {
        groups[Int(groupOfSlot[Int(slot.raw)])].id
    }

    /// The member called `name`; the newest one, if an older one of the name is leaving.
    public func member(named name: String) -> Member? {
        members.last { $0.name == name }
    }

    /// The member whose directory has this identity.
    public func member(incarnation: UInt64) -> Member? {
        members.first { $0.incarnation == incarnation }
    }

    /// Those that are to be voters of every group, ascending.
    public var staying: [Member] { members.filter { !$0.isLeaving } }

    /// The member with `id`.
    public func member(_ id: UInt16) -> Member? {
        members.first { $0.id == id }
    }

    private static func check(_ members: [Member]) throws(DecodeError) {
        guard !members.isEmpty, members.count <= membersMax else {
            throw .invalid("number of members")
        }
        var previous: UInt16 = 0
        for member in members {
            guard member.id > previous else { throw .invalid("order of members") }
            previous = member.id
            guard !member.name.isEmpty, member.name.utf8.count <= nameBytesMax else {
                throw .invalid("name of a member")
            }
            guard !member.host.isEmpty, member.host.utf8.count <= nameBytesMax else {
                throw .invalid("host of a member")
            }
        }
    }

    private static func slotTable(_ groups: [Group]) throws(DecodeError) -> [UInt16] {
        guard groups.count <= groupsMax else { throw .invalid("number of groups") }
        var table: [UInt16] = []
        table.reserveCapacity(HashSlot.count)
        for (position, group) in groups.enumerated() {
            guard group.id > 0, !groups[..<position].contains(where: { $0.id == group.id }) else {
                throw .invalid("id of a group")
            }
            guard Int(group.slots.first.raw) == table.count else {
                throw .invalid("slots of a group")
            }
            for _ in 0..<group.slots.count { table.append(UInt16(position)) }
        }
        guard table.count == HashSlot.count else { throw .invalid("slots without a group") }
        return table
    }
}
