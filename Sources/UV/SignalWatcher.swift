internal import CLibuv
internal import Glibc

/// Receives one Unix signal as an event of the loop, in place of its default action.
public final class SignalWatcher: Handle {
    private var onSignal: (() -> Void)?

    /// Watches `number`, such as SIGTERM; throws for signals that cannot be caught.
    public init(_ loop: Loop, _ number: Int32, onSignal: @escaping () -> Void) throws(UVError) {
        self.onSignal = onSignal
        super.init(loop: loop, type: UV_SIGNAL)
        try check(uv_signal_init(loop.raw, pointer()), "watch signal \(number)")
        opened()
        let status = uv_signal_start(pointer(), onSignalReceived, number)
        guard status == 0 else {
            close()
            throw UVError(code: status, operation: "watch signal \(number)")
        }
    }

    /// Makes a write to a connection that is gone an error instead of the end of the process. To be
    /// called once by every process that writes to sockets.
    public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    override func dropOwner() { onSignal = nil }

    fileprivate func received() { onSignal?() }
}

@c func onSignalReceived(_ signal: UnsafeMutablePointer<uv_signal_t>?, _ number: Int32) {
    SignalWatcher.recover(signal?.pointee.data).received()
}
