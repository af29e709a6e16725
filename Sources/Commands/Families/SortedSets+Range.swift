internal import Bytes
internal import RESP
internal import Store

// ZRANGE and its older forms.
extension SortedSets {
    @Sendable
    static func zrange(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        range(&context, request, .init(source: 1, by: nil, isReverse: nil))
    }

    @Sendable
    static func zrevrange(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        range(&context, request, .init(source: 1, by: .rank, isReverse: true))
    }

    @Sendable
    static func zrangebyscore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        range(&context, request, .init(source: 1, by: .score, isReverse: false))
    }

    @Sendable
    static func zrevrangebyscore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        range(&context, request, .init(source: 1, by: .score, isReverse: true))
    }

    @Sendable
    static func zrangebylex(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        range(&context, request, .init(source: 1, by: .lex, isReverse: false))
    }

    @Sendable
    static func zrevrangebylex(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        range(&context, request, .init(source: 1, by: .lex, isReverse: true))
    }

    @Sendable
    static func zrangestore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        let form = RangeForm(source: 2, by: nil, isReverse: nil)
        guard let query = RangeQuery(&context, request, form) else { return .done }
        let result = SortedSetValue(order: context.keyspace.order)
        switch context.find(request[2], .sortedSet) {
        case .refused: return .done
        case .missing: break
        case .found(let handle):
            let set = context.keyspace.sortedSet(handle)
            set.forEach(in: query.ranks(in: set, request)) { member, score in
                _ = result.set(member, score: score, limits: context.keyspace.limits)
                return true
            }
        }
        if result.isEmpty {
            if let handle = context.find(request[1]) { context.keyspace.remove(handle) }
        } else {
            context.keyspace.set(request[1], in: context.database, to: result)
        }
        context.reply.integer(Int64(result.count))
        return .done
    }

    private static func range(
        _ context: inout CommandContext, _ request: borrowing Request, _ form: RangeForm
    ) -> Outcome {
        guard let query = RangeQuery(&context, request, form),
            let set = context.sortedSet(request[1], orElse: Missing.emptyArray)?.value
        else { return .done }
        let ranks = query.ranks(in: set, request)
        let isNested = query.withScores && context.reply.version == .three
        context.reply.array(query.withScores && !isNested ? ranks.count * 2 : ranks.count)
        set.forEach(in: ranks, descending: query.isReverse) { member, score in
            if isNested { context.reply.array(2) }
            context.reply.bulk(member)
            if query.withScores { context.reply.double(score) }
            return true
        }
        return .done
    }
}

/// What a command's name already says about the range; nil is left to options.
private struct RangeForm {
    enum Unit {
        case rank
        case score
        case lex
    }

    /// Position of the key, which the two bounds follow.
    var source: Int
    var by: Unit?
    var isReverse: Bool?
}

/// A range with its options, read by Redis's rules and in its order of errors.
private struct RangeQuery {
    private enum Bounds {
        case ranks(Int64, Int64)
        case scores(ScoreBounds)
        case members(LexBounds)
    }

    private var offset: Int64 = 0
    /// Negative: no limit.
    private var limit: Int64 = -1
    private(set) var withScores = false
    private(set) var isReverse: Bool
    private let bounds: Bounds

    /// Nil for wrong arguments, which are replied.
    init?(
        _ context: inout CommandContext, _ request: borrowing Request, _ form: RangeForm
    ) {
        var unit = form.by
        var isReverse = form.isReverse
        let isStore = form.source > 1
        var position = form.source + 3
        while position < request.count {
            if !isStore, request.matches(position, "withscores") {
                withScores = true
            } else if position + 2 < request.count, request.matches(position, "limit") {
                guard let offset = context.integer(request, position + 1),
                    let limit = context.integer(request, position + 2)
                else { return nil }
                (self.offset, self.limit) = (offset, limit)
                position += 2
            } else if isReverse == nil, request.matches(position, "rev") {
                isReverse = true
            } else if unit == nil, request.matches(position, "bylex") {
                unit = .lex
            } else if unit == nil, request.matches(position, "byscore") {
                unit = .score
            } else {
                context.reply.error(ErrorText.syntax)
                return nil
            }
            position += 1
        }
        self.isReverse = isReverse ?? false
        if limit != -1, unit ?? .rank == .rank {
            context.reply.error(
                """
                ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                BYLEX
                """)
            return nil
        }
        if withScores, unit == .lex {
            context.reply.error(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX")
            return nil
        }
        let first = form.source + 1
        // Ranges by value are given from above when reversed; ranks are not.
        let (min, max) = self.isReverse ? (first + 1, first) : (first, first + 1)
        switch unit ?? .rank {
        case .rank:
            guard let start = context.integer(request, first),
                let end = context.integer(request, first + 1)
            else { return nil }
            bounds = .ranks(start, end)
        case .score:
            guard let scores = ScoreBounds(&context, request, min, max) else { return nil }
            bounds = .scores(scores)
        case .lex:
            guard let members = LexBounds(&context, request, min, max) else { return nil }
            bounds = .members(members)
        }
    }

    /// The ranks that the query means, ascending; visited downwards when it is reversed.
    func ranks(in set: SortedSetValue, _ request: borrowing Request) -> Range<Int> {
        switch bounds {
        case .ranks(let start, let end):
            let range = Ranges.clamp(start, end, count: Int64(set.count)) ?? 0..<0
            return isReverse
                ? set.count - range.upperBound..<set.count - range.lowerBound : range
        case .scores(let scores): return limited(scores.ranks(in: set))
        case .members(let members): return limited(members.ranks(in: set, request))
        }
    }

    /// What OFFSET and LIMIT leave of a range, counted from the end that is visited first.
    private func limited(_ range: Range<Int>) -> Range<Int> {
        // A negative offset skips everything, as in Redis.
        let skipped = offset < 0 ? range.count : Int(min(offset, Int64(range.count)))
        let left = range.count - skipped
        let taken = limit < 0 ? left : Int(min(limit, Int64(left)))
        return isReverse
            ? range.upperBound - skipped - taken..<range.upperBound - skipped
            : range.lowerBound + skipped..<range.lowerBound + skipped + taken
    }
}
