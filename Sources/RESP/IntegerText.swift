public import Bytes

/// Integers as Redis reads and prints them.
public enum IntegerText {
    /// The integer that `text` spells, by the rules of Redis's string2ll: an optional `-`, no `+`,
    /// no leading zeros, no `-0`, no blanks, within 64 bits. Whatever parses prints the same again.
    public static func parse(_ text: Span<UInt8>) -> Int64? {
        guard text.count > 0, text.count <= 20 else { return nil }
        let negative = text[0] == UInt8(ascii: "-")
        var at = negative ? 1 : 0
        guard at < text.count else { return nil }
        let first = text[at] &- 0x30
        if first == 0 { return text.count == 1 ? 0 : nil }
        guard first <= 9 else { return nil }
        var value: UInt64 = 0
        while at < text.count {
            let digit = text[at] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(UInt64(digit))
            if tooLarge || overflow { return nil }
            value = sum
            at += 1
        }
        if negative {
            guard value <= UInt64(bitPattern: .min) else { return nil }
            return Int64(bitPattern: 0 &- value)
        }
        return Int64(exactly: value)
    }

    /// Number of bytes that `ByteBuffer.append(decimal:)` appends for `value`.
    public static func decimalCount(_ value: Int64) -> Int {
        var count = value < 0 ? 2 : 1
        // Comparing with growing bounds is cheaper than dividing by ten again and again.
        let magnitude = value.magnitude
        var bound: UInt64 = 10
        while magnitude >= bound {
            count += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        return count
    }
}

extension ByteBuffer {
    /// Appends `value` in decimal ASCII.
    public mutating func append(decimal value: Int64) {
        let count = IntegerText.decimalCount(value)
        let free = unsafe unsafeTail(minimum: 20)
        unsafe writeDecimal(value, count: count, to: free, at: 0)
        commit(count)
    }

    /// Appends a RESP header: the type's byte, `value`, and the line end. One reservation for all of
    /// it: nearly every reply has one.
    mutating func append(header type: UInt8, _ value: Int64) {
        let count = IntegerText.decimalCount(value)
        let free = unsafe unsafeTail(minimum: 23)
        unsafe free[0] = type
        unsafe writeDecimal(value, count: count, to: free, at: 1)
        unsafe free[count + 1] = 0x0D
        unsafe free[count + 2] = 0x0A
        commit(count + 3)
    }
}

/// Writes `value`, which takes `count` bytes, at `offset`.
@inline(__always)
private func writeDecimal(
    _ value: Int64, count: Int, to bytes: UnsafeMutableRawBufferPointer, at offset: Int
) {
    // Digits come least significant first.
    var at = offset + count
    var rest = value.magnitude
    repeat {
        at -= 1
        unsafe bytes[at] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
        rest /= 10
    } while rest > 0
    if value < 0 { unsafe bytes[at - 1] = UInt8(ascii: "-") }
}
