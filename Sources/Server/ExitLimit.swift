internal import Bytes
internal import Glibc
internal import Synchronization

/// Ends the process at a set moment if it is still there.
///
/// A name that is being looked up cannot be interrupted, and libuv waits for the thread that does it:
/// when a loop is closed and once more at exit. A resolver that is silent for half a minute must not
/// keep a node that has already closed its log.
enum ExitLimit {
    fileprivate static let code = Atomic<Int32>(0)

    static func begin(code: Int32, within limit: Interval) {
        self.code.store(code, ordering: .sequentiallyConsistent)
        signal(SIGALRM, onExitLimit)
        var timer = itimerval()
        timer.it_value.tv_sec = Int(limit.nanoseconds / 1_000_000_000)
        timer.it_value.tv_usec = Int(limit.nanoseconds % 1_000_000_000 / 1000)
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    }
}

@c private func onExitLimit(_: Int32) { _exit(ExitLimit.code.load(ordering: .relaxed)) }
