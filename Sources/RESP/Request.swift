internal import Bytes

/// Where one argument lies, counted from the first byte of the run that `Request` borrows.
public struct ArgumentRange: Sendable, Equatable {
    public var offset: Int
    /// Length in bytes.
    public var count: Int

    @inlinable
    public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }
}

/// One command, borrowed: the bytes it lies in and where its arguments are.
///
/// Made by `RequestParser.request(over:)` from a client's input and by `ArgumentDecoder` from a log
/// entry; handlers cannot tell the two apart. Owns nothing and allocates nothing.
public struct Request: ~Escapable {
    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline let ranges: Span<ArgumentRange>

    /// Invariant, the caller's: every range lies within `bytes`.
    @inlinable
    @_lifetime(copy bytes, copy ranges)
    public init(bytes: Span<UInt8>, ranges: Span<ArgumentRange>) {
        self.bytes = bytes
        self.ranges = ranges
    }

    /// Number of arguments, the command's name included; never 0 in a request from a parser.
    @inlinable
    public var count: Int { ranges.count }

    /// Argument `i`; 0 is the command's name.
    @inlinable
    public subscript(_ i: Int) -> Span<UInt8> {
        @_lifetime(copy self)
        get {
            let range = ranges[i]
            return bytes.extracting(range.offset..<range.offset + range.count)
        }
    }

    /// The request without its first `count` arguments, of which it has more.
    @_lifetime(copy self)
    public func dropFirst(_ count: Int) -> Request {
        Request(bytes: bytes, ranges: ranges.extracting(count..<ranges.count))
    }

    /// Bytes of all arguments together, without the protocol around them.
    public var argumentBytes: Int {
        var sum = 0
        for i in ranges.indices { sum += ranges[i].count }
        return sum
    }

    /// Argument `i` as an integer, by Redis's strict rules: see `IntegerText.parse`.
    @inlinable
    public func integer(at i: Int) -> Int64? {
        IntegerText.parse(self[i])
    }

    /// Argument `i` as a score or a float option: see `FloatText.parse`.
    public func double(at i: Int) -> Double? {
        FloatText.parse(self[i])
    }

    /// Whether argument `i` spells `literal`, whatever its letters' case (ASCII).
    @inlinable
    public func matches(_ i: Int, _ literal: StaticString) -> Bool {
        let range = ranges[i]
        guard range.count == literal.utf8CodeUnitCount else { return false }
        let expected = unsafe literal.utf8Start
        for at in 0..<range.count
        where unsafe asciiLowercase(bytes[range.offset + at]) != asciiLowercase(expected[at]) {
            return false
        }
        return true
    }
}

/// `byte` in lower case when it is an ASCII letter.
@inlinable
@inline(__always)
public func asciiLowercase(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}
