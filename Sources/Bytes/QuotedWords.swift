/// Splits a line into words by the rules of Redis's sdssplitargs: what inline commands and
/// configuration files follow.
///
/// - Blanks separate words. `"` and `'` begin a quoted part, also within a word: `a"b c"` is `ab c`.
/// - Within double quotes: `\n \r \t \b \a`, `\xHH`, and a backslash before any other byte means
///   that byte. Within single quotes: only `\'`.
/// - A closing quote must be followed by a blank or the end.
/// - Vertical tab and form feed are skipped before a word but belong to it within.
public struct QuotedWords: ~Escapable {
    /// What `next` found.
    public enum Found: Sendable {
        case word
        /// Nothing but blanks is left.
        case end
        /// A quote does not close, or something follows it at once.
        case unbalancedQuotes
    }

    private let text: Span<UInt8>
    private var at = 0

    /// The words of `text`, which is one line without its end.
    @_lifetime(copy text)
    public init(_ text: Span<UInt8>) {
        self.text = text
    }

    /// Appends the next word to `buffer`, quotes and escapes resolved. A word may be empty.
    @_lifetime(self: copy self)
    public mutating func next(into buffer: inout ByteBuffer) -> Found {
        while at < text.count, Self.isSpace(text[at]) { at += 1 }
        guard at < text.count else { return .end }
        while at < text.count, !Self.endsWord(text[at]) {
            let byte = text[at]
            at += 1
            let isClosed: Bool
            switch byte {
            case UInt8(ascii: "\""): isClosed = copyDoubleQuoted(to: &buffer)
            case UInt8(ascii: "'"): isClosed = copySingleQuoted(to: &buffer)
            default:
                buffer.append(byte)
                continue
            }
            // A closing quote ends the word, whichever blank follows.
            return isClosed ? .word : .unbalancedQuotes
        }
        return .word
    }

    /// Whether `byte` separates words: C's isspace.
    public static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }

    /// Whether `byte` ends a word that is not quoted.
    public static func endsWord(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// Copies up to and takes the closing quote; false when it is missing or no blank follows it.
    @_lifetime(self: copy self)
    private mutating func copyDoubleQuoted(to buffer: inout ByteBuffer) -> Bool {
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == UInt8(ascii: "\"") { return isAtBlank }
            guard byte == UInt8(ascii: "\\"), at < text.count else {
                buffer.append(byte)
                continue
            }
            let escaped = text[at]
            if escaped == UInt8(ascii: "x"), at + 2 < text.count,
                let high = Self.hexValue(text[at + 1]), let low = Self.hexValue(text[at + 2])
            {
                buffer.append(high << 4 | low)
                at += 3
                continue
            }
            buffer.append(Self.unescaped(escaped))
            at += 1
        }
        return false
    }

    @_lifetime(self: copy self)
    private mutating func copySingleQuoted(to buffer: inout ByteBuffer) -> Bool {
        while at < text.count {
            let byte = text[at]
            at += 1
            if byte == UInt8(ascii: "'") { return isAtBlank }
            if byte == UInt8(ascii: "\\"), at < text.count, text[at] == UInt8(ascii: "'") {
                at += 1
                buffer.append(UInt8(ascii: "'"))
            } else {
                buffer.append(byte)
            }
        }
        return false
    }

    private var isAtBlank: Bool { at == text.count || Self.isSpace(text[at]) }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = byte | 0x20
        return letter &- 0x61 < 6 ? letter &- 0x61 &+ 10 : nil
    }
}
