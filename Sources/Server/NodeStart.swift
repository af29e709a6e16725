internal import Bytes
public import Configuration
internal import Engine
internal import Logging
internal import Raft
internal import Snapshot
internal import UV
internal import WAL

/// Why a node could not be started; one line for the operator.
public struct NodeStartError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ reason: some CustomStringConvertible) { description = reason.description }

    /// Something is wrong with what the directory holds.
    init(_ reason: some CustomStringConvertible, in directory: String) {
        description = "dir \(directory): \(reason)"
    }
}

/// What a node takes hold of before it reads its log: others can have it.
struct NodePlaces {
    let directory: DataDirectory
    let bind: BindAddresses
    let clientListeners: [TCPListener]
    let clusterListeners: [TCPListener]

    /// The directory is locked first: a second process on it must change nothing and learn that it
    /// is one. Then the ports, before the log is read, which may take long.
    init(_ configuration: Configuration, on loop: Loop) throws(NodeStartError) {
        do throws(DataDirectoryError) {
            directory = try DataDirectory(path: configuration.dir)
        } catch { throw NodeStartError(error) }
        do throws(UVError) {
            bind = try BindAddresses(configuration.bind)
            let backlog = configuration.tcpBacklog
            clientListeners =
                configuration.port == 0
                ? []
                : try bind.listen(port: UInt16(configuration.port), backlog: backlog, on: loop)
            // Without peers there is nobody to listen to.
            clusterListeners =
                configuration.members.count == 1 && !configuration.join
                ? []
                : try bind.listen(port: UInt16(configuration.peerPort), backlog: backlog, on: loop)
        } catch { throw NodeStartError(error) }
    }
}

extension NodeHost {
    /// Starts a node: after this, `run` serves.
    ///
    /// - Parameter file: the configuration file's path, for INFO.
    public static func start(
        _ configuration: Configuration, file: String, sink: LogSink
    ) throws(NodeStartError) -> NodeHost {
        let log = Logger(sink)
        let configuration = fitToDescriptors(configuration, log)
        let loop: Loop
        do throws(UVError) { loop = try Loop() } catch { throw NodeStartError(error) }
        do throws(NodeStartError) {
            return try start(configuration, file: file, sink: sink, on: loop)
        } catch {
            loop.closeAllHandles()
            throw error
        }
    }

    private static func start(
        _ configuration: Configuration, file: String, sink: LogSink, on loop: Loop
    ) throws(NodeStartError) -> NodeHost {
        let log = Logger(sink)
        let places = try NodePlaces(configuration, on: loop)
        var random = SystemRandomNumberGenerator()
        let recovered = try recover(places.directory, configuration, salt: random.next(), sink)
        let snapshots = try listSnapshots(places.directory, configuration, log)
        let now = SystemClock.reading()
        let liveness: PairLiveness
        let engine: Engine
        do throws(StartError) {
            liveness = PairLiveness(
                configuration, boot: try Engine.nextBoot(after: recovered), now: now.boot)
            engine = try Engine(
                configuration: configuration, recovered: recovered, snapshots: snapshots,
                seed: random.next(), machine: MachineBoot.current(), now: now,
                liveness: liveness)
            if !engine.isUnderRepair { try? places.directory.removeSetAside() }
        } catch { throw NodeStartError(error, in: configuration.dir) }
        do throws(UVError) {
            return try NodeHost(
                configuration, file: file, sink: sink, loop, places, liveness, engine)
        } catch { throw NodeStartError(error) }
    }

    /// The snapshots that can be used; a damaged one is told of and left for 'skein check'.
    private static func listSnapshots(
        _ directory: DataDirectory, _ configuration: Configuration, _ log: Logger
    ) throws(NodeStartError) -> [SnapshotSummary] {
        do throws(SnapshotFileError) {
            let listing = try directory.listSnapshots()
            for damaged in listing.damaged {
                log.warning("snapshot-damaged id=\(damaged.id) reason=\"\(damaged.reason)\"")
            }
            return listing.snapshots
        } catch { throw NodeStartError(error, in: configuration.dir) }
    }

    private static func recover(
        _ directory: DataDirectory, _ configuration: Configuration, salt: UInt64, _ sink: LogSink
    ) throws(NodeStartError) -> RecoveredLog {
        var parameters = WALParameters(saltSeed: salt)
        parameters.tailBytesMax = configuration.raftLogCache
        parameters.segmentBytes = WALLimits.segmentBytes(forLogOf: configuration.walMaxSize)
        let foundsAlone = configuration.members.count == 1 && !configuration.join
        do throws(LogStartError) {
            let recovered: RecoveredLog
            do throws(LogStartError) {
                recovered = try directory.recoverLog(parameters, mayRepair: !foundsAlone)
            } catch {
                // A node founded alone has peers since the first one was met.
                guard case .log = error, foundsAlone, hasGrown(directory) else { throw error }
                recovered = try directory.recoverLog(parameters, mayRepair: true)
            }
            tell(recovered, Logger(sink))
            return recovered
        } catch {
            guard case .log = error, foundsAlone else {
                throw NodeStartError(error, in: configuration.dir)
            }
            // Peers would give back what is lost; without them it is for the operator to decide.
            throw NodeStartError(
                "\(error) No other node has what is lost: restore a backup, or see by 'skein recover' what is left without it",
                in: configuration.dir)
        }
    }

    private static func hasGrown(_ directory: DataDirectory) -> Bool {
        guard let source = try? LogFileSource(directory) else { return false }
        return Engine.memberCount(in: WALCheck.check(source).nodeRecords) > 1
    }

    private static func tell(_ recovered: borrowing RecoveredLog, _ log: Logger) {
        if let torn = recovered.tornTail {
            log.notice(
                "log-tail-dropped bytes=\(torn.bytes) reason=\"not synced at the last stop\"")
        }
        guard let damage = recovered.damage else { return }
        guard let repair = recovered.repair else {
            log.warning(
                "log-damaged effect=\"none, snapshots hold all of it\" reason=\"\(damage)\"")
            return
        }
        log.warning(
            """
            log-damaged reason="\(damage)" effect="cut behind batch \(repair.lastBatch), \
            \(repair.setAside.count) files set aside; what is lost comes from the peers, no vote before"
            """)
    }

    /// Raises the limit of open files, or lowers `maxclients` to what it allows, as Redis does.
    private static func fitToDescriptors(
        _ configuration: Configuration, _ log: Logger
    ) -> Configuration {
        var configuration = configuration
        switch DescriptorLimit.makeRoom(forClients: configuration.maxclients) {
        case .sufficient: break
        case .raised(let files): log.info("open-files-raised limit=\(files)")
        case .insufficient(let files, let clients):
            log.warning(
                """
                open-files-limited limit=\(files) maxclients=\(max(1, clients)) \
                wanted=\(configuration.maxclients) advice="raise 'ulimit -n'"
                """)
            configuration.maxclients = max(1, clients)
        }
        return configuration
    }
}

extension PairLiveness {
    convenience init(_ configuration: Configuration, boot: UInt64, now: Instant) {
        self.init(
            // The engine says who this is, and who the peers are.
            node: NodeID(0), boot: boot, peers: [], promise: configuration.electionTimeout,
            drift: configuration.leaseDrift,
            busyLimit: configuration.busyLimit,
            diskStallLimit: configuration.diskStallLimit, now: now)
        priority = configuration.leaderPriority
    }
}

extension LivenessSettings {
    /// - Parameter engine: which node this is, and who its peers are, as of now.
    init(_ configuration: Configuration, _ engine: borrowing Engine, from bind: BindAddresses) {
        node = engine.nodeID
        peers = engine.peerAddresses.compactMap { peer in
            guard let port = UInt16(exactly: peer.port) else { return nil }
            return Peer(node: peer.node, name: peer.name, host: peer.host, port: port)
        }
        self.bind = bind
        heartbeat = configuration.heartbeatInterval
        // Two promises without a word: whatever is at the other end, a new connection does better.
        silence = max(
            configuration.electionTimeout + configuration.electionTimeout, .milliseconds(500))
        let names = configuration.members.map { "\($0.name)=\($0.host):\($0.port)" }
            .joined(separator: ",")
        // A fixed key: all nodes must come to the same number, and nobody is kept out by it.
        let founding = SipHash(key0: 0x736b_6569_6e00, key1: 1).hash(Array(names.utf8).span)
        token = founding
        tokens = [founding]
        guard let cluster = engine.clusterToken else { return }
        tokens.append(cluster)
        if engine.haveNodesChanged { token = cluster }
    }
}
