internal import CLibuv
internal import Glibc

/// One question to the system's resolver, answered on the loop thread.
///
/// libuv asks in a thread of its pool. A lookup cannot be interrupted once it runs; `cancel` means
/// that its answer will be ignored.
public final class NameLookup {
    private let request: UnsafeMutablePointer<uv_getaddrinfo_t>
    private let host: String
    private let port: UInt16
    private var onAnswer: ((Result<[Address], UVError>) -> Void)?

    /// Asks for the addresses of `host`. Numeric hosts are answered too, by the same way.
    public init(
        _ loop: Loop, host: String, port: UInt16,
        onAnswer: @escaping (Result<[Address], UVError>) -> Void
    ) throws(UVError) {
        request = .allocate(capacity: 1)
        self.host = host
        self.port = port
        self.onAnswer = onAnswer
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        request.pointee.data = Unmanaged.passRetained(self).toOpaque()
        let status = uv_getaddrinfo(loop.raw, request, onAddresses, host, nil, &hints)
        guard status == 0 else {
            Unmanaged.passUnretained(self).release()
            throw UVError(code: status, operation: "look up \(host)")
        }
    }

    deinit { request.deallocate() }

    /// Ignores the answer.
    public func cancel() {
        onAnswer = nil
        uv_cancel(UnsafeMutableRawPointer(request).assumingMemoryBound(to: uv_req_t.self))
    }

    fileprivate func answered(status: Int32, first: UnsafeMutablePointer<addrinfo>?) {
        defer { uv_freeaddrinfo(first) }
        guard let onAnswer else { return }
        self.onAnswer = nil
        guard status == 0 else {
            onAnswer(.failure(UVError(code: status, operation: "look up \(host)")))
            return
        }
        var addresses: [Address] = []
        var next = first
        while let entry = next {
            next = entry.pointee.ai_next
            guard let bytes = UnsafeRawPointer(entry.pointee.ai_addr) else { continue }
            var storage = sockaddr_storage()
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(
                    from: UnsafeRawBufferPointer(
                        start: bytes, count: min($0.count, Int(entry.pointee.ai_addrlen))))
            }
            if let address = Address(storage) { addresses.append(address.with(port: port)) }
        }
        onAnswer(.success(addresses))
    }
}

@c func onAddresses(
    _ request: UnsafeMutablePointer<uv_getaddrinfo_t>?, _ status: Int32,
    _ first: UnsafeMutablePointer<addrinfo>?
) {
    Unmanaged<NameLookup>.fromOpaque(request!.pointee.data).takeRetainedValue()
        .answered(status: status, first: first)
}
