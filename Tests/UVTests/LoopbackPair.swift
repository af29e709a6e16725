import Bytes
import UV

/// Keeps what a stream tells, for tests.
final class Recorder: TCPStreamOwner {
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    // Not an array: appending raw memory to one takes a debug build seconds per megabyte.
    private var kept = ByteBuffer()
    var received: [UInt8] { kept.copyBytes() }
    private(set) var receivedCount = 0
    private(set) var ended = false
    private(set) var wrote = 0
    private(set) var errors: [UVError] = []
    var onReceived: ((TCPStream) -> Void)?
    var onEnded: ((TCPStream) -> Void)?

    deinit { memory.deallocate() }

    func readBuffer(for _: TCPStream) -> UnsafeMutableRawBufferPointer { memory }

    func stream(_ stream: TCPStream, received count: Int) {
        kept.append(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count])))
        receivedCount += count
        onReceived?(stream)
    }

    func streamEnded(_ stream: TCPStream) {
        ended = true
        onEnded?(stream)
    }

    func streamWrote(_: TCPStream) { wrote += 1 }

    func stream(_: TCPStream, failed error: UVError) { errors.append(error) }
}

extension Loop {
    /// Turns until `condition` holds; false when that takes more than `limit`.
    func run(within limit: Interval = .seconds(20), until condition: () -> Bool) -> Bool {
        // The loop's own clock stands still during a turn, so time is counted by a ticking timer.
        var ticks: Int64 = 0
        let timer = Timer(self) { ticks += 1 }
        timer.start(after: .milliseconds(5), every: .milliseconds(5))
        defer { timer.close() }
        while !condition() {
            if ticks * 5 > limit.milliseconds { return false }
            runOnce()
        }
        return true
    }
}

/// Two ends of one connection on one loop.
final class LoopbackPair {
    let loop: Loop
    let client: TCPStream
    let server: TCPStream
    let clientEnd = Recorder()
    let serverEnd = Recorder()

    init() throws {
        SignalWatcher.ignoreBrokenPipes()
        loop = try Loop()
        var accepted: TCPStream?
        let listener = try TCPListener(loop, address: .anyPort) { accepted = $0 }
        var isConnected = false
        client = try TCPStream.connect(loop, to: listener.address) { _, error in
            isConnected = error == nil
        }
        guard loop.run(until: { isConnected && accepted != nil }), let accepted else {
            throw UVError(code: 0, operation: "pair two streams")
        }
        server = accepted
        listener.close()
        client.owner = clientEnd
        server.owner = serverEnd
        client.startReading()
        server.startReading()
    }

    deinit { loop.closeAllHandles() }
}

extension Address {
    /// Loopback, port chosen by the kernel.
    static var anyPort: Address {
        guard let address = try? Address(host: "127.0.0.1", port: 0) else { fatalError("loopback") }
        return address
    }
}

/// Bytes that show any loss, doubling or reordering of up to a block: a block of a prime number of
/// random bytes, over and over. (Computing each byte takes a debug build a second per megabyte.)
func pattern(from start: Int, count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: UInt64(start))
    let block = (0..<8191).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    bytes.removeLast(bytes.count - count)
    return bytes
}

extension TCPStream {
    /// A span cannot pass through a macro or a closure; an array can.
    func tryWrite(bytes: [UInt8]) throws(UVError) -> Int { try tryWrite(bytes.span) }
}
