public import Bytes
internal import Glibc
public import UV
public import WAL

/// The thread that writes the log: takes batches in order, writes and syncs them, reports.
///
/// One sync is in flight; all batches that arrive meanwhile form the next group, so the cost of a
/// sync is shared by however much came, without any delay to tune. A failed write or sync is
/// reported once and ends the thread: the process must end too, and never retries. Only a full disk
/// is waited out, since nothing was promised for what is not written.
///
/// Order of work for a batch that opens a segment: sync the one before (W2 of the format), take the
/// prepared file or make it, write.
public final class LogThread: Sendable {
    /// When the data is synced. Batches that `mustSync`, and the end of a segment, always are.
    public enum SyncMode: Sendable {
        /// Every group, before it is reported.
        case always
        /// Reported when written; synced once a second on another thread.
        case everySecond
        /// Reported when written; the operating system decides.
        case never
    }

    public enum Event: Sendable, Equatable {
        /// The batches up to `written` may be answered; those up to `synced` are on stable storage
        /// (what `WALWriter.durable(upTo:)` wants). The same in the mode `always`.
        case progress(written: UInt64, synced: UInt64)
        /// The next segment cannot be prepared, or the reserve is not whole. The open segment goes on,
        /// for up to its size; time to refuse writes of clients.
        case low(FileError)
        /// The opposite of `low`: there is room for the next segment, and the reserve is whole.
        case room
        /// No room to go on, not even the reserve: what is queued waits until there is.
        case full(FileError)
        /// The opposite of `full`.
        case goesOn
        /// The file of a segment that was given up could not be removed. The next start tries again.
        case leftover(FileError)
        /// The log is over; so is the process.
        case failed(FileError)
    }

    public struct Options: Sendable {
        public var mode = SyncMode.always
        /// Size of segments prepared ahead; as in `WALParameters`.
        public var segmentBytes = WALLimits.segmentBytes
        /// Around every group of writes and their sync: for a liveness that watches the disk.
        public var syncStarted: @Sendable (Instant) -> Void = { _ in }
        public var syncFinished: @Sendable (Instant) -> Void = { _ in }

        public init() {}
    }

    /// A batch in the queue; a class because arrays hold no noncopyable values.
    final class Queued: Sendable {
        let batch: WALBatch
        let since = monotonicNanoseconds()
        init(_ batch: consuming WALBatch) { self.batch = batch }
    }

    struct State {
        var queue: [Queued] = []
        var queuedBytes = 0
        var isStopping = false
        /// What the background sync of `everySecond` has come to.
        var backgroundSynced: UInt64 = 0
        /// Of that sync, or of preparing the next segment: the log's end.
        var backgroundError: FileError?
        var statistics = LogStatistics()
    }

    private let monitor: Monitor<State>
    private let preparer: LogFilePreparer
    private let thread: JoinedThread

    /// Starts the thread. `report` is called on it, and must only hand the event on.
    ///
    /// - Parameter reserve: what is held back of the disk; nil: nothing.
    public init(
        _ directory: DataDirectory, _ options: Options, reserve: DiskReserve? = nil,
        report: @escaping @Sendable (Event) -> Void
    ) throws(UVError) {
        let monitor = Monitor(State())
        let reserve = reserve ?? DiskReserve(directory, bytes: 0)
        let preparer = try LogFilePreparer(
            directory, reserve, spareBytes: options.segmentBytes,
            .init(
                space: { error in report(error.map { .low($0) } ?? .room) },
                failed: { error in monitor.update { $0.backgroundError = error } },
                leftover: { report(.leftover($0)) }))
        self.preparer = preparer
        let syncer = options.mode == .everySecond ? try LogFileSyncer(monitor) : nil
        self.monitor = monitor
        thread = try JoinedThread(name: "skein-log") {
            var worker = LogWorker(
                directory, options: options, monitor: monitor, preparer: preparer, reserve: reserve,
                syncer: syncer,
                report: report)
            worker.run()
            preparer.stop()
            syncer?.stop()
        }
    }

    /// Queues a batch; any thread, but one after the other in their order.
    public func submit(_ batch: consuming WALBatch) {
        let queued = Queued(batch)
        monitor.update { state in
            state.queue.append(queued)
            state.queuedBytes += queued.batch.bytes.count
        }
    }

    /// Takes over the files of segments that the log has given up (`WALWriter.takeReleased`), to use
    /// them again or remove them; any thread. What the process leaves, the next recovery finds.
    public func release(_ segments: [UInt64]) { preparer.release(segments) }

    /// A copy of the measurements.
    public func statistics() -> LogStatistics {
        let counts = preparer.counts
        return monitor.withLock { state in
            var statistics = state.statistics
            statistics.segmentsRecycled = counts.recycled
            statistics.segmentsRemoved = counts.removed
            statistics.queuedBatches = state.queue.count
            statistics.queuedBytes = state.queuedBytes
            return statistics
        }
    }

    /// Writes and syncs what is queued, in every mode, and ends the thread. To be called once, before
    /// the last reference goes. On a full disk the queue is dropped: nothing of it was reported.
    public func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }
}
