/// Redis's glob: `*`, `?`, `[a-z]`, `[^a]`, `\` before a byte that is meant; here in any case.
///
/// Time is bounded by pattern times text: only the last `*` is ever tried again.
struct GlobPattern {
    private let pattern: [UInt8]

    init(_ pattern: String) { self.pattern = Array(pattern.lowercased().utf8) }

    /// Whether it can match more than one name, as CONFIG GET decides it.
    var hasWildcards: Bool {
        pattern.contains {
            $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[")
        }
    }

    /// Whether all of `text` matches.
    func matches(_ text: String) -> Bool {
        let text = Array(text.lowercased().utf8)
        var at = 0
        var position = 0
        var retry: (pattern: Int, text: Int)?
        while true {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                at += 1
                retry = (at, position)
                continue
            }
            if position == text.count { return at == pattern.count }
            if at < pattern.count, let next = matchOne(text[position], at) {
                at = next
                position += 1
            } else if let star = retry {
                at = star.pattern
                position = star.text + 1
                retry = (at, position)
            } else {
                return false
            }
        }
    }

    /// Matches one byte with the element at `start`; the position behind that element, or nil.
    private func matchOne(_ byte: UInt8, _ start: Int) -> Int? {
        switch pattern[start] {
        case UInt8(ascii: "?"): return start + 1
        case UInt8(ascii: "["): return matchClass(byte, start + 1)
        case UInt8(ascii: "\\") where start + 1 < pattern.count:
            return pattern[start + 1] == byte ? start + 2 : nil
        default: return pattern[start] == byte ? start + 1 : nil
        }
    }

    private func matchClass(_ byte: UInt8, _ start: Int) -> Int? {
        var at = start
        let negated = at < pattern.count && pattern[at] == UInt8(ascii: "^")
        if negated { at += 1 }
        var matched = false
        // A class that does not close ends with the pattern.
        while at < pattern.count, pattern[at] != UInt8(ascii: "]") {
            if pattern[at] == UInt8(ascii: "\\"), at + 1 < pattern.count {
                matched = matched || pattern[at + 1] == byte
                at += 2
            } else if at + 2 < pattern.count, pattern[at + 1] == UInt8(ascii: "-") {
                let bounds = [pattern[at], pattern[at + 2]].sorted()
                matched = matched || (bounds[0]...bounds[1]).contains(byte)
                at += 3
            } else {
                matched = matched || pattern[at] == byte
                at += 1
            }
        }
        return matched != negated ? min(at + 1, pattern.count) : nil
    }
}
