internal import Bytes
internal import Commands
internal import RESP

extension CommandTable {
    enum ListFilter { case all, none, category(String), pattern([UInt8]) }
    static func writeAll(to reply: inout ReplyWriter) { reply.emptyArray() }
    static func writeInfo(_ name: Span<UInt8>, to reply: inout ReplyWriter) { reply.null() }
    static func writeList(_ filter: ListFilter, to reply: inout ReplyWriter) { reply.emptyArray() }
    static func writeKeys(of request: Request, to reply: inout ReplyWriter) { reply.emptyArray() }
}
