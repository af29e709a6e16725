/// Integers as the decimal text that clients see.
enum IntegerText {
    /// The number that `bytes` spells in the one canonical way (no sign but `-`, no leading zeros,
    /// no blanks), as Redis decides what an intset may hold; nil otherwise.
    static func parse(_ bytes: Span<UInt8>) -> Int64? {
        let count = bytes.count
        guard count > 0 && count <= 20 else { return nil }
        let negative = bytes[0] == UInt8(ascii: "-")
        let first = negative ? 1 : 0
        guard count > first else { return nil }
        if bytes[first] == UInt8(ascii: "0") { return count == 1 ? 0 : nil }
        var magnitude: UInt64 = 0
        for index in first..<count {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (times, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = times.addingReportingOverflow(UInt64(digit))
            if overflow || carry { return nil }
            magnitude = sum
        }
        if negative {
            return magnitude <= Int64.min.magnitude
                ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int64(exactly: magnitude)
    }

    /// Lends the decimal text of `number` to `body`.
    static func withDecimal<R>(_ number: Int64, _ body: (Span<UInt8>) -> R) -> R {
        body(DecimalText(number).span)
    }
}
