internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
internal import Snapshot
internal import Store
internal import WAL

/// Everything of a node but its clients' sessions: replicas, routes, peers, log, identity.
struct NodeState: ~Copyable {
    var configuration: Configuration
    let limits: NodeLimits
    /// The versions that this program speaks (`Hello.versions`; the simulator has it speak others).
    let versions: ClosedRange<UInt32>
    /// 0 until this node belongs to a cluster, if it was not there when that was founded.
    var id: NodeID
    /// All nodes of the cluster, ascending, those that are leaving among them. Before genesis all names of
    /// `initial-cluster`, sorted: a founder's id is its place among them, from 1.
    var members: [Member]
    /// The ids of the founders: the first voters of every group.
    var founded: [NodeID]
    let liveness: PairLiveness
    var random: SeededGenerator

    // Identity, as the log holds it.
    var incarnation: Incarnation
    var boot: UInt64
    /// The machine's own boot.
    let machine: UInt64
    var membership: Membership
    var admitted: [Admitted]
    /// The clusters that this one was made of: their snapshots are this one's.
    let lineage: [Lineage]
    var map: ClusterMap?
    /// Nothing leaves this node before the record of this start is durable.
    var isStarted = false
    /// The batch that holds the records of this start, and of the bootstrap.
    var startBatch: UInt64 = 0
    var bootstrapBatch: UInt64?
    /// The log may lack entries that were acknowledged: no vote until caught up.
    var mayLackEntries = false
    /// Groups in whose logs entries may be missing since a damaged log was cut; ascending.
    var distrustedGroups: [GroupID] = []
    /// All that lacked entries when this node gave up waiting for the others.
    var gaveUpWith: [Gap] = []
    /// Why this node takes part in nothing, for now or for ever.
    var muteReason: String?
    /// Why it is for ever.
    var expulsion: Expulsion?
    /// Tells this process from every other.
    let process: UInt64
    /// The processes of the starts before this one, newest first, as far as the log knows them.
    let earlierProcesses: [UInt64]
    /// The newest start of each peer that was ever admitted; on disk as well.
    var seen: [SeenStart]
    /// Members of groups as of where their logs begin, as the start found them.
    let memberRecords: [(group: GroupID, encoded: [UInt8])]
    /// Which of the system group's maps was looked at last.
    var mapSeen = 0
    var mapChangedAt = Instant(nanoseconds: .min)
    /// The map of the cluster that this node joins, until the batch is durable that says so.
    var joining: (map: ClusterMap, batch: UInt64)?
    /// Nodes that CLUSTER MEET named and that are no members yet.
    var meetings: [Meeting] = []
    /// When nodes and members are looked after again.
    var nodesCheckAt = Instant.distantFuture
    /// The entry of the system group that changes the nodes and waits to be applied.
    var nodesProposed: LogIndex = 0
    /// The peers, or their addresses, are others than the host was told.
    var arePeersNew = false

    /// The system group at 0, then the data groups, in order of their ids.
    var replicas = Slab<Replica>()
    /// The way to each group, at the same index.
    var routes = Slab<Route>()
    var recovered: [RecoveredGroup]
    let startedOnEmptyDirectory: Bool

    var peers: [PeerState]
    var links = LinkTable()

    var wal: WALWriter
    /// The log has taken everything up to this batch.
    var writtenBatch: UInt64 = 0
    var snapshots = SnapshotBoard()
    /// The comparison of replicas, at the group's index.
    var audits: [AuditBoard] = []
    /// Replicas that read their snapshot after the start: clients get -LOADING until there is none.
    var loadsAtStart = 0
    var isLoading: Bool { loadsAtStart > 0 }
    /// For the host's snapshot thread, in order.
    var snapshotCommands: [SnapshotCommand] = []
    /// The snapshots that were in the directory at the start, newest first.
    let listedSnapshots: [SnapshotSummary]
    /// Segments of the log that nobody needs any more.
    var releasedSegments: [UInt64] = []
    /// Why commands that add data are refused here as leader, as of this turn.
    var growthRefusal: GrowthRefusal?
    var logSpace = LogSpace.ample
    /// Since when it is not ample, and when leaderships are handed over again for it.
    var shortOfRoomSince = Instant(nanoseconds: .min)
    var handOverAt = Instant(nanoseconds: .min)
    /// How long this node neither votes nor campaigns after its start: the longest promise that an earlier
    /// start may have given.
    var restartSilence: Interval
    /// When the peers' clocks and their fitness to lead are looked at again.
    var peerWatchAt = Instant(nanoseconds: .min)
    /// Keys that were dropped wait to be freed.
    var hasGarbage = false
    /// What this turn may still apply.
    var applyAllowance: ApplyAllowance
    /// A write of the log ended in this turn.
    var logHasMoved = false
    /// When the last batch was sealed.
    var sealedAt = Instant(nanoseconds: 0)
    /// For each sealed batch that is not durable yet: what each group waits for in it.
    var tickets = BatchTickets()
    var fetches = FetchTable()

    /// Sessions that read under the lease in this turn.
    var provisional: [SessionID] = []
    /// Sessions that wait for room in a queue.
    var blockedSessions: [SessionID] = []
    /// When they try again.
    var blockedRetryAt = Instant(nanoseconds: 0)
    /// Sessions whose large command has got its place in the order.
    var uploadsFinished: [SessionID] = []
    var statistics = Statistics()
    var commandStatistics = CommandStatistics()
    var rates = Rates()
    var host = HostFacts()
    let startedAt: Instant
    var lines: [LogLine] = []
    var decoder = ArgumentDecoder()
    var scratch = ByteBuffer()
    /// Log reads to be asked for at the end of the turn.
    var pendingReads: [LogReadRequest] = []
    var isShuttingDown = false
    /// The batch that holds the record of the clean stop.
    var stopBatch: UInt64?
    /// Nothing is led here any more and the stop is on disk, or it took too long.
    var mayExit = false
    var shutdownDeadline: Instant?
    var fatal: String?

    struct Member {
        var id: NodeID
        var name: String
        var host: String
        var port: Int
        var isLeaving = false
    }

    var dataGroups: Int { max(0, replicas.count - 1) }
    var origin: Origin { Origin(node: id.raw, boot: boot) }

    /// The index of the group that owns a slot.
    func group(of slot: HashSlot) -> Int {
        guard let map else { invariantFailed("slots before genesis") }
        return Int(map.group(for: slot))
    }

    mutating func log(_ level: LogLine.Level, _ text: String) {
        lines.append(LogLine(level, text))
    }

    /// Members that are not being removed.
    var memberCount: Int { members.count(where: { !$0.isLeaving }) }

    func name(of node: NodeID) -> String {
        members.first { $0.id == node }?.name ?? node.description
    }

    func peerIndex(_ node: NodeID) -> Int? { peers.firstIndex { $0.id == node } }

    /// Stops the node: going on would break a promise.
    mutating func fail(_ reason: String) {
        if fatal == nil {
            fatal = reason
            log(.warning, "fatal \(reason)")
        }
    }
}

/// Which operations of which groups a batch makes durable.
struct BatchTickets {
    private struct Entry {
        var batch: UInt64
        var group: Int
        var ticket: IOTicket
    }

    private var entries: [Entry] = []

    mutating func add(batch: UInt64, group: Int, ticket: IOTicket) {
        entries.append(Entry(batch: batch, group: group, ticket: ticket))
    }

    /// Removes what is durable now; the highest ticket of each group, in order of the groups.
    mutating func takeDurable(upTo batch: UInt64) -> [(group: Int, ticket: IOTicket)] {
        var durable: [(group: Int, ticket: IOTicket)] = []
        var taken = 0
        for entry in entries {
            guard entry.batch <= batch else { break }
            taken += 1
            if let at = durable.firstIndex(where: { $0.group == entry.group }) {
                durable[at].ticket = max(durable[at].ticket, entry.ticket)
            } else {
                durable.append((entry.group, entry.ticket))
            }
        }
        entries.removeFirst(taken)
        return durable
    }
}

/// The reads of older records that are under way.
struct FetchTable {
    struct Entry {
        var id: LogReadID
        var group: Int
        var fetch: LogFetch
        var disk: WALFetch
        var records: RecordBox
    }

    /// Records read so far.
    final class RecordBox {
        var bytes = ByteBuffer()
    }

    var entries: [Entry] = []
    private var next: UInt64 = 1

    mutating func add(group: Int, fetch: LogFetch, disk: WALFetch) -> LogReadRequest {
        let id = LogReadID(next)
        next += 1
        entries.append(
            Entry(id: id, group: group, fetch: fetch, disk: disk, records: RecordBox()))
        return LogReadRequest(id: id, position: disk.read.position, count: disk.read.count)
    }
}
