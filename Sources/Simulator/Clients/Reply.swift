internal import Bytes

/// A reply as a client reads it, RESP2 or RESP3.
public enum Reply: Equatable, Sendable {
    case simple(String)
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    case null
    case array([Reply])

    /// The number in an integer, or in a bulk string or simple string of digits.
    public var number: Int64? {
        switch self {
        case .integer(let value): value
        case .bulk(let bytes): Int64(String(decoding: bytes, as: UTF8.self))
        default: nil
        }
    }

    public var isError: Bool { if case .error = self { true } else { false } }

    /// Short, for reports.
    public var summary: String {
        switch self {
        case .simple(let text): "+\(text)"
        case .error(let text): "-\(text)"
        case .integer(let value): ":\(value)"
        case .bulk(let bytes): "\"\(String(decoding: bytes.prefix(40), as: UTF8.self))\""
        case .null: "nil"
        case .array(let items): "[\(items.map(\.summary).joined(separator: " "))]"
        }
    }
}

/// Takes replies out of a byte stream. Strict: what Redis would not send is an error, since the
/// stream comes from the code under test.
public struct ReplyParser {
    private var buffer: [UInt8] = []
    private var position = 0

    public init() {}

    public enum Failure: Error, Equatable { case malformed(String) }

    /// Appends bytes that arrived.
    public mutating func append(_ bytes: [UInt8]) {
        if position > 4096 {
            buffer.removeFirst(position)
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Bytes not understood as a whole reply yet.
    public var pendingBytes: Int { buffer.count - position }

    /// The next whole reply; nil when more bytes are needed.
    public mutating func next() throws(Failure) -> Reply? {
        var cursor = position
        guard let reply = try parse(&cursor) else { return nil }
        position = cursor
        return reply
    }

    private func line(_ cursor: inout Int) -> String? {
        var end = cursor
        while end + 1 < buffer.count {
            if buffer[end] == 13, buffer[end + 1] == 10 {
                let text = String(decoding: buffer[cursor..<end], as: UTF8.self)
                cursor = end + 2
                return text
            }
            end += 1
        }
        return nil
    }

    private func count(_ text: String) throws(Failure) -> Int {
        guard let count = Int(text), count >= -1 else { throw .malformed("length \(text)") }
        return count
    }

    private func parse(_ cursor: inout Int) throws(Failure) -> Reply? {
        guard cursor < buffer.count else { return nil }
        let type = buffer[cursor]
        var after = cursor + 1
        guard let text = line(&after) else { return nil }
        var reply: Reply?
        switch type {
        case UInt8(ascii: "+"): reply = .simple(text)
        case UInt8(ascii: "-"): reply = .error(text)
        case UInt8(ascii: ":"):
            guard let value = Int64(text) else { throw .malformed("integer \(text)") }
            reply = .integer(value)
        case UInt8(ascii: "_"): reply = .null
        case UInt8(ascii: "#"): reply = .integer(text == "t" ? 1 : 0)
        case UInt8(ascii: ","): reply = .bulk(Array(text.utf8))
        case UInt8(ascii: "$"):
            reply = try bulk(of: try count(text), &after)
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"):
            reply = try array(of: try count(text), &after)
        case UInt8(ascii: "%"):
            reply = try array(of: 2 * (try count(text)), &after)
        default:
            throw .malformed("type byte \(type)")
        }
        if reply != nil { cursor = after }
        return reply
    }

    private func bulk(of count: Int, _ cursor: inout Int) throws(Failure) -> Reply? {
        if count < 0 { return .null }
        guard buffer.count >= cursor + count + 2 else { return nil }
        guard buffer[cursor + count] == 13, buffer[cursor + count + 1] == 10 else {
            throw .malformed("a bulk string without its end")
        }
        let bytes = Array(buffer[cursor..<cursor + count])
        cursor += count + 2
        return .bulk(bytes)
    }

    private func array(of count: Int, _ cursor: inout Int) throws(Failure) -> Reply? {
        if count < 0 { return .null }
        var items: [Reply] = []
        for _ in 0..<count {
            guard let item = try parse(&cursor) else { return nil }
            items.append(item)
        }
        return .array(items)
    }
}

/// A command as a client sends it.
public struct ClientCommand: Equatable, Sendable {
    public var arguments: [[UInt8]]

    public init(_ arguments: [String]) { self.arguments = arguments.map { Array($0.utf8) } }

    public init(_ arguments: String...) { self.init(arguments) }

    /// RESP: an array of bulk strings.
    public var encoded: [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            bytes.append(contentsOf: Array("$\(argument.count)\r\n".utf8))
            bytes.append(contentsOf: argument)
            bytes.append(contentsOf: [13, 10])
        }
        return bytes
    }

    /// For reports.
    public var summary: String {
        arguments.map { String(decoding: $0.prefix(40), as: UTF8.self) }.joined(separator: " ")
    }
}
