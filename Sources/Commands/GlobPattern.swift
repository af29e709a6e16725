/// Patterns of KEYS, SCAN and the other commands with MATCH: `*`, `?`, `[a-z]`, `[^x]` and `\`.
///
/// Where redis-server 7.0 is odd, this is odd in the same way: an unclosed `[` ends with the
/// pattern, `[a-]` is a range up to `]`, a lone `\` at the end means itself, and the empty text
/// matches nothing but the empty pattern. Time is O(pattern x text) at most, where Redis 7.0 can
/// take exponentially long: after a mismatch only the last `*` is tried again, which suffices,
/// because whatever a later star can reach, an earlier one need not.
struct GlobPattern: ~Escapable {
    private let pattern: Span<UInt8>

    @_lifetime(copy pattern)
    init(_ pattern: Span<UInt8>) { self.pattern = pattern }

    /// Whether it is `*`, which all texts match, the empty one included.
    static func isEverything(_ pattern: Span<UInt8>) -> Bool {
        pattern.count == 1 && pattern[0] == UInt8(ascii: "*")
    }

    func matches(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty else { return pattern.isEmpty }
        var at = 0
        var position = 0
        var star: (at: Int, position: Int)?
        while position < text.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                at += 1
                star = (at, position)
                continue
            }
            if at < pattern.count, let next = matchOne(at, text[position]) {
                at = next
                position += 1
                continue
            }
            // Let the last star swallow one more byte.
            guard let last = star else { return false }
            star = (last.at, last.position + 1)
            at = last.at
            position = last.position + 1
        }
        while at < pattern.count, pattern[at] == UInt8(ascii: "*") { at += 1 }
        return at == pattern.count
    }

    /// Matches one byte against the element at `at`; where the next element begins, or nil.
    private func matchOne(_ at: Int, _ byte: UInt8) -> Int? {
        switch pattern[at] {
        case UInt8(ascii: "?"): return at + 1
        case UInt8(ascii: "["): return matchClass(at + 1, byte)
        case UInt8(ascii: "\\") where at + 1 < pattern.count:
            return pattern[at + 1] == byte ? at + 2 : nil
        case byte: return at + 1
        default: return nil
        }
    }

    private func matchClass(_ start: Int, _ byte: UInt8) -> Int? {
        var at = start
        let isNegated = at < pattern.count && pattern[at] == UInt8(ascii: "^")
        if isNegated { at += 1 }
        var isIn = false
        while at < pattern.count, pattern[at] != UInt8(ascii: "]") {
            if pattern[at] == UInt8(ascii: "\\"), at + 1 < pattern.count {
                at += 1
                if pattern[at] == byte { isIn = true }
            } else if at + 2 < pattern.count, pattern[at + 1] == UInt8(ascii: "-") {
                let low = min(pattern[at], pattern[at + 2])
                let high = max(pattern[at], pattern[at + 2])
                if byte >= low, byte <= high { isIn = true }
                at += 2
            } else if pattern[at] == byte {
                isIn = true
            }
            at += 1
        }
        guard isIn != isNegated else { return nil }
        return min(at + 1, pattern.count)
    }
}
