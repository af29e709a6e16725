/// Glob patterns as Redis matches them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a literal.
///
/// For KEYS, SCAN MATCH and their like. Redis recurses at every `*`; here a mismatch goes back to the
/// last `*` only, which gives the same answers in at most pattern x text steps. As in Redis, a class
/// without `]` ends with the pattern, its ranges may be written either way round and compare bytes as
/// signed, and only the empty pattern matches the empty text.
public enum Glob {
    /// Whether all of `text` matches `pattern`.
    public static func matches(
        _ pattern: Span<UInt8>, _ text: Span<UInt8>, ignoringCase: Bool = false
    ) -> Bool {
        if text.count == 0 { return pattern.count == 0 }
        var at = 0
        var position = 0
        /// Behind the last `*` met, and the first byte of text that it does not cover.
        var retry: (at: Int, position: Int)?
        while position < text.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                at += 1
                retry = (at, position)
                continue
            }
            if at < pattern.count,
                let next = matchOne(pattern, at, text[position], ignoringCase)
            {
                at = next
                position += 1
                continue
            }
            guard let last = retry else { return false }
            at = last.at
            position = last.position + 1
            retry = (at, position)
        }
        while at < pattern.count, pattern[at] == UInt8(ascii: "*") { at += 1 }
        return at == pattern.count
    }

    /// Whether the pattern is a lone `*`, which matches everything without looking (also the empty
    /// text, unlike `matches`).
    public static func matchesAll(_ pattern: Span<UInt8>) -> Bool {
        pattern.count == 1 && pattern[0] == UInt8(ascii: "*")
    }

    /// Matches one byte against the piece of pattern at `at`, which is not `*`. Returns where the
    /// next piece begins, nil on a mismatch.
    private static func matchOne(
        _ pattern: Span<UInt8>, _ at: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> Int? {
        switch pattern[at] {
        case UInt8(ascii: "?"):
            return at + 1
        case UInt8(ascii: "["):
            let (matched, next) = matchClass(pattern, at + 1, byte, ignoringCase)
            return matched ? next : nil
        case UInt8(ascii: "\\") where at + 1 < pattern.count:
            return same(pattern[at + 1], byte, ignoringCase) ? at + 2 : nil
        default:
            return same(pattern[at], byte, ignoringCase) ? at + 1 : nil
        }
    }

    /// Matches one byte against the class whose first byte after `[` is at `start`.
    private static func matchClass(
        _ pattern: Span<UInt8>, _ start: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> (matched: Bool, next: Int) {
        var at = start
        let negated = at < pattern.count && pattern[at] == UInt8(ascii: "^")
        if negated { at += 1 }
        var matched = false
        while at < pattern.count {
            if pattern[at] == UInt8(ascii: "\\") && at + 1 < pattern.count {
                at += 1
                // Redis compares an escaped byte exactly, whatever the case rule.
                if pattern[at] == byte { matched = true }
            } else if pattern[at] == UInt8(ascii: "]") {
                return (matched != negated, at + 1)
            } else if at + 2 < pattern.count && pattern[at + 1] == UInt8(ascii: "-") {
                let ends = (
                    signed(pattern[at], ignoringCase), signed(pattern[at + 2], ignoringCase)
                )
                // Swapped before the case is folded, as Redis does.
                let swapped = Int8(bitPattern: pattern[at]) > Int8(bitPattern: pattern[at + 2])
                let (low, high) = swapped ? (ends.1, ends.0) : ends
                let byte = signed(byte, ignoringCase)
                if byte >= low && byte <= high { matched = true }
                at += 2
            } else if same(pattern[at], byte, ignoringCase) {
                matched = true
            }
            at += 1
        }
        return (matched != negated, at)
    }

    private static func signed(_ byte: UInt8, _ ignoringCase: Bool) -> Int8 {
        Int8(bitPattern: ignoringCase ? lowercase(byte) : byte)
    }

    private static func same(_ one: UInt8, _ other: UInt8, _ ignoringCase: Bool) -> Bool {
        ignoringCase ? lowercase(one) == lowercase(other) : one == other
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
