internal import Bytes
internal import Commands
internal import RESP

/// COMMAND and its subcommands.
enum CommandReplies {
    static func write(_ request: NodeRequest, _ name: String, to reply: inout ReplyWriter) {
        switch name {
        case "command":
            CommandTable.writeAll(to: &reply)
        case "command|count":
            reply.integer(Int64(CommandTable.count))
        case "command|info":
            guard request.count > 2 else { return CommandTable.writeAll(to: &reply) }
            reply.array(request.count - 2)
            for at in 2..<request.count {
                CommandTable.writeInfo(request.arguments[at].span, to: &reply)
            }
        case "command|docs":
            // Documentation is not kept; clients fall back on COMMAND INFO.
            reply.map(0)
        case "command|list":
            list(request, to: &reply)
        case "command|getkeys":
            keys(request, to: &reply)
        default:
            NodeReplies.help(
                [
                    "(no subcommand)", "COUNT", "DOCS [<command-name> ...]",
                    "GETKEYS <full-command>", "INFO [<command-name> ...]",
                    "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
                ], to: &reply)
        }
    }

    private static func list(_ request: NodeRequest, to reply: inout ReplyWriter) {
        guard request.count > 2 else { return CommandTable.writeList(.all, to: &reply) }
        guard request.count == 5, request.word(2) == "filterby" else {
            return reply.error("ERR syntax error")
        }
        switch request.word(3) {
        case "module": CommandTable.writeList(.none, to: &reply)
        case "aclcat": CommandTable.writeList(.category(request.word(4)), to: &reply)
        case "pattern": CommandTable.writeList(.pattern(request.arguments[4]), to: &reply)
        default: reply.error("ERR syntax error")
        }
    }

    private static func keys(_ request: NodeRequest, to reply: inout ReplyWriter) {
        var bytes = ByteBuffer()
        var ranges: [ArgumentRange] = []
        for argument in request.arguments[2...] {
            ranges.append(ArgumentRange(offset: bytes.count, count: argument.count))
            bytes.append(argument)
        }
        let inner = Request(bytes: bytes.readable, ranges: ranges.span)
        CommandTable.writeKeys(of: inner, to: &reply)
    }
}
