internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
internal import Snapshot
public import WAL

/// What a directory says about its node.
struct NodeHistory {
    var name: String?
    var incarnation: Incarnation?
    var boots: UInt64 = 0
    /// The processes of the newest starts, newest first: of `boots`, `boots - 1` and so on.
    var processes: [UInt64] = []
    /// The last start, unless it was followed by a clean stop.
    var running: Running?
    /// The longest promise that may still run.
    var promised: Interval?

    struct Running {
        var syncMode: UInt8
        var machine: UInt64
        var mayLackEntries: Bool

        /// Whether a start on `machine` may lack entries that were acknowledged. A process that died
        /// leaves its writes with the kernel; only a machine takes them along. Machine 0: nobody knows
        /// which boot of it this is.
        func mayLackEntries(on machine: UInt64) -> Bool {
            mayLackEntries || (syncMode != 0 && (self.machine != machine || machine == 0))
        }
    }
    var admitted: [Admitted]?
    var map: [UInt8]?
    var distrusted: [UInt32] = []
    var lineage: [Lineage] = []
    var members: [(group: GroupID, encoded: [UInt8])] = []
    var expulsion: Expulsion?
    var seen: [SeenStart] = []

    init(_ records: [[UInt8]]) throws(StartError) {
        for record in records {
            do throws(DecodeError) {
                switch try NodeRecord(decoding: record.span) {
                case .identity(let name, let incarnation):
                    self.name = name
                    self.incarnation = incarnation
                case .boot(
                    let count, let syncMode, let machine, let mayLackEntries, let processes):
                    noteStart(count, processes)
                    running = Running(
                        syncMode: syncMode, machine: machine, mayLackEntries: mayLackEntries)
                case .stopped(let count, let processes):
                    noteStart(count, processes)
                    running = nil
                case .promised(let milliseconds): promised = .milliseconds(Int64(milliseconds))
                case .bootstrap(let admitted): self.admitted = admitted
                case .bound(let map): self.map = map
                case .distrusted(let groups): distrusted = groups
                case .lineage(let clusters): lineage = clusters
                case .members(let group, let bytes): members.append((GroupID(group), bytes))
                case .expelled(let reason): expulsion = reason
                case .seen(let starts): seen = starts
                }
            } catch {
                throw .unreadable("a record of the node itself is damaged: \(error)")
            }
        }
    }

    private mutating func noteStart(_ count: UInt64, _ processes: [UInt64]) {
        guard count >= boots else { return }
        boots = count
        self.processes = processes
    }
}

extension Engine {
    /// Which start of the process on this directory the next one is, counted from 1; names the node
    /// in liveness messages and as the origin of commands.
    public static func nextBoot(after recovered: borrowing RecoveredLog) throws(StartError)
        -> UInt64
    {
        try NodeHistory(recovered.nodeRecords).boots + 1
    }
}

extension Engine {
    /// How many members the cluster has, by a node's own records; 0 if they do not say.
    public static func memberCount(in records: [[UInt8]]) -> Int {
        guard let history = try? NodeHistory(records) else { return 0 }
        if let bytes = history.map, let map = try? ClusterMap(decoding: bytes.span) {
            return map.staying.count
        }
        return history.admitted?.count ?? 0
    }
}

/// Everything that can be wrong with a start is found here, before anything begins.
struct NodeBeginning {
    let history: NodeHistory
    let members: [NodeState.Member]
    let me: NodeState.Member
    let map: ClusterMap?

    init(
        _ configuration: Configuration, versions: ClosedRange<UInt32>, _ records: [[UInt8]]
    ) throws(StartError) {
        history = try NodeHistory(records)
        if let name = history.name, name != configuration.nodeName {
            throw .foreignDirectory(node: name, configured: configuration.nodeName)
        }
        guard let bytes = history.map else {
            map = nil
            guard !configuration.join else {
                members = []
                me = NodeState.Member(
                    id: NodeID(0), name: configuration.nodeName,
                    host: configuration.bind[0].address, port: configuration.peerPort)
                return
            }
            members = Self.founders(configuration)
            guard let me = members.first(where: { $0.name == configuration.nodeName }) else {
                throw .members("\(configuration.nodeName) is not in it")
            }
            self.me = me
            return
        }
        let map: ClusterMap
        do throws(DecodeError) {
            map = try ClusterMap(decoding: bytes.span)
        } catch {
            throw .unreadable("the cluster map is damaged: \(error)")
        }
        self.map = map
        guard versions.contains(map.clusterVersion) else {
            throw .version(cluster: map.clusterVersion, spoken: versions)
        }
        // Once nodes have come or gone, the map alone says who there is.
        if map.epoch == 0, !configuration.join {
            let founders = Self.founders(configuration)
            for member in founders where map.member(named: member.name)?.id != member.id.raw {
                throw .members("\(member.name) is not member \(member.id.raw) of the cluster")
            }
            guard map.members.count == founders.count else {
                throw .members("the cluster has \(map.members.count) members")
            }
        }
        members = NodeState.members(of: map, configuration)
        guard let own = history.incarnation.flatMap({ map.member(incarnation: $0.raw) }),
            let me = members.first(where: { $0.id.raw == own.id })
        else { throw .unreadable("the cluster map does not know this directory") }
        self.me = me
    }

    private static func founders(_ configuration: Configuration) -> [NodeState.Member] {
        configuration.members.enumerated().map {
            NodeState.Member(
                id: NodeID(UInt16($0.offset + 1)), name: $0.element.name, host: $0.element.host,
                port: $0.element.port)
        }
    }
}

extension NodeState {
    init(
        _ beginning: NodeBeginning, configuration: Configuration, limits: NodeLimits,
        versions: ClosedRange<UInt32>, recovered: consuming RecoveredLog,
        snapshots listed: [SnapshotSummary], seed: UInt64, machine: UInt64, now: ClockReading,
        liveness: PairLiveness
    ) {
        limits.check()
        self.configuration = configuration
        self.limits = limits
        self.versions = versions
        applyAllowance = ApplyAllowance(bytesPerTurn: limits.applyBytesPerTurn)
        listedSnapshots = listed
        self.liveness = liveness
        startedAt = now.boot
        var random = SeededGenerator(seed: seed)
        let history = beginning.history
        members = beginning.members
        id = beginning.me.id
        peers = []
        founded = beginning.map?.founders.map { NodeID($0) } ?? beginning.members.map(\.id)
        memberRecords = history.members
        seen = history.seen
        process = random.next()
        let promise = configuration.electionTimeout
        let longest = max(history.promised ?? promise, promise)
        restartSilence = longest
        incarnation = history.incarnation ?? Incarnation(random.next() | 1)
        self.random = random
        boot = history.boots + 1
        earlierProcesses = history.processes
        admitted = history.admitted ?? []
        lineage = history.lineage
        membership = history.map != nil ? .bound : history.admitted != nil ? .bootstrapping : .empty
        startedOnEmptyDirectory = recovered.isEmpty
        self.recovered = recovered.groups
        let wasCut = recovered.wasCut
        let lacksWritten = recovered.lacksWritten
        wal = recovered.takeWriter()
        if history.name == nil {
            let identity = NodeRecord.identity(name: beginning.me.name, incarnation: incarnation)
            identity.write(to: &wal)
        }
        distrustedGroups = history.distrusted.map { GroupID($0) }
        self.machine = machine
        mayLackEntries =
            lacksWritten || (history.running?.mayLackEntries(on: machine) ?? false)
        bootRecord.write(to: &wal)
        if longest != history.promised { promiseRecord(longest).write(to: &wal) }
        if wasCut {
            distrust(
                [GroupID.system] + (beginning.map?.groups ?? []).map { GroupID($0.id) })
        }
        if mayLackEntries {
            log(
                .warning,
                "may-lack-entries reason=\"the \(lacksWritten ? "disk has lost writes" : "machine went down") while appendfsync was relaxed; no vote until caught up\""
            )
        }
        startBatch = wal.lastBatch + 1
        let expulsion = history.expulsion
        // Peers count on a start once its boot record is durable: until then a crash would give the next
        // start the same number, and the same epochs.
        liveness.takePart(false)
        map = beginning.map
        if id.raw != 0 { liveness.join(as: id) }
        arrangePeers(now: now)
        if let expulsion {
            self.expulsion = expulsion
            becomeMute(expulsion.reason)
            return
        }
        if configuration.join, membership == .empty { becomeMute(Self.waitsToBeMet) }
        if membership != .empty {
            let system = self.recovered.first { $0.group == GroupID.system }?.restored()
            addReplica(GroupID.system, slots: nil, restored: system ?? RestoredGroup(), now: now)
        }
        if let map = beginning.map { adopt(map, now: now) }
        log(.notice, "start node=\(beginning.me.name) boot=\(boot) membership=\(membership)")
    }

    /// How long promises may run, as the log remembers it.
    private func promiseRecord(_ promise: Interval) -> NodeRecord {
        .promised(UInt32(clamping: promise.milliseconds))
    }

    /// Forgets about promises of earlier starts that were longer than those of this one, once they have
    /// ended.
    mutating func considerPromises(now: Instant) {
        guard restartSilence > configuration.electionTimeout, isStarted,
            now - startedAt > restartSilence
        else { return }
        restartSilence = configuration.electionTimeout
        promiseRecord(restartSilence).write(to: &wal)
    }

    /// This start as the log remembers it.
    var bootRecord: NodeRecord {
        .boot(
            boot, syncMode: configuration.syncMode, machine: machine,
            mayLackEntries: mayLackEntries, processes: newestProcesses)
    }

    /// This start as a clean stop leaves it.
    var stopRecord: NodeRecord { .stopped(boot, processes: newestProcesses) }

    /// What the next start is to know and to tell of the newest ones.
    private var newestProcesses: [UInt64] {
        Array(([process] + earlierProcesses).prefix(Hello.earlierStartsMax))
    }

    /// Ends the silence of a node that may lack entries: once all its replicas have what their
    /// leaders have committed; or when so many members may lack entries that the others alone are
    /// no majority, since waiting would be for ever. What is lost then is what `appendfsync`
    /// everysec and no allow to be lost.
    mutating func considerTrust(now: ClockReading) {
        guard mayLackEntries, isStarted, replicas.count > 0 else { return }
        let isCaughtUp = (0..<replicas.count).allSatisfy { replicas[$0].core.isCaughtUp }
        guard isCaughtUp || isHopeless else { return }
        if !isCaughtUp { gaveUpWith = knownGaps + [Gap(node: id.raw, boot: boot)] }
        mayLackEntries = false
        // The next start is to know, too; and nobody is to count this node among the others' reasons
        // to give up waiting. This record syncs what was caught up on.
        bootRecord.write(to: &wal)
        sendHelloAgain()
        for group in 0..<replicas.count {
            replicas[group].core.endSilence(now: now.boot, startedAt: startedAt)
            if !isCaughtUp, !distrustedGroups.contains(replicas[group].group) {
                replicas[group].core.trustLog()
            }
        }
        log(
            .warning,
            isCaughtUp
                ? "caught-up effect=\"votes again\""
                : "votes-with-gaps reason=\"too many members went down with relaxed appendfsync: acknowledged writes may be lost\""
        )
    }

    /// Whether so many members may lack entries that the others are no majority.
    ///
    /// Their gaps must have overlapped: one after the other they lose nothing. So each of them must
    /// have heard of each other's gap in a hello that was sent during it, while its own lasted; two
    /// gaps of which the first ended before the second began cannot tell of each other both ways. And
    /// intervals of which each two overlap have a moment in common.
    private var isHopeless: Bool {
        let own = Gap(node: id.raw, boot: boot)
        // Another one has found just this.
        if peers.contains(where: { $0.hello?.gaveUpWith.contains(own) == true }) { return true }
        var gaps = [(gap: own, known: knownGaps)]
        for peer in peers {
            guard let hello = peer.hello else { return false }
            if hello.mayLackEntries { gaps.append((hello.gap, hello.knownGaps)) }
        }
        guard memberCount - gaps.count < memberCount / 2 + 1 else { return false }
        return gaps.allSatisfy { one in
            gaps.allSatisfy { $0.gap == one.gap || one.known.contains($0.gap) }
        }
    }

    /// The peers that said of themselves that they may lack entries, while this node may, too; or those
    /// with which it gave up waiting.
    var knownGaps: [Gap] {
        guard mayLackEntries else { return gaveUpWith }
        return peers.compactMap { $0.hello?.mayLackEntries == true ? $0.hello?.gap : nil }
    }

    /// The limits that sessions' parsers follow.
    var respLimits: RESPLimits {
        var limits = RESPLimits()
        limits.bulkBytesMax = configuration.protoMaxBulkLen
        return limits
    }
}

extension Configuration {
    /// `appendfsync` as peers and the node's own log see it.
    var syncMode: UInt8 {
        switch appendfsync {
        case .always: 0
        case .everysec: 1
        case .no: 2
        }
    }
}
