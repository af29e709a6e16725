internal import Bytes
internal import Configuration
internal import DequeModule
internal import Engine
internal import Raft
internal import Snapshot
internal import WAL

/// One run of the server on a virtual node: the only place where the simulator touches the engine.
///
/// It does what `Server` does around libuv, in the same order: events into the engine, `tick` when
/// the deadline has passed, `endTurn`, then the outbox is drained. The world around it is
/// `Simulation`; connections carry the same numbers there and here.
final class SimulatedProcess {
    let life: Int
    private var engine: Engine
    private let liveness: PairLiveness

    /// What the next turn will take.
    var inbox: Deque<Inbound> = []
    /// Between `beginTurn` and `endTurn`.
    private(set) var isTurning = false
    /// When the next turn is planned.
    var turnAt: Moment?
    /// When the turn, the sync under way and the pause before the next pings end; an event for any
    /// other time is stale.
    var turnEndsAt = Moment.never
    var syncEndsAt = Moment.never
    var pingAt = Moment.zero
    var log = LogThread()
    var snapshots: SnapshotThread
    /// Connections that this process dials, and to whom, by id.
    var dialing: [Int: Int] = [:]
    /// The newest batch with a record that cuts the log of a group.
    var cutBatch: UInt64 = 0
    /// A snapshot comes from a peer, and is not a state yet.
    var isInstalling = false
    /// Bytes of a connection's output that wait in the host.
    var queued: [Int: Int] = [:]
    var turns = 0
    /// It was asked to end.
    private(set) var isEnding = false
    /// It was linked with a peer of another version.
    var hasMetOtherVersion = false
    /// Whether the turn under way took bytes of a client.
    var tookClientBytes = false
    /// Up to where the checker has compared each group's state.
    var hashedUpTo: [UInt32: UInt64] = [:]

    private var console: SessionID?
    private var sessions: [Int: SessionID] = [:]
    private var connections: [SessionID: Int] = [:]
    /// Open peer connections; the value is who was dialed.
    private var links: [Int: NodeID?] = [:]

    private init(
        life: Int, engine: consuming Engine, liveness: PairLiveness,
        snapshots: consuming SnapshotThread
    ) {
        self.life = life
        self.snapshots = snapshots
        self.engine = engine
        self.liveness = liveness
    }

    /// What its start found damaged.
    private(set) var findings = Findings()

    struct Findings {
        /// In the log.
        var damage: String?
        var cutsLog = false
        var damagedSnapshots = 0
    }

    /// Recovers the disk and starts a process on it.
    ///
    /// - Parameter repairCut: chance that the machine goes down while a damaged log is cut.
    static func start(
        on node: SimulatedNode, options: SwarmOptions, repairCut: Double, now: ClockReading
    ) throws -> SimulatedProcess {
        // The host syncs the files before it believes them: what is read now will still be there.
        for segment in node.disk.segments { node.disk.sync(segment) }
        var parameters = WALParameters(saltSeed: node.random.next())
        parameters.segmentBytes = options.segmentBytes
        node.disk.syncStateFiles()
        var snapshots = SnapshotThread(on: node.snapshots)
        let recovered = try WALRecovery.open(
            DiskSource(disk: node.disk), parameters, mayRepair: options.nodes > 1,
            snapshots: { snapshots.newestWhole() })
        if let repair = recovered.repair {
            // Power can be lost in the midst of a repair, too.
            let cut = node.random.happens(repairCut)
            let steps = cut ? node.random.integer(0...(repair.setAside.count + 2)) : .max
            guard node.disk.carryOut(repair, steps: steps) else { throw RepairCut() }
        }
        for segment in recovered.obsoleteSegments { node.disk.remove(segment) }
        let listing = try snapshots.list()
        let findings = Findings(
            damage: recovered.damage.map { "\($0)" }, cutsLog: recovered.repair != nil,
            damagedSnapshots: listing.damaged.count)
        let configuration = try Configuration.simulated(
            node: node.number, joins: node.joins, options: options)
        let liveness = PairLiveness(
            node: NodeID(0), boot: try Engine.nextBoot(after: recovered), peers: [],
            promise: configuration.electionTimeout,
            drift: configuration.leaseDrift, busyLimit: configuration.busyLimit,
            diskStallLimit: configuration.diskStallLimit, now: now.boot)
        let engine = try Engine(
            configuration: configuration, recovered: recovered, snapshots: listing.snapshots,
            seed: node.random.next(), machine: node.machine, now: now, liveness: liveness,
            limits: options.limits, versions: 1...node.version)
        let process = SimulatedProcess(
            life: node.life, engine: engine, liveness: liveness, snapshots: snapshots)
        process.findings = findings
        return process
    }

    /// The machine went down while it cut a damaged log.
    struct RepairCut: Error {}

    // A turn

    /// Takes everything that has arrived. The turn takes time: it ends with `endTurn`.
    func beginTurn(now: ClockReading) {
        invariant(!isTurning, "a turn within a turn")
        isTurning = true
        liveness.stampLoop(now: now.boot)
        tookClientBytes = false
        while let inbound = inbox.popFirst() { take(inbound, now: now) }
        if engine.hasMoreWork || engine.nextDeadline <= now.boot { engine.tick(now: now) }
    }

    private func take(_ inbound: Inbound, now: ClockReading) {
        switch inbound {
        case .linkOpened(let connection, let dialed):
            let peer = dialed.map { NodeID(UInt16($0)) }
            links[connection] = .some(peer)
            engine.linkOpened(LinkID(UInt64(connection)), dialed: peer, now: now)
        case .dialFailed(let connection, let peer):
            engine.linkClosed(
                LinkID(UInt64(connection)), dialed: NodeID(UInt16(peer)), now: now)
        case .linkBytes(let connection, let bytes):
            guard links[connection] != nil else { return }
            engine.receive(bytes.span, link: LinkID(UInt64(connection)), now: now)
        case .linkClosed(let connection):
            guard let dialed = links.removeValue(forKey: connection) else { return }
            engine.linkClosed(LinkID(UInt64(connection)), dialed: dialed, now: now)
        case .sessionOpened(let connection, let client):
            open(connection, client: client, now: now)
        case .sessionBytes(let connection, let bytes):
            guard let session = sessions[connection] else { return }
            tookClientBytes = true
            engine.receive(bytes.span, from: session, now: now)
        case .sessionClosed(let connection):
            guard let session = sessions.removeValue(forKey: connection) else { return }
            connections[session] = nil
            engine.close(session)
        case .outputQueued(let connection, let bytes):
            if let session = sessions[connection] {
                engine.outputQueued(bytes, for: session, now: now)
            } else if links[connection] != nil {
                engine.outputQueued(bytes, for: LinkID(UInt64(connection)))
            }
        case .operation(let text): operate(text, now: now)
        case .snapshot(let event): engine.snapshotMoved(event, now: now)
        case .logSpace(let space): engine.logSpaceChanged(to: space, now: now)
        case .logProgress(let progress):
            engine.logDurable(written: progress.written, synced: progress.synced, now: now)
        case .logRead(let id, let bytes):
            if let bytes {
                engine.logRead(LogReadID(id), bytes: bytes.span, now: now)
            } else {
                engine.logRead(LogReadID(id), bytes: nil, now: now)
            }
        }
    }

    private func open(_ connection: Int, client: Int, now: ClockReading) {
        let session = engine.open(
            address: "10.1.0.\(client):\(40000 + connection % 20000)", local: "10.0.0.1:6379",
            descriptor: Int32(truncatingIfNeeded: connection), now: now)
        guard let session else { invariantFailed("more clients than maxclients") }
        sessions[connection] = session
        connections[session] = connection
    }

    /// An operator at the node's own console; what it says is not looked at.
    private func operate(_ text: String, now: ClockReading) {
        if let console { engine.close(console) }
        console = engine.open(
            address: "127.0.0.1:1", local: "127.0.0.1:6379", descriptor: 1, now: now)
        guard let console else { return }
        engine.receive(Array((text + "\r\n").utf8).span, from: console, now: now)
    }

    /// Ends the turn and empties the outbox.
    func endTurn(now: ClockReading) -> Outbound {
        invariant(isTurning, "the end of no turn")
        isTurning = false
        engine.endTurn(now: now)
        liveness.stampLoop(now: now.boot)
        var outbound = Outbound()
        drainLog(into: &outbound)
        drainLinks(into: &outbound)
        drainSessions(into: &outbound)
        outbound.lines = engine.outbox.lines.map(\.text)
        engine.outbox.lines.removeAll(keepingCapacity: true)
        outbound.sleep = engine.outbox.sleep
        engine.outbox.sleep = nil
        switch engine.outbox.exit {
        case .shutdown: outbound.exit = .orderly
        case .fatal(let reason): outbound.exit = .fatal(reason)
        case nil: break
        }
        outbound.hasMoreWork = engine.hasMoreWork
        outbound.nextDeadline = engine.nextDeadline
        return outbound
    }

    private func drainLog(into outbound: inout Outbound) {
        if let batch = engine.outbox.batch.take() {
            outbound.batches.append(
                LogBatch(
                    number: batch.number, segment: batch.position.segment,
                    offset: batch.position.offset,
                    opens: batch.opens.map { ($0.segment, $0.capacity) }, mustSync: batch.mustSync,
                    bytes: batch.bytes.copyBytes(), mark: batch.mark,
                    stateCopy: batch.stateCopy))
        }
        outbound.reads = engine.outbox.logReads.map {
            LogReadWish(
                id: $0.id.raw, segment: $0.position.segment, offset: $0.position.offset,
                count: $0.count)
        }
        engine.outbox.logReads.removeAll(keepingCapacity: true)
        outbound.segmentsReleased = engine.outbox.segmentsReleased
        engine.outbox.segmentsReleased.removeAll(keepingCapacity: true)
        snapshots.add(engine.outbox.snapshotCommands)
        engine.outbox.snapshotCommands.removeAll(keepingCapacity: true)
    }

    private func drainLinks(into outbound: inout Outbound) {
        outbound.dials = engine.outbox.dials.map { dial in
            // "10.0.0." and the node's number.
            (Int(dial.peer.raw), dial.host.split(separator: ".").last.flatMap { Int($0) } ?? 0)
        }
        engine.outbox.dials.removeAll(keepingCapacity: true)
        let flushing = engine.outbox.linksToFlush
        engine.outbox.linksToFlush.removeAll(keepingCapacity: true)
        for link in flushing {
            let connection = Int(link.raw)
            guard links[connection] != nil else { continue }
            let bytes = engine.takeOutput(of: link).copyBytes()
            if !bytes.isEmpty { outbound.output.append((connection, bytes)) }
        }
        let closing = engine.outbox.linksToClose
        engine.outbox.linksToClose.removeAll(keepingCapacity: true)
        for link in closing {
            let connection = Int(link.raw)
            guard links[connection] != nil else { continue }
            outbound.closes.append(connection)
            // The engine hears that the link is gone as it would from libuv's close callback.
            inbox.append(.linkClosed(connection: connection))
        }
    }

    private func drainSessions(into outbound: inout Outbound) {
        let flushing = engine.outbox.sessionsToFlush
        engine.outbox.sessionsToFlush.removeAll(keepingCapacity: true)
        for session in flushing {
            guard let connection = connections[session] else { continue }
            let bytes = engine.takeOutput(of: session).copyBytes()
            if !bytes.isEmpty { outbound.output.append((connection, bytes)) }
        }
        let closing = engine.outbox.sessionsToClose + engine.outbox.sessionsToDrop
        engine.outbox.sessionsToClose.removeAll(keepingCapacity: true)
        engine.outbox.sessionsToDrop.removeAll(keepingCapacity: true)
        for session in closing {
            guard let connection = connections[session] else { continue }
            outbound.closes.append(connection)
            inbox.append(.sessionClosed(connection: connection))
        }
        outbound.pauses = engine.outbox.sessionsToPause.compactMap { connections[$0] }
        outbound.resumes = engine.outbox.sessionsToResume.compactMap { connections[$0] }
        engine.outbox.sessionsToPause.removeAll(keepingCapacity: true)
        engine.outbox.sessionsToResume.removeAll(keepingCapacity: true)
    }

    /// Asks the engine to hand over and end.
    func shutDown(now: ClockReading) {
        isEnding = true
        engine.shutdown(now: now)
    }

    // The log thread and the liveness thread

    func syncStarted(now: Instant) { liveness.syncStarted(now: now) }

    func syncFinished(now: Instant) { liveness.syncFinished(now: now) }

    /// The encoded ping for a peer, or nil while this process does not vouch for itself.
    func ping(to peer: Int, now: Instant) -> [UInt8]? {
        guard let ping = liveness.ping(to: NodeID(UInt16(peer)), now: now) else { return nil }
        return encode(.ping(ping))
    }

    /// Takes a liveness message; returns the answer to send back.
    func receiveLiveness(_ bytes: [UInt8], now: Instant) -> [UInt8]? {
        guard let message = try? LivenessMessage.decode(bytes.span) else {
            invariantFailed("a liveness message that can not be read")
        }
        switch message {
        case .ping(let ping): return liveness.receive(ping, now: now).map { encode(.pong($0)) }
        case .pong(let pong):
            liveness.receive(pong, now: now)
            return nil
        }
    }

    private func encode(_ message: LivenessMessage) -> [UInt8] {
        var bytes = ByteBuffer()
        message.encode(into: &bytes)
        return bytes.copyBytes()
    }

    // What checkers ask

    func checkInvariants(walksLogs: Bool) { engine.checkInvariants(walksLogs: walksLogs) }

    /// One reading per group, in the order of the groups.
    func readings() -> [ReplicaReading] {
        engine.replicas.map {
            ReplicaReading(
                group: $0.group.raw, isLeader: $0.role == .leader, term: $0.term,
                commit: $0.commit, applied: $0.applied, firstIndex: $0.firstIndex,
                lastIndex: $0.lastIndex,
                appliedTerm: $0.appliedTerm, hasCommittedInTerm: $0.hasCommittedInTerm)
        }
    }

    /// Everybody whose majority some group needs, as of the newest entries of the logs here: one set of
    /// ids per group, two while its members change.
    func electorates() -> [[Int]] {
        engine.replicas.flatMap { [$0.voters, $0.outgoing] }.filter { !$0.isEmpty }
            .map { $0.map { Int($0.raw) } }
    }

    /// Whether the members of some group change.
    var isChanging: Bool { engine.replicas.contains(where: \.isChanging) }

    /// Whether a replica has lost its state, and waits for a peer's.
    var lacksState: Bool { engine.replicas.contains(where: \.lacksState) }

    /// Whether the node belongs to a cluster, as far as it knows.
    var isMember: Bool {
        engine.muteReason == nil && engine.nodeID.raw != 0 && !engine.replicas.isEmpty
    }

    /// Its id; 0 before it has one.
    var nodeID: Int { Int(engine.nodeID.raw) }

    /// The version that its cluster has come to; nil without one.
    var clusterVersion: UInt32? { engine.clusterVersion }

    /// The newest versions that the peers speak that it is linked with.
    var peerVersions: [UInt32] { engine.peerVersions }

    /// The ids of all that it takes for members of its cluster.
    var memberIDs: [Int] { engine.memberIDs.map { Int($0.raw) } }

    /// Why it takes part in nothing.
    var muteReason: String? { engine.muteReason }

    /// Who votes in a group, as of the newest entry of its log; nil while that is changing.
    func voters(of group: UInt32) -> [Int]? {
        guard let replica = engine.replicas.first(where: { $0.group.raw == group }),
            !replica.isChanging
        else { return nil }
        return replica.voters.map { Int($0.raw) }
    }

    /// Whether the engine knows that its log may lack what it has acknowledged.
    var mayLackEntries: Bool { engine.mayLackEntries }

    /// Groups whose log was cut at damage, and is not whole again.
    var groupsUnderRepair: [UInt32] { engine.groupsUnderRepair.map(\.raw) }

    /// Whether its log was cut at damage, and is not whole again.
    var isUnderRepair: Bool { engine.isUnderRepair }

    /// The snapshots that the engine would use.
    var snapshotIDs: [SnapshotID] { engine.snapshotIDs }

    /// A snapshot is becoming the state of some replica.
    var isLoading: Bool { engine.replicas.contains(where: \.isLoading) }

    /// Whether all replicas have their state.
    var hasStates: Bool { engine.replicas.allSatisfy { !$0.isLoading && !$0.lacksState } }

    /// Groups whose state is lost: a peer's snapshot must come.
    var groupsWithoutState: [UInt32] { engine.replicas.filter(\.lacksState).map(\.group.raw) }

    /// What a leader knows of its followers, for whoever looks for the cause of a standstill.
    func followers(of group: UInt32) -> String {
        engine.replicas.filter { $0.group.raw == group }.flatMap(\.followers).map {
            "\($0.id) \($0.state) match \($0.match) next \($0.next) inflight \($0.inflightBytes)"
                + ($0.isLinked ? "" : " no link")
        }.joined(separator: ", ")
    }

    /// The state hash of a group's replica here, at what it has applied.
    func stateHash(_ group: UInt32) -> UInt64? { engine.stateHash(GroupID(group)) }
}

extension Configuration {
    /// The configuration of a simulated node; everything else is at its default.
    static func simulated(
        node: Int, joins: Bool, options: SwarmOptions
    ) throws -> Configuration {
        let members = (1...options.nodes).map { "n\($0)=10.0.0.\($0):17000" }
        var configuration = try Configuration.parse(
            file: "", name: "simulated",
            overrides: [
                ("node-name", "n\(node)"),
                joins
                    ? ("join", "yes") : ("initial-cluster", members.joined(separator: ",")),
                ("initial-groups", "\(options.groups)"),
                ("port", "7000"),
                ("cluster-port", "17000"),
                ("bind", "10.0.0.\(node)"),
                ("election-timeout", "\(options.electionTimeout.milliseconds)"),
                ("heartbeat-interval", "\(options.heartbeat.milliseconds)"),
                ("request-timeout", "\(options.requestTimeout.milliseconds)"),
                ("follower-reads", options.followerReads ? "yes" : "no"),
                ("leader-priority", "\(options.priority(of: node))"),
                ("read-lease", options.readLease ? "yes" : "no"),
                ("appendfsync", options.disk.mode.rawValue),
            ])
        // Smaller than an operator may choose, so that old entries are read back from the disk.
        configuration.raftLogCache = options.logCacheBytes
        configuration.walMaxSize = options.walMaxSize
        configuration.queueWaitLimit = options.queueWaitLimit
        configuration.onceMaxSize = options.onceMaxSize
        configuration.onceTimeout = options.onceTimeout
        configuration.maxMemory = options.maxMemory
        return configuration
    }
}
