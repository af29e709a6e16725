internal import Bytes
internal import RESP
internal import Store

// Iteration over a hash, and random fields.
extension Hashes {
    @Sendable
    static func hscan(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let cursor = context.scanCursor(request),
            let hash = context.hash(request[1], orElse: Missing.emptyScan)?.value,
            let options = ScanOptions(parsing: request, from: 3, takesType: false, &context)
        else { return .done }
        context.replyScan { context in
            var written = 0
            let next = hash.scan(from: cursor, wanted: options.count) { field, value in
                guard options.matches(request, field) else { return }
                context.reply.bulk(field)
                context.reply.bulk(value)
                written += 2
            }
            return (next, written)
        }
        return .done
    }

    @Sendable
    static func hrandfield(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard request.count > 2 else {
            guard let hash = context.hash(request[1], orElse: Missing.null)?.value else {
                return .done
            }
            let rank = Int(context.random.below(UInt64(hash.count)))
            hash.withEntry(at: rank) { field, _ in context.reply.bulk(field) }
            return .done
        }
        guard let picks = PairPicks(&context, request, option: "withvalues") else { return .done }
        guard let hash = context.hash(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        picks.reply(&context, of: hash.count) { context, rank in
            hash.withEntry(at: rank) { field, value in
                context.reply.bulk(field)
                if picks.withSecond { context.reply.bulk(value) }
            }
        }
        return .done
    }
}

/// The arguments of HRANDFIELD and ZRANDMEMBER with a count, and the reply around their picks.
struct PairPicks {
    /// Picks that may repeat are not bounded by the elements that there are. Redis writes replies of
    /// any length until memory ends; beyond this many (about a second's work) we refuse.
    static let repeatedMax = 1 << 22

    private let count: Int
    /// Whether each pick is followed by its value or score.
    let withSecond: Bool

    /// Nil for wrong arguments, which are replied.
    init?(
        _ context: inout CommandContext, _ request: borrowing Request, option: StaticString
    ) {
        guard let count = context.signedCount(request, 2) else { return nil }
        guard request.count == 3 || (request.count == 4 && request.matches(3, option)) else {
            context.reply.error(ErrorText.syntax)
            return nil
        }
        withSecond = request.count == 4
        guard !withSecond || count.magnitude <= UInt(Int.max / 2) else {
            context.reply.error("ERR value is out of range")
            return nil
        }
        guard count >= -Self.repeatedMax else {
            context.reply.error("ERR value is out of range")
            return nil
        }
        self.count = count
    }

    /// Replies with the picks from `size` elements: different ones, or any if the count is negative.
    func reply(
        _ context: inout CommandContext, of size: Int,
        _ body: (inout CommandContext, _ rank: Int) -> Void
    ) {
        let picks = count < 0 ? Int(count.magnitude) : min(count, size)
        let isNested = withSecond && context.reply.version == .three
        context.reply.array(withSecond && !isNested ? picks * 2 : picks)
        func pick(_ rank: Int) {
            if isNested { context.reply.array(2) }
            body(&context, rank)
        }
        if count < 0 {
            for _ in 0..<picks { pick(Int(context.random.below(UInt64(size)))) }
        } else if picks == size {
            for rank in 0..<size { pick(rank) }
        } else {
            var random = context.random
            RandomPicks.distinct(picks, below: size, &random, pick)
            context.random = random
        }
    }
}
