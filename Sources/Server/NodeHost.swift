internal import Bytes
internal import Configuration
internal import Engine
internal import Glibc
internal import Logging
internal import Raft
public import UV
internal import WAL

/// A running node: the loop, the engine on it, and everything that connects the two to the world.
/// Loop thread only.
///
/// The engine decides; the host moves bytes. Every callback of the loop is one call into the engine,
/// and once per turn, right before the loop sleeps, the engine's outbox is carried out (NodeHost+Turn).
/// Sockets, threads and files live in the host's parts, each with a file of its own:
///
///     clients         sessions' sockets             ClientListener, ClientConnection
///     cluster         the cluster port              ClusterListener, ConnectionGreeting
///     links           the peers' sockets            PeerLinks, PeerDial
///     livenessThread  pings, on their own loop      LivenessThread, LivenessExchange
///     logLink         the log's threads             LogLink, LogThread
///     snapshotLink    the snapshots' thread         SnapshotLink, SnapshotThread
public final class NodeHost {
    let loop: Loop
    let log: Logger
    let sink: LogSink
    let liveness: PairLiveness
    var engine: Engine
    // Set before the loop turns; they refer back to the host.
    private(set) var clients: ClientListener!
    private(set) var cluster: ClusterListener!
    private(set) var links: PeerLinks!
    private(set) var logLink: LogLink!
    private(set) var snapshotLink: SnapshotLink!
    private(set) var livenessThread: LivenessThread!
    private let directory: DataDirectory
    private let bind: BindAddresses
    private let reserve: DiskReserve

    let turn: TurnTimers
    var spare = SpareLists()
    /// What the loop's thread had used at the end of the turn before.
    var threadTimeBefore = Interval(nanoseconds: 0)
    private var signals: [SignalWatcher] = []
    private var signalsReceived = 0
    private var lines = LineBudget()
    private var facts: ProcessFacts
    private var secondsWithoutReserve = 0
    private var exitReason: ExitReason?
    private var shutdownTimer: Timer?

    init(
        _ configuration: Configuration, file: String, sink: LogSink, _ loop: Loop,
        _ places: NodePlaces, _ liveness: PairLiveness, _ engine: consuming Engine
    ) throws(UVError) {
        self.loop = loop
        self.sink = sink
        log = Logger(sink)
        self.liveness = liveness
        self.engine = engine
        facts = ProcessFacts(configurationFile: file)
        turn = TurnTimers(loop)
        let segmentBytes = WALLimits.segmentBytes(forLogOf: configuration.walMaxSize)
        directory = places.directory
        bind = places.bind
        reserve = DiskReserve(
            places.directory,
            bytes: min(
                ServerLimits.reserveSegments * segmentBytes,
                (places.directory.totalBytes ?? .max) / ServerLimits.reserveShare))
        clients = ClientListener(self, places.clientListeners)
        cluster = ClusterListener(self, places.clusterListeners)
        links = PeerLinks(self, from: places.bind)
        logLink = try LogLink(
            self, directory, reserve, mode: LogThread.SyncMode(configuration.appendfsync),
            segmentBytes: segmentBytes, liveness)
        snapshotLink = try SnapshotLink(
            directory, reservedBytes: segmentBytes, reserve: reserve, on: loop
        ) { [unowned self] event in
            self.engine.snapshotMoved(event, now: SystemClock.reading())
        }
        livenessThread = try LivenessThread(
            LivenessSettings(configuration, self.engine, from: places.bind), liveness, log: log)
        self.engine.outbox.arePeersNew = false
        turn.onTurn = { [unowned self] in endTurn() }
        turn.onSecond = { [unowned self] in secondPassed() }
    }

    /// Where clients are accepted; with the real port where 0 was asked for.
    public var clientAddresses: [String] { clients.addresses.map(\.description) }

    /// Serves until the node stops and its log is closed; the exit code for the process. `close` is to
    /// follow.
    public func run() -> Int32 {
        secondPassed()
        loop.run()
        letGo()
        switch exitReason {
        case .fatal(let reason):
            log.critical("stopped reason=\"\(reason)\"")
            return 1
        case .shutdown, nil:
            log.notice("stopped reason=shutdown")
            return 0
        }
    }

    /// Turns SIGTERM and SIGINT into a clean shutdown (the second one ends the process at once), and
    /// SIGHUP into a new log file.
    public func watchSignals() throws(UVError) {
        for number in [SIGTERM, SIGINT] {
            let watcher = try SignalWatcher(loop, number) { [unowned self] in asked(by: number) }
            signals.append(watcher)
        }
        signals.append(try SignalWatcher(loop, SIGHUP) { [unowned self] in sink.reopen() })
    }

    private func asked(by signal: Int32) {
        signalsReceived += 1
        // The log bears an end at any moment, as it bears a kill.
        if signalsReceived > 1 { _exit(128 + signal) }
        shutDown(reason: signal == SIGINT ? "SIGINT" : "SIGTERM")
    }

    /// Lets the engine hand over what it leads, then stops.
    public func shutDown(reason: String) {
        log.notice("shutdown reason=\(reason)")
        engine.shutdown(now: SystemClock.reading())
        shutdownTimer = Timer(loop) { [unowned self] in stop(.shutdown) }
        shutdownTimer?.start(after: ServerLimits.shutdownTime)
    }

    /// Ends `run` after this turn. The first reason counts.
    func stop(_ reason: ExitReason) {
        if exitReason == nil { exitReason = reason }
        loop.stop()
    }

    /// Nodes have joined or left, or this one has: the liveness thread is to know.
    func tellPeers() {
        livenessThread.change(to: LivenessSettings(engine.configuration, engine, from: bind))
    }

    /// Writes a line to the diagnostic log, unless there were too many in this second.
    func say(_ level: LogLine.Level, _ text: String) {
        let isAdmitted = lines.admits(now: bootInstant()) { omitted in
            log.warning("log-lines-omitted count=\(omitted)")
        }
        if isAdmitted { log.log(level: level.loggerLevel, "\(text)") }
    }

    private func secondPassed() {
        var facts = facts.reading()
        facts.diskFreeBytes = directory.freeBytes ?? 0
        facts.diskReserveBytes = reserve.heldBytes
        tellReserve(isWhole: reserve.isWhole)
        engine.update(facts, now: SystemClock.reading())
        sink.level = .init(engine.configuration.loglevel)
        let replicas = engine.replicas
        let leads = replicas.contains { $0.role == .leader && $0.group != .system }
        sink.role = leads ? "M" : replicas.isEmpty ? "X" : "S"
    }

    /// Says when the reserve is gone and when it is whole again; not while it is being made.
    private func tellReserve(isWhole: Bool) {
        if isWhole, secondsWithoutReserve > 1 {
            say(.notice, "disk-reserve-whole bytes=\(reserve.bytes)")
        }
        secondsWithoutReserve = isWhole ? 0 : secondsWithoutReserve + 1
        guard secondsWithoutReserve == 2 else { return }
        say(
            .warning,
            "disk-reserve-gone bytes=\(reserve.bytes) free=\(directory.freeBytes ?? 0) reason=\"the disk is full, or was at the start\""
        )
    }

    /// Lets everybody go and closes the log.
    private func letGo() {
        for watcher in signals { watcher.close() }
        shutdownTimer?.close()
        turn.close()
        clients.closeAll()
        cluster.close()
        links.closeAll()
        livenessThread.beginStop()
        snapshotLink.stop()
        logLink.stop()
    }

    /// Ends the threads and gives back what the loop holds. Waits for names that are being looked up.
    public func close() {
        livenessThread.join()
        loop.closeAllHandles()
    }
}

extension LogLine.Level {
    var loggerLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .verbose: .info
        case .notice: .notice
        case .warning: .warning
        }
    }
}
