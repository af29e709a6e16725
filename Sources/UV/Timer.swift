public import Bytes
internal import CLibuv

/// Calls back after a while, once or again and again. Resolution: one millisecond, rounded up, so
/// that a deadline has passed when its timer fires.
public final class Timer: Handle {
    private var onFire: (() -> Void)?

    public init(_ loop: Loop, onFire: @escaping () -> Void) {
        self.onFire = onFire
        super.init(loop: loop, type: UV_TIMER)
        // Cannot fail: it only fills in the struct.
        uv_timer_init(loop.raw, pointer())
        opened()
    }

    /// Starts or restarts; fires after `delay` and then, when `interval` is given, at each interval.
    public func start(after delay: Interval, every interval: Interval? = nil) {
        guard !isClosing else { return }
        loop.updateNow()
        uv_timer_start(
            pointer(), onTimerFired, Self.milliseconds(delay),
            interval.map { max(1, Self.milliseconds($0)) } ?? 0)
    }

    /// Fires no more until it is started again.
    public func stop() { uv_timer_stop(pointer()) }

    /// Whether it is going to fire.
    public var isActive: Bool { uv_is_active(pointer()) != 0 }

    override func dropOwner() { onFire = nil }

    private static func milliseconds(_ interval: Interval) -> UInt64 {
        let nanoseconds = UInt64(max(0, interval.nanoseconds))
        return nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 == 0 ? 0 : 1)
    }

    fileprivate func fired() { onFire?() }
}

@c func onTimerFired(_ timer: UnsafeMutablePointer<uv_timer_t>?) {
    Timer.recover(timer?.pointee.data).fired()
}
