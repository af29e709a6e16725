internal import Bytes
internal import CLibuv
internal import Glibc

/// A numeric IPv4 or IPv6 address with a port.
public struct Address: Equatable, Sendable, CustomStringConvertible {
    /// The address in its usual text form, without brackets.
    public let host: String
    public let port: UInt16
    public let isIPv6: Bool
    private let storage: Storage

    /// `sockaddr_storage` as words, which are Equatable and Sendable without more ado.
    private struct Storage: Equatable, Sendable {
        var words: [UInt64]
    }

    /// Reads numeric text; throws for host names, which need a `NameLookup`.
    public init(host: String, port: UInt16) throws(UVError) {
        var storage = sockaddr_storage()
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            let port = Int32(port)
            let status = uv_ip4_addr(host, port, raw.assumingMemoryBound(to: sockaddr_in.self))
            guard status != 0 else { return status }
            return uv_ip6_addr(host, port, raw.assumingMemoryBound(to: sockaddr_in6.self))
        }
        guard status == 0, let address = Address(storage) else {
            throw UVError(code: -EINVAL, operation: "read the address \"\(host)\"")
        }
        self = address
    }

    /// What the kernel filled in; nil for families other than IPv4 and IPv6.
    init?(_ storage: sockaddr_storage) {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = Int32(storage.ss_family)
        let port: UInt16? = withUnsafePointer(to: storage) { pointer in
            let raw = UnsafeRawPointer(pointer)
            switch family {
            case AF_INET:
                let four = raw.assumingMemoryBound(to: sockaddr_in.self)
                uv_ip4_name(four, &text, text.count)
                return UInt16(bigEndian: four.pointee.sin_port)
            case AF_INET6:
                let six = raw.assumingMemoryBound(to: sockaddr_in6.self)
                uv_ip6_name(six, &text, text.count)
                return UInt16(bigEndian: six.pointee.sin6_port)
            default:
                return nil
            }
        }
        guard let port else { return nil }
        self.port = port
        isIPv6 = family == AF_INET6
        host = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        self.storage = Storage(
            words: withUnsafeBytes(of: storage) { Array($0.bindMemory(to: UInt64.self)) })
    }

    /// The same address with another port.
    public func with(port: UInt16) -> Address {
        guard let address = try? Address(host: host, port: port) else {
            invariantFailed("an address that cannot read its own text \(host)")
        }
        return address
    }

    /// "127.0.0.1:6379", "[::1]:6379": the form that Redis prints.
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool {
        isIPv6
            ? host == "::1" || host.hasPrefix("::ffff:127.")
            : host.hasPrefix("127.")
    }

    /// Whether it stands for every address of the machine.
    public var isWildcard: Bool { host == "0.0.0.0" || host == "::" }

    func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>) -> R) -> R {
        storage.words.withUnsafeBytes {
            body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!)
        }
    }

    /// Runs one of `uv_tcp_getsockname` and `uv_tcp_getpeername`.
    static func reading(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>) -> Int32
    ) -> Address? {
        var storage = sockaddr_storage()
        var size = Int32(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            body(UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), &size)
        }
        return status == 0 ? Address(storage) : nil
    }
}
