internal import Bytes
internal import Glibc
internal import UV

/// Prepares the next segment file ahead of need, on a thread of its own, so that rotation costs the
/// log thread two syncs and not the allocation of a file.
///
/// The file is filled with zeros, not only allocated: a sync after a write into allocated but never
/// written blocks also has to journal that they are written now. Measured on ext4 over virtio, 2 KiB
/// per sync: p50 151 us allocated, 110 us filled (PostgreSQL fills its log files for the same
/// reason). It doubles the bytes written to the disk.
///
/// When the disk is full it tries again every second and says so once.
final class LogFilePreparer: Sendable {
    private struct State {
        /// What is to be prepared, or being prepared.
        var wanted: (segment: UInt64, capacity: Int)?
        var isBusy = false
        /// The log thread waits: what is left to fill stays as it is.
        var isHurried = false
        var ready: LogFile?
        var isStopping = false
    }

    private let directory: DataDirectory
    private let monitor = Monitor(State())
    private let onFailure: @Sendable (FileError?) -> Void
    private let thread: JoinedThread

    /// `onFailure` is called on the preparer's thread: with the error when space begins to lack, with
    /// nil when there is some again. Other errors are left to the log thread, which meets them when
    /// it matters.
    init(_ directory: DataDirectory, onFailure: @escaping @Sendable (FileError?) -> Void)
        throws(UVError)
    {
        self.directory = directory
        self.onFailure = onFailure
        let monitor = monitor
        thread = try JoinedThread(name: "skein-logprep") {
            Self.run(directory, monitor, onFailure)
        }
    }

    /// Asks for `segment` to be prepared. Nothing else may be under preparation.
    func prepare(_ segment: UInt64, capacity: Int) {
        monitor.update { state in
            state.ready = nil
            state.wanted = (segment, capacity)
        }
    }

    /// The file of `segment`, if it was prepared; waits if it is being prepared. Nil: the caller
    /// makes it itself, and the preparer does not touch it any more.
    func take(_ segment: UInt64) -> LogFile? {
        monitor.wait { state -> LogFile?? in
            if let ready = state.ready, ready.segment == segment {
                state.ready = nil
                return .some(ready)
            }
            if state.isBusy {
                state.isHurried = true
                return nil
            }
            state.wanted = nil
            return .some(nil)
        } ?? nil
    }

    /// Ends the thread, in the midst of a file if need be: it is then prepared by the next run.
    func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }

    private static func run(
        _ directory: DataDirectory, _ monitor: Monitor<State>,
        _ onFailure: @Sendable (FileError?) -> Void
    ) {
        var failed = false
        while true {
            let job = monitor.wait { state -> (segment: UInt64, capacity: Int)?? in
                if state.isStopping { return .some(nil) }
                guard let wanted = state.wanted else { return nil }
                (state.isBusy, state.isHurried) = (true, false)
                return .some(wanted)
            }
            guard let job = job ?? nil else { return }
            do throws(FileError) {
                let file = try LogFile.prepare(job.segment, capacity: job.capacity, in: directory)
                try file.fillWithZeros(upTo: job.capacity) {
                    monitor.withLock { $0.isStopping || $0.isHurried }
                }
                monitor.update { state in
                    (state.ready, state.wanted, state.isBusy) = (file, nil, false)
                }
                if failed { onFailure(nil) }
                failed = false
            } catch {
                if !failed, error.isOutOfSpace {
                    onFailure(error)
                    failed = true
                }
                // Not busy while waiting: the log thread may try it itself, and then this gives up.
                monitor.update { $0.isBusy = false }
                let retry = monotonicNanoseconds() + 1_000_000_000
                _ = monitor.wait(deadline: retry) { $0.isStopping ? true : nil }
            }
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
