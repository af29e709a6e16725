internal import Bytes
internal import RESP
internal import Store

// Removal by member and by range, and the pops.
extension SortedSets {
    @Sendable
    static func zrem(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let (handle, set) = context.sortedSet(request[1], orElse: Missing.zero) else {
            return .done
        }
        var removed: Int64 = 0
        for position in 2..<request.count where set.remove(request[position]) { removed += 1 }
        context.keyspace.removeIfEmpty(handle)
        context.reply.integer(removed)
        return .done
    }

    @Sendable
    static func zremrangebyrank(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let start = context.integer(request, 2), let end = context.integer(request, 3),
            let (handle, set) = context.sortedSet(request[1], orElse: Missing.zero)
        else { return .done }
        let ranks = Ranges.clamp(start, end, count: Int64(set.count)) ?? 0..<0
        return remove(&context, ranks, handle, set)
    }

    @Sendable
    static func zremrangebyscore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let bounds = ScoreBounds(&context, request, 2, 3),
            let (handle, set) = context.sortedSet(request[1], orElse: Missing.zero)
        else { return .done }
        return remove(&context, bounds.ranks(in: set), handle, set)
    }

    @Sendable
    static func zremrangebylex(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let bounds = LexBounds(&context, request, 2, 3),
            let (handle, set) = context.sortedSet(request[1], orElse: Missing.zero)
        else { return .done }
        return remove(&context, bounds.ranks(in: set, request), handle, set)
    }

    private static func remove(
        _ context: inout CommandContext, _ ranks: Range<Int>, _ handle: KeyHandle,
        _ set: SortedSetValue
    ) -> Outcome {
        for rank in ranks.reversed() { set.remove(at: rank) }
        context.keyspace.removeIfEmpty(handle)
        context.reply.integer(Int64(ranks.count))
        return .done
    }

    @Sendable
    static func zpopmin(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        pop(&context, request, max: false)
    }

    @Sendable
    static func zpopmax(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        pop(&context, request, max: true)
    }

    private static func pop(
        _ context: inout CommandContext, _ request: borrowing Request, max: Bool
    ) -> Outcome {
        guard request.count <= 3 else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        var wanted = 1
        if request.count == 3 {
            guard let count = context.count(request, 2) else { return .done }
            wanted = count
        }
        guard let (handle, set) = context.sortedSet(request[1], orElse: Missing.emptyArray) else {
            return .done
        }
        let popped = min(wanted, set.count)
        // Pairs nest only in RESP3, and only where a count was given.
        let isNested = context.reply.version == .three && request.count == 3
        context.reply.array(isNested ? popped : popped * 2)
        for _ in 0..<popped {
            let rank = max ? set.count - 1 : 0
            set.withMember(at: rank) { member, score in
                if isNested { context.reply.array(2) }
                context.reply.bulk(member)
                context.reply.double(score)
            }
            set.remove(at: rank)
        }
        context.keyspace.removeIfEmpty(handle)
        return .done
    }
}
