public import Bytes

// INCRBYFLOAT and HINCRBYFLOAT compute in C's long double. On x86-64 that is the 80-bit format,
// which Swift has; elsewhere there is none to be equal to, and Double stands in.
#if arch(x86_64)
public typealias LongDouble = Float80
#else
public typealias LongDouble = Double
#endif

/// Long doubles as Redis prints and reads them.
public enum LongDoubleText {
    /// Appends `value` as Redis's ld2string does in its "human" form: printf's `%.17Lf`, then
    /// without trailing zeros, point and the sign of a zero. Up to 4951 bytes. `inf` and `nan` too.
    public static func append(_ value: LongDouble, to buffer: inout ByteBuffer) {
        if value.isNaN { return buffer.append("nan") }
        if value.isInfinite { return buffer.append(value < 0 ? "-inf" : "inf") }
        let magnitude = value.magnitude
        // Below half of the last printed digit everything rounds to zero. Cutting it off here also
        // bounds the memory for what follows: 5^k has k <= 128.
        guard magnitude >= 0x1p-60 else { return buffer.append("0") }
        let bits = LongDouble.significandBitCount
        let exponent = Int(magnitude.exponent) - bits
        let mantissa = UInt64(
            magnitude.significand * LongDouble(sign: .plus, exponent: bits, significand: 1))
        var limbStorage = [UInt64](repeating: 0, count: max(exponent, 320) / 64 + 3)
        var digitStorage = [UInt8](repeating: 0, count: limbStorage.count * 20 + 1)
        var limbs = limbStorage.mutableSpan
        var expansion = DecimalExpansion(
            mantissa: mantissa, exponent: exponent, limbs: &limbs,
            digits: digitStorage.mutableSpan)
        expansion.round(toDigits: expansion.count - expansion.scale + 17)
        // Digit i of the expansion has the weight 10^(whole - 1 - i).
        let whole = expansion.count - expansion.scale
        var last = expansion.count
        while last > max(whole, 0), last > 0, expansion[last - 1] == 0 { last -= 1 }
        guard last > 0 else { return buffer.append("0") }
        if value < 0 { buffer.append(UInt8(ascii: "-")) }
        if whole <= 0 {
            buffer.append("0.")
            buffer.append(repeating: UInt8(ascii: "0"), count: -whole)
        }
        for i in 0..<max(last, whole) {
            if i == whole, i > 0 { buffer.append(UInt8(ascii: ".")) }
            buffer.append(expansion[i] + 0x30)
        }
    }
}
