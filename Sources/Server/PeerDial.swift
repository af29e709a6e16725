internal import Bytes
internal import UV

/// One attempt to reach a peer: look its name up, connect from the node's own address, give up when
/// it takes too long. Loop thread only.
final class PeerDial {
    private let loop: Loop
    private let bind: BindAddresses
    private let target: String
    private var lookup: NameLookup?
    private var stream: TCPStream?
    private var timer: Timer?
    private var onResult: ((Result<TCPStream, UVError>) -> Void)?

    /// `onResult` comes exactly once, in a later turn, unless `cancel` is called.
    init(
        _ loop: Loop, host: String, port: UInt16, from bind: BindAddresses, within limit: Interval,
        onResult: @escaping (Result<TCPStream, UVError>) -> Void
    ) {
        self.loop = loop
        self.bind = bind
        self.onResult = onResult
        target = "\(host):\(port)"
        timer = Timer(loop) { [unowned self] in timedOut() }
        timer?.start(after: limit)
        do throws(UVError) {
            if let address = try? Address(host: host, port: port) {
                try connect(address)
            } else {
                lookup = try NameLookup(loop, host: host, port: port) { [unowned self] answer in
                    lookedUp(answer)
                }
            }
        } catch {
            failure = error
            // Told by the timer, so that nobody is called back from within a constructor.
            timer?.start(after: .milliseconds(0))
        }
    }

    private var failure: UVError?

    deinit { invariant(timer == nil, "an attempt to connect was dropped while under way") }

    /// Ends the attempt silently.
    func cancel() {
        onResult = nil
        release()
        stream?.close()
        stream = nil
    }

    private func lookedUp(_ answer: Result<[Address], UVError>) {
        lookup = nil
        do throws(UVError) {
            guard let address = try answer.get().first else {
                throw UVError(code: -110, operation: "look up \(target): no address")
            }
            try connect(address)
        } catch {
            finish(.failure(error))
        }
    }

    private func connect(_ address: Address) throws(UVError) {
        stream = try TCPStream.connect(loop, to: address, from: bind.source(for: address)) {
            [unowned self] stream, error in
            if let error {
                self.stream = nil
                finish(.failure(error))
            } else {
                finish(.success(stream))
            }
        }
    }

    private func timedOut() {
        let timeout = UVError(code: -110, operation: "connect to \(target)")
        stream?.close()
        finish(.failure(failure ?? timeout))
    }

    private func finish(_ result: Result<TCPStream, UVError>) {
        release()
        stream = nil
        let tell = onResult
        onResult = nil
        tell?(result)
    }

    private func release() {
        lookup?.cancel()
        lookup = nil
        timer?.close()
        timer = nil
    }
}
