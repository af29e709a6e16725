import Glibc

/// Why a node could not be asked; one line for the operator.
struct ConnectionError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What a node replies, as far as the commands here need it.
enum NodeReply {
    case text(String)
    case integer(Int)
    case null
    case list([NodeReply])

    var string: String {
        switch self {
        case .text(let text): text
        case .integer(let number): "\(number)"
        case .null, .list: ""
        }
    }
}

/// A connection to a node's client port: one command at a time, in RESP2.
final class NodeConnection {
    /// A reply line or bulk string beyond this is none that is asked for here.
    private static let replyBytesMax = 1 << 20

    private let descriptor: Int32
    private var input: [UInt8] = []
    private var position = 0

    /// Connects, waiting at most `seconds` for each answer; gives the password first, if there is one.
    init(host: String, port: Int, password: String?, seconds: Int = 15) throws {
        descriptor = try Self.connect(host, port, seconds: seconds)
        if let password { _ = try call(["AUTH", password]) }
    }

    deinit { close(descriptor) }

    private static func connect(_ host: String, _ port: Int, seconds: Int) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, "\(port)", &hints, &found)
        guard result == 0 else {
            throw ConnectionError("\(host): \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(found) }
        var reason = "no address"
        var next = found
        while let address = next?.pointee {
            next = address.ai_next
            let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
            guard descriptor >= 0 else { continue }
            var limit = timeval(tv_sec: seconds, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
            if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 {
                return descriptor
            }
            reason = String(cString: strerror(errno))
            close(descriptor)
        }
        throw ConnectionError("cannot connect to \(host):\(port): \(reason)")
    }

    /// Sends a command and waits for its reply; an error reply is thrown.
    @discardableResult
    func call(_ words: [String]) throws -> NodeReply {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.utf8.count)\r\n\(word)\r\n".utf8) }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ConnectionError("the connection broke") }
            sent += count
        }
        return try reply()
    }

    private func reply() throws -> NodeReply {
        let line = try self.line()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+": return .text(rest)
        case "-": throw ConnectionError(rest)
        case ":": return .integer(Int(rest) ?? 0)
        case "$":
            guard let length = Int(rest), length >= 0 else { return .null }
            guard length <= Self.replyBytesMax else { throw ConnectionError("a reply too large") }
            while input.count - position < length + 2 { try fill() }
            let text = String(decoding: input[position..<position + length], as: UTF8.self)
            position += length + 2
            return .text(text)
        case "*":
            guard let count = Int(rest), count >= 0 else { return .null }
            guard count <= Self.replyBytesMax else { throw ConnectionError("a reply too large") }
            var list: [NodeReply] = []
            for _ in 0..<count { list.append(try reply()) }
            return .list(list)
        default: throw ConnectionError("what answers there is no Redis server")
        }
    }

    private func line() throws -> String {
        while true {
            if let end = input[position...].firstIndex(of: 10) {
                let line = String(decoding: input[position..<max(position, end - 1)], as: UTF8.self)
                position = end + 1
                return line
            }
            guard input.count - position <= Self.replyBytesMax else {
                throw ConnectionError("what answers there is no Redis server")
            }
            try fill()
        }
    }

    private func fill() throws {
        var chunk = [UInt8](repeating: 0, count: 16384)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count < 0, errno == EINTR { return }
        guard count > 0 else {
            throw ConnectionError(
                count == 0 ? "the node closed the connection" : "the node does not answer")
        }
        input.removeFirst(position)
        position = 0
        input += chunk[..<count]
    }
}
