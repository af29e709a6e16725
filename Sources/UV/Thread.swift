internal import Bytes
internal import CLibuv
internal import Glibc

/// A thread of the operating system with a name that `top -H` and `perf` show.
public final class Thread {
    private var identifier = uv_thread_t()
    private var isJoined = false

    /// Starts `body` on a new thread. `name` is cut to 15 bytes, the kernel's limit.
    public init(name: String, _ body: @escaping @Sendable () -> Void) throws(UVError) {
        let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
        let status = uv_thread_create(&identifier, onThreadStarted, start.toOpaque())
        guard status == 0 else {
            start.release()
            throw UVError(code: status, operation: "start thread \(name)")
        }
    }

    deinit { invariant(isJoined, "a thread was started and never joined") }

    /// Waits for the end of `body`. To be called once.
    public func join() {
        invariant(!isJoined, "a thread joined twice")
        isJoined = true
        uv_thread_join(&identifier)
    }
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

@c func onThreadStarted(_ argument: UnsafeMutableRawPointer?) {
    let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
    nameCurrentThread(start.name)
    start.body()
}

/// pthread_setname_np and prctl are out of Swift's reach (a GNU extension, a variadic function); the
/// kernel takes the name as a file as well. A thread without its name works all the same.
private func nameCurrentThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    let text = Array(name.utf8.prefix(15))
    _ = write(descriptor, text, text.count)
    close(descriptor)
}
