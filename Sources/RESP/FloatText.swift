internal import Bytes

/// Floating point numbers as Redis reads them: C's strtod over the whole argument.
///
/// That is: an optional sign; decimal digits with an optional point and exponent, or `0x` and
/// hexadecimal ones with an optional `p` exponent, or `inf` or `infinity` in any case. Rounded to
/// nearest, ties to even. NaN is refused everywhere: no caller in Redis lets it through.
public enum FloatText {
    /// By the rules of Redis's string2d: no blanks, neither overflow to infinity nor underflow to
    /// zero. For scores and increments of scores.
    public static func parse(_ text: Span<UInt8>) -> Double? {
        guard let shape = NumberShape(text) else { return nil }
        switch shape.kind {
        case .infinity: return shape.isNegative ? -.infinity : .infinity
        case .zero: return shape.isNegative ? -0.0 : 0
        case .decimal, .hexadecimal:
            let value = shape.double(text)
            return value.isInfinite || value == 0 ? nil : value
        }
    }

    /// By the rules of the bounds of score ranges: strtod over a C string. Blanks before the number
    /// are skipped, no text at all is zero, what is out of range becomes infinity or zero.
    public static func parseBound(_ text: Span<UInt8>) -> Double? {
        var end = 0
        while end < text.count, text[end] != 0 { end += 1 }
        guard end > 0 else { return 0 }
        var start = 0
        while start < end, text[start] == 0x20 || text[start] &- 0x09 < 5 { start += 1 }
        let number = text.extracting(start..<end)
        guard let shape = NumberShape(number) else { return nil }
        switch shape.kind {
        case .infinity: return shape.isNegative ? -.infinity : .infinity
        case .zero: return shape.isNegative ? -0.0 : 0
        case .decimal, .hexadecimal: return shape.double(number)
        }
    }

    /// By the rules of Redis's string2ld, for INCRBYFLOAT and HINCRBYFLOAT. Infinity parses; the
    /// sum must be checked. Text of 5 KB or more is refused, as in Redis.
    public static func parseLongDouble(_ text: Span<UInt8>) -> LongDouble? {
        guard text.count < 5 * 1024, let shape = NumberShape(text) else { return nil }
        switch shape.kind {
        case .infinity: return shape.isNegative ? -.infinity : .infinity
        case .zero: return shape.isNegative ? -0.0 : 0
        case .decimal, .hexadecimal:
            let value = shape.longDouble(text)
            return value.isInfinite || value == 0 ? nil : value
        }
    }
}

/// What kind of number a text is, found in one pass, and its value where that is cheap.
private struct NumberShape {
    enum Kind {
        case infinity, zero, decimal, hexadecimal
    }

    var kind = Kind.decimal
    var isNegative = false
    /// |value| = mantissa * 10^exponent, when `isShort`.
    var mantissa: UInt64 = 0
    var exponent = 0
    /// Whether `mantissa` holds all digits.
    var isShort = true

    init?(_ text: Span<UInt8>) {
        var at = 0
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
            isNegative = text[at] == UInt8(ascii: "-")
            at += 1
        }
        let body = text.extracting(at..<text.count)
        if Self.equals(body, "inf") || Self.equals(body, "infinity") {
            kind = .infinity
            return
        }
        let isHex =
            body.count > 2 && body[0] == UInt8(ascii: "0")
            && asciiLowercase(body[1]) == UInt8(ascii: "x")
        guard isHex ? scanHexadecimal(body) : scanDecimal(body) else { return nil }
    }

    private static func equals(_ text: Span<UInt8>, _ word: StaticString) -> Bool {
        guard text.count == word.utf8CodeUnitCount else { return false }
        for i in text.indices where unsafe asciiLowercase(text[i]) != word.utf8Start[i] {
            return false
        }
        return true
    }

    private mutating func scanDecimal(_ text: Span<UInt8>) -> Bool {
        var at = 0
        var digits = 0
        var seenPoint = false
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
                at += 1
                continue
            }
            let digit = byte &- 0x30
            guard digit <= 9 else { break }
            digits += 1
            at += 1
            if seenPoint { exponent -= 1 }
            if mantissa < 1_000_000_000_000_000_000 {
                mantissa = mantissa * 10 + UInt64(digit)
            } else {
                exponent += 1
                if digit != 0 { isShort = false }
            }
        }
        guard digits > 0 else { return false }
        if at < text.count {
            guard asciiLowercase(text[at]) == UInt8(ascii: "e") else { return false }
            guard let written = Self.scanExponent(text, from: at + 1) else { return false }
            exponent += written
        }
        if mantissa == 0 { kind = .zero }
        return true
    }

    private mutating func scanHexadecimal(_ text: Span<UInt8>) -> Bool {
        kind = .hexadecimal
        isShort = false
        var at = 2
        var digits = 0
        var seenPoint = false
        var isZero = true
        while at < text.count {
            let byte = asciiLowercase(text[at])
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
            } else if byte &- 0x30 < 10 || byte &- 0x61 < 6 {
                digits += 1
                if byte != 0x30 { isZero = false }
            } else {
                break
            }
            at += 1
        }
        guard digits > 0 else { return false }
        if at < text.count {
            guard asciiLowercase(text[at]) == UInt8(ascii: "p"),
                Self.scanExponent(text, from: at + 1) != nil
            else { return false }
        }
        if isZero { kind = .zero }
        return true
    }

    /// The exponent that ends the text, cut off at a value beyond every format's range.
    private static func scanExponent(_ text: Span<UInt8>, from start: Int) -> Int? {
        var at = start
        var negative = false
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") {
            negative = text[at] == UInt8(ascii: "-")
            at += 1
        }
        guard at < text.count else { return nil }
        var value = 0
        while at < text.count {
            let digit = text[at] &- 0x30
            guard digit <= 9 else { return nil }
            value = min(value * 10 + Int(digit), 1 << 40)
            at += 1
        }
        return negative ? -value : value
    }

    func double(_ text: Span<UInt8>) -> Double {
        // Clinger 1990: when mantissa and power are both exact, one operation rounds once.
        if kind == .decimal, isShort, mantissa <= 1 << 53, exponent.magnitude <= 22 {
            var power = 1.0
            for _ in 0..<exponent.magnitude { power *= 10 }
            let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            return isNegative ? -value : value
        }
        return Double(string(text)) ?? .nan
    }

    func longDouble(_ text: Span<UInt8>) -> LongDouble {
        #if arch(x86_64)
        if kind == .decimal, isShort, exponent.magnitude <= 27 {
            var power: LongDouble = 1
            for _ in 0..<exponent.magnitude { power *= 10 }
            let value =
                exponent < 0 ? LongDouble(mantissa) / power : LongDouble(mantissa) * power
            return isNegative ? -value : value
        }
        #endif
        return LongDouble(string(text)) ?? .nan
    }

    private func string(_ text: Span<UInt8>) -> String {
        unsafe text.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
