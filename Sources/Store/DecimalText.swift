internal import Bytes

/// The decimal digits of an integer, on the stack: what an integer string reads as.
struct DecimalText {
    private var digits = InlineArray<20, UInt8>(repeating: 0)
    private var start = 20

    init(_ value: Int64) {
        var rest = value.magnitude
        repeat {
            start -= 1
            digits[start] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
            rest /= 10
        } while rest > 0
        guard value < 0 else { return }
        start -= 1
        digits[start] = UInt8(ascii: "-")
    }

    var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { digits.span.extracting(start..<20) }
    }

    /// Length of the digits of `value`.
    static func count(_ value: Int64) -> Int {
        var count = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }

    /// The integer that `text` spells exactly as `DecimalText` would; nil otherwise. The rules are
    /// those of Redis's string2ll, so that a stored integer reads back as the same bytes.
    static func parse(_ text: Span<UInt8>) -> Int64? {
        guard !text.isEmpty, text.count <= 20 else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        var index = isNegative ? 1 : 0
        guard index < text.count else { return nil }
        if text[index] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
        var value: Int64 = 0
        while index < text.count {
            let digit = Int64(text[index]) - 0x30
            guard digit >= 0, digit <= 9 else { return nil }
            let (product, one) = value.multipliedReportingOverflow(by: 10)
            // Downwards for negative numbers: -2^63 has no positive counterpart.
            let (sum, other) = product.addingReportingOverflow(isNegative ? -digit : digit)
            if one || other { return nil }
            value = sum
            index += 1
        }
        return value
    }
}
