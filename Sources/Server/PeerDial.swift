internal import Bytes
internal import Glibc
internal import UV

/// One attempt to reach a peer: look its name up, connect from the node's own address, give up when
/// it takes too long. Loop thread only.
///
/// The name is looked up anew for each attempt: a peer that moved is found where it is now. A name may have
/// several addresses, of which some are out of date, or of a family that the peer does not listen to:
/// they are tried in turn, each for its share of the time.
///
/// A lookup is not given up. It occupies a thread of libuv's pool until the system's resolver has given up, and
/// another one behind it would be no faster: with a silent name server they would only pile up, and with
/// them those of other peers' names.
final class PeerDial {
    private let loop: Loop
    private let bind: BindAddresses
    private let target: String
    private let limit: Interval
    private var lookup: NameLookup?
    private var stream: TCPStream?
    private var timer: Timer?
    private var onResult: ((Result<TCPStream, UVError>) -> Void)?
    /// Addresses that are still to be tried, and how long each.
    private var addresses: ArraySlice<Address> = []
    private var share: Interval
    /// Why the last address, or the lookup, was of no use.
    private var failure: UVError?

    /// `onResult` comes exactly once, in a later turn, unless `cancel` is called.
    /// - Parameter limit: how long connecting may take, all addresses together.
    convenience init(
        _ loop: Loop, host: String, port: UInt16, from bind: BindAddresses, within limit: Interval,
        onResult: @escaping (Result<TCPStream, UVError>) -> Void
    ) {
        let numeric = try? Address(host: host, port: port)
        self.init(
            loop, to: numeric.map { [$0] } ?? [], target: "\(host):\(port)", from: bind,
            within: limit, onResult: onResult)
        guard numeric == nil else { return }
        timer?.stop()
        do throws(UVError) {
            lookup = try NameLookup(loop, host: host, port: port) { [unowned self] answer in
                lookedUp(answer)
            }
        } catch {
            failure = error
            timer?.start(after: .milliseconds(0))
        }
    }

    /// Tries these addresses in turn.
    init(
        _ loop: Loop, to addresses: [Address], target: String, from bind: BindAddresses,
        within limit: Interval, onResult: @escaping (Result<TCPStream, UVError>) -> Void
    ) {
        self.loop = loop
        self.bind = bind
        self.target = target
        self.limit = limit
        self.onResult = onResult
        share = limit
        timer = Timer(loop) { [unowned self] in tryNext() }
        begin(addresses)
    }

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
        switch answer {
        case .success(let found): begin(found)
        case .failure(let error):
            failure = error
            begin([])
        }
    }

    private func begin(_ found: [Address]) {
        addresses = found[...]
        share = Interval(nanoseconds: limit.nanoseconds / Int64(max(1, found.count)))
        // By the timer, so that nobody is called back from within a constructor.
        timer?.start(after: .milliseconds(0))
    }

    /// Goes on to the next address; without one it is over.
    private func tryNext() {
        if let stream {
            failure = UVError(code: -ETIMEDOUT, operation: "connect to \(target)")
            stream.close()
            self.stream = nil
        }
        while let address = addresses.popFirst() {
            do throws(UVError) {
                try connect(address)
                timer?.start(after: share)
                return
            } catch {
                failure = error
            }
        }
        let nothing = UVError(
            code: -EDESTADDRREQ, operation: "look up \(target): no address")
        finish(.failure(failure ?? nothing))
    }

    private func connect(_ address: Address) throws(UVError) {
        stream = try TCPStream.connect(loop, to: address, from: bind.source(for: address)) {
            [unowned self] stream, error in
            guard let error else { return finish(.success(stream)) }
            self.stream = nil
            failure = error
            tryNext()
        }
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
