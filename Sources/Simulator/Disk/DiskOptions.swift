public import Bytes

/// `appendfsync` of a run's nodes.
public enum SyncMode: String, CaseIterable, Sendable {
    case always, everysec, no
}

/// How fast and how bad the disks of a run are.
public struct DiskOptions: Equatable, Sendable {
    public var write: ClosedRange<Interval> = .microseconds(10) ... .microseconds(100)
    public var sync: ClosedRange<Interval> = .microseconds(100) ... .milliseconds(2)
    public var read: ClosedRange<Interval> = .microseconds(50) ... .milliseconds(1)
    /// Chance that an unsynced sector survives a power cut.
    public var survival = 0.5
    /// Chance that a read of old entries fails.
    public var readFailure = 0.0
    /// Chance that the machine goes down while a start cuts a damaged log.
    public var repairCut = 0.0
    /// When the log thread syncs.
    public var mode = SyncMode.always
    /// The log thread takes at most this many batches for one sync.
    public var batchesPerSyncMax = 64

    public init() {}

    init(_ random: inout SeededGenerator) {
        sync = random.pick([
            .microseconds(50) ... .microseconds(500), .milliseconds(1) ... .milliseconds(5),
            .milliseconds(5) ... .milliseconds(40),
        ])
        survival = random.pick([0, 0.5, 0.5, 0.9, 1])
        readFailure = random.pick([0, 0, 0.05])
        batchesPerSyncMax = random.pick([1, 64])
    }
}
