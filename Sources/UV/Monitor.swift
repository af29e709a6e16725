internal import Bytes
internal import Glibc

/// State shared by threads: a lock, and a condition that is signalled when the state changes.
///
/// What threads of the I/O half share is in a monitor; the others there are `Sendable` because they hold
/// one. `@unchecked`: `state` is only reached under `lock`. pthread's lock and not Swift's `Mutex`,
/// because it comes with a condition and the thread sanitizer sees it.
public final class Monitor<State: ~Copyable>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    public init(_ state: consuming State) {
        self.state = state
        lock = .allocate(capacity: 1)
        changed = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Deadlines must not jump with the wall clock.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        let status =
            pthread_mutex_init(lock, nil) | pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
        invariant(status == 0, "a lock could not be created")
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    /// Reads or changes the state without waking anybody.
    public func withLock<R: ~Copyable>(_ body: (inout State) -> R) -> R {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body(&state)
    }

    /// Changes the state and wakes all who wait.
    public func update<R: ~Copyable>(_ body: (inout State) -> R) -> R {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Waits until `body` returns something, asking it again after every change and at `deadline`
    /// (nanoseconds of CLOCK_MONOTONIC). Nil when the deadline has passed and it still says nil.
    public func wait<R: ~Copyable>(deadline: UInt64? = nil, for body: (inout State) -> R?) -> R? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while true {
            let result = body(&state)
            if result != nil { return result }
            if let deadline {
                if monotonicNanoseconds() >= deadline { return nil }
                var time = timespec(
                    tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
                pthread_cond_timedwait(changed, lock, &time)
            } else {
                pthread_cond_wait(changed, lock)
            }
        }
    }
}

/// CLOCK_MONOTONIC, for measuring and for deadlines inside this process.
public func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    let status = clock_gettime(CLOCK_MONOTONIC, &time)
    invariant(status == 0, "the clock cannot be read")
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
