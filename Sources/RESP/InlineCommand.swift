internal import Bytes

/// Splits an inline command into its arguments: see `QuotedWords`. A NUL byte ends the text.
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
            while at < text.count, QuotedWords.isSpace(text[at]) { at += 1 }
            guard at < text.count else { return }
            let start = at
            while at < text.count, !QuotedWords.endsWord(text[at]) { at += 1 }
            ranges.append(ArgumentRange(offset: start, count: at - start))
        }
    }

    private static func splitQuoted(
        _ text: Span<UInt8>, into ranges: inout [ArgumentRange], scratch: inout ByteBuffer
    ) -> Outcome {
        scratch.removeAll()
        var words = QuotedWords(text)
        while true {
            let start = scratch.count
            switch words.next(into: &scratch) {
            case .word:
                ranges.append(ArgumentRange(offset: start, count: scratch.count - start))
            case .end: return .inScratch
            case .unbalancedQuotes: return .unbalancedQuotes
            }
        }
    }
}
