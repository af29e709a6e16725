internal import Bytes
public import RESP

extension CommandTable {
    /// Writes the error for a request that `resolve` did not find, as redis-server 7.0 words it.
    public static func writeError(
        _ resolution: Resolution, _ request: borrowing Request, to reply: inout ReplyWriter
    ) {
        switch resolution {
        case .found: invariantFailed("the command was found")
        case .unknown: writeUnknown(request, to: &reply)
        case .unknownSubcommand(let container):
            reply.openError("ERR unknown subcommand '")
            reply.errorText(clipped(request[1]))
            reply.errorText("'. Try ")
            let name = CommandName.bytes(container.name)
            for i in name.indices {
                reply.bytes.append(name[i] &- 0x61 < 26 ? name[i] & 0xdf : name[i])
            }
            reply.errorText(" HELP.")
            reply.closeError()
        case .wrongArity(let spec): writeWrongArity(spec, to: &reply)
        }
    }

    /// `ERR wrong number of arguments for 'name' command`.
    public static func writeWrongArity(_ spec: CommandSpec, to reply: inout ReplyWriter) {
        writeWrongArity(spec.name, to: &reply)
    }

    /// The same for a handler that counts its arguments itself.
    static func writeWrongArity(_ name: StaticString, to reply: inout ReplyWriter) {
        reply.openError("ERR wrong number of arguments for '")
        reply.errorText(name)
        reply.errorText("' command")
        reply.closeError()
    }

    /// Redis cuts names and arguments in its error texts here.
    private static let textBytesMax = 128

    /// What Redis shows of a name or argument in an error text that it keeps short.
    @_lifetime(copy text)
    public static func clipped(_ text: Span<UInt8>) -> Span<UInt8> {
        let shown = printed(text)
        return shown.extracting(0..<min(shown.count, textBytesMax))
    }

    /// What Redis shows of an argument that it prints with %s: up to a zero byte.
    @_lifetime(copy text)
    public static func printed(_ text: Span<UInt8>) -> Span<UInt8> {
        var end = 0
        while end < text.count, text[end] != 0 { end += 1 }
        return text.extracting(0..<end)
    }

    private static func writeUnknown(_ request: borrowing Request, to reply: inout ReplyWriter) {
        reply.openError("ERR unknown command '")
        reply.errorText(clipped(request[0]))
        reply.errorText("', with args beginning with: ")
        var listed = 0
        var position = 1
        while position < request.count, listed < textBytesMax {
            let argument = request[position]
            let room = textBytesMax - listed
            reply.errorText("'")
            let shown = clipped(argument)
            let piece = shown.extracting(0..<min(shown.count, room))
            reply.errorText(piece)
            reply.errorText("' ")
            listed += piece.count + 3
            position += 1
        }
        reply.closeError()
    }
}
