internal import Bytes
internal import CSkein
public import Snapshot
public import UV

/// The thread that compresses, writes, verifies and reads snapshot files for the engine.
///
/// It executes commands one by one, in order, with `SnapshotExecutor`. All of them are short, but for
/// waiting on the disk, which is why the thread yields to the others: the log's syncs and the loop go
/// first. Nothing it meets is fatal: a disk that is full or broken is told to the engine, which goes
/// on with the log it has.
public final class SnapshotThread: Sendable {
    /// A command in the queue, and whether there was room for it.
    private struct Queued: Sendable {
        var command: SnapshotCommand
        var isRefused: Bool
    }

    private struct State {
        var queue: [Queued] = []
        var queuedBytes = 0
        var isStopping = false
        var statistics = SnapshotStatistics()
    }

    private let monitor = Monitor(State())
    private let thread: JoinedThread

    /// A tenth of a processor when all are busy, as much as it can use otherwise.
    private static let nice: Int32 = 10

    /// Starts the thread. `report` is called on it, and must only hand the event on.
    ///
    /// - Parameters:
    ///   - reservedBytes: room on the disk that snapshots leave to the log: they fail as on a full
    ///     disk before they touch it.
    ///   - reserve: what is released before they fail.
    public init(
        _ directory: DataDirectory, reservedBytes: Int = 0, reserve: DiskReserve? = nil,
        report: @escaping @Sendable (SnapshotEvent) -> Void
    ) throws(UVError) {
        let monitor = monitor
        thread = try JoinedThread(name: "skein-snapshot") {
            skein_yield_to_others(Self.nice)
            let files = SnapshotDirectory(
                directory, reservedBytes: reservedBytes, reserve: reserve)
            Self.run(files, monitor, report)
        }
    }

    /// Queues a command; any thread. What there is no room for is refused in the way that the limit
    /// says (`SnapshotLimits.queuedBytesMax`), with an event.
    public func submit(_ command: SnapshotCommand) {
        monitor.update { state in
            guard !state.isStopping else { return }
            let bytes = command.payloadBytes
            let isRefused =
                bytes > 0 && state.queuedBytes + bytes > SnapshotLimits.queuedBytesMax
                || command.isRead && state.queue.count >= SnapshotLimits.queuedReadsMax
            if isRefused { state.statistics.refusals += 1 } else { state.queuedBytes += bytes }
            // A refused payload is let go of here, where it would pile up.
            state.queue.append(
                Queued(
                    command: isRefused ? command.withoutPayload() : command, isRefused: isRefused))
        }
    }

    /// A copy of the measurements.
    public func statistics() -> SnapshotStatistics {
        monitor.withLock { state in
            var statistics = state.statistics
            statistics.queuedBytes = state.queuedBytes
            return statistics
        }
    }

    /// Ends the thread after the command that is being executed; what still waits is dropped, and
    /// unfinished files are removed. To be called once, before the last reference goes.
    public func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }

    private static func run(
        _ directory: consuming SnapshotDirectory, _ monitor: Monitor<State>,
        _ report: @Sendable (SnapshotEvent) -> Void
    ) {
        var executor = SnapshotExecutor(directory)
        var queued: [Queued] = []
        while true {
            let goOn: Bool? = monitor.wait { state in
                if state.isStopping { return false }
                if state.queue.isEmpty { return nil }
                swap(&state.queue, &queued)
                return true
            }
            guard goOn == true else { break }
            // Taken out one by one: what is done with must not stay in memory with the rest.
            queued.reverse()
            while let each = queued.popLast() {
                let start = monotonicNanoseconds()
                if each.isRefused {
                    executor.refuse(each.command, report: report)
                } else {
                    executor.execute(each.command, report: report)
                }
                let time = Interval(nanoseconds: Int64(monotonicNanoseconds() - start))
                let bytes = each.isRefused ? 0 : each.command.payloadBytes
                let isStopping = monitor.withLock { state in
                    state.queuedBytes -= bytes
                    state.statistics.commands += 1
                    state.statistics.bytes += UInt64(bytes)
                    state.statistics.steps.add(time)
                    return state.isStopping
                }
                if isStopping { break }
            }
        }
        executor.stop()
    }
}

/// What the snapshot thread measured since the start; a copy.
public struct SnapshotStatistics: Sendable {
    /// From the start to the end of a command, waiting for the disk included.
    public internal(set) var steps = DurationHistogram()
    public internal(set) var commands: UInt64 = 0
    /// Bytes of chunks and received pieces that were executed.
    public internal(set) var bytes: UInt64 = 0
    /// Commands that the queue had no room for.
    public internal(set) var refusals: UInt64 = 0
    /// Bytes of chunks and pieces that wait.
    public internal(set) var queuedBytes = 0
}
