internal import Bytes
internal import Engine
internal import UV

/// A client's socket on one side, its session in the engine on the other. Loop thread only.
///
/// The engine owns all bytes: reads go straight into the session's input, writes come straight out of
/// its output. Only what the kernel does not take at once is moved into the stream's queue.
final class ClientConnection: TCPStreamOwner {
    private unowned let host: NodeHost
    let session: SessionID
    let stream: TCPStream
    /// Runs once the engine has let go of the session while bytes are still queued.
    private var farewell: Timer?

    init(_ host: NodeHost, _ session: SessionID, _ stream: TCPStream) {
        self.host = host
        self.session = session
        self.stream = stream
    }

    func readBuffer(for _: TCPStream) -> UnsafeMutableRawBufferPointer {
        host.engine.inputTail(of: session, minimum: ServerLimits.clientReadBytes)
    }

    func stream(_: TCPStream, received count: Int) {
        host.engine.received(count, from: session, now: SystemClock.reading())
    }

    /// The client sends no more, but may still read: it gets the answers to what it sent.
    func streamEnded(_: TCPStream) {
        host.engine.inputEnded(session, now: SystemClock.reading())
    }

    func stream(_: TCPStream, failed _: UVError) { lost() }

    func streamWrote(_: TCPStream) {
        if farewell == nil {
            host.engine.outputQueued(
                stream.queuedBytes, for: session, now: SystemClock.reading())
        } else if stream.queuedBytes == 0 {
            end()
        }
    }

    /// Writes what the session has to say; false when the connection is gone.
    func flush() -> Bool {
        var isGone = false
        if stream.queuedBytes == 0 {
            let stream = stream
            host.engine.writeOutput(of: session) { bytes in
                do throws(UVError) {
                    return try stream.tryWrite(bytes)
                } catch {
                    isGone = true
                    return 0
                }
            }
        }
        guard !isGone else { return false }
        if host.engine.output(of: session) > 0 {
            stream.write(host.engine.takeOutput(of: session))
            host.engine.outputQueued(
                stream.queuedBytes, for: session, now: SystemClock.reading())
        }
        return true
    }

    /// Closes when the queue is written, or when that takes too long. The engine has let go of the
    /// session.
    func leave() {
        stream.pauseReading()
        guard stream.queuedBytes > 0 else { return end() }
        farewell = Timer(stream.loop) { [unowned self] in end() }
        farewell?.start(after: ServerLimits.farewellTime)
    }

    /// Closes at once.
    func end() {
        farewell?.close()
        stream.close()
    }

    private func lost() {
        if farewell == nil { host.clients.lost(session) } else { end() }
    }
}
