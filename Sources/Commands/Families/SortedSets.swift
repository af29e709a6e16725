internal import Bytes
internal import RESP
internal import Store

/// The sorted set commands on single members. `SortedSets+Add.swift` has ZADD, `SortedSets+Range.swift`
/// the ranges, `SortedSets+Remove.swift` removal by range and the pops.
enum SortedSets {
    @Sendable
    static func zscore(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.sortedSet(request[1], orElse: Missing.null)?.value else {
            return .done
        }
        context.replyScore(set.score(of: request[2]))
        return .done
    }

    @Sendable
    static func zmscore(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        var set: SortedSetValue?
        switch context.find(request[1], .sortedSet) {
        case .found(let handle): set = context.keyspace.sortedSet(handle)
        case .missing: break
        case .refused: return .done
        }
        context.reply.array(request.count - 2)
        for position in 2..<request.count {
            context.replyScore(set?.score(of: request[position]))
        }
        return .done
    }

    @Sendable
    static func zcard(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.sortedSet(request[1], orElse: Missing.zero)?.value else {
            return .done
        }
        context.reply.integer(Int64(set.count))
        return .done
    }

    @Sendable
    static func zrank(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.sortedSet(request[1], orElse: Missing.null)?.value else {
            return .done
        }
        if let rank = set.rank(of: request[2]) {
            context.reply.integer(Int64(rank))
        } else {
            context.reply.null()
        }
        return .done
    }

    @Sendable
    static func zrevrank(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let set = context.sortedSet(request[1], orElse: Missing.null)?.value else {
            return .done
        }
        if let rank = set.rank(of: request[2]) {
            context.reply.integer(Int64(set.count - 1 - rank))
        } else {
            context.reply.null()
        }
        return .done
    }

    @Sendable
    static func zcount(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let bounds = ScoreBounds(&context, request, 2, 3),
            let set = context.sortedSet(request[1], orElse: Missing.zero)?.value
        else { return .done }
        context.reply.integer(Int64(bounds.ranks(in: set).count))
        return .done
    }

    @Sendable
    static func zlexcount(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        guard let bounds = LexBounds(&context, request, 2, 3),
            let set = context.sortedSet(request[1], orElse: Missing.zero)?.value
        else { return .done }
        context.reply.integer(Int64(bounds.ranks(in: set, request).count))
        return .done
    }

    @Sendable
    static func zscan(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let cursor = context.scanCursor(request),
            let set = context.sortedSet(request[1], orElse: Missing.emptyScan)?.value,
            let options = ScanOptions(parsing: request, from: 3, takesType: false, &context)
        else { return .done }
        context.replyScan { context in
            var written = 0
            let next = set.scan(from: cursor, wanted: options.count) { member, score in
                guard options.matches(request, member) else { return }
                context.reply.bulk(member)
                context.replyScanned(score, isPacked: set.isPacked)
                written += 2
            }
            return (next, written)
        }
        return .done
    }

    @Sendable
    static func zrandmember(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard request.count > 2 else {
            guard let set = context.sortedSet(request[1], orElse: Missing.null)?.value else {
                return .done
            }
            let rank = Int(context.random.below(UInt64(set.count)))
            set.withMember(at: rank) { member, _ in context.reply.bulk(member) }
            return .done
        }
        guard let picks = PairPicks(&context, request, option: "withscores") else { return .done }
        guard let set = context.sortedSet(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        picks.reply(&context, of: set.count) { context, rank in
            set.withMember(at: rank) { member, score in
                context.reply.bulk(member)
                if picks.withSecond { context.reply.double(score) }
            }
        }
        return .done
    }
}

extension CommandContext {
    /// A score as ZSCAN prints it: a bulk string in RESP3, too, and from a listpack an integer of
    /// any size with all its digits, because Redis keeps it as an integer there.
    fileprivate mutating func replyScanned(_ score: Double, isPacked: Bool) {
        if isPacked, score.magnitude <= 0x1p62, score == score.rounded(.towardZero) {
            reply.bulk(decimal: Int64(score))
        } else {
            reply.bulk(DoubleText(score).bytes)
        }
    }

    /// A score, or null.
    fileprivate mutating func replyScore(_ score: Double?) {
        if let score { reply.double(score) } else { reply.null() }
    }
}
