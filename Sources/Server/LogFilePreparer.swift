internal import Bytes
internal import Glibc
internal import UV
internal import WAL

/// Prepares the next segment file ahead of need, on a thread of its own, so that rotation costs the
/// log thread two syncs and not the allocation of a file; and takes care of the files that the log
/// has given up.
///
/// A new file is filled with zeros, not only allocated: a sync after a write into allocated but
/// never written blocks also has to journal that they are written now. Measured on ext4 over virtio,
/// 2 KiB per sync: p50 151 us allocated, 110 us filled (PostgreSQL fills its log files for the same
/// reason). It doubles the bytes written to the disk. A file that was given up has been written
/// already, so a few of them are kept to be used again; the others are removed.
///
/// When the disk is full it tries again every second and says so once. Any other error of a file that
/// the log needs is the log's end, as on its own thread: a sync that failed is not tried again, and
/// what it was to make durable is not relied on. It also makes the reserve anew
/// after it was released; until then the disk counts as short of room.
final class LogFilePreparer: Sendable {
    /// Files kept to be used again: at the default size 128 MiB of disk that an idle log holds, for
    /// two rotations that write each byte once instead of twice.
    static let sparesMax = 2

    /// What became of files that were given up.
    struct Counts {
        var recycled: UInt64 = 0
        var removed: UInt64 = 0
    }

    private struct State {
        /// What is to be prepared, or being prepared.
        var wanted: (segment: UInt64, capacity: Int)?
        var isBusy = false
        /// The log thread waits: what is left to fill stays as it is.
        var isHurried = false
        var ready: LogFile?
        /// Segments that were given up and whose files are still there, oldest first.
        var spares: [UInt64] = []
        var counts = Counts()
        /// CLOCK_MONOTONIC; when to try to make the reserve again. Nil: it is whole.
        var reserveDueAt: UInt64? = 0
        var isStopping = false
        /// Why the thread has ended before it was told to.
        var failure: FileError?
    }

    private enum Job {
        case prepare(UInt64, capacity: Int)
        case restoreReserve
        /// Remove the file of a segment that was given up.
        case remove(UInt64)
        case stop
    }

    /// What the thread tells, on the thread.
    struct Reports: Sendable {
        /// With the error when space begins to lack, with nil when there is some again. Other errors
        /// that pass are left to the log thread, which meets them when it matters.
        var space: @Sendable (FileError?) -> Void
        /// With an error that does not pass: the log is over.
        var failed: @Sendable (FileError) -> Void
        /// A file that is not needed could not be removed.
        var leftover: @Sendable (FileError) -> Void
    }

    private let directory: DataDirectory
    private let monitor = Monitor(State())
    private let thread: JoinedThread

    private static let second: UInt64 = 1_000_000_000

    /// - Parameter spareBytes: what must stay free beside the reserve when it is made again.
    init(
        _ directory: DataDirectory, _ reserve: DiskReserve, spareBytes: Int, _ reports: Reports
    ) throws(UVError) {
        self.directory = directory
        let monitor = monitor
        reserve.onRelease { monitor.update { $0.reserveDueAt = 0 } }
        thread = try JoinedThread(name: "skein-logprep") {
            Self.run(directory, reserve, spareBytes, monitor, reports)
        }
    }

    /// Asks for `segment` to be prepared. Nothing else may be under preparation.
    func prepare(_ segment: UInt64, capacity: Int) {
        monitor.update { state in
            state.ready = nil
            state.wanted = (segment, capacity)
        }
    }

    /// Takes over the files of segments that the log has given up, oldest first.
    func release(_ segments: [UInt64]) { monitor.update { $0.spares += segments } }

    var counts: Counts { monitor.withLock { $0.counts } }

    /// The file of `segment`, if it was prepared; waits if it is being prepared. Nil: the caller
    /// makes it itself, and the preparer does not touch it any more.
    ///
    /// - Throws: the error that preparing it has failed with for good.
    func take(_ segment: UInt64) throws(FileError) -> LogFile? {
        let taken = monitor.wait { state -> Result<LogFile?, FileError>? in
            if let failure = state.failure { return .failure(failure) }
            if let ready = state.ready, ready.segment == segment {
                state.ready = nil
                return .success(ready)
            }
            if state.isBusy {
                state.isHurried = true
                return nil
            }
            state.wanted = nil
            return .success(nil)
        }
        return try taken?.get() ?? nil
    }

    /// Makes the file of a segment: the one that an earlier run prepared, or one that was given up,
    /// or a new one. On the thread of the caller.
    func make(_ segment: UInt64, capacity: Int) throws(FileError) -> LogFile {
        try Self.make(segment, capacity: capacity, directory, monitor)
    }

    /// Ends the thread, in the midst of a file if need be: it is then prepared by the next run.
    func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }

    private static func make(
        _ segment: UInt64, capacity: Int, _ directory: DataDirectory, _ monitor: Monitor<State>
    ) throws(FileError) -> LogFile {
        if !directory.contains(segmentFileName(segment)) {
            while let spare = monitor.withLock({ $0.spares.popLast() }) {
                let file = try LogFile.recycle(
                    spare, as: segment, capacity: capacity, in: directory)
                let isUsed = file != nil
                monitor.withLock { state in
                    if isUsed { state.counts.recycled += 1 } else { state.counts.removed += 1 }
                }
                if let file { return file }
            }
        }
        return try LogFile.prepare(segment, capacity: capacity, in: directory)
    }

    /// Makes the file of a segment on a disk that has no room for all of it, as long as there is any
    /// at all: the log goes on in it until the room is used up. On the thread of the caller.
    ///
    /// - Parameters:
    ///   - atMost: bytes beyond which it would not be small.
    ///   - atLeast: bytes below which it is of no use.
    func makeSmall(_ segment: UInt64, atMost: Int, atLeast: Int) -> LogFile? {
        var bytes = max(atMost, atLeast)
        // All that is left, rather than half of a half: nodes that start again and again on a full disk
        // live on what their last segment did not use.
        if let free = directory.freeBytes, free < bytes { bytes = free / 4096 * 4096 }
        while bytes >= max(atLeast, Self.smallestBytes) {
            if let file = try? LogFile.prepare(segment, capacity: bytes, in: directory) {
                return file
            }
            bytes /= 2
        }
        return nil
    }

    private static let smallestBytes = 16 << 10

    /// Why room is short; nil: it is not.
    private struct Shortage {
        var prepare: FileError?
        var reserve: FileError?
        private(set) var isTold = false

        mutating func tell(_ reports: Reports) {
            let error = prepare ?? reserve
            guard (error != nil) != isTold else { return }
            isTold.toggle()
            reports.space(error)
        }
    }

    private static func run(
        _ directory: DataDirectory, _ reserve: DiskReserve, _ spareBytes: Int,
        _ monitor: Monitor<State>, _ reports: Reports
    ) {
        var shortage = Shortage()
        while true {
            switch nextJob(monitor) {
            case .stop: return
            case .remove(let segment):
                do throws(FileError) {
                    try directory.remove(segmentFileName(segment))
                    monitor.withLock { $0.counts.removed += 1 }
                } catch { reports.leftover(error) }
            case .prepare(let segment, let capacity):
                do throws(FileError) {
                    let file = try make(segment, capacity: capacity, directory, monitor)
                    try file.fillWithZeros(upTo: capacity) {
                        monitor.withLock { $0.isStopping || $0.isHurried }
                    }
                    monitor.update { state in
                        (state.ready, state.wanted, state.isBusy) = (file, nil, false)
                    }
                    shortage.prepare = nil
                } catch {
                    guard error.isPassing else {
                        monitor.update { ($0.failure, $0.isBusy) = (error, false) }
                        return reports.failed(error)
                    }
                    if error.isOutOfSpace { shortage.prepare = error }
                    shortage.tell(reports)
                    pause(monitor)
                }
            case .restoreReserve:
                do throws(FileError) {
                    try reserve.restore(leaving: spareBytes)
                    shortage.reserve = nil
                } catch { shortage.reserve = error.isOutOfSpace ? error : nil }
                monitor.withLock { state in
                    state.reserveDueAt = reserve.isWhole ? nil : monotonicNanoseconds() + second
                }
            }
            shortage.tell(reports)
        }
    }

    /// Waits for something to do. A file that is needed comes before those that are not, which may
    /// become it.
    private static func nextJob(_ monitor: Monitor<State>) -> Job {
        while true {
            let job = monitor.wait(deadline: monitor.withLock { $0.reserveDueAt }) {
                state -> Job? in
                if state.isStopping { return .stop }
                if let wanted = state.wanted {
                    (state.isBusy, state.isHurried) = (true, false)
                    return .prepare(wanted.segment, capacity: wanted.capacity)
                }
                if state.spares.count > sparesMax { return .remove(state.spares.removeFirst()) }
                if let due = state.reserveDueAt, monotonicNanoseconds() >= due {
                    return .restoreReserve
                }
                return nil
            }
            if let job { return job }
        }
    }

    /// Lets a second pass after a failure, or less if a file is given up. Not busy meanwhile: the log
    /// thread may try it itself, and then this gives up.
    private static func pause(_ monitor: Monitor<State>) {
        monitor.update { $0.isBusy = false }
        let retry = monotonicNanoseconds() + second
        let known = monitor.withLock { $0.spares.count }
        _ = monitor.wait(deadline: retry) { state -> Bool? in
            state.isStopping || state.spares.count > known ? true : nil
        }
    }
}

extension LogFile {
    /// Fills the part of the file that was never written with zeros; stops early if `isStopping`.
    ///
    /// A file that an earlier run prepared in full, and used or not, is left as it is: it cannot be
    /// told apart from one that is only allocated, and correctness does not depend on it.
    fileprivate func fillWithZeros(upTo capacity: Int, unless isStopping: () -> Bool)
        throws(FileError)
    {
        guard isNew else { return }
        let zeros = ByteBuffer([UInt8](repeating: 0, count: 1 << 20))
        var offset = 0
        while offset < capacity, !isStopping() {
            if offset + zeros.count > capacity {
                try write(
                    ByteBuffer([UInt8](repeating: 0, count: capacity - offset)), at: offset)
            } else {
                try write(zeros, at: offset)
            }
            offset += zeros.count
            // In pieces, so that the log's own syncs do not queue behind all of it.
            try sync()
        }
    }
}

/// A thread of UV that may be joined from any thread, once.
struct JoinedThread: Sendable {
    private let monitor: Monitor<ThreadState>

    private struct ThreadState: ~Copyable {
        var thread: UV.Thread?
    }

    init(name: String, _ body: @escaping @Sendable () -> Void) throws(UVError) {
        monitor = Monitor(ThreadState(thread: try UV.Thread(name: name, body)))
    }

    func join() {
        let thread = monitor.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
    }
}
