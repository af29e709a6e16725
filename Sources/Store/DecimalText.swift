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
}
