/// Why a client's input cannot be followed any further: it gets the reply, then the connection
/// closes. The texts are those of redis-server 7.0.
public enum ProtocolError: Error, Equatable, Sendable {
    /// An inline command longer than `inlineBytesMax`.
    case inlineTooLong
    /// A quote that does not close, or closes in the middle of a word.
    case unbalancedQuotes
    /// `*...` longer than `inlineBytesMax`.
    case countLineTooLong
    /// `$...` longer than `inlineBytesMax`.
    case bulkLineTooLong
    /// `*` without a number, or with more than `argumentsMax`.
    case invalidCount
    /// `$` without a number, with a negative one, or with more than `bulkBytesMax`.
    case invalidBulkLength
    /// An argument that does not begin with `$`; the byte found instead.
    case expectedBulk(UInt8)
}

extension ProtocolError {
    /// The reply's text without `-ERR ` and line end, for logs. A found byte that is not ASCII is
    /// exact only in `write(to:)`.
    public var reply: String {
        let cause =
            switch self {
            case .inlineTooLong: "too big inline request"
            case .unbalancedQuotes: "unbalanced quotes in request"
            case .countLineTooLong: "too big mbulk count string"
            case .bulkLineTooLong: "too big bulk count string"
            case .invalidCount: "invalid multibulk length"
            case .invalidBulkLength: "invalid bulk length"
            case .expectedBulk(let found):
                "expected '$', got '\(Character(UnicodeScalar(found)))'"
            }
        return "Protocol error: \(cause)"
    }

    /// Appends the whole reply, `-ERR Protocol error: ...` and its line end.
    public func write(to reply: inout ReplyWriter) {
        reply.openError("ERR ")
        if case .expectedBulk(let found) = self {
            reply.errorText("Protocol error: expected '$', got '")
            reply.errorText([found].span)
            reply.errorText("'")
        } else {
            reply.errorText(self.reply)
        }
        reply.closeError()
    }
}
