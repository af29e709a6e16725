internal import RESP
internal import Store

extension CommandTable {
    /// The number in SCAN's cursor argument; nil when it is none, which the command itself replies.
    public static func scanCursor(_ text: Span<UInt8>) -> UInt64? { ScanOptions.cursor(text) }
}

/// MATCH, COUNT and TYPE of SCAN; HSCAN, SSCAN and ZSCAN take the first two.
struct ScanOptions {
    /// Position of the pattern among the arguments, if there is one that excludes anything.
    var pattern: Int?
    /// Position of the type's name.
    var type: Int?
    /// Keys to visit, at least 1.
    var count = 10

    /// Parses the options behind the cursor; nil for a wrong one (that is replied).
    init?(
        parsing request: borrowing Request, from start: Int = 2, takesType: Bool = true,
        _ context: inout CommandContext
    ) {
        var position = start
        while position < request.count {
            let hasValue = position + 1 < request.count
            if hasValue, request.matches(position, "count") {
                guard let number = context.integer(request, position + 1) else { return nil }
                guard number >= 1 else {
                    context.reply.error(ErrorText.syntax)
                    return nil
                }
                count = Int(number)
            } else if hasValue, request.matches(position, "match") {
                let isEverything = Glob.matchesAll(request[position + 1])
                pattern = isEverything ? nil : position + 1
            } else if takesType, hasValue, request.matches(position, "type") {
                type = position + 1
            } else {
                context.reply.error(ErrorText.syntax)
                return nil
            }
            position += 2
        }
    }

    /// A cursor as C's strtoul reads it: a sign is allowed, nothing at all is zero, and a zero byte is
    /// the end.
    static func cursor(_ argument: Span<UInt8>) -> UInt64? {
        let text = CommandTable.printed(argument)
        guard !text.isEmpty else { return 0 }
        let hasSign = text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+")
        var at = hasSign ? 1 : 0
        guard at < text.count else { return nil }
        var value: UInt64 = 0
        while at < text.count {
            let digit = text[at] &- 0x30
            guard digit <= 9 else { return nil }
            let (product, one) = value.multipliedReportingOverflow(by: 10)
            let (sum, other) = product.addingReportingOverflow(UInt64(digit))
            if one || other { return nil }
            value = sum
            at += 1
        }
        return text[0] == UInt8(ascii: "-") ? 0 &- value : value
    }

    /// Whether a key passes the filters.
    func select(
        _ handle: KeyHandle, _ context: inout CommandContext, _ request: borrowing Request
    ) -> Bool {
        if let pattern, !context.matches(handle, request, pattern: pattern) { return false }
        guard let type else { return true }
        return request.matches(type, context.keyspace.kind(of: handle).name)
    }
}

extension CommandContext {
    /// Whether a key's name matches the pattern in an argument.
    func matches(_ handle: KeyHandle, _ request: borrowing Request, pattern: Int) -> Bool {
        let glob = request[pattern]
        return Glob.matchesAll(glob) || Glob.matches(glob, keyspace.key(of: handle))
    }
}
