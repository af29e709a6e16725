public import Bytes
internal import CLibuv
internal import Glibc

/// What a `TCPStream` tells its owner. Loop thread only; nothing comes after `close()`.
public protocol TCPStreamOwner: AnyObject {
    /// Lends memory for the next bytes from the socket; it must stay valid until `received` or
    /// another event of this stream. Empty memory makes the read fail with ENOBUFS.
    func readBuffer(for stream: TCPStream) -> UnsafeMutableRawBufferPointer
    /// `count` bytes lie at the start of the memory lent last.
    func stream(_ stream: TCPStream, received count: Int)
    /// The other side will send no more; it may still be reading.
    func streamEnded(_ stream: TCPStream)
    /// Queued bytes went out; `stream.queuedBytes` tells what is left.
    func streamWrote(_ stream: TCPStream)
    /// The connection broke. Comes once; what remains to do is `close()`.
    func stream(_ stream: TCPStream, failed error: UVError)
}

/// One TCP connection. Loop thread only.
///
/// The owner sets `owner`, starts reading, writes with `tryWrite` first and `write` for the rest,
/// and closes. How bytes pass is in Transport.swift.
public final class TCPStream: Handle {
    /// Whom to tell. Held strongly, dropped by `close()`.
    public var owner: (any TCPStreamOwner)?
    /// Whether the connection stands.
    public private(set) var isConnected = false
    /// Whether bytes are being read from the socket.
    public private(set) var isReading = false
    /// Bytes that are read in one turn at most; what the kernel has beyond is for the next one, so that one
    /// sender of much does not keep the others waiting. Whoever sets it calls `Loop.resumeReads`.
    public var readBytesPerTurn = Int.max
    private var readTurn: UInt64 = 0
    private var readInTurn = 0
    private var isHeld = false
    var hasFailed = false

    init(_ loop: Loop) throws(UVError) {
        super.init(loop: loop, type: UV_TCP)
        try check(uv_tcp_init(loop.raw, pointer()), "create a socket")
        opened()
    }

    /// Takes over a connected socket, for instance one that another loop accepted. The descriptor
    /// belongs to the stream from here on, also when this throws.
    public convenience init(_ loop: Loop, adopting descriptor: Int32) throws(UVError) {
        do throws(UVError) {
            try self.init(loop)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        let status = uv_tcp_open(pointer(), descriptor)
        guard status == 0 else {
            Glibc.close(descriptor)
            close()
            throw UVError(code: status, operation: "adopt descriptor \(descriptor)")
        }
        becameConnected()
    }

    func becameConnected() { isConnected = true }

    /// Starts or resumes reading. Without reading, neither an end nor a reset is noticed.
    public func startReading() {
        guard !isReading, !isClosing, isConnected else { return }
        isReading = true
        // Otherwise the turn's end lets it read on.
        if !isHeld { startRead() }
    }

    private func startRead() {
        let status = uv_read_start(pointer(), onReadBufferNeeded, onRead)
        if status < 0 { fail(status, "read") }
    }

    /// What may still be read in this turn; at least one byte, since a stream without any is held.
    var readAllowance: Int {
        readTurn == loop.readTurn ? readBytesPerTurn - readInTurn : readBytesPerTurn
    }

    /// Counts what was read, and leaves the rest to the next turn when it is enough.
    func countRead(_ count: Int) {
        if readTurn != loop.readTurn {
            readTurn = loop.readTurn
            readInTurn = 0
        }
        readInTurn += count
        guard readInTurn >= readBytesPerTurn, !isHeld else { return }
        isHeld = true
        uv_read_stop(pointer())
        loop.hold(self)
    }

    func resumeRead() {
        invariant(isHeld, "a stream resumed that was not held")
        isHeld = false
        if isReading, !isClosing { startRead() }
    }

    /// Stops reading, so that the kernel's buffers fill and the other side has to wait.
    public func pauseReading() {
        guard isReading else { return }
        isReading = false
        uv_read_stop(pointer())
    }

    /// Sends small writes at once instead of waiting for more (TCP_NODELAY).
    public func setNoDelay() { uv_tcp_nodelay(pointer(), 1) }

    /// Probes an idle connection after `seconds`, so that a vanished peer is noticed.
    public func setKeepAlive(after seconds: UInt32) { uv_tcp_keepalive(pointer(), 1, seconds) }

    /// Gives the connection up when sent bytes stay unacknowledged for so long (TCP_USER_TIMEOUT).
    /// Without it a connection outlives a partition, and afterwards waits for a retransmission that
    /// TCP has put off by as much again.
    public func setUnacknowledgedTimeout(_ timeout: Interval) {
        var milliseconds = UInt32(clamping: timeout.milliseconds)
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds,
            socklen_t(MemoryLayout<UInt32>.size))
    }

    /// The socket's own address.
    public var localAddress: Address? {
        Address.reading { uv_tcp_getsockname(pointer(), $0, $1) }
    }

    /// The other side's address; nil once it is gone.
    public var peerAddress: Address? {
        Address.reading { uv_tcp_getpeername(pointer(), $0, $1) }
    }

    /// The socket's file descriptor; -1 when there is none.
    public var descriptor: Int32 {
        var descriptor: uv_os_fd_t = -1
        return uv_fileno(pointer(), &descriptor) == 0 ? descriptor : -1
    }

    /// A second descriptor of the same connection, to be adopted by another loop. Closing this
    /// stream then leaves the connection alone.
    public func duplicateDescriptor() throws(UVError) -> Int32 {
        let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard duplicate >= 0 else {
            throw UVError(code: -errno, operation: "duplicate a socket")
        }
        return duplicate
    }

    /// Closes with a reset: nothing queued is sent and the other side sees ECONNRESET.
    public func reset() {
        guard !isClosing else { return }
        closesWithReset = true
        close()
    }

    private var closesWithReset = false

    override func willClose() {
        isReading = false
        isConnected = false
        guard closesWithReset else { return }
        // uv_tcp_close_reset closes by itself, which `Handle.close` does too: set what makes any
        // close a reset instead.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    override func dropOwner() { owner = nil }

    /// Reports a broken connection, the first time.
    func fail(_ status: Int32, _ operation: StaticString) {
        guard !hasFailed, !isClosing else { return }
        hasFailed = true
        pauseReading()
        owner?.stream(self, failed: UVError(code: status, operation: "\(operation)"))
    }
}
