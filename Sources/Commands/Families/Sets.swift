internal import Bytes
internal import RESP
internal import Store

/// The set commands on one set. `Sets+Random.swift` has picks and iteration, `Sets+Algebra.swift`
/// intersections, unions and differences.
enum Sets {
    @Sendable
    static func sadd(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.setOrNew(request[1]) else { return .done }
        var added: Int64 = 0
        for position in 2..<request.count
        where set.insert(request[position], limits: context.keyspace.limits) {
            added += 1
        }
        context.reply.integer(added)
        return .done
    }

    @Sendable
    static func srem(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let (handle, set) = context.set(request[1], orElse: Missing.zero) else {
            return .done
        }
        var removed: Int64 = 0
        for position in 2..<request.count where set.remove(request[position]) { removed += 1 }
        context.keyspace.removeIfEmpty(handle)
        context.reply.integer(removed)
        return .done
    }

    @Sendable
    static func smembers(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.set(request[1], orElse: Missing.emptySet)?.value else {
            return .done
        }
        context.replyMembers(of: set)
        return .done
    }

    @Sendable
    static func sismember(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        guard let set = context.set(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(set.contains(request[2]) ? 1 : 0)
        return .done
    }

    @Sendable
    static func smismember(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        var set: SetValue?
        switch context.find(request[1], .set) {
        case .found(let handle): set = context.keyspace.set(handle)
        case .missing: break
        case .refused: return .done
        }
        context.reply.array(request.count - 2)
        for position in 2..<request.count {
            context.reply.integer(set?.contains(request[position]) == true ? 1 : 0)
        }
        return .done
    }

    @Sendable
    static func scard(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.set(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(Int64(set.count))
        return .done
    }

    @Sendable
    static func smove(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let source = context.set(request[1], orElse: Missing.zero)?.value else {
            return .done
        }
        if case .refused = context.find(request[2], .set) { return .done }
        guard !ContentEquality.equal(request[1], request[2]) else {
            context.reply.integer(source.contains(request[3]) ? 1 : 0)
            return .done
        }
        guard source.remove(request[3]), let target = context.setOrNew(request[2]) else {
            context.reply.integer(0)
            return .done
        }
        _ = target.insert(request[3], limits: context.keyspace.limits)
        if case .found(let handle) = context.find(request[1], .set) {
            context.keyspace.removeIfEmpty(handle)
        }
        context.reply.integer(1)
        return .done
    }
}

extension CommandContext {
    /// All members, in order.
    mutating func replyMembers(of set: SetValue) {
        reply.set(set.count)
        set.forEach {
            reply.bulk($0)
            return true
        }
    }
}

/// Whether two arguments are the same bytes.
enum ContentEquality {
    static func equal(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        guard one.count == other.count else { return false }
        for index in one.indices where one[index] != other[index] { return false }
        return true
    }
}
