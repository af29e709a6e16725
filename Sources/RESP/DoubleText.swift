public import Bytes

/// A double as redis-server 7.0 prints it: printf's `%.17g`, `inf`, `-inf`, `nan`.
///
/// 17 significant digits identify every double, so 0.1 prints as 0.10000000000000001; later Redis
/// versions print the shortest form instead.
public struct DoubleText: Sendable {
    /// The longest is -2.2250738585072014e-308.
    private var storage = InlineArray<24, UInt8>(repeating: 0)
    public private(set) var count = 0

    /// The ASCII text.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get { storage.span.extracting(0..<count) }
    }

    public init(_ value: Double) {
        if value.isNaN {
            // printf shows the sign of a NaN.
            if value.sign == .minus { put(UInt8(ascii: "-")) }
            put("nan")
            return
        }
        if value.sign == .minus { put(UInt8(ascii: "-")) }
        if value.isInfinite {
            put("inf")
            return
        }
        let magnitude = value.magnitude
        if magnitude < 9_007_199_254_740_992, magnitude == magnitude.rounded(.towardZero) {
            put(integer: UInt64(magnitude))
            return
        }
        let zeros = min(
            magnitude.significandBits53.trailingZeroBitCount, -magnitude.exponentOfBits53)
        let fractionBits = -magnitude.exponentOfBits53 - max(zeros, 0)
        if fractionBits > 0, fractionBits <= 60 {
            put(SignificantDigits(magnitude.significandBits53 >> zeros, fractionBits: fractionBits))
        } else {
            put(SignificantDigits(exact: magnitude))
        }
    }

    private mutating func put(_ digits: SignificantDigits) {
        let exponent = digits.exponent
        if exponent < -4 || exponent >= 17 {
            put(digits.values[0] + 0x30)
            if digits.count > 1 { put(UInt8(ascii: ".")) }
            for i in 1..<max(digits.count, 1) { put(digits.values[i] + 0x30) }
            put(UInt8(ascii: "e"))
            put(exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            if exponent.magnitude < 10 { put(UInt8(ascii: "0")) }
            put(integer: UInt64(exponent.magnitude))
        } else if exponent < 0 {
            put("0.")
            for _ in 0..<(-exponent - 1) { put(UInt8(ascii: "0")) }
            for i in 0..<digits.count { put(digits.values[i] + 0x30) }
        } else {
            for i in 0..<max(digits.count, exponent + 1) {
                if i == exponent + 1 { put(UInt8(ascii: ".")) }
                put(i < digits.count ? digits.values[i] + 0x30 : 0x30)
            }
        }
    }

    private mutating func put(_ byte: UInt8) {
        storage[count] = byte
        count += 1
    }

    private mutating func put(_ text: StaticString) {
        for i in 0..<text.utf8CodeUnitCount { put(unsafe text.utf8Start[i]) }
    }

    private mutating func put(integer value: UInt64) {
        var divisor: UInt64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            put(UInt8(truncatingIfNeeded: value / divisor % 10) + 0x30)
            divisor /= 10
        }
    }
}

/// The 17 digits that `%.17g` shows of a positive number, without trailing zeros.
private struct SignificantDigits {
    var values = InlineArray<17, UInt8>(repeating: 0)
    var count = 0
    /// Of ten, of the first digit.
    var exponent = 0

    /// mantissa / 2^fractionBits, for 1 to 60 bits: then ten times the fraction fits 64 bits, and
    /// each digit costs a multiplication. Most scores are such numbers.
    init(_ mantissa: UInt64, fractionBits: Int) {
        let mask: UInt64 = 1 << fractionBits - 1
        var fraction = mantissa & mask
        var whole = mantissa >> fractionBits
        if whole > 0 {
            count = IntegerText.decimalCount(Int64(whole))
            exponent = count - 1
            for i in stride(from: count - 1, through: 0, by: -1) {
                values[i] = UInt8(truncatingIfNeeded: whole % 10)
                whole /= 10
            }
        } else {
            exponent = -1
            while fraction * 10 <= mask {
                fraction *= 10
                exponent -= 1
            }
        }
        while count < 17 {
            fraction *= 10
            values[count] = UInt8(truncatingIfNeeded: fraction >> fractionBits)
            fraction &= mask
            count += 1
        }
        let half: UInt64 = 1 << (fractionBits - 1)
        if fraction > half || (fraction == half && values[16] & 1 == 1) { increment() }
        dropTrailingZeros()
    }

    init(exact magnitude: Double) {
        // 53 bits * 5^1074 is the largest integer that comes up: 2547 bits, 767 digits.
        var limbStorage = InlineArray<41, UInt64>(repeating: 0)
        var digitStorage = InlineArray<788, UInt8>(repeating: 0)
        var limbs = limbStorage.mutableSpan
        var expansion = DecimalExpansion(
            mantissa: magnitude.significandBits53, exponent: magnitude.exponentOfBits53,
            limbs: &limbs, digits: digitStorage.mutableSpan)
        expansion.round(toDigits: 17)
        exponent = expansion.count - expansion.scale - 1
        count = min(expansion.count, 17)
        for i in 0..<count { values[i] = expansion[i] }
        dropTrailingZeros()
    }

    private mutating func increment() {
        var i = 16
        while i >= 0, values[i] == 9 {
            values[i] = 0
            i -= 1
        }
        if i >= 0 {
            values[i] += 1
        } else {
            values[0] = 1
            exponent += 1
        }
    }

    private mutating func dropTrailingZeros() {
        while count > 1, values[count - 1] == 0 { count -= 1 }
    }
}

extension Double {
    /// The mantissa as an integer: self = significandBits53 * 2^exponentOfBits53 (finite, >= 0).
    fileprivate var significandBits53: UInt64 {
        isNormal ? significandBitPattern | 1 << 52 : significandBitPattern
    }

    fileprivate var exponentOfBits53: Int {
        Int(exponentBitPattern == 0 ? 1 : exponentBitPattern) - 1075
    }
}

extension ByteBuffer {
    /// Appends `value` as `DoubleText` spells it.
    public mutating func append(_ value: Double) { append(DoubleText(value).bytes) }
}
