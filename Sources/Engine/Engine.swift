public import Bytes
internal import Cluster
internal import Commands
public import Configuration
internal import PeerProtocol
internal import RESP
public import Raft
public import Snapshot
internal import Store
public import WAL

/// The deterministic part of a node: clients' bytes, peers' bytes, completions of the log and the
/// clock go in; an `Outbox` comes out once per turn. It opens no socket, reads no clock and calls
/// nobody back, so the server and the simulator run the same code.
///
/// One turn: events (`receive`, `logDurable`, `tick` ...), then `endTurn`, then the host drains
/// `outbox` and writes what sessions and links have to say.
public struct Engine: ~Copyable {
    var node: NodeState
    var sessions: SessionTable
    /// Filled by `endTurn`.
    public var outbox: Outbox
    /// When `tick` is to be called at the latest.
    public private(set) var nextDeadline = Instant.distantFuture
    /// The host should not wait for events before the next turn, and call `tick` in it.
    public private(set) var hasMoreWork = false
    /// An empty list with memory, to change places with the list of ready sessions.
    private var spareReady: [SessionID] = []
    /// Sessions whose large command is given up in this tick.
    var lateUploads: [(session: SessionID, command: UInt16, isGivenUp: Bool)] = []

    /// Continues from a recovered log, or begins on an empty directory.
    ///
    /// - Parameter machine: names the machine's present boot; another value after a restart means
    ///   that unsynced writes may be gone.
    /// - Parameter snapshots: the whole ones that are in the directory.
    /// - Parameter limits: smaller than usual, for simulations.
    /// - Parameter versions: that the node pretends to speak; those of this program when nil.
    /// - Throws: `StartError` when the directory does not belong to this node, or to its version.
    public init(
        configuration: Configuration, recovered: consuming RecoveredLog,
        snapshots: [SnapshotSummary] = [], seed: UInt64, machine: UInt64 = 0, now: ClockReading,
        liveness: PairLiveness, limits: NodeLimits = NodeLimits(),
        versions: ClosedRange<UInt32>? = nil
    ) throws(StartError) {
        let versions = versions ?? Hello.versions
        let beginning = try NodeBeginning(
            configuration, versions: versions, recovered.nodeRecords)
        node = NodeState(
            beginning, configuration: configuration, limits: limits, versions: versions,
            recovered: recovered,
            snapshots: snapshots.sorted { $0.id > $1.id }, seed: seed,
            machine: machine, now: now, liveness: liveness)
        sessions = SessionTable()
        outbox = Outbox()
        nextDeadline = now.boot
    }

    /// An event begins, the turn perhaps with it.
    private mutating func begin(_ now: ClockReading) {
        node.statistics.turns.begin(at: now.boot)
        node.commandStatistics.advance(to: now.boot)
    }

    // MARK: Clients

    /// A client connected. Nil when there are `maxclients` already: the host answers
    /// `-ERR max number of clients reached` and closes.
    public mutating func open(
        address: String, local: String, descriptor: Int32, now: ClockReading
    ) -> SessionID? {
        guard sessions.count < node.configuration.maxclients else {
            node.statistics.connectionsRejected += 1
            return nil
        }
        node.statistics.connectionsReceived += 1
        return sessions.open(
            address: address, localAddress: local, descriptor: descriptor,
            limits: node.respLimits, now: now.boot)
    }

    /// The client's socket is gone. Commands under way may still take effect.
    public mutating func close(_ session: SessionID) {
        sessions.remove(session)
    }

    /// Free bytes at the end of the session's input, for the host to read into; then `received`.
    @unsafe
    public mutating func inputTail(of session: SessionID, minimum: Int)
        -> UnsafeMutableRawBufferPointer
    {
        guard let index = sessions.index(of: session) else {
            return unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
        return unsafe sessions[index].input.unsafeTail(minimum: minimum)
    }

    /// The host read `count` bytes into the tail.
    public mutating func received(_ count: Int, from session: SessionID, now: ClockReading) {
        guard let index = sessions.index(of: session) else { return }
        sessions[index].input.commit(count)
        accept(count, index, now: now)
    }

    /// The client sends no more (it closed its side of the connection). What it sent is executed and
    /// answered; then the host is told to close the session.
    public mutating func inputEnded(_ session: SessionID, now: ClockReading) {
        guard let index = sessions.index(of: session) else { return }
        begin(now)
        sessions[index].inputHasEnded = true
        closeIfDone(index)
    }

    private mutating func closeIfDone(_ index: Int) {
        guard sessions[index].inputHasEnded, !sessions[index].isClosing, sessions[index].isDone
        else { return }
        sessions[index].isClosing = true
        sessions.markFlushing(index)
        hasMoreWork = true
    }

    /// Bytes of a client, copied in.
    public mutating func receive(
        _ bytes: Span<UInt8>, from session: SessionID, now: ClockReading
    ) {
        guard let index = sessions.index(of: session) else { return }
        sessions[index].input.append(bytes)
        accept(bytes.count, index, now: now)
    }

    private mutating func accept(_ count: Int, _ index: Int, now: ClockReading) {
        begin(now)
        node.statistics.clientReads += 1
        node.statistics.clientBytesReceived += count
        node.applyAllowance.tookUp(count)
        run(index, now: now, mayRead: true)
        let held = sessions[index].input.count
        if held > node.configuration.clientQueryBufferLimit {
            node.log(
                .warning,
                "client-closed addr=\(sessions[index].address) reason=\"query buffer limit\" bytes=\(held)"
            )
            sessions[index].isClosing = true
            sessions[index].input.removeAll(keepingCapacityUpTo: 0)
            sessions[index].cursor = 0
            sessions.markFlushing(index)
        }
    }

    /// What the session has to say; after writing, `wrote` or `takeOutput`.
    public func output(of session: SessionID) -> Int {
        sessions.index(of: session).map { sessions[$0].output.count } ?? 0
    }

    /// Lends the session's output to `body`, which returns how many bytes it could write.
    public mutating func writeOutput(of session: SessionID, _ body: (Span<UInt8>) -> Int) {
        guard let index = sessions.index(of: session), !sessions[index].output.isEmpty else {
            return
        }
        let written = body(sessions[index].output.readable)
        node.statistics.clientWrites += 1
        node.statistics.clientBytesSent += written
        sessions[index].output.consume(written)
        if sessions[index].output.isEmpty {
            sessions[index].output.removeAll(keepingCapacityUpTo: EngineLimits.idleBufferBytes)
        }
        outputShrank(index)
        closeIfDone(index)
    }

    /// A session that was held because of its unsent output goes on when there is room again.
    private mutating func outputShrank(_ index: Int) {
        guard sessions[index].isOutputHeld, !sessions[index].isClosing,
            sessions[index].output.count + sessions[index].queuedInHost
                <= EngineLimits.heldOutputBytesMax
        else { return }
        sessions[index].isOutputHeld = false
        sessions.markReady(index)
        hasMoreWork = true
    }

    /// Moves the rest of the session's output out, for the host to queue.
    public mutating func takeOutput(of session: SessionID) -> ByteBuffer {
        guard let index = sessions.index(of: session) else { return ByteBuffer() }
        node.statistics.clientWrites += 1
        node.statistics.clientBytesSent += sessions[index].output.count
        return sessions[index].output.take()
    }

    /// Bytes of the session that are queued in the host now.
    public mutating func outputQueued(_ bytes: Int, for session: SessionID, now: ClockReading) {
        guard let index = sessions.index(of: session) else { return }
        sessions[index].queuedInHost = bytes
        // Not only when less is queued than before: what `takeOutput` moved may be out already.
        outputShrank(index)
        boundOutput(index, now: now)
        closeIfDone(index)
    }

    /// `client-output-buffer-limit`: the hard limit at once, the soft one when it lasts.
    private mutating func boundOutput(_ index: Int, now: ClockReading) {
        let limit = node.configuration.clientOutputBufferLimit.normal
        let bytes = sessions[index].queuedInHost + sessions[index].output.count
        let isAboveSoft = limit.softBytes > 0 && bytes > limit.softBytes
        if !isAboveSoft { sessions[index].softLimitSince = nil }
        if isAboveSoft, sessions[index].softLimitSince == nil {
            sessions[index].softLimitSince = now.boot
        }
        let lasted = sessions[index].softLimitSince.map { now.boot - $0 } ?? .seconds(0)
        let isOver =
            (limit.hardBytes > 0 && bytes > limit.hardBytes)
            || (isAboveSoft && lasted > .seconds(Int64(limit.softSeconds)))
        guard isOver, !sessions[index].isClosing else { return }
        node.log(
            .warning,
            "client-closed addr=\(sessions[index].address) reason=\"output buffer limit\" bytes=\(bytes)"
        )
        sessions[index].isClosing = true
        sessions[index].output.removeAll(keepingCapacityUpTo: 0)
        outbox.sessionsToDrop.append(sessions[index].id)
    }

    // MARK: Peers

    /// A connection to or from a peer is open.
    public mutating func linkOpened(_ link: LinkID, dialed: NodeID?, now: ClockReading) {
        node.linkOpened(link, dialed: dialed, now: now)
    }

    /// A connection to a peer is gone, or could not be made.
    public mutating func linkClosed(_ link: LinkID, dialed: NodeID?, now: ClockReading) {
        node.linkClosed(link, dialed: dialed, now: now)
    }

    /// Bytes of a peer.
    public mutating func receive(_ bytes: Span<UInt8>, link: LinkID, now: ClockReading) {
        begin(now)
        node.applyAllowance.tookUp(bytes.count)
        node.receive(bytes, link: link, sessions: &sessions, now: now)
        settle(now: now)
    }

    /// Lends the link's output to `body`, which returns how many bytes it could write.
    public mutating func writeOutput(of link: LinkID, _ body: (Span<UInt8>) -> Int) {
        guard let index = node.links.index(of: link), !node.links[index].output.bytes.isEmpty else {
            return
        }
        let written = body(node.links[index].output.bytes.readable)
        node.statistics.peerBytesSent += written
        node.links[index].output.bytes.consume(written)
        // What the window held back goes out next, though no event will come of it.
        if node.links[index].hasWaiting {
            node.links.markFlushing(index)
            hasMoreWork = true
        }
    }

    /// Moves the rest of the link's output out, for the host to queue.
    public mutating func takeOutput(of link: LinkID) -> ByteBuffer {
        guard let index = node.links.index(of: link) else { return ByteBuffer() }
        node.statistics.peerBytesSent += node.links[index].output.bytes.count
        return node.links[index].output.bytes.take()
    }

    /// Bytes the link has to say.
    public func output(of link: LinkID) -> Int {
        node.links.index(of: link).map { node.links[$0].output.bytes.count } ?? 0
    }

    /// Bytes of the link that are queued in the host now.
    public mutating func outputQueued(_ bytes: Int, for link: LinkID) {
        guard let index = node.links.index(of: link) else { return }
        node.links[index].queuedInHost = bytes
        if node.links[index].hasWaiting { node.links.markFlushing(index) }
    }

    // MARK: Log

    /// The log has taken everything up to batch `written`, as durably as `appendfsync` asks; what
    /// is on disk for certain ends with batch `synced`. With `always` both are the same.
    public mutating func logDurable(written: UInt64, synced: UInt64, now: ClockReading) {
        invariant(synced <= written, "synced before it was written")
        begin(now)
        node.logDurable(written: written, synced: synced, now: now)
        settle(now: now)
    }

    /// Older log bytes that were asked for; nil when they could not be read.
    public mutating func logRead(_ id: LogReadID, bytes: Span<UInt8>?, now: ClockReading) {
        begin(now)
        if let again = node.logRead(id, bytes: bytes, now: now) { outbox.logReads.append(again) }
        settle(now: now)
    }

    /// The log's disk has less room than before, or has room again. While it has little, commands that
    /// add data get an error here as leader; a leader whose log stands still hands over if it can.
    public mutating func logSpaceChanged(to space: LogSpace, now: ClockReading) {
        node.logSpaceChanged(to: space, now: now)
        settle(now: now)
    }

    // MARK: Snapshots

    /// What became of the outbox's snapshot commands.
    public mutating func snapshotMoved(_ event: SnapshotEvent, now: ClockReading) {
        begin(now)
        switch event {
        case .written(let id, let chunks): node.snapshotWritten(id, chunks: chunks)
        case .durable(let summary):
            node.snapshotDurable(summary, now: now)
        case .failed(let id, let reason): node.snapshotFailed(id, reason, now: now)
        case .received(let id, let offset): node.snapshotReceived(id, upTo: offset)
        case .damaged(let id, let reason): node.snapshotDamaged(id, reason, now: now)
        case .loaded(let id, let bytes, let isLast):
            node.snapshotLoaded(id, bytes, isLast: isLast, now: now)
        case .loadFailed(let id, let reason): node.loadFailed(id, reason, now: now)
        case .unreadable(let id, let reason, let isLoad):
            node.snapshotUnreadable(id, reason, isLoad: isLoad, now: now)
        case .read(let id, let offset, let bytes, _):
            node.snapshotRead(id, offset: offset, bytes, now: now)
        case .abandoned: break
        case .removed(let id, let error):
            if let error {
                node.log(.warning, "snapshot-not-removed id=\(id) error=\"\(error)\"")
            }
        }
        settle(now: now)
    }

    // MARK: Facts of the host

    /// What only the host knows, for INFO.
    public mutating func update(_ facts: HostFacts, now: ClockReading) {
        node.host = facts
        node.rates.update(
            node.statistics, calls: node.commandStatistics.calls, now: now.boot)
        closeIdle(now: now)
    }

    /// The configuration as CONFIG SET has left it.
    public var configuration: Configuration { node.configuration }

    // MARK: Peers, for the liveness thread

    /// Where a peer listens.
    public struct PeerAddress: Equatable, Sendable {
        public var node: NodeID
        public var name: String
        public var host: String
        public var port: Int
    }

    /// This node's id; 0 as long as it belongs to no cluster that could have given it one.
    public var nodeID: NodeID { node.id }

    /// The peers that there are now. Others may come or go whenever `Outbox.arePeersNew` says so.
    public var peerAddresses: [PeerAddress] {
        node.peers.filter { !$0.isReplaced }.map {
            PeerAddress(node: $0.id, name: $0.name, host: $0.host, port: $0.port)
        }
    }

    /// All nodes of the cluster, those that are leaving among them; empty before genesis.
    public var memberIDs: [NodeID] { node.map?.members.map { NodeID($0.id) } ?? [] }

    /// Equal on all nodes of the cluster; nil before genesis.
    public var clusterToken: UInt64? { node.map?.clusterID.high }

    /// Whether nodes have come or gone since the cluster was founded: `initial-cluster` does not tell
    /// them any more.
    public var haveNodesChanged: Bool { (node.map?.epoch ?? 0) > 0 }

    /// `timeout`: clients that were silent for so long, and wait for nothing, are let go.
    private mutating func closeIdle(now: ClockReading) {
        guard node.configuration.timeoutSeconds > 0 else { return }
        let limit = now.boot - .seconds(Int64(node.configuration.timeoutSeconds))
        for index in sessions.openIndices
        where sessions[index].lastActive < limit && sessions[index].wait == .nothing
            && !sessions[index].isClosing
        {
            sessions[index].isClosing = true
            sessions.markFlushing(index)
        }
    }

    // MARK: Inspection, for tests and tools

    /// The version that the cluster has come to, as far as this node knows; nil without one.
    public var clusterVersion: UInt32? { node.map?.clusterVersion }

    /// The newest versions that the peers speak that this node is linked with, in order of their ids.
    public var peerVersions: [UInt32] {
        node.peers.compactMap { node.links.index(to: $0.id) == nil ? nil : $0.hello?.version }
    }

    /// A replica as it stands.
    public struct ReplicaStatus: Equatable, Sendable {
        public var group: GroupID
        public var role: RaftRole
        public var term: Term
        public var leader: NodeID?
        public var commit: LogIndex
        public var applied: LogIndex
        public var lastIndex: LogIndex
        /// The first entry that the log still holds.
        public var firstIndex: LogIndex
        /// A snapshot is becoming its state.
        public var isLoading: Bool
        /// Its state is lost: a peer's snapshot must come.
        public var lacksState: Bool
        /// Of durable snapshots, newest first.
        public var snapshots: [LogIndex]
        /// The term of the entry at `applied`.
        public var appliedTerm: Term
        /// What a leader knows of its followers; empty elsewhere.
        public var followers: [FollowerStatus]
        /// The members in force.
        public var voters: [NodeID]
        /// The old voters, whose majority is needed, too, while the members change; or empty.
        public var outgoing: [NodeID]
        public var learners: [NodeID]
        /// A change of them is under way, or its end is not committed yet.
        public var isChanging: Bool
        /// It leads, and has committed an entry of its term.
        public var hasCommittedInTerm: Bool
    }

    /// All replicas of this node, the system group first.
    public var replicas: [ReplicaStatus] {
        (0..<node.replicas.count).map { group in
            ReplicaStatus(
                group: node.replicas[group].group, role: node.replicas[group].core.role,
                term: node.replicas[group].core.term, leader: node.replicas[group].core.leader,
                commit: node.replicas[group].core.commit, applied: node.replicas[group].applied,
                lastIndex: node.replicas[group].core.lastIndex,
                firstIndex: node.replicas[group].core.log.firstIndex,
                isLoading: node.replicas[group].load != nil,
                lacksState: node.replicas[group].lacksState,
                snapshots: node.snapshots.groups[group].durable.map(\.id.index),
                appliedTerm: node.replicas[group].core.log.term(at: node.replicas[group].applied)
                    ?? 0,
                followers: node.replicas[group].core.followers,
                voters: node.replicas[group].core.members.voters,
                outgoing: node.replicas[group].core.members.outgoing,
                learners: node.replicas[group].core.members.learners,
                isChanging: node.replicas[group].core.members.isChanging
                    || node.replicas[group].core.members.since > node.replicas[group].core.commit,
                hasCommittedInTerm: node.replicas[group].core.committedInTerm)
        }
    }

    /// The durable snapshots that are believed to be whole.
    public var snapshotIDs: [SnapshotID] {
        (0..<node.replicas.count).flatMap { node.snapshots.groups[$0].durable.map(\.id) }
    }

    /// The digest of a group's whole state at its `applied` index.
    public func stateHash(_ group: GroupID) -> UInt64? {
        guard group.raw < node.replicas.count else { return nil }
        return node.replicas[Int(group.raw)].stateHash()
    }

    /// Turns whose reads were taken back because the lease had ended by the end of the turn.
    public var leaseReadsTakenBack: Int { Int(node.statistics.leaseReadsTakenBack) }

    /// Commands that came to this node's replicas a second time and were not executed again.
    public var repeatedCommands: Int {
        (0..<node.replicas.count).reduce(0) { $0 + node.replicas[$1].windows.duplicates }
    }

    /// Whether this node's log may lack entries that it has acknowledged: it does not vote.
    public var mayLackEntries: Bool { node.mayLackEntries }

    /// Whether the log was cut at damage, and what is lost has not come back from the peers yet.
    public var isUnderRepair: Bool { !node.distrustedGroups.isEmpty }

    /// The groups of which that is so.
    public var groupsUnderRepair: [GroupID] { node.distrustedGroups }

    /// Why this node takes part in nothing, if it does not.
    public var muteReason: String? { node.muteReason }

    /// Walks all structures and stops the process where one is broken.
    ///
    /// - Parameter walksLogs: false leaves out the logs in memory.
    public func checkInvariants(walksLogs: Bool = true) {
        for group in 0..<node.replicas.count {
            node.replicas[group].core.checkInvariants(walksLog: walksLogs)
            invariant(
                node.replicas[group].applied <= node.replicas[group].core.commit,
                "applied beyond the commit")
        }
    }

    // MARK: Time

    /// `nextDeadline` has passed.
    public mutating func tick(now: ClockReading) {
        begin(now)
        node.tick(now: now)
        expireWaiting(now: now)
        settle(now: now)
    }

    /// Asks the node to stop: it hands its leaderships over first, at most for a second.
    public mutating func shutdown(now: ClockReading) {
        node.shutdown(now: now)
    }

    /// Ends the turn: what arrived becomes one log batch, one write per peer, one write per session.
    ///
    /// - Parameter now: read after the last event of the turn was treated; the leases that the
    ///   turn's reads relied on must hold now.
    public mutating func endTurn(now: ClockReading) {
        confirmLeaseReads(now: now)
        runReady(now: now, mayRead: false)
        moveFinishedUploads()
        node.endTurn(now: now)
        moveFinishedUploads()
        // The clock was read: what is answered from here on must not rely on a lease.
        settle(now: now, mayRead: false)
        node.applyAllowance.renew(groups: node.replicas.count)
        invariant(node.provisional.isEmpty, "a lease read after the end of the turn")
        flush(now: now)
    }

    /// The host has carried out what the turn led to, and goes to sleep.
    ///
    /// - Parameter used: processor time of the loop's thread since it did so before.
    public mutating func turnEnded(at now: Instant, used: Interval) {
        node.statistics.turns.end(at: now, used: used)
    }

    // MARK: Inside a turn

    /// Applies what is committed, delivers answers, and lets sessions go on.
    private mutating func settle(now: ClockReading, mayRead: Bool = true) {
        let groups = node.replicas.count
        for offset in 0..<groups {
            let group = node.applyAllowance.first + offset
            node.settle(group < groups ? group : group - groups, sessions: &sessions, now: now)
        }
        node.considerAdoption(now: now)
        runReady(now: now, mayRead: mayRead)
    }

    /// Lets the sessions go on that got an answer.
    private mutating func runReady(now: ClockReading, mayRead: Bool) {
        hasMoreWork = false
        var rounds = 0
        while !sessions.ready.isEmpty {
            // Sessions that had their share, or whose next command is a read at the end of the
            // turn, go on in the next turn.
            rounds += 1
            if rounds > 2 {
                hasMoreWork = true
                return
            }
            // Swapped, not copied: a copy would cost an allocation per turn.
            var ready: [SessionID] = []
            swap(&ready, &spareReady)
            swap(&ready, &sessions.ready)
            for at in ready.indices {
                let id = ready[at]
                guard let index = sessions.index(of: id) else { continue }
                sessions[index].isReady = false
                finishGather(index, now: now)
                run(index, now: now, mayRead: mayRead)
            }
            ready.removeAll(keepingCapacity: true)
            swap(&ready, &spareReady)
        }
    }

    /// Executes a session's input until it must wait.
    private mutating func run(_ index: Int, now: ClockReading, mayRead: Bool) {
        while true {
            switch node.execute(&sessions[index], now: now, mayRead: mayRead) {
            case .waiting:
                break
            case .shared, .readHeld:
                sessions.markReady(index)
            case .nodeCommand:
                if executeNodeCommand(index, now: now) { continue }
            }
            break
        }
        if !sessions[index].output.isEmpty || sessions[index].isClosing {
            sessions.markFlushing(index)
        }
        pauseOrResume(index)
        closeIfDone(index)
    }

    /// A session that can not go on, with input enough, is not read.
    private mutating func pauseOrResume(_ index: Int) {
        let waits =
            sessions[index].wait != .nothing || sessions[index].blockedSince != nil
            || sessions[index].output.count + sessions[index].queuedInHost
                > EngineLimits.heldOutputBytesMax
        let isFull =
            waits && !sessions[index].parser.isBig
            && sessions[index].input.count > EngineLimits.heldInputBytesMax
        guard isFull != sessions[index].isPaused, !sessions[index].inputHasEnded else { return }
        sessions[index].isPaused = isFull
        if isFull {
            outbox.sessionsToPause.append(sessions[index].id)
        } else {
            outbox.sessionsToResume.append(sessions[index].id)
        }
    }

    /// The clock was read again after the turn's reads: replies whose lease has ended by then are
    /// taken back, and the reads take the long way.
    private mutating func confirmLeaseReads(now: ClockReading) {
        let holds = node.confirmLeases(now: now)
        node.commandStatistics.endTurn(now: now.boot, leasesHold: holds)
        var ids: [SessionID] = []
        swap(&ids, &node.provisional)
        defer {
            ids.removeAll(keepingCapacity: true)
            swap(&ids, &node.provisional)
        }
        // By position: a `for` over the elements allocates in debug builds, once per loop.
        for at in ids.indices {
            let id = ids[at]
            guard let index = sessions.index(of: id), let mark = sessions[index].leaseMark else {
                continue
            }
            sessions[index].leaseMark = nil
            if holds {
                let executed = sessions[index].cursor
                sessions[index].input.consume(executed)
                sessions[index].cursor = 0
                if sessions[index].input.isEmpty {
                    sessions[index].input.removeAll(
                        keepingCapacityUpTo: EngineLimits.idleBufferBytes)
                } else {
                    sessions.markReady(index)
                }
                closeIfDone(index)
            } else {
                node.statistics.leaseReadsTakenBack += 1
                // A session that was ended meanwhile may have less output than at its mark.
                let kept = min(mark.output, sessions[index].output.count)
                sessions[index].output.truncate(to: kept)
                sessions[index].cursor = min(mark.cursor, sessions[index].input.count)
                sessions[index].replyMode = mark.replyMode
                sessions[index].parsed = false
                sessions[index].parser.reset()
                sessions.markReady(index)
            }
        }
    }

    /// Large commands whose pieces are applied wait for their answer like others now.
    private mutating func moveFinishedUploads() {
        for id in node.uploadsFinished {
            guard let index = sessions.index(of: id), case .upload(let group) = sessions[index].wait
            else { continue }
            sessions[index].wait = .writes(group)
        }
        node.uploadsFinished.removeAll(keepingCapacity: true)
    }

    /// Tells the host what there is to write and to do.
    private mutating func flush(now: ClockReading) {
        for at in sessions.flushing.indices {
            let id = sessions.flushing[at]
            guard let index = sessions.index(of: id) else { continue }
            sessions[index].isFlushing = false
            if !sessions[index].output.isEmpty { outbox.sessionsToFlush.append(id) }
            if sessions[index].isClosing { outbox.sessionsToClose.append(id) }
        }
        sessions.flushing.removeAll(keepingCapacity: true)
        node.flush(into: &outbox, now: now)
        if !sessions.ready.isEmpty || node.hasUnrouted(now: now) || node.hasGarbage
            || node.hasSnapshotWork
        {
            hasMoreWork = true
        }
        for group in 0..<node.replicas.count
        where node.replicas[group].hasMoreToApply || node.replicas[group].hasMoreToServe {
            hasMoreWork = true
        }
        nextDeadline = node.nextDeadline(now: now)
    }
}
