internal import Bytes
internal import RESP
internal import Store

// Random members, and iteration. Picks go by rank in content order, so that all replicas agree.
extension Sets {
    @Sendable
    static func spop(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count <= 3 else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        guard request.count == 3 else {
            guard let (handle, set) = context.set(request[1], orElse: Missing.null) else {
                return .done
            }
            context.popRandom(from: set)
            context.keyspace.removeIfEmpty(handle)
            return .done
        }
        guard let wanted = context.count(request, 2) else { return .done }
        guard let (handle, set) = context.set(request[1], orElse: Missing.emptySet) else {
            return .done
        }
        if wanted >= set.count {
            context.replyMembers(of: set)
            context.keyspace.remove(handle)
            return .done
        }
        context.reply.set(wanted)
        for _ in 0..<wanted { context.popRandom(from: set) }
        return .done
    }

    @Sendable
    static func srandmember(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard request.count <= 3 else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        guard request.count == 3 else {
            guard let set = context.set(request[1], orElse: Missing.null)?.value else {
                return .done
            }
            let rank = Int(context.random.below(UInt64(set.count)))
            set.withMember(at: rank) { context.reply.bulk($0) }
            return .done
        }
        guard let picks = PairPicks(&context, request, option: "") else { return .done }
        guard let set = context.set(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        picks.reply(&context, of: set.count) { context, rank in
            set.withMember(at: rank) { context.reply.bulk($0) }
        }
        return .done
    }

    @Sendable
    static func sscan(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let cursor = context.scanCursor(request),
            let set = context.set(request[1], orElse: Missing.emptyScan)?.value,
            let options = ScanOptions(parsing: request, from: 3, takesType: false, &context)
        else { return .done }
        context.replyScan { context in
            var written = 0
            let next = set.scan(from: cursor, wanted: options.count) { member in
                guard options.matches(request, member) else { return }
                context.reply.bulk(member)
                written += 1
            }
            return (next, written)
        }
        return .done
    }
}

extension CommandContext {
    /// Replies with a random member and removes it.
    fileprivate mutating func popRandom(from set: SetValue) {
        let rank = Int(random.below(UInt64(set.count)))
        set.withMember(at: rank) { reply.bulk($0) }
        set.remove(at: rank)
    }
}
