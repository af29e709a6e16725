import Bytes
import Glibc
import RESP
import Testing

/// C's printf and strtod are what Redis prints and reads with, so they judge here.
@Suite struct FloatTextTests {
    static func printf(_ format: String, _ argument: any CVarArg) -> String {
        var buffer = [CChar](repeating: 0, count: 8192)
        let count = withVaList([argument]) { vsnprintf(&buffer, buffer.count, format, $0) }
        return String(decoding: buffer[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func text(_ value: Double) -> String {
        let text = DoubleText(value)
        return latin1(text.bytes)
    }

    static func text(_ value: LongDouble) -> String {
        var buffer = ByteBuffer()
        LongDoubleText.append(value, to: &buffer)
        return latin1(buffer.readable)
    }

    /// Doubles of every kind: any bits, small fractions, integers, near powers of ten, subnormal.
    static func double(_ generator: inout SeededGenerator) -> Double {
        let random = generator.next()
        switch generator.below(6) {
        case 0: return Double(bitPattern: random)
        case 1: return Double(Int64(bitPattern: random)) / 1000
        case 2: return Double(Int64(bitPattern: random) >> Int64(generator.below(64)))
        case 3: return pow(10, Double(Int(generator.below(640)) - 320)).nextUp
        case 4: return Double(bitPattern: random >> (12 + generator.below(52)))
        default: return Double(Int64(generator.below(2_000_000)) - 1_000_000) / 64
        }
    }

    /// Value and reply of ZSCORE, from redis-server 7.0.15.
    @Test(arguments: [
        (0.1, "0.10000000000000001"), (3, "3"), (3.14, "3.1400000000000001"), (1e17, "1e+17"),
        (1e16, "10000000000000000"), (123_456_789_012_345_680, "1.2345678901234568e+17"),
        (1e-5, "1.0000000000000001e-05"), (1e-4, "0.0001"), (-0.0, "-0"), (0, "0"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (1e22, "1e+22"),
        (.leastNonzeroMagnitude, "4.9406564584124654e-324"), (.infinity, "inf"),
        (-.infinity, "-inf"),
        (123456.789, "123456.789"),
    ]) func `doubles print as Redis prints them`(value: Double, expected: String) {
        #expect(Self.text(value) == expected)
    }

    @Test func `doubles print as printf prints them`() {
        var generator = SeededGenerator(seed: 17)
        for _ in 0..<30_000 {
            let value = Self.double(&generator)
            let (ours, theirs) = (Self.text(value), Self.printf("%.17g", value))
            if ours != theirs { Issue.record("\(value.bitPattern): \(ours), not \(theirs)") }
        }
    }

    #if arch(x86_64)
    @Test func `long doubles print as printf prints them, without what is idle`() {
        var generator = SeededGenerator(seed: 18)
        for round in 0..<8000 {
            var value = Float80(Self.double(&generator))
            switch generator.below(4) {
            case 0: value += Float80(Int64(generator.below(1000))) / 1e18
            case 1: value = Float80(UInt64.max - generator.below(100)) / 1e19
            case 2:
                value = Float80(
                    sign: round % 2 == 0 ? .plus : .minus,
                    exponent: Int(generator.below(round % 100 == 0 ? 32000 : 200)) - 100,
                    significand: 1 + Float80(generator.next()) / 0x1p64)
            default: value = Float80(Int64(generator.below(1 << 40))) / 3
            }
            guard value.isFinite else { continue }
            var theirs = Self.printf("%.17Lf", value)[...]
            while theirs.last == "0" { theirs.removeLast() }
            if theirs.last == "." { theirs.removeLast() }
            if theirs == "-0" { theirs = "0" }
            let ours = Self.text(value)
            if ours != theirs { Issue.record("\(value): \(ours), not \(theirs)") }
        }
    }

    @Test(arguments: [
        ("0.1", "0.1"), ("3", "3"), ("3.14", "3.14"), ("1e17", "100000000000000000"),
        ("1e30", "1000000000000000000024696061952"), ("5e-18", "0"), ("1e-4000", "0"),
        ("-1e-30", "0"), ("0x10", "16"), ("0.1e0", "0.1"),
        ("1.23456789012345678", "1.23456789012345678"),
        ("99999999999999999.9", "99999999999999999.8984375"),
    ]) func `long doubles read and print as in INCRBYFLOAT`(input: String, expected: String) throws
    {
        let parsed = FloatText.parseLongDouble(bytes(input).span)
        let value = try #require(parsed)
        #expect(Self.text(value) == expected)
    }
    #endif

    /// Which texts ZADD of redis-server 7.0.15 takes as a score.
    @Test(arguments: [
        ("+inf", Double.infinity), ("-inf", -.infinity), ("Infinity", .infinity),
        ("iNf", .infinity),
        ("0x10", 16), ("0x1p4", 16), ("+5", 5), ("1.", 1), (".5", 0.5), ("1e5", 1e5), ("1e+5", 1e5),
        ("5e-324", .leastNonzeroMagnitude), ("9007199254740993", 9_007_199_254_740_992),
        ("0e999999999999", 0),
        ("0x.8", 0.5), ("00012", 12), ("1e400", nil), ("1e-400", nil), ("-1e400", nil),
        ("nan", nil),
        ("-nan", nil), ("nan(1)", nil), (" 5", nil), ("5 ", nil), ("", nil), (".", nil),
        ("1e", nil),
        ("1e+", nil), ("0x", nil), ("0x1p", nil), ("--1", nil), ("+", nil), ("1_0", nil),
        ("5\0", nil), ("in", nil), ("infinit", nil), ("0x1e999999999", 0x1e9_9999_9999),
    ]) func `scores are read by string2d's rules`(input: String, expected: Double?) {
        #expect(FloatText.parse(bytes(input).span) == expected)
    }

    @Test(arguments: [
        ("", 0), (" 5", 5), ("5\0x", 5), ("1e400", Double.infinity), ("1e-400", 0), ("nan", nil),
        (" ", nil), ("5 ", nil), ("-inf", -.infinity),
    ]) func `bounds of score ranges are read by strtod's`(input: String, expected: Double?) {
        #expect(FloatText.parseBound(bytes(input).span) == expected)
    }

    @Test func `decimal texts read as strtod and strtold read them`() {
        var generator = SeededGenerator(seed: 19)
        for _ in 0..<30_000 {
            var input = generator.below(3) == 0 ? "-" : ""
            for _ in 0...generator.below(generator.below(10) == 0 ? 400 : 22) {
                input += String(generator.below(10))
            }
            if generator.below(2) == 0 {
                input += "."
                for _ in 0..<generator.below(25) { input += String(generator.below(10)) }
            }
            if generator.below(3) == 0 { input += "e\(Int(generator.below(720)) - 360)" }
            let double = strtod(input, nil)
            let ours = FloatText.parse(bytes(input).span)
            if ours == nil {
                #expect(double.isInfinite || double == 0, "\(input)")
            } else {
                #expect(ours?.bitPattern == double.bitPattern, "\(input)")
            }
            #if arch(x86_64)
            let long = FloatText.parseLongDouble(bytes(input).span)
            #expect(long == strtold(input, nil), "\(input)")
            #endif
        }
    }

    @Test func `hexadecimal texts read as strtod reads them`() {
        var generator = SeededGenerator(seed: 20)
        for _ in 0..<5000 {
            var input = generator.below(2) == 0 ? "0x" : "-0X"
            for _ in 0...generator.below(20) { input += String(generator.below(16), radix: 16) }
            if generator.below(2) == 0 {
                input += "."
                for _ in 0..<generator.below(20) { input += String(generator.below(16), radix: 16) }
            }
            if generator.below(2) == 0 { input += "p\(Int(generator.below(2200)) - 1100)" }
            let double = strtod(input, nil)
            guard let ours = FloatText.parse(bytes(input).span) else {
                #expect(double == 0 || double.isInfinite, "\(input)")
                continue
            }
            #expect(ours.bitPattern == double.bitPattern, "\(input)")
        }
    }

    @Test func `integers print and parse as they are`() {
        for value in [0, 1, 9, 10, -1, -10, 99, 100, .max, .min, 1_234_567_890_123_456_789]
            as [Int64]
        {
            var buffer = ByteBuffer()
            buffer.append(decimal: value)
            let text = latin1(buffer.readable)
            #expect(text == String(value))
            #expect(IntegerText.parse(bytes(text).span) == value)
            #expect(IntegerText.decimalCount(value) == text.count)
        }
        for text in [
            "", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "-9223372036854775809",
            "18446744073709551617", "99999999999999999999", "1a", "-01",
        ] {
            #expect(IntegerText.parse(bytes(text).span) == nil)
        }
    }
}
