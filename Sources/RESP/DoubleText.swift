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
        put(exact: magnitude)
    }

    private mutating func put(exact magnitude: Double) {
        // 53 bits * 5^1074 is the largest integer that comes up: 2547 bits, 767 digits.
        var limbStorage = InlineArray<41, UInt64>(repeating: 0)
        var digitStorage = InlineArray<788, UInt8>(repeating: 0)
        var limbs = limbStorage.mutableSpan
        var expansion = DecimalExpansion(
            mantissa: magnitude.significandBits53, exponent: magnitude.exponentOfBits53,
            limbs: &limbs, digits: digitStorage.mutableSpan)
        expansion.round(toDigits: 17)
        var digits = min(expansion.count, 17)
        let exponent = expansion.count - expansion.scale - 1
        while digits > 1, expansion[digits - 1] == 0 { digits -= 1 }
        if exponent < -4 || exponent >= 17 {
            put(expansion[0] + 0x30)
            if digits > 1 { put(UInt8(ascii: ".")) }
            for i in 1..<max(digits, 1) { put(expansion[i] + 0x30) }
            put(UInt8(ascii: "e"))
            put(exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            if exponent.magnitude < 10 { put(UInt8(ascii: "0")) }
            put(integer: UInt64(exponent.magnitude))
        } else if exponent < 0 {
            put("0.")
            for _ in 0..<(-exponent - 1) { put(UInt8(ascii: "0")) }
            for i in 0..<digits { put(expansion[i] + 0x30) }
        } else {
            for i in 0..<max(digits, exponent + 1) {
                if i == exponent + 1 { put(UInt8(ascii: ".")) }
                put(expansion[i] + 0x30)
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
