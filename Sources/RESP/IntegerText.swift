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
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }
}

extension ByteBuffer {
    /// Appends `value` in decimal ASCII.
    public mutating func append(decimal value: Int64) {
        if value >= 0, value < 10 {
            append(UInt8(truncatingIfNeeded: value) &+ 0x30)
            return
        }
        // Digits come least significant first, so they are set from the end of 20 bytes.
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var start = 20
        var rest = value.magnitude
        while rest > 0 {
            start -= 1
            digits[start] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
            rest /= 10
        }
        if value < 0 {
            start -= 1
            digits[start] = UInt8(ascii: "-")
        }
        append(digits.span.extracting(start..<20))
    }
}
