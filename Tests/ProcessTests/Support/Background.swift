import Foundation
import Synchronization

/// Work on a thread of its own, until it is told to stop; `join` waits and returns its result.
final class Background<Result: Sendable>: Sendable {
    private struct State {
        var stopping = false
        var result: Result?
    }
    private let state = Mutex(State())
    private let finished = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable (_ isStopping: @Sendable () -> Bool) -> Result) {
        let thread = Thread { [self] in
            let result = work { self.state.withLock { $0.stopping } }
            state.withLock { $0.result = result }
            finished.signal()
        }
        thread.stackSize = 1 << 20
        thread.start()
    }

    func stop() { state.withLock { $0.stopping = true } }

    func join() -> Result {
        finished.wait()
        defer { finished.signal() }
        return state.withLock { $0.result! }
    }

    func stopAndJoin() -> Result {
        stop()
        return join()
    }
}
