internal import Bytes
internal import Snapshot
internal import UV

/// The snapshot thread, as the loop sees it: commands go out, events come in as events of the loop.
/// Loop thread only.
final class SnapshotLink {
    private let arrivals = Mailbox<SnapshotEvent>()
    private let thread: SnapshotThread

    /// Starts the thread; `onEvent` is called on the loop.
    ///
    /// - Parameters:
    ///   - reservedBytes: room on the disk that is left to the log.
    ///   - reserve: what a snapshot may use that finds no more room than that.
    init(
        _ directory: DataDirectory, reservedBytes: Int, reserve: DiskReserve, on loop: Loop,
        onEvent: @escaping (SnapshotEvent) -> Void
    ) throws(UVError) {
        let arrivals = arrivals
        thread = try SnapshotThread(directory, reservedBytes: reservedBytes, reserve: reserve) {
            arrivals.post($0)
        }
        try arrivals.attach(to: loop, onMessage: onEvent)
    }

    /// Hands a command to the thread.
    func carryOut(_ command: SnapshotCommand) { thread.submit(command) }

    func statistics() -> SnapshotStatistics { thread.statistics() }

    /// Ends the thread; what is unfinished is dropped.
    func stop() {
        thread.stop()
        arrivals.detach()
    }
}
