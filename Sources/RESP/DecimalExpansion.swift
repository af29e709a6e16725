internal import Bytes

/// All decimal digits of mantissa * 2^exponent, exactly, and their rounding.
///
/// C's printf rounds the exact value, and Redis prints with printf, so nothing less than the exact
/// value gives the same digits. For a negative exponent m / 2^k = m * 5^k / 10^k: the digits are
/// those of the integer m * 5^k, the point stands k digits from the right.
///
/// Works in memory lent by the caller: `limbs` for the integer (64 bits each, least significant
/// first), `digits` for its decimal digits (values 0...9, most significant first).
struct DecimalExpansion: ~Copyable, ~Escapable {
    private var digits: MutableSpan<UInt8>
    /// First digit and number of digits in `digits`.
    private var start = 0
    private(set) var count = 0
    /// Digits behind the point.
    private(set) var scale = 0

    @_lifetime(copy digits)
    init(
        mantissa: UInt64, exponent: Int, limbs: inout MutableSpan<UInt64>,
        digits: consuming MutableSpan<UInt8>
    ) {
        self.digits = digits
        guard mantissa > 0 else { return }
        let zeros = exponent < 0 ? min(mantissa.trailingZeroBitCount, -exponent) : 0
        let mantissa = mantissa >> UInt64(zeros)
        let exponent = exponent + zeros
        var used: Int
        if exponent >= 0 {
            used = Self.shift(mantissa, by: exponent, &limbs)
        } else {
            limbs[0] = mantissa
            used = Self.multiplyByPowerOfFive(-exponent, 1, &limbs)
            scale = -exponent
        }
        spell(&limbs, &used)
    }

    /// The digit at `i`, most significant first; 0 behind the last.
    subscript(_ i: Int) -> UInt8 { i < count ? digits[start + i] : 0 }

    /// Keeps the first `kept` digits, rounded to nearest, ties to even. `kept` may be negative: then
    /// nothing remains. A carry out of the first digit makes one digit more.
    mutating func round(toDigits kept: Int) {
        guard kept < count else { return }
        guard kept >= 0 else {
            scale -= count - kept
            count = 0
            return
        }
        var up = digits[start + kept] > 5
        if digits[start + kept] == 5 {
            up = kept > 0 && digits[start + kept - 1] & 1 == 1
            for i in kept + 1..<max(count, kept + 1) where digits[start + i] != 0 {
                up = true
                break
            }
        }
        scale -= count - kept
        count = kept
        guard up else { return }
        var i = start + kept - 1
        while i >= start, digits[i] == 9 {
            digits[i] = 0
            i -= 1
        }
        if i >= start {
            digits[i] += 1
        } else {
            invariant(start > 0, "no room for the carry")
            start -= 1
            digits[start] = 1
            count += 1
        }
    }

    private static func shift(
        _ mantissa: UInt64, by exponent: Int, _ limbs: inout MutableSpan<UInt64>
    ) -> Int {
        let whole = exponent / 64
        let bits = UInt64(exponent % 64)
        for i in 0..<whole { limbs[i] = 0 }
        limbs[whole] = mantissa << bits
        guard bits > 0, mantissa >> (64 - bits) != 0 else { return whole + 1 }
        limbs[whole + 1] = mantissa >> (64 - bits)
        return whole + 2
    }

    private static func multiplyByPowerOfFive(
        _ power: Int, _ count: Int, _ limbs: inout MutableSpan<UInt64>
    ) -> Int {
        var used = count
        var left = power
        while left > 0 {
            // 5^27 is the largest power of five in 64 bits.
            let step = min(left, 27)
            var factor: UInt64 = 1
            for _ in 0..<step { factor *= 5 }
            var carry: UInt64 = 0
            for i in 0..<used {
                let product = limbs[i].multipliedFullWidth(by: factor)
                let (low, overflow) = product.low.addingReportingOverflow(carry)
                limbs[i] = low
                carry = product.high + (overflow ? 1 : 0)
            }
            if carry > 0 {
                limbs[used] = carry
                used += 1
            }
            left -= step
        }
        return used
    }

    /// Divides by 10^19 until nothing is left; each remainder is 19 digits.
    @_lifetime(self: copy self)
    private mutating func spell(_ limbs: inout MutableSpan<UInt64>, _ used: inout Int) {
        start = digits.count
        while used > 0 {
            var remainder: UInt64 = 0
            for i in stride(from: used - 1, through: 0, by: -1) {
                let (quotient, rest) = (10_000_000_000_000_000_000 as UInt64)
                    .dividingFullWidth((remainder, limbs[i]))
                limbs[i] = quotient
                remainder = rest
            }
            while used > 0, limbs[used - 1] == 0 { used -= 1 }
            var left = 19
            while left > 0, used > 0 || remainder > 0 {
                start -= 1
                digits[start] = UInt8(truncatingIfNeeded: remainder % 10)
                remainder /= 10
                left -= 1
            }
        }
        count = digits.count - start
    }
}
