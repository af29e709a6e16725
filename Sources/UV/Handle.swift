internal import Bytes
internal import CLibuv

/// A libuv handle and its lifetime. Loop thread only.
///
/// libuv's memory for a handle may be freed only after the close callback, which comes in a later
/// turn. So an open handle keeps itself alive, and four rules follow:
///
/// 1. From `opened()` to libuv's close callback the handle holds one reference to itself; libuv's
///    `data` field carries it. No callback can meet a freed object, whatever its owner drops.
/// 2. `close()` may be called any number of times, also from the handle's own callbacks.
/// 3. `close()` drops the owner's closures and delegates at once (`dropOwner`), so cycles through
///    them end there, and no event reaches an owner after it called `close()`.
/// 4. A handle that is never closed is never freed: `Loop.closeAllHandles` finds the forgotten.
public class Handle {
    /// The loop that runs this handle; it outlives the handle.
    public let loop: Loop
    /// Whether `close()` was called.
    public private(set) var isClosing = false

    private let memory: UnsafeMutableRawPointer
    private var isOpen = false

    init(loop: Loop, type: uv_handle_type) {
        self.loop = loop
        memory = .allocate(byteCount: uv_handle_size(type), alignment: 16)
    }

    deinit { memory.deallocate() }

    /// The handle as libuv's struct `T`.
    func pointer<T>(as _: T.Type = T.self) -> UnsafeMutablePointer<T> {
        memory.assumingMemoryBound(to: T.self)
    }

    private var handle: UnsafeMutablePointer<uv_handle_t> { pointer() }

    /// To be called right after a successful `uv_*_init`: libuv knows the handle from here on.
    func opened() {
        invariant(!isOpen, "a handle opened twice")
        isOpen = true
        uv_handle_set_data(handle, Unmanaged.passRetained(self).toOpaque())
    }

    /// Ends the handle; its memory goes when libuv is done with it, in a later turn.
    public final func close() {
        guard !isClosing else { return }
        isClosing = true
        willClose()
        dropOwner()
        if isOpen { uv_close(handle, onHandleClosed) }
    }

    /// A last call to libuv before `uv_close`, for kinds that need one.
    func willClose() {}

    /// Forgets closures and delegates: see rule 3.
    func dropOwner() {}

    /// Lets the loop end although this handle is open.
    public final func unreference() { uv_unref(handle) }

    /// Counts again as a reason to keep the loop running.
    public final func reference() { uv_ref(handle) }

    /// The object behind a pointer that a C callback received.
    static func recover(_ data: UnsafeMutableRawPointer?) -> Self {
        guard let data else { invariantFailed("a libuv callback without its object") }
        return unsafeDowncast(
            Unmanaged<Handle>.fromOpaque(data).takeUnretainedValue(), to: Self.self)
    }

    fileprivate func closed() { isOpen = false }
}

@c func onHandleClosed(_ handle: UnsafeMutablePointer<uv_handle_t>?) {
    Unmanaged<Handle>.fromOpaque(handle!.pointee.data).takeRetainedValue().closed()
}

@c func onWalked(
    _ handle: UnsafeMutablePointer<uv_handle_t>?, _ argument: UnsafeMutableRawPointer?
) {
    Handle.recover(handle?.pointee.data).close()
}
