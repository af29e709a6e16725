internal import Bytes
internal import UV

/// The once-a-second sync of `appendfsync everysec`, beside the writes: a slow disk must not hold
/// up batches that need no sync. One sync in flight.
///
/// Opens each file anew. A writeback that has failed before that, and that nobody was told of, is
/// reported to the new open file, too.
final class LogFileSyncer: Sendable {
    private struct State {
        var wanted: (file: LogFile, upTo: UInt64)?
        var isStopping = false
    }

    private let monitor = Monitor(State())
    private let thread: JoinedThread

    /// Results go into the log thread's state.
    init(_ log: Monitor<LogThread.State>) throws(UVError) {
        let monitor = monitor
        thread = try JoinedThread(name: "skein-logsync") { Self.run(monitor, log) }
    }

    /// Asks for a sync that covers what was written to `file` until now. A request that has not begun
    /// is replaced: the log thread has synced a finished segment by itself.
    func sync(_ file: LogFile, upTo batch: UInt64) {
        monitor.update { $0.wanted = (file, batch) }
    }

    func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }

    private static func run(_ monitor: Monitor<State>, _ log: Monitor<LogThread.State>) {
        var file: LogFile?
        while true {
            let job = monitor.wait { state -> (file: LogFile, upTo: UInt64)?? in
                if state.isStopping { return .some(nil) }
                defer { state.wanted = nil }
                return state.wanted.map { .some($0) }
            }
            guard let job = job ?? nil else { return }
            do throws(FileError) {
                if file?.segment != job.file.segment { file = try job.file.openAgain() }
                // Given up: the log thread has synced it.
                guard let file else { continue }
                try file.sync()
                log.update { $0.backgroundSynced = max($0.backgroundSynced, job.upTo) }
            } catch {
                log.update { $0.backgroundError = error }
            }
        }
    }
}
