internal import Bytes
internal import Cluster
internal import PeerProtocol
internal import Raft
public import Snapshot
public import WAL

/// Why no cluster of one can be made of a directory.
public enum ClusterRecoveryError: Error, Equatable, CustomStringConvertible, Sendable {
    /// It belongs to no cluster.
    case unbound
    /// The cluster has one member, this one, and its log is whole.
    case alone(String)
    /// Something that is needed is not there, or can not be read.
    case unusable(String)

    public var description: String {
        switch self {
        case .unbound: "the directory belongs to no cluster: there is nothing to recover"
        case .alone(let name):
            "nothing to do: the cluster of this directory consists of \(name) alone. Start it"
        case .unusable(let what): what
        }
    }
}

/// Makes a cluster of one from the directory of a node whose cluster has lost its majority for good, or
/// that is a cluster of one with a damaged log.
///
/// The new cluster has an identity of its own: another cluster id, and another identity of the
/// directory. So nodes of the old cluster and of the new one refuse each other, whatever becomes of the
/// old ones. The data stays as it is: the logs, the snapshots, the slots of the groups and the hash
/// seed. All of an old log counts as committed from now on: what this node alone knows to be written may
/// have been acknowledged, and nobody is left to say that it was not.
///
/// Everything is one batch at the end of the log, so that a crash leaves the old cluster's directory or
/// the new one's, and never something between:
///
/// - node records: the new identity, map and lineage. Snapshots of a cluster in the *lineage* are
///   taken for the node's own; the first start replaces them.
/// - number of starts: a jump. The origins of commands are named by node and start, and the new
///   node, number 1, must not be taken for the old cluster's number 1. Nodes that join later get numbers
///   that the old cluster never gave to anybody.
/// - terms: one more, without a vote, since votes name nodes by their old numbers.
/// - the system group: an entry with the new map, which takes the place of genesis.
/// - groups whose members had changed: an entry that makes the new node their only member.
public struct ClusterRecovery: ~Copyable {
    /// What will be there afterwards and what may be lost, line by line.
    public let account: [String]
    /// The new cluster's only member.
    public let name: String

    private let plan: Plan
    private var wal: WALWriter

    /// Starts of the node at most before the jump; the high byte counts recoveries.
    static let bootBits: UInt64 = 24

    /// Looks at what a stopped node's directory holds; changes nothing.
    ///
    /// - Parameters:
    ///   - snapshots: those that were read and found whole.
    ///   - nodeName: the name of the new cluster's member; nil: as before.
    ///   - random: the seed of the new identity.
    public init(
        _ recovered: inout RecoveredLog, snapshots: [SnapshotSummary], nodeName: String?,
        random seed: UInt64
    ) throws(ClusterRecoveryError) {
        let plan = try Plan(
            recovered.nodeRecords, recovered.groups, recovered.tornTail, snapshots, nodeName, seed,
            wasCut: recovered.wasCut)
        self.plan = plan
        account = plan.account
        name = plan.map.members[0].name
        wal = recovered.takeWriter()
    }

    /// The batch that does it all, to be written where it says, and synced; once.
    public mutating func batch() -> WALBatch {
        for record in plan.records { record.write(to: &wal) }
        for group in plan.groups where group.isKnown {
            wal.hardState(group: group.id, term: group.newTerm, vote: nil)
        }
        let system = plan.groups[0]
        if system.end > system.logEnd {
            // The log lags behind its snapshot: it begins anew there.
            wal.start(
                group: system.id, after: system.end, term: system.endTerm, keepingRest: false)
        }
        var payload = ByteBuffer()
        plan.map.encode(into: &payload)
        var records = ByteBuffer()
        records.appendRecord(
            index: system.end + 1, term: system.newTerm, kind: .refoundation,
            payload: payload.readable)
        wal.entries(
            group: system.id, records: records.readable, first: system.end + 1,
            last: system.end + 1)
        for group in plan.groups where plan.changed.contains(group.id) {
            beginAlone(group)
        }
        guard let batch = wal.seal() else { invariantFailed("a recovery without records") }
        return batch
    }
}

extension ClusterRecovery {
    /// The group's next entry says that node 1 is all of it.
    private mutating func beginAlone(_ group: RecoveryGroup) {
        let isSystem = group.id == plan.groups[0].id
        if !isSystem, group.end > group.logEnd {
            wal.start(
                group: group.id, after: group.end, term: group.endTerm, keepingRest: false)
        }
        // Behind the new map, in the system group.
        let index = group.end + (isSystem ? 2 : 1)
        var records = ByteBuffer()
        records.appendRecord(
            index: index, term: group.newTerm, kind: .membership,
            payload: GroupMembers.alone(NodeID(1), since: index).encoded.span)
        wal.entries(group: group.id, records: records.readable, first: index, last: index)
    }

    /// What is to be written.
    struct Plan {
        /// Groups whose members are not those that the cluster was founded with, or may not be.
        let changed: [GroupID]
        let groups: [RecoveryGroup]
        let map: ClusterMap
        let records: [NodeRecord]
        let account: [String]

        init(
            _ nodeRecords: [[UInt8]], _ recovered: [RecoveredGroup],
            _ tail: RecoveredLog.TornTail?, _ snapshots: [SnapshotSummary], _ nodeName: String?,
            _ seed: UInt64, wasCut: Bool
        ) throws(ClusterRecoveryError) {
            let history: NodeHistory
            let old: ClusterMap
            do {
                history = try NodeHistory(nodeRecords)
                guard let bytes = history.map else { throw ClusterRecoveryError.unbound }
                old = try ClusterMap(decoding: bytes.span)
            } catch let error as ClusterRecoveryError {
                throw error
            } catch {
                throw .unusable("the node's own records can not be read: \(error)")
            }
            guard let oldName = history.name,
                let member = history.incarnation.flatMap({ old.member(incarnation: $0.raw) })
            else {
                throw .unusable("the directory's node is no member of its cluster")
            }
            guard old.staying.count > 1 || wasCut || !history.distrusted.isEmpty else {
                throw .alone(oldName)
            }

            var random = SeededGenerator(seed: seed)
            let incarnation = Incarnation(random.next() | 1)
            let name = nodeName ?? oldName
            do throws(DecodeError) {
                map = try ClusterMap(
                    clusterID: (random.next(), random.next()), hashSeed: old.hashSeed,
                    clusterVersion: old.clusterVersion,
                    members: [
                        ClusterMap.Member(
                            id: 1, name: name, host: member.host, peerPort: member.peerPort,
                            clientPort: member.clientPort, incarnation: incarnation.raw)
                    ], groups: old.groups, lastNode: max(1, old.lastNode))
            } catch {
                throw .unusable("\(name) can not be the name of a node: \(error)")
            }
            let lineage =
                history.lineage + [old.clusterID].map { Lineage(high: $0.high, low: $0.low) }
            let groupIDs = [GroupID.system] + old.groups.map { GroupID($0.id) }
            var groups: [RecoveryGroup] = []
            for id in groupIDs {
                let usable = snapshots.filter { summary in
                    summary.id.group == id
                        && lineage.contains {
                            $0.high == summary.header.clusterHigh
                                && $0.low == summary.header.clusterLow
                        }
                }
                let group = RecoveryGroup(
                    id, recovered.first { $0.group == id },
                    newest: usable.map(\.id).max())
                if let problem = group.problem { throw .unusable(problem) }
                groups.append(group)
            }
            let boots =
                ((history.boots >> ClusterRecovery.bootBits) + 1) << ClusterRecovery.bootBits
            var encoded = ByteBuffer()
            map.encode(into: &encoded)
            records = [
                .identity(name: name, incarnation: incarnation),
                .stopped(boots, processes: []),
                .bootstrap([Admitted(node: 1, incarnation: incarnation)]),
                .bound(encoded.copyBytes()),
                .lineage(lineage), .distrusted([]), .seen([]),
            ]
            self.groups = groups
            changed = groupIDs.filter { id in
                recovered.first { $0.group == id }?.memberEntries.isEmpty == false
                    || history.members.contains { $0.group == id }
                    || snapshots.contains { $0.id.group == id && !$0.header.members.isEmpty }
            }
            account = ClusterRecovery.account(
                of: oldName, becoming: name, history, old, groups, tail: tail, wasCut: wasCut)
        }
    }
}
