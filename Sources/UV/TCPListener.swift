internal import CLibuv

/// Accepts TCP connections at one address.
///
/// When the process has no descriptor left, libuv accepts and closes what waits (it keeps one
/// descriptor in reserve for that), so the loop neither spins nor dies; what libuv cannot deal with
/// arrives at `onFailure`.
public final class TCPListener: Handle {
    /// Gets each connection. While it is nil, connections are closed as they come; nothing comes
    /// before the loop turns.
    public var onConnection: ((TCPStream) -> Void)?
    /// Gets what kept a connection from being accepted.
    public var onFailure: ((UVError) -> Void)?
    /// Where it listens, with the port that the kernel chose if 0 was asked for.
    public private(set) var address: Address

    /// Binds and listens. Throws `UVError` with the address in its text: in use, not ours, not
    /// permitted.
    ///
    /// - Parameter backlog: connections the kernel holds until they are accepted; it caps this at
    ///   net.core.somaxconn.
    public init(
        _ loop: Loop, address: Address, backlog: Int32 = 511,
        onConnection: ((TCPStream) -> Void)? = nil
    ) throws(UVError) {
        self.onConnection = onConnection
        self.address = address
        super.init(loop: loop, type: UV_TCP)
        try check(uv_tcp_init(loop.raw, pointer()), "create a listener")
        opened()
        do throws(UVError) {
            try listen(backlog: backlog)
        } catch {
            close()
            throw error
        }
    }

    private func listen(backlog: Int32) throws(UVError) {
        let wanted = address
        // An IPv6 listener takes IPv6 only, so that "0.0.0.0" and "::" can be named side by side.
        let flags = wanted.isIPv6 ? UV_TCP_IPV6ONLY.rawValue : 0
        try check(
            wanted.withSocketAddress { uv_tcp_bind(pointer(), $0, flags) }, "bind \(wanted)")
        // libuv reports EADDRINUSE here rather than at the bind.
        try check(uv_listen(pointer(), backlog, onConnectionWaiting), "listen on \(wanted)")
        address = Address.reading { uv_tcp_getsockname(pointer(), $0, $1) } ?? wanted
    }

    override func dropOwner() {
        onConnection = nil
        onFailure = nil
    }

    fileprivate func connectionWaiting(_ status: Int32) {
        do throws(UVError) {
            try check(status, "accept on \(address)")
            let stream = try TCPStream(loop)
            let accepted = uv_accept(pointer(), stream.pointer())
            guard accepted == 0 else {
                stream.close()
                throw UVError(code: accepted, operation: "accept on \(address)")
            }
            stream.becameConnected()
            guard let onConnection else { return stream.close() }
            onConnection(stream)
        } catch {
            onFailure?(error)
        }
    }
}

@c func onConnectionWaiting(_ listener: UnsafeMutablePointer<uv_stream_t>?, _ status: Int32) {
    TCPListener.recover(listener?.pointee.data).connectionWaiting(status)
}
