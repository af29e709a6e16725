internal import Bytes
internal import Raft
internal import UV

/// One liveness connection: frames in, frames out. Liveness thread only.
final class LivenessConnection: TCPStreamOwner {
    let stream: TCPStream
    /// Who is at the other end; nil before its hello.
    private(set) var peer: NodeID?
    /// When bytes came last.
    private(set) var heardAt: Instant
    private var input = ByteBuffer()
    /// Whom this node dialed; nil when the peer did.
    let dialed: NodeID?
    private unowned let exchange: LivenessExchange

    init(_ exchange: LivenessExchange, _ stream: TCPStream, dialed: NodeID? = nil) {
        self.exchange = exchange
        self.dialed = dialed
        self.stream = stream
        heardAt = bootInstant()
        stream.setNoDelay()
        stream.owner = self
        stream.startReading()
    }

    func readBuffer(for _: TCPStream) -> UnsafeMutableRawBufferPointer {
        input.unsafeTail(minimum: 1024)
    }

    func stream(_: TCPStream, received count: Int) {
        input.commit(count)
        do throws(DecodeError) {
            while !stream.isClosing, let frame = try LivenessFrame.take(from: &input) {
                heardAt = bootInstant()
                take(frame)
            }
        } catch {
            exchange.lost(self, reason: "\(error)")
        }
    }

    func streamEnded(_: TCPStream) { exchange.lost(self, reason: "closed by peer") }

    func streamWrote(_: TCPStream) {}

    func stream(_: TCPStream, failed error: UVError) { exchange.lost(self, reason: error.reason) }

    private func take(_ frame: LivenessFrame) {
        switch frame {
        case .hello(let node, let token):
            guard peer == nil else { return exchange.lost(self, reason: "a second hello") }
            if exchange.admit(self, node: node, token: token) { peer = node }
        case .message(let message):
            guard let peer else { return exchange.lost(self, reason: "a message before hello") }
            exchange.take(message, from: peer, on: self)
        }
    }

    /// Says who is talking: first of all, whatever is queued.
    func sendHello(_ node: NodeID, token: UInt64) { write(.hello(node: node, token: token)) }

    /// Sends a message, at once or not at all: see rule 1 of the protocol.
    func send(_ message: LivenessMessage) {
        guard stream.queuedBytes == 0 else { return }
        write(.message(message))
    }

    private func write(_ frame: LivenessFrame) {
        var bytes = ByteBuffer(minimumCapacity: LivenessFrame.bytesMax)
        frame.encode(into: &bytes)
        stream.write(bytes)
    }
}
