/// Every fault that the simulated world can bring about.
public enum Fault: Int, CaseIterable, Sendable, Comparable {
    case linkBroken, halfOpen, dialRefused, framesHeld
    case frameDropped, frameDuplicated, frameReordered
    case delayed, livenessDropped, livenessDuplicated
    case partition, oneWayPartition, clog
    /// One pair of nodes, one direction, or a random graph of links was cut; see `LinkGraph`.
    case pairCut, oneWayCut, graphCut
    /// A node that led was cut off, stood still, or died. Those that did not lead are counted as `partition`,
    /// `pause`, `processKilled` and `powerCut`: nothing is counted twice.
    case leaderIsolated, leaderPaused, leaderKilled
    case clientCut
    case pause, loopStall
    case clockRate, wallJump
    case diskStall, slowDisk, diskFull, reserveUsed, waitedForRoom, syncFailed, readFailed
    case processKilled, powerCut, powerCutEverywhere, tornSectors, restart, wipe
    case shutdown
    /// A machine went down under writes that were not synced; so many at once that some may be lost; a
    /// node that had applied what was lost began anew.
    case unsyncedCut, majorityLoss, contradicted
    /// A bit of a node's files was flipped; a log with such damage was cut at it; and the machine went
    /// down in the midst of that; a node had everything back.
    case bitFlipped, logCut, repairCut, repaired
    /// A log's damage lay in what snapshots stand for; a read of old entries met it while the process
    /// ran; a snapshot was found to be damaged; a group's state was lost, and came from a peer.
    case damagePassed, damageMet, snapshotDamaged, stateLost
    /// A node became a member; one was removed; one that lost its directory was taken in again.
    case joined, forgotten, takenIn
    /// Only a majority was healed at first, with the others cut off or down; and it was led again.
    case healedCore
    /// A node was started again with a newer program; two of different versions were linked; a cluster came
    /// to the newer version.
    case upgraded, versionsMixed, versionRaised
    /// A command was refused for `maxmemory`.
    case memoryRefused

    public static func < (left: Fault, right: Fault) -> Bool { left.rawValue < right.rawValue }
}

/// How often each fault really occurred in a run: a fault that was drawn but met nothing (a partition
/// over which nobody spoke) does not count.
public struct FaultCounts: Equatable, Sendable {
    private var counts = [Int](repeating: 0, count: Fault.allCases.count)

    public init() {}

    public subscript(_ fault: Fault) -> Int { counts[fault.rawValue] }

    public mutating func add(_ fault: Fault, _ times: Int = 1) { counts[fault.rawValue] += times }

    /// Adds the counts of another run.
    public mutating func add(_ other: FaultCounts) {
        for fault in Fault.allCases { add(fault, other[fault]) }
    }

    /// `name=count` of all that occurred, in the order of the declaration.
    public var summary: String {
        let occurred = Fault.allCases.filter { self[$0] > 0 }.map { "\($0)=\(self[$0])" }
        return occurred.isEmpty ? "none" : occurred.joined(separator: " ")
    }
}
