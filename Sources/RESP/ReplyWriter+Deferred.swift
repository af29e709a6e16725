internal import Bytes

/// The place of an aggregate whose length was not known when it began.
public struct AggregateMark: Sendable {
    let offset: Int
}

// Aggregates whose length is known only at their end. A header with one digit is put in place at
// the beginning; when the count turns out to have more, what was written since moves up by that
// many bytes. Marks nest, and hold as long as nothing is consumed from `bytes`.
extension ReplyWriter {
    private static let placeholderBytes = 4

    /// Begins an array of unknown length.
    public mutating func openArray() -> AggregateMark {
        let mark = AggregateMark(offset: bytes.count)
        bytes.append("*0\r\n")
        return mark
    }

    /// Begins a map of unknown length.
    public mutating func openMap() -> AggregateMark { openArray() }

    /// Begins a set of unknown length.
    public mutating func openSet() -> AggregateMark { openArray() }

    /// Ends an array: `count` values were written since it began.
    public mutating func closeArray(_ mark: AggregateMark, count: Int) {
        close(mark, UInt8(ascii: "*"), count)
    }

    /// Ends a map: `count` keys, each with a value, were written since it began.
    public mutating func closeMap(_ mark: AggregateMark, count: Int) {
        switch version {
        case .two: close(mark, UInt8(ascii: "*"), 2 * count)
        case .three: close(mark, UInt8(ascii: "%"), count)
        }
    }

    /// Ends a set: `count` values were written since it began.
    public mutating func closeSet(_ mark: AggregateMark, count: Int) {
        close(mark, version == .two ? UInt8(ascii: "*") : UInt8(ascii: "~"), count)
    }

    /// Takes back everything written since the aggregate began, its header included.
    public mutating func discard(_ mark: AggregateMark) { bytes.truncate(to: mark.offset) }

    private mutating func close(_ mark: AggregateMark, _ type: UInt8, _ count: Int) {
        let contents = mark.offset + Self.placeholderBytes
        invariant(count >= 0 && contents <= bytes.count, "an aggregate closed before it began")
        let digits = IntegerText.decimalCount(Int64(count))
        if digits > 1 {
            let moved = bytes.count - contents
            let shift = digits - 1
            bytes.append(repeating: 0, count: shift)
            var written = bytes.mutableReadable
            unsafe written.withUnsafeMutableBufferPointer { buffer in
                let start = unsafe UnsafeMutableRawPointer(buffer.baseAddress!) + contents
                unsafe (start + shift).copyMemory(from: start, byteCount: moved)
            }
        }
        var written = bytes.mutableReadable
        written[mark.offset] = type
        var rest = count
        for i in stride(from: mark.offset + digits, to: mark.offset, by: -1) {
            written[i] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
            rest /= 10
        }
        written[mark.offset + digits + 1] = 0x0D
        written[mark.offset + digits + 2] = 0x0A
    }
}
