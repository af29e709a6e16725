internal import Bytes
internal import RESP
internal import Store

// The list commands on single elements, wherever they are.
extension Lists {
    @Sendable
    static func lindex(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        // The key comes first: without one, a wrong index is no error.
        guard let list = context.list(request[1], orElse: Missing.null)?.value,
            let index = context.integer(request, 2)
        else { return .done }
        let found: Void? = list.withElement(at: element(index, of: list)) { context.reply.bulk($0) }
        if found == nil { context.reply.null() }
        return .done
    }

    @Sendable
    static func lset(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        let found = context.list(request[1]) { $0.reply.error(ErrorText.noSuchKey) }
        guard let list = found?.value, let index = context.integer(request, 2) else {
            return .done
        }
        if list.set(request[3], at: element(index, of: list)) {
            context.reply.ok()
        } else {
            context.reply.error("ERR index out of range")
        }
        return .done
    }

    /// The index that a client means: negative ones count from the end. -1 when out of range.
    private static func element(_ index: Int64, of list: ListValue) -> Int {
        let count = Int64(list.count)
        let index = index < 0 ? index + count : index
        return index >= 0 && index < count ? Int(index) : -1
    }

    @Sendable
    static func lrem(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let limit = context.integer(request, 2) else { return .done }
        guard let (handle, list) = context.list(request[1], orElse: Missing.zero) else {
            return .done
        }
        context.reply.integer(Int64(list.remove(equalTo: request[3], limit: Int(limit))))
        context.keyspace.removeIfEmpty(handle)
        return .done
    }

    @Sendable
    static func linsert(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        let after = request.matches(2, "after")
        guard after || request.matches(2, "before") else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        guard let list = context.list(request[1], orElse: Missing.zero)?.value else { return .done }
        let inserted = list.insert(request[4], beside: request[3], after: after)
        context.reply.integer(inserted ? Int64(list.count) : -1)
        return .done
    }

    @Sendable
    static func lpos(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let options = LPosOptions(&context, request) else { return .done }
        let found = context.list(request[1]) {
            if options.maximum == nil { $0.reply.null() } else { $0.reply.emptyArray() }
        }
        guard let list = found?.value else { return .done }
        guard let maximum = options.maximum else {
            var first: Int?
            list.indices(
                of: request[2], rank: options.rank, maximum: 1, comparisons: options.comparisons
            ) { first = $0 }
            if let first { context.reply.integer(Int64(first)) } else { context.reply.null() }
            return .done
        }
        let mark = context.reply.openArray()
        var count = 0
        list.indices(
            of: request[2], rank: options.rank, maximum: maximum, comparisons: options.comparisons
        ) {
            context.reply.integer(Int64($0))
            count += 1
        }
        context.reply.closeArray(mark, count: count)
        return .done
    }
}

/// The options of LPOS.
private struct LPosOptions {
    var rank = 1
    /// COUNT; nil when it is not given, and then the reply is no array.
    var maximum: Int?
    /// MAXLEN, 0 for no limit.
    var comparisons = 0

    /// Nil for a wrong one, which is replied.
    init?(_ context: inout CommandContext, _ request: borrowing Request) {
        var position = 3
        while position < request.count {
            let hasValue = position + 1 < request.count
            if hasValue, request.matches(position, "rank") {
                guard let rank = context.integer(request, position + 1) else { return nil }
                guard rank != 0 else {
                    context.reply.error(
                        """
                        ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                        second ... or use negative to start from the end of the list
                        """)
                    return nil
                }
                // Redis 7.0 negates a negative rank; the one that cannot be negated skips nothing.
                self.rank = rank == .min ? -1 : Int(rank)
            } else if hasValue, request.matches(position, "count") {
                guard
                    let maximum = context.count(
                        request, position + 1, error: "ERR COUNT can't be negative")
                else { return nil }
                self.maximum = maximum
            } else if hasValue, request.matches(position, "maxlen") {
                guard
                    let comparisons = context.count(
                        request, position + 1, error: "ERR MAXLEN can't be negative")
                else { return nil }
                self.comparisons = comparisons
            } else {
                context.reply.error(ErrorText.syntax)
                return nil
            }
            position += 2
        }
    }
}
