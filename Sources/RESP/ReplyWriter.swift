public import Bytes

/// Writes replies, in the session's protocol version, at the end of a buffer that it owns.
///
/// The engine swaps a session's output buffer in and out. Nothing here allocates beyond the growth
/// of `bytes`. Handlers never look at `version` for a type that both protocols can say: `map`,
/// `set`, `double`, `boolean`, `null` choose the form.
public struct ReplyWriter: ~Copyable {
    /// What has been written; readable from the first unsent byte.
    public var bytes: ByteBuffer
    /// The protocol of the session that the next reply is for.
    public var version: RESPVersion

    /// Where the error being written begins (see `openError`), -1 outside.
    private var errorStart = -1

    public init(bytes: consuming ByteBuffer = ByteBuffer(), version: RESPVersion = .two) {
        self.bytes = bytes
        self.version = version
    }

    /// `+OK`.
    public mutating func ok() { bytes.append("+OK\r\n") }

    /// A simple string, without line ends.
    public mutating func simple(_ text: StaticString) {
        bytes.append(UInt8(ascii: "+"))
        bytes.append(text)
        endLine()
    }

    /// A simple string; line ends in it become blanks.
    public mutating func simple(_ text: Span<UInt8>) {
        bytes.append(UInt8(ascii: "+"))
        let start = bytes.count
        bytes.append(text)
        blankLineEnds(from: start)
        endLine()
    }

    /// An integer.
    public mutating func integer(_ value: Int64) { header(UInt8(ascii: ":"), value) }

    /// A bulk string.
    public mutating func bulk(_ text: Span<UInt8>) {
        header(UInt8(ascii: "$"), Int64(text.count))
        bytes.append(text)
        endLine()
    }

    /// A bulk string with the UTF-8 of a literal.
    public mutating func bulk(_ text: StaticString) {
        header(UInt8(ascii: "$"), Int64(text.utf8CodeUnitCount))
        bytes.append(text)
        endLine()
    }

    /// A bulk string with the UTF-8 of `text`. Not for the hot path.
    public mutating func bulk(_ text: String) {
        header(UInt8(ascii: "$"), Int64(text.utf8.count))
        bytes.append(text)
        endLine()
    }

    /// An integer printed as a bulk string.
    public mutating func bulk(decimal value: Int64) {
        header(UInt8(ascii: "$"), Int64(IntegerText.decimalCount(value)))
        bytes.append(decimal: value)
        endLine()
    }

    /// A double: a bulk string in RESP2, `,` in RESP3; digits as redis-server 7.0 prints them.
    public mutating func double(_ value: Double) {
        let text = DoubleText(value)
        switch version {
        case .two: bulk(text.bytes)
        case .three:
            bytes.append(UInt8(ascii: ","))
            bytes.append(text.bytes)
            endLine()
        }
    }

    /// A boolean: `:1` or `:0` in RESP2, `#t` or `#f` in RESP3.
    public mutating func boolean(_ value: Bool) {
        switch version {
        case .two: bytes.append(value ? ":1\r\n" : ":0\r\n")
        case .three: bytes.append(value ? "#t\r\n" : "#f\r\n")
        }
    }

    /// Text to be shown as it is: a bulk string in RESP2, `=` with format `txt` in RESP3.
    public mutating func verbatim(_ text: Span<UInt8>) {
        guard version == .three else { return bulk(text) }
        header(UInt8(ascii: "="), Int64(text.count + 4))
        bytes.append("txt:")
        bytes.append(text)
        endLine()
    }

    /// No value: `$-1` in RESP2, `_` in RESP3.
    public mutating func null() { bytes.append(version == .two ? "$-1\r\n" : "_\r\n") }

    /// No array: `*-1` in RESP2, `_` in RESP3. Which null a command has in RESP2 is its own choice.
    public mutating func nullArray() { bytes.append(version == .two ? "*-1\r\n" : "_\r\n") }

    /// `*0`.
    public mutating func emptyArray() { bytes.append("*0\r\n") }

    /// Begins an array; `count` values follow.
    public mutating func array(_ count: Int) { header(UInt8(ascii: "*"), Int64(count)) }

    /// Begins a map; `count` keys, each with a value, follow. A flat array in RESP2.
    public mutating func map(_ count: Int) {
        switch version {
        case .two: array(2 * count)
        case .three: header(UInt8(ascii: "%"), Int64(count))
        }
    }

    /// Begins a set; `count` values follow. An array in RESP2.
    public mutating func set(_ count: Int) {
        header(version == .two ? UInt8(ascii: "*") : UInt8(ascii: "~"), Int64(count))
    }

    /// Begins a message that is no reply; `count` values follow. An array in RESP2.
    public mutating func push(_ count: Int) {
        header(version == .two ? UInt8(ascii: "*") : UInt8(ascii: ">"), Int64(count))
    }

    /// Appends bytes that are a reply already: one that another node wrote.
    public mutating func raw(_ reply: Span<UInt8>) { bytes.append(reply) }

    mutating func header(_ type: UInt8, _ value: Int64) { bytes.append(header: type, value) }

    mutating func endLine() { bytes.append("\r\n") }
}

// Errors. The text begins with the code: "ERR syntax error", "WRONGTYPE Operation ...".
extension ReplyWriter {
    /// An error whose text is known.
    public mutating func error(_ text: StaticString) {
        bytes.append(UInt8(ascii: "-"))
        bytes.append(text)
        endLine()
    }

    /// An error with a text made at run time; line ends in it become blanks.
    public mutating func error(text: String) {
        openError("")
        errorText(text)
        closeError()
    }

    /// Begins an error put together from pieces: `errorText` any number of times, then `closeError`.
    public mutating func openError(_ text: StaticString) {
        invariant(errorStart < 0, "an error within an error")
        bytes.append(UInt8(ascii: "-"))
        errorStart = bytes.count
        bytes.append(text)
    }

    /// Adds a literal to the open error.
    public mutating func errorText(_ text: StaticString) { bytes.append(text) }

    /// Adds client bytes to the open error.
    public mutating func errorText(_ text: Span<UInt8>) { bytes.append(text) }

    /// Adds text to the open error.
    public mutating func errorText(_ text: String) { bytes.append(text) }

    /// Adds a number to the open error.
    public mutating func errorText(decimal value: Int64) { bytes.append(decimal: value) }

    /// Ends the open error: line ends at its end are dropped, others become blanks, as in Redis.
    public mutating func closeError() {
        invariant(errorStart >= 0, "no error is open")
        let start = errorStart
        bytes.truncate(to: Self.trimmedEnd(bytes.readable, from: start))
        blankLineEnds(from: start)
        errorStart = -1
        endLine()
    }

    private static func trimmedEnd(_ written: Span<UInt8>, from start: Int) -> Int {
        var end = written.count
        while end > start, written[end - 1] == 0x0D || written[end - 1] == 0x0A { end -= 1 }
        return end
    }

    private mutating func blankLineEnds(from start: Int) {
        var written = bytes.mutableReadable
        for i in start..<written.count where written[i] == 0x0D || written[i] == 0x0A {
            written[i] = 0x20
        }
    }
}
