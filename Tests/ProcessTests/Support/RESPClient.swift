import Foundation

enum Reply: Equatable, Sendable {
    case simple(String)
    case error(String)
    case integer(Int)
    case bulk([UInt8])
    case null
    case array([Reply])

    static func text(_ text: String) -> Reply { .bulk(Array(text.utf8)) }

    var isError: Bool { if case .error = self { true } else { false } }

    var string: String? {
        switch self {
        case .simple(let text), .error(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }
}

enum ClientError: Error {
    case connect(errno: Int32)
    case closed
    case timedOut
    case notRESP(String)
}

/// A blocking RESP2 client over one socket: one command at a time, or bytes as they are.
final class RESPClient {
    private let descriptor: Int32
    private var input: [UInt8] = []
    private var position = 0
    private let timeout: Duration

    init(port: Int, timeout: Duration = .seconds(15)) throws {
        self.timeout = timeout
        descriptor = try connectedSocket(port: port)
    }

    deinit { close(descriptor) }

    /// Sends one command and waits for its reply; an error reply is a value.
    @discardableResult
    func call(_ arguments: String...) throws -> Reply {
        try send(encoded(arguments.map { Array($0.utf8) }))
        return try reply()
    }

    func call(bytes arguments: [[UInt8]]) throws -> Reply {
        try send(encoded(arguments))
        return try reply()
    }

    func encoded(_ arguments: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            bytes += Array("$\(argument.count)\r\n".utf8)
            bytes += argument
            bytes += [13, 10]
        }
        return bytes
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.send(
                    descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw ClientError.closed }
            sent += count
        }
    }

    /// Sends no more (`nc -N` does that); replies can still be read.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func reply() throws -> Reply {
        let line = try self.line()
        guard let kind = line.first else { throw ClientError.notRESP("an empty line") }
        let rest = String(decoding: line.dropFirst(), as: UTF8.self)
        switch kind {
        case UInt8(ascii: "+"): return .simple(rest)
        case UInt8(ascii: "-"): return .error(rest)
        case UInt8(ascii: ":"): return .integer(Int(rest) ?? 0)
        case UInt8(ascii: "_"): return .null
        case UInt8(ascii: "$"):
            guard let length = Int(rest), length >= 0 else { return .null }
            return .bulk(Array(try exactly(length + 2).dropLast(2)))
        case UInt8(ascii: "*"):
            guard let count = Int(rest), count >= 0 else { return .null }
            return .array(try (0..<count).map { _ in try reply() })
        default: throw ClientError.notRESP(String(decoding: line, as: UTF8.self))
        }
    }

    /// Whatever comes until the server closes the connection.
    func untilClosed() throws -> [UInt8] {
        while true {
            do { try receiveMore() } catch ClientError.closed { return Array(input[position...]) }
        }
    }

    private func line() throws -> [UInt8] {
        while true {
            if let end = input[position...].firstIndex(of: 10) {
                let line = input[position..<end - 1]
                position = end + 1
                return Array(line)
            }
            try receiveMore()
        }
    }

    private func exactly(_ count: Int) throws -> ArraySlice<UInt8> {
        while input.count - position < count { try receiveMore() }
        defer { position += count }
        return input[position..<position + count]
    }

    private func receiveMore() throws {
        if position == input.count {
            input.removeAll(keepingCapacity: true)
            position = 0
        }
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, Int32(milliseconds(timeout))) > 0 else { throw ClientError.timedOut }
        let count = withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { space in
            let count = recv(descriptor, space.baseAddress!, space.count, 0)
            if count > 0 { input.append(contentsOf: space[..<count]) }
            return count
        }
        guard count > 0 else { throw ClientError.closed }
    }
}

/// A TCP connection to 127.0.0.1; the caller closes it.
func connectedSocket(port: Int) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw ClientError.connect(errno: errno) }
    var one: Int32 = 1
    setsockopt(
        descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = loopback(port: port)
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else {
        let reason = errno
        close(descriptor)
        throw ClientError.connect(errno: reason)
    }
    return descriptor
}

func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
}
