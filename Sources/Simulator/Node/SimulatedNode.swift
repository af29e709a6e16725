internal import Bytes
internal import Engine

/// A machine: a disk and clocks that outlive the processes on it, and the process that runs now.
final class SimulatedNode {
    let number: Int
    var name: String { "n\(number)" }
    var disk = VirtualDisk()
    var snapshots = VirtualSnapshots()
    var clock: NodeClock
    var random: SeededGenerator

    /// The newest version that its next process speaks; see `Simulation+Versions`.
    var version: UInt32 = 1
    var isToBeUpgraded = false
    /// It waits to be met, instead of founding the cluster.
    var joins = false
    /// Its id in the cluster, as far as it ever had one.
    var raftID: Int
    /// Nil while the node is down.
    var process: SimulatedProcess?
    /// The machine's own boot, told to the engine.
    var machine: UInt64 = 1
    /// A process has run here that did not stop in an orderly way.
    var isUnclean = false
    /// The last process died while it was about to stop in an orderly way.
    var wasEnding = false
    /// Set when the machine went down under a log that was not synced, until the node trusts itself
    /// again; see `Simulation+Gaps`.
    var gap: LogGap?
    /// Set when a bit of its files was flipped, until nothing of that is left; see `Simulation+Damage`.
    var damage: NodeDamage?
    /// How many processes were started on this machine.
    var life = 0
    /// Why the last process ended by itself; for scenarios and reports.
    var lastExit: Outbound.Exit?
    /// Why recovery refused the disk.
    var refusal: String?
    /// Lines of the diagnostic log, the latest at the end.
    var lines: [String] = []

    /// The whole process stands still until then (SIGSTOP, a VM that is suspended).
    var pausedUntil = Moment.zero
    /// Liveness messages that reached it meanwhile.
    var heldLiveness: [(source: Int, bytes: [UInt8])] = []
    /// Only the loop thread stands still until then; liveness and log threads go on.
    var loopStalledUntil = Moment.zero
    /// Syncs do not return before then.
    var diskStalledUntil = Moment.zero
    /// Disk latencies are multiplied by this.
    var diskSlowness: Int64 = 1
    /// Until then there is no room for a new segment; and none for any write, if it copies on write.
    var diskFullUntil = Moment.zero
    var diskCopiesOnWrite = false
    /// Segments that a full disk still has room for: the one that was prepared, and the reserve.
    var segmentsLeft = SimulatedNode.segmentsAhead
    static let segmentsAhead = 2
    /// The log thread waits for room.
    var waitsForRoom = false
    /// What the process was told last.
    var toldSpace = LogSpace.ample
    /// The next sync fails, which ends the process.
    var failsNextSync = false
    /// A process that was killed starts again then.
    var restartAt: Moment?

    init(number: Int, clock: NodeClock, random: SeededGenerator) {
        self.number = number
        raftID = number
        self.clock = clock
        self.random = random
    }

    var isUp: Bool { process != nil }

    /// When work that is due at `moment` can really run on the loop thread.
    func loopFree(at moment: Moment) -> Moment { max(moment, pausedUntil, loopStalledUntil) }

    func note(_ line: String) {
        lines.append(line)
        if lines.count > 400 { lines.removeFirst(200) }
    }
}
