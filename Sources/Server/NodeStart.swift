internal import Bytes
public import Configuration
internal import Engine
public import Logging
internal import Raft
internal import UV
internal import WAL

/// Why a node could not be started; one line for the operator.
public struct NodeStartError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ reason: some CustomStringConvertible) { description = reason.description }
}

/// Everything that exists before the host does.
struct StartedParts: ~Copyable {
    let loop: Loop
    let log: Logger
    let sink: LogSink
    let configuration: Configuration
    let configurationFile: String
    let directory: DataDirectory
    let bind: BindAddresses
    let clientListeners: [TCPListener]
    let clusterListeners: [TCPListener]
    let liveness: PairLiveness
    let livenessSettings: LivenessSettings
    private var engine: Engine?

    /// Takes the engine; once.
    mutating func takeEngine() -> Engine {
        guard let engine = engine.take() else { invariantFailed("the engine was taken twice") }
        return engine
    }

    /// Brings a node up to the point where only the loop has to run: the directory is locked first
    /// (a second process on it must change nothing and learn that it is one), then the ports are
    /// taken, then the log is read, which may take long.
    init(
        _ configuration: Configuration, file: String, sink: LogSink, on loop: Loop
    ) throws(NodeStartError) {
        self.loop = loop
        self.sink = sink
        log = Logger(sink)
        configurationFile = file
        do throws(DataDirectoryError) {
            directory = try DataDirectory(path: configuration.dir)
        } catch { throw NodeStartError(error) }
        do throws(UVError) {
            bind = try BindAddresses(configuration.bind)
            clientListeners =
                configuration.port == 0
                ? []
                : try bind.listen(
                    port: UInt16(configuration.port), backlog: configuration.tcpBacklog, on: loop)
            // Without peers there is nobody to listen to.
            clusterListeners =
                configuration.members.count == 1
                ? []
                : try bind.listen(
                    port: UInt16(configuration.peerPort), backlog: configuration.tcpBacklog,
                    on: loop)
        } catch { throw NodeStartError(error) }
        self.configuration = configuration
        var random = SystemRandomNumberGenerator()
        var parameters = WALParameters(saltSeed: random.next())
        parameters.tailBytesMax = configuration.raftLogCache
        let recovered: RecoveredLog
        do throws(LogStartError) {
            recovered = try directory.recoverLog(parameters)
        } catch { throw NodeStartError(error) }
        if let torn = recovered.tornTail {
            log.notice("log-tail-dropped bytes=\(torn.bytes) reason=\"not synced at the last stop\"")
        }
        do throws(StartError) {
            let now = SystemClock.reading()
            let node = NodeID(configuration.nodeID)
            liveness = PairLiveness(
                node: node, boot: try Engine.nextBoot(after: recovered),
                peers: configuration.members.indices.map { NodeID(UInt16($0 + 1)) },
                promise: configuration.electionTimeout, busyLimit: configuration.busyLimit,
                diskStallLimit: configuration.diskStallLimit, now: now.boot)
            livenessSettings = LivenessSettings(configuration, from: bind)
            engine = try Engine(
                configuration: configuration, recovered: recovered, seed: random.next(), now: now,
                liveness: liveness)
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
            let parts = try StartedParts(configuration, file: file, sink: sink, on: loop)
            do throws(UVError) {
                return try NodeHost(parts)
            } catch { throw NodeStartError(error) }
        } catch {
            loop.closeAllHandles()
            throw error
        }
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

extension LivenessSettings {
    init(_ configuration: Configuration, from bind: BindAddresses) {
        let members = configuration.members
        node = NodeID(configuration.nodeID)
        let own = node
        peers = members.enumerated().compactMap { position, member in
            let id = NodeID(UInt16(position + 1))
            guard id != own, let port = UInt16(exactly: member.port) else { return nil }
            return Peer(node: id, name: member.name, host: member.host, port: port)
        }
        self.bind = bind
        heartbeat = configuration.heartbeatInterval
        // Two promises without a word: whatever is at the other end, a new connection does better.
        silence = max(
            configuration.electionTimeout + configuration.electionTimeout, .milliseconds(500))
        let names = members.map { "\($0.name)=\($0.host):\($0.port)" }.joined(separator: ",")
        // A fixed key: all nodes must come to the same number, and nobody is kept out by it.
        token = SipHash(key0: 0x736b_6569_6e00, key1: 1).hash(Array(names.utf8).span)
    }
}
