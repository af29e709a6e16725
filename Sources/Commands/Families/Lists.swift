internal import Bytes
internal import RESP
internal import Store

/// The list commands on ends, lengths and ranges. `Lists+Middle.swift` has those on the middle.
enum Lists {
    enum End {
        case left
        case right
    }

    @Sendable
    static func lpush(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let list = context.listOrNew(request[1]) else { return .done }
        for position in 2..<request.count { list.pushFirst(request[position]) }
        context.reply.integer(Int64(list.count))
        return .done
    }

    @Sendable
    static func rpush(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let list = context.listOrNew(request[1]) else { return .done }
        for position in 2..<request.count { list.pushLast(request[position]) }
        context.reply.integer(Int64(list.count))
        return .done
    }

    @Sendable
    static func lpushx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let list = context.list(request[1], orElse: Missing.zero)?.value else { return .done }
        for position in 2..<request.count { list.pushFirst(request[position]) }
        context.reply.integer(Int64(list.count))
        return .done
    }

    @Sendable
    static func rpushx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let list = context.list(request[1], orElse: Missing.zero)?.value else { return .done }
        for position in 2..<request.count { list.pushLast(request[position]) }
        context.reply.integer(Int64(list.count))
        return .done
    }

    @Sendable
    static func lpop(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        pop(&context, request, .left, "lpop")
    }

    @Sendable
    static func rpop(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        pop(&context, request, .right, "rpop")
    }

    private static func pop(
        _ context: inout CommandContext, _ request: borrowing Request, _ end: End,
        _ name: StaticString
    ) -> Outcome {
        guard request.count <= 3 else { return context.wrongArity(name) }
        guard request.count == 3 else {
            guard let (handle, list) = context.list(request[1], orElse: Missing.null) else {
                return .done
            }
            list.pop(end) { context.reply.bulk($0) }
            context.keyspace.removeIfEmpty(handle)
            return .done
        }
        guard let wanted = context.count(request, 2) else { return .done }
        guard let (handle, list) = context.list(request[1], orElse: Missing.nullArray) else {
            return .done
        }
        let popped = min(wanted, list.count)
        context.reply.array(popped)
        for _ in 0..<popped { list.pop(end) { context.reply.bulk($0) } }
        context.keyspace.removeIfEmpty(handle)
        return .done
    }

    @Sendable
    static func llen(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let list = context.list(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(Int64(list.count))
        return .done
    }

    @Sendable
    static func lrange(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let start = context.integer(request, 2), let end = context.integer(request, 3) else {
            return .done
        }
        guard let list = context.list(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        guard let range = Ranges.clamp(start, end, count: Int64(list.count)) else {
            context.reply.emptyArray()
            return .done
        }
        context.reply.array(range.count)
        list.forEach(in: range) {
            context.reply.bulk($0)
            return true
        }
        return .done
    }

    @Sendable
    static func ltrim(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let start = context.integer(request, 2), let end = context.integer(request, 3) else {
            return .done
        }
        switch context.find(request[1], .list) {
        case .refused: return .done
        case .missing: break
        case .found(let handle):
            let list = context.keyspace.list(handle)
            list.trim(to: Ranges.clamp(start, end, count: Int64(list.count)) ?? 0..<0)
            context.keyspace.removeIfEmpty(handle)
        }
        context.reply.ok()
        return .done
    }

    @Sendable
    static func lmove(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let from = End(request, 3), let to = End(request, 4) else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        return move(&context, request, from, to)
    }

    @Sendable
    static func rpoplpush(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        move(&context, request, .right, .left)
    }

    private static func move(
        _ context: inout CommandContext, _ request: borrowing Request, _ from: End, _ to: End
    ) -> Outcome {
        guard let source = context.list(request[1], orElse: Missing.null)?.value else {
            return .done
        }
        // Also finds a target of another type before anything changes.
        guard let target = context.listOrNew(request[2]) else { return .done }
        // Copied, because both may be one list, whose memory moves.
        var element = ByteBuffer()
        source.pop(from) { element.append($0) }
        target.push(element.readable, to)
        context.reply.bulk(element.readable)
        // Making the target voided the first handle.
        if case .found(let handle) = context.find(request[1], .list) {
            context.keyspace.removeIfEmpty(handle)
        }
        return .done
    }
}

extension Lists.End {
    /// LEFT or RIGHT at a position; nil for anything else.
    fileprivate init?(_ request: borrowing Request, _ position: Int) {
        if request.matches(position, "left") {
            self = .left
        } else if request.matches(position, "right") {
            self = .right
        } else {
            return nil
        }
    }
}

extension ListValue {
    fileprivate func push(_ bytes: Span<UInt8>, _ end: Lists.End) {
        switch end {
        case .left: pushFirst(bytes)
        case .right: pushLast(bytes)
        }
    }

    fileprivate func pop(_ end: Lists.End, _ body: (Span<UInt8>) -> Void) {
        switch end {
        case .left: popFirst(body)
        case .right: popLast(body)
        }
    }
}
