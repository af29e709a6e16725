/// Why a value is refused, in the words of CONFIG SET's error.
struct ValueError: Error, Equatable {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// An integer by the rules of Redis's string2ll: what it prints, it reads, and nothing else.
func strictInteger(_ text: some StringProtocol) -> Int? {
    guard let value = Int(text), String(value) == text else { return nil }
    return value
}

/// A number of bytes with an optional unit: `b`, `k` `m` `g` (powers of 1000), `kb` `mb` `gb`
/// (powers of 1024), in any case. Nil for anything else and for what exceeds 63 bits.
func memoryValue(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let number = Int(digits) else { return nil }
    let factor: Int
    switch text[digits.endIndex...].lowercased() {
    case "", "b": factor = 1
    case "k": factor = 1000
    case "kb": factor = 1 << 10
    case "m": factor = 1_000_000
    case "mb": factor = 1 << 20
    case "g": factor = 1_000_000_000
    case "gb": factor = 1 << 30
    default: return nil
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : bytes
}
