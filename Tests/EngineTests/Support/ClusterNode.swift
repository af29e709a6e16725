import Bytes
import Configuration
import Engine
import Raft
import Snapshot
import WAL

/// One machine of an `EngineCluster`: a disk that outlives the processes on it, and the process.
final class ClusterNode {
    let index: Int
    /// Of the node's randomness: another cluster needs another one.
    let seed: UInt64
    var configuration: Configuration
    /// The versions that the node's program speaks; those of this one when nil.
    var versions: ClosedRange<UInt32>?
    var disk = MemoryDisk()
    var snapshots = MemorySnapshots()
    /// Nil while the node is down.
    var process: NodeProcess?
    var lines: [String] = []
    var exit: ExitReason?
    var starts: UInt64 = 0
    /// The machine's own boot.
    var machine: UInt64 = 1
    /// While false, sealed batches wait in `undurable`.
    var isDiskFast = true
    /// A node that stands still takes no turns; its liveness stands still too.
    var isPaused = false

    init(index: Int, seed: UInt64, configuration: Configuration) {
        self.index = index
        self.seed = seed
        self.configuration = configuration
    }

    /// A founder's id is known before it says so itself.
    var id: NodeID { process?.engine.nodeID ?? NodeID(UInt16(index + 1)) }
    var host: String { "10.0.0.\(index + 1)" }
    var name: String { configuration.nodeName }

    /// - Throws: what `Engine.init` or the recovery of the disk throws.
    func start(now: ClockReading) throws {
        starts += 1
        var parameters = WALParameters(saltSeed: UInt64(index) << 32 | starts)
        parameters.segmentBytes = 1 << 20
        let recovered = try WALRecovery.recover(from: disk, parameters)
        for segment in recovered.obsoleteSegments { disk.remove(segment) }
        let liveness = PairLiveness(
            node: NodeID(0), boot: try Engine.nextBoot(after: recovered), peers: [],
            promise: configuration.electionTimeout,
            drift: configuration.leaseDrift, busyLimit: configuration.busyLimit,
            diskStallLimit: configuration.diskStallLimit, now: now.boot)
        let engine = try Engine(
            configuration: configuration, recovered: recovered, snapshots: snapshots.listing(),
            seed: seed &+ UInt64(index + 1) &* 1_000_003 &+ starts, machine: machine, now: now,
            liveness: liveness, versions: versions)
        exit = nil
        snapshots.processDied()
        process = NodeProcess(engine, liveness)
    }
}

/// A run of the server on a node, with what its host would hold.
final class NodeProcess {
    var engine: Engine
    let liveness: PairLiveness
    /// Something happened since the last turn. A host without events sleeps until the deadline that the
    /// engine named: what the engine forgets to announce shows as a delay.
    var hasEvents = true
    /// Turns taken.
    var turns = 0
    var undurable: [StoredBatch] = []
    var reads: [LogReadRequest] = []
    /// What the snapshot thread has to say.
    var snapshotEvents: [SnapshotEvent] = []
    /// What clients were sent and have not read.
    var sent: [SessionID: [UInt8]] = [:]
    var closed: Set<SessionID> = []
    var paused: Set<SessionID> = []
    /// Bytes that a client's socket takes until the client reads; all, when there is no number.
    var window: [SessionID: Int] = [:]

    init(_ engine: consuming Engine, _ liveness: PairLiveness) {
        self.engine = engine
        self.liveness = liveness
    }
}
