internal import CLibuv

extension TCPStream {
    /// Opens a connection to `remote`, leaving from `local` if given (its port 0 means any).
    ///
    /// `onResult` gets nil when the connection stands, else the error, after which the stream is
    /// closed. It does not come after `close()`.
    public static func connect(
        _ loop: Loop, to remote: Address, from local: Address? = nil,
        onResult: @escaping (TCPStream, UVError?) -> Void
    ) throws(UVError) -> TCPStream {
        let stream = try TCPStream(loop)
        let attempt = ConnectAttempt(stream, onResult: onResult)
        do throws(UVError) {
            if let local {
                try check(
                    local.withSocketAddress { uv_tcp_bind(stream.pointer(), $0, 0) },
                    "bind \(local)")
            }
            try attempt.start(to: remote)
        } catch {
            stream.close()
            throw error
        }
        return stream
    }
}

/// The time between asking for a connection and having one.
private final class ConnectAttempt {
    private let stream: TCPStream
    private let request: UnsafeMutablePointer<uv_connect_t>
    private let onResult: (TCPStream, UVError?) -> Void
    private var operation = ""

    init(_ stream: TCPStream, onResult: @escaping (TCPStream, UVError?) -> Void) {
        self.stream = stream
        self.onResult = onResult
        request = .allocate(capacity: 1)
    }

    deinit { request.deallocate() }

    func start(to remote: Address) throws(UVError) {
        operation = "connect to \(remote)"
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        let status = remote.withSocketAddress {
            uv_tcp_connect(request, stream.pointer(), $0, onConnected)
        }
        guard status == 0 else {
            Unmanaged.passUnretained(self).release()
            throw UVError(code: status, operation: operation)
        }
    }

    func finished(_ status: Int32) {
        // Closed by its owner meanwhile: libuv reports ECANCELED, which nobody waits for.
        guard !stream.isClosing else { return }
        guard status == 0 else {
            stream.close()
            onResult(stream, UVError(code: status, operation: operation))
            return
        }
        stream.becameConnected()
        onResult(stream, nil)
    }
}

@c func onConnected(_ request: UnsafeMutablePointer<uv_connect_t>?, _ status: Int32) {
    Unmanaged<ConnectAttempt>.fromOpaque(request!.pointee.data).takeRetainedValue()
        .finished(status)
}
