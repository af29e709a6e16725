import Testing

@testable import Store

@Suite struct `A glob pattern` {
    /// Answers that redis-server 7.0 gave to `SCAN MATCH` over one such key.
    static let cases: [(pattern: String, text: String, matches: Bool)] = [
        ("*", "anything", true), ("a*", "a", true), ("a*c", "abbbc", true), ("a*c", "abbb", false),
        ("h?llo", "hello", true), ("h?llo", "hllo", false), ("h[ae]llo", "hallo", true),
        ("h[ae]llo", "hillo", false), ("h[^e]llo", "hallo", true), ("h[^e]llo", "hello", false),
        ("h[a-c]llo", "hbllo", true), ("h[c-a]llo", "hbllo", true), ("h[a-c]llo", "hdllo", false),
        ("a\\*b", "a*b", true), ("a\\*b", "axb", false), ("[\\]]", "]", true), ("[a", "a", true),
        ("[a-", "-", true), ("[]a", "a", false), ("a\\", "a\\", true), ("**a**", "bab", true),
        ("*a*b*c*", "xxaxxbxxcxx", true), ("*a*b*c*", "xxcxxbxxaxx", false), ("ab", "abc", false),
        ("abc", "ab", false), ("ab*", "ab", true), ("ab?", "ab", false), ("A*", "abc", false),
        ("[^", "x", true), ("*[0-9]", "key:12a3", true), ("*ab", "aab", true), ("**", "", false),
    ]

    @Test(arguments: cases)
    func `matches as Redis does`(_ one: (pattern: String, text: String, matches: Bool)) {
        let (pattern, text) = (Array(one.pattern.utf8), Array(one.text.utf8))
        expectEqual(Glob.matches(pattern.span, text.span), one.matches)
    }

    @Test func `ignores case when asked`() {
        expectEqual(
            Glob.matches(bytes("MAX[a-c]*\\X").span, bytes("maxBcdx").span, ignoringCase: true),
            true)
        expectEqual(Glob.matches(bytes("MAX*").span, bytes("maxclients").span), false)
    }

    @Test func `with many stars does not explode`() {
        let pattern = [UInt8](bytes(String(repeating: "a*", count: 1000)) + bytes("b"))
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 20_000)
        let clock = ContinuousClock()
        var matched = true
        let time = clock.measure { matched = Glob.matches(pattern.span, text.span) }
        #expect(!matched)
        #expect(time < .seconds(5))
    }
}
