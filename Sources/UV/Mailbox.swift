internal import Bytes

/// A queue into a loop from any thread: post here, handled there, in order.
///
/// Posting is bounded by the poster: each kind of message answers something of which only so many are
/// under way.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var incoming: [Message] = []
        /// There while the mailbox is attached. Only `wake` is called from other threads.
        var wakeup: Wakeup?
    }

    private let state = Monitor(State())

    public init() {}

    /// Opens the mailbox on `loop`; what was posted before arrives first. Loop thread only.
    public func attach(to loop: Loop, onMessage: @escaping (Message) -> Void) throws(UVError) {
        let state = state
        // Changes places with `incoming`, so that neither is allocated anew.
        var handled: [Message] = []
        let wakeup = try Wakeup(loop) {
            state.withLock { swap(&$0.incoming, &handled) }
            for message in handled {
                // A message may have ended delivery.
                guard state.withLock({ $0.wakeup != nil }) else { break }
                onMessage(message)
            }
            handled.removeAll(keepingCapacity: true)
        }
        state.withLock { state in
            invariant(state.wakeup == nil, "a mailbox attached twice")
            state.wakeup = wakeup
            if !state.incoming.isEmpty { wakeup.wake() }
        }
    }

    /// Ends delivery; later posts are kept unread. Loop thread only.
    public func detach() {
        let detached = state.withLock { $0.wakeup.take() }
        detached?.close()
    }

    /// Hands `message` to the loop. Any thread.
    public func post(_ message: Message) {
        state.withLock { state in
            state.incoming.append(message)
            // One wake per filling: the drain takes everything that came until then.
            if state.incoming.count == 1 { state.wakeup?.wake() }
        }
    }
}
