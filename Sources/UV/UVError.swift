// This target talks to C through pointers from end to end, so strict memory safety is off here:
// every line would carry `unsafe` and none would stand out. What keeps it safe is written down in
// Handle.swift (lifetimes) and Transport.swift (bytes).
internal import CLibuv
internal import Glibc

/// A failed call into libuv: what was tried, and libuv's code for what went wrong.
public struct UVError: Error, Equatable, Sendable, CustomStringConvertible {
    /// libuv's code; on Unix the negated errno.
    public let code: Int32
    /// What was tried, for the log line: "bind 127.0.0.1:6379".
    public let operation: String

    public init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// The symbolic name, such as `EADDRINUSE`.
    public var name: String { String(cString: uv_err_name(code)) }

    /// libuv's text, such as "address already in use".
    public var reason: String { String(cString: uv_strerror(code)) }

    public var description: String { "\(operation): \(reason) (\(name))" }

    /// The address already belongs to another socket.
    public var isAddressInUse: Bool { code == -EADDRINUSE }

    /// Nobody listens at the address.
    public var isConnectionRefused: Bool { code == -ECONNREFUSED }

    /// The other side is gone without a farewell.
    public var isReset: Bool { code == -ECONNRESET || code == -EPIPE }
}

/// Throws unless `status`, which a libuv call returned, says success.
@discardableResult
func check(_ status: Int32, _ operation: @autoclosure () -> String) throws(UVError) -> Int32 {
    guard status < 0 else { return status }
    throw UVError(code: status, operation: operation())
}
