internal import Bytes

/// Splits an inline command into its words, by the rules of Redis's sdssplitargs:
///
/// - Blanks separate words. `"` and `'` begin a quoted part, also within a word: `a"b c"` is `ab c`.
/// - Within double quotes: `\n \r \t \b \a`, `\xHH`, and a backslash before any other byte means
///   that byte. Within single quotes: only `\'`.
/// - A closing quote must be followed by a blank or the end.
/// - Vertical tab and form feed are skipped before a word but belong to it within.
/// - A NUL byte ends the text.
enum InlineCommand {
    enum Outcome {
        /// The ranges count from the start of the line.
        case inPlace
        /// There were quotes: the ranges count from the start of `scratch`.
        case inScratch
        case unbalancedQuotes
    }

    static func split(
        _ line: Span<UInt8>, into ranges: inout [ArgumentRange], scratch: inout ByteBuffer
    ) -> Outcome {
        var end = line.count
        var quoted = false
        for i in line.indices {
            let byte = line[i]
            if byte == 0 {
                end = i
                break
            }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") { quoted = true }
        }
        let text = line.extracting(0..<end)
        if quoted {
            return splitQuoted(text, into: &ranges, scratch: &scratch)
        }
        splitPlain(text, into: &ranges)
        return .inPlace
    }

    private static func splitPlain(_ text: Span<UInt8>, into ranges: inout [ArgumentRange]) {
        var at = 0
        while true {
            while at < text.count, isSpace(text[at]) { at += 1 }
            guard at < text.count else { return }
            let start = at
            while at < text.count, !endsWord(text[at]) { at += 1 }
            ranges.append(ArgumentRange(offset: start, count: at - start))
        }
    }

    private static func splitQuoted(
        _ text: Span<UInt8>, into ranges: inout [ArgumentRange], scratch: inout ByteBuffer
    ) -> Outcome {
        scratch.removeAll()
        var at = 0
        while true {
            while at < text.count, isSpace(text[at]) { at += 1 }
            guard at < text.count else { return .inScratch }
            let start = scratch.count
            word: while at < text.count, !endsWord(text[at]) {
                let byte = text[at]
                at += 1
                let next: Int?
                switch byte {
                case UInt8(ascii: "\""): next = copyDoubleQuoted(text, from: at, to: &scratch)
                case UInt8(ascii: "'"): next = copySingleQuoted(text, from: at, to: &scratch)
                default:
                    scratch.append(byte)
                    continue word
                }
                // A closing quote ends the word, whichever blank follows.
                guard let next else { return .unbalancedQuotes }
                at = next
                break word
            }
            ranges.append(ArgumentRange(offset: start, count: scratch.count - start))
        }
    }

    /// Copies up to the closing quote; returns the offset behind it, nil when it is missing or
    /// something other than a blank follows it.
    private static func copyDoubleQuoted(
        _ text: Span<UInt8>, from start: Int, to scratch: inout ByteBuffer
    ) -> Int? {
        var at = start
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: "\"") {
                return closes(text, at) ? at + 1 : nil
            }
            guard byte == UInt8(ascii: "\\"), at + 1 < text.count else {
                scratch.append(byte)
                at += 1
                continue
            }
            let escaped = text[at + 1]
            if escaped == UInt8(ascii: "x"), at + 3 < text.count,
                let high = hexValue(text[at + 2]), let low = hexValue(text[at + 3])
            {
                scratch.append(high << 4 | low)
                at += 4
                continue
            }
            scratch.append(unescaped(escaped))
            at += 2
        }
        return nil
    }

    private static func copySingleQuoted(
        _ text: Span<UInt8>, from start: Int, to scratch: inout ByteBuffer
    ) -> Int? {
        var at = start
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: "'") {
                return closes(text, at) ? at + 1 : nil
            }
            if byte == UInt8(ascii: "\\"), at + 1 < text.count,
                text[at + 1] == UInt8(ascii: "'")
            {
                scratch.append(UInt8(ascii: "'"))
                at += 2
                continue
            }
            scratch.append(byte)
            at += 1
        }
        return nil
    }

    private static func closes(_ text: Span<UInt8>, _ quote: Int) -> Bool {
        quote + 1 == text.count || isSpace(text[quote + 1])
    }

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
        switch asciiLowercase(byte) {
        case let digit where digit &- 0x30 < 10: digit &- 0x30
        case let letter where letter &- 0x61 < 6: letter &- 0x61 &+ 10
        default: nil
        }
    }

    /// C's isspace: what is skipped before a word.
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 0x09 < 5 }

    private static func endsWord(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
