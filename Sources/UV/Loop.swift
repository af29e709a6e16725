public import Bytes
internal import CLibuv

/// One libuv event loop: the turns of one thread.
///
/// A loop belongs to the thread that created it; so does everything opened on it. The only way in
/// from another thread is a `Mailbox`.
public final class Loop {
    let raw: UnsafeMutablePointer<uv_loop_t>
    /// Counts `resumeReads`: the turns, for `TCPStream.readBytesPerTurn`.
    private(set) var readTurn: UInt64 = 1
    private var held: [TCPStream] = []

    /// Throws when the process is out of file descriptors.
    public init() throws(UVError) {
        raw = .allocate(capacity: 1)
        let status = uv_loop_init(raw)
        guard status == 0 else {
            raw.deallocate()
            throw UVError(code: status, operation: "create an event loop")
        }
    }

    deinit {
        // Every open handle refers to its loop, so none can be left here.
        let status = uv_loop_close(raw)
        invariant(status == 0, "an event loop freed with open handles")
        raw.deallocate()
    }

    /// Turns until `stop` is called or no open handle is left.
    public func run() { uv_run(raw, UV_RUN_DEFAULT) }

    /// One turn, which sleeps until there is something to do.
    public func runOnce() { uv_run(raw, UV_RUN_ONCE) }

    /// One turn without sleeping; returns whether any open handle is left.
    @discardableResult
    public func runWithoutWaiting() -> Bool { uv_run(raw, UV_RUN_NOWAIT) != 0 }

    /// Makes `run` return after this turn.
    public func stop() { uv_stop(raw) }

    /// The clock that timers count by, as of the start of this turn. Not for leases: it is neither
    /// fresh nor does it run through suspend.
    public var now: Interval { .milliseconds(Int64(uv_now(raw))) }

    /// Reads that clock anew, so that a timer started late in a long turn is not cut short.
    public func updateNow() { uv_update_time(raw) }

    /// Lets streams read on that have had their share (`TCPStream.readBytesPerTurn`). Once a turn.
    public func resumeReads() {
        readTurn += 1
        guard !held.isEmpty else { return }
        for stream in held { stream.resumeRead() }
        held.removeAll(keepingCapacity: true)
    }

    func hold(_ stream: TCPStream) { held.append(stream) }

    /// Closes whatever is still open and turns until libuv let go of it all.
    public func closeAllHandles() {
        held = []
        uv_walk(raw, onWalked, nil)
        while uv_run(raw, UV_RUN_DEFAULT) != 0 {}
    }
}
