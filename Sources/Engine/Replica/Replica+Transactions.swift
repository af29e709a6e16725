internal import Bytes
internal import Cluster
internal import Commands
internal import RESP

/// A transaction in the log: `EXEC` with the queued commands, each in its binary form, as arguments.
enum LoggedTransaction {
    static func isTransaction(_ request: Request) -> Bool { request.matches(0, "exec") }

    /// Whether every queued command can be read and executed, on every replica for ever.
    static func isSound(_ request: Request) -> Bool {
        guard request.count > 1 else { return false }
        var decoder = ArgumentDecoder()
        for position in 1..<request.count {
            let encoded = request[position]
            guard let length = try? decoder.decode(encoded), length == encoded.count else {
                return false
            }
            let command = decoder.request(over: encoded)
            guard case .found(let spec) = CommandTable.resolve(command),
                spec.handler != nil || isAnswerable(spec)
            else { return false }
        }
        return true
    }

    private static func isAnswerable(_ spec: CommandSpec) -> Bool {
        let name = spec.name.description
        return name == "ping" || name == "echo"
    }

    /// Executes the queued commands, one after the other; the reply is an array of their replies.
    static func run(_ request: Request, slots: SlotRange?, context: inout CommandContext)
        -> Replica.ReplyStatusCode
    {
        var decoder = ArgumentDecoder()
        if let slots, slots.count < HashSlot.count {
            for position in 1..<request.count {
                guard (try? decoder.decode(request[position])) != nil,
                    owns(decoder.request(over: request[position]), slots)
                else { return .moved }
            }
        }
        context.reply.array(request.count - 1)
        for position in 1..<request.count {
            let encoded = request[position]
            guard (try? decoder.decode(encoded)) != nil else {
                invariantFailed("a queued command that can not be read")
            }
            runOne(decoder.request(over: encoded), &context)
        }
        return .complete
    }

    private static func runOne(_ command: Request, _ context: inout CommandContext) {
        guard case .found(let spec) = CommandTable.resolve(command) else {
            invariantFailed("a queued command that is not in the table")
        }
        if spec.handler != nil {
            let outcome = spec.run(&context, command)
            invariant(outcome == .done, "a queued command did not finish")
        } else if command.count > 1 {
            context.reply.bulk(command[1])
        } else {
            context.reply.simple("PONG")
        }
    }

    private static func owns(_ command: Request, _ slots: SlotRange) -> Bool {
        guard case .found(let spec) = CommandTable.resolve(command) else { return false }
        return Replica.owns(command, spec, slots)
    }
}
