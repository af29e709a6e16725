internal import Bytes
internal import UV

/// What a connection at the cluster port is for: its first eight bytes say so. They are read alone,
/// so that everything behind them is still in the socket when another thread takes it over.
enum ConnectionGreeting: CaseIterable {
    /// Frames of the peer protocol, for the loop.
    case peerLink
    /// Pings and pongs, for the liveness thread.
    case liveness

    static let length = 8

    var text: StaticString {
        switch self {
        case .peerLink: "SKEINPR1"
        case .liveness: "SKEINLV1"
        }
    }

    /// The greeting as bytes to be sent first.
    var bytes: ByteBuffer {
        var bytes = ByteBuffer(minimumCapacity: Self.length)
        bytes.append(text)
        return bytes
    }

    /// Nil for a stranger.
    init?(_ bytes: [UInt8]) {
        let greeting = Self.allCases.first { $0.bytes.copyBytes() == bytes }
        guard let greeting else { return nil }
        self = greeting
    }
}

/// Waits for a connection's greeting. Loop thread only.
final class GreetingReader: TCPStreamOwner {
    private let stream: TCPStream
    private let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ConnectionGreeting.length, alignment: 8)
    private var count = 0
    private var timer: Timer?
    private var onGreeting: ((GreetingReader, TCPStream, ConnectionGreeting?) -> Void)?

    /// `onGreeting` comes once: with nil for a stranger, for silence and for a connection that ended.
    /// It takes over the stream.
    init(
        _ stream: TCPStream, within limit: Interval,
        onGreeting: @escaping (GreetingReader, TCPStream, ConnectionGreeting?) -> Void
    ) {
        self.stream = stream
        self.onGreeting = onGreeting
        // The stream owns its reader, the timer's closure must not.
        timer = Timer(stream.loop) { [unowned self] in finish(nil) }
        timer?.start(after: limit)
        stream.owner = self
        stream.startReading()
    }

    deinit { memory.deallocate() }

    /// Ends the wait as if the time were over.
    func giveUp() { finish(nil) }

    func readBuffer(for _: TCPStream) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[count...])
    }

    func stream(_: TCPStream, received count: Int) {
        self.count += count
        guard self.count == ConnectionGreeting.length else { return }
        finish(ConnectionGreeting(Array(memory)))
    }

    func streamEnded(_: TCPStream) { finish(nil) }

    func streamWrote(_: TCPStream) {}

    func stream(_: TCPStream, failed _: UVError) { finish(nil) }

    private func finish(_ greeting: ConnectionGreeting?) {
        guard let tell = onGreeting else { return }
        onGreeting = nil
        timer?.close()
        stream.pauseReading()
        tell(self, stream, greeting)
    }
}
