internal import CLibuv

/// Wakes a sleeping loop from any thread. Several wakes may arrive as one.
///
/// `wake` is the one call in this target that another thread may make, and only while the handle is
/// not closing: `Mailbox` guards that with its lock.
public final class Wakeup: Handle {
    private var onWake: (() -> Void)?

    /// Throws when the loop cannot get its descriptor.
    public init(_ loop: Loop, onWake: @escaping () -> Void) throws(UVError) {
        self.onWake = onWake
        super.init(loop: loop, type: UV_ASYNC)
        try check(uv_async_init(loop.raw, pointer(), onWoken), "create a wakeup")
        opened()
    }

    /// Makes `onWake` run on the loop thread, in this turn or the next.
    public func wake() { uv_async_send(pointer()) }

    override func dropOwner() { onWake = nil }

    fileprivate func woken() { onWake?() }
}

@c func onWoken(_ wakeup: UnsafeMutablePointer<uv_async_t>?) {
    Wakeup.recover(wakeup?.pointee.data).woken()
}
