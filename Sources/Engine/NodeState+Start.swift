internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
public import WAL

/// What a directory says about its node.
struct NodeHistory {
    var name: String?
    var incarnation: Incarnation?
    var boots: UInt64 = 0
    var admitted: [Admitted]?
    var map: [UInt8]?

    init(_ records: [[UInt8]]) throws(StartError) {
        for record in records {
            do throws(DecodeError) {
                switch try NodeRecord(decoding: record.span) {
                case .identity(let name, let incarnation):
                    self.name = name
                    self.incarnation = incarnation
                case .boot(let count): boots = max(boots, count)
                case .bootstrap(let admitted): self.admitted = admitted
                case .bound(let map): self.map = map
                }
            } catch {
                throw .unreadable("a record of the node itself is damaged: \(error)")
            }
        }
    }
}

extension Engine {
    /// Which start of the process on this directory the next one is, counted from 1; names the node
    /// in liveness messages and as the origin of commands.
    public static func nextBoot(after recovered: borrowing RecoveredLog) throws(StartError) -> UInt64 {
        try NodeHistory(recovered.nodeRecords).boots + 1
    }
}

/// Everything that can be wrong with a start is found here, before anything begins.
struct NodeBeginning {
    let history: NodeHistory
    let members: [NodeState.Member]
    let me: NodeState.Member
    let map: ClusterMap?

    init(_ configuration: Configuration, _ records: [[UInt8]]) throws(StartError) {
        history = try NodeHistory(records)
        if let name = history.name, name != configuration.nodeName {
            throw .foreignDirectory(node: name, configured: configuration.nodeName)
        }
        members = configuration.members.enumerated().map {
            NodeState.Member(
                id: NodeID(UInt16($0.offset + 1)), name: $0.element.name, host: $0.element.host,
                port: $0.element.port)
        }
        guard let me = members.first(where: { $0.name == configuration.nodeName }) else {
            throw .members("\(configuration.nodeName) is not in it")
        }
        self.me = me
        guard let bytes = history.map else {
            map = nil
            return
        }
        do throws(DecodeError) {
            map = try ClusterMap(decoding: bytes.span)
        } catch {
            throw .unreadable("the cluster map is damaged: \(error)")
        }
        for member in members where map?.member(named: member.name)?.id != member.id.raw {
            throw .members("\(member.name) is not member \(member.id.raw) of the cluster")
        }
        guard map?.members.count == members.count else {
            throw .members("the cluster has \(map?.members.count ?? 0) members")
        }
    }
}

extension NodeState {
    init(
        _ beginning: NodeBeginning, configuration: Configuration, recovered: consuming RecoveredLog,
        seed: UInt64, now: ClockReading, liveness: PairLiveness
    ) {
        self.configuration = configuration
        self.liveness = liveness
        startedAt = now.boot
        var random = SeededGenerator(seed: seed)
        let history = beginning.history
        members = beginning.members
        id = beginning.me.id
        peers = beginning.members.filter { $0.name != beginning.me.name }.map {
            PeerState(id: $0.id, name: $0.name, host: $0.host, port: $0.port)
        }
        incarnation = history.incarnation ?? Incarnation(random.next() | 1)
        self.random = random
        boot = history.boots + 1
        admitted = history.admitted ?? []
        membership = history.map != nil ? .bound : history.admitted != nil ? .bootstrapping : .empty
        startedOnEmptyDirectory = recovered.isEmpty
        self.recovered = recovered.groups
        wal = recovered.takeWriter()
        if history.name == nil {
            let identity = NodeRecord.identity(name: beginning.me.name, incarnation: incarnation)
            wal.identity(identity.encode().readable)
        }
        wal.identity(NodeRecord.boot(boot).encode().readable)
        startBatch = wal.lastBatch + 1
        if membership != .empty {
            let system = self.recovered.first { $0.group == GroupID.system }?.restored()
            addReplica(GroupID.system, slots: nil, restored: system ?? RestoredGroup(), now: now)
        }
        if let map = beginning.map { adopt(map, now: now) }
        for at in peers.indices where id < peers[at].id { peers[at].dialAt = now.boot }
        log(.notice, "start node=\(beginning.me.name) boot=\(boot) membership=\(membership)")
    }

    /// The limits that sessions' parsers follow.
    var respLimits: RESPLimits {
        var limits = RESPLimits()
        limits.bulkBytesMax = configuration.protoMaxBulkLen
        return limits
    }
}
