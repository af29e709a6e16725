internal import Bytes
internal import Commands
internal import RESP
internal import Store

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
                if let spec = find(request.word(at)) {
                    CommandTable.writeInfo(spec, to: &reply)
                } else {
                    reply.null()
                }
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

    /// A command, or a subcommand as `container|subcommand`.
    private static func find(_ name: String) -> CommandSpec? {
        CommandTable.all.first { $0.name.description == name }
    }

    private static func list(_ request: NodeRequest, to reply: inout ReplyWriter) {
        guard request.count > 2 else { return names(to: &reply) { _ in true } }
        guard request.count == 5, request.word(2) == "filterby" else {
            return reply.error("ERR syntax error")
        }
        switch request.word(3) {
        case "module":
            names(to: &reply) { _ in false }
        case "aclcat":
            let category = request.word(4)
            guard
                let bit = CommandCategories.names.firstIndex(where: { $0.description == category })
            else { return names(to: &reply) { _ in false } }
            names(to: &reply) { $0.categories.rawValue >> UInt32(bit) & 1 == 1 }
        case "pattern":
            let pattern = request.arguments[4]
            names(to: &reply) { spec in
                let name = Array(spec.name.description.utf8)
                return Glob.matches(pattern.span, name.span, ignoringCase: true)
            }
        default: reply.error("ERR syntax error")
        }
    }

    private static func names(to reply: inout ReplyWriter, where isWanted: (CommandSpec) -> Bool) {
        let wanted = CommandTable.all.filter(isWanted)
        reply.array(wanted.count)
        for spec in wanted { reply.bulk(spec.name) }
    }

    private static func keys(_ request: NodeRequest, to reply: inout ReplyWriter) {
        let packed = PackedRequest(request.arguments)
        CommandTable.writeKeys(of: packed.request, from: 2, to: &reply)
    }
}
