internal import Bytes
internal import Glibc

/// A queue into a loop from any thread: post here, handled there, in order.
///
/// The project's one hand-made `@unchecked Sendable`: `lock` guards `incoming` and `wakeup`; all
/// else is touched by the loop thread alone. The lock is pthread's, not Swift's `Mutex`, because the
/// thread sanitizer cannot see the latter on Linux. Posting is bounded by the poster: each kind of
/// message answers something of which only so many are under way.
public final class Mailbox<Message: Sendable>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var incoming: [Message] = []
    private var wakeup: Wakeup?

    private var handled: [Message] = []
    private var onMessage: ((Message) -> Void)?

    public init() {
        lock = .allocate(capacity: 1)
        let status = pthread_mutex_init(lock, nil)
        invariant(status == 0, "a mutex could not be created: errno \(status)")
    }

    deinit {
        // An attached mailbox is kept alive by its wakeup, so nobody is left here.
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Opens the mailbox on `loop`; what was posted before arrives first. Loop thread only.
    public func attach(to loop: Loop, onMessage: @escaping (Message) -> Void) throws(UVError) {
        invariant(self.onMessage == nil, "a mailbox attached twice")
        let wakeup = try Wakeup(loop) { [self] in drain() }
        self.onMessage = onMessage
        withLock {
            self.wakeup = wakeup
            if !incoming.isEmpty { wakeup.wake() }
        }
    }

    /// Ends delivery; later posts are kept unread. Loop thread only.
    public func detach() {
        let detached = withLock {
            let detached = wakeup
            wakeup = nil
            return detached
        }
        detached?.close()
        onMessage = nil
    }

    /// Hands `message` to the loop. Any thread.
    public func post(_ message: Message) {
        withLock {
            incoming.append(message)
            // One wake per filling: the drain takes everything that came until then.
            if incoming.count == 1 { wakeup?.wake() }
        }
    }

    private func drain() {
        withLock { swap(&incoming, &handled) }
        for message in handled { onMessage?(message) }
        handled.removeAll(keepingCapacity: true)
    }

    private func withLock<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }
}
