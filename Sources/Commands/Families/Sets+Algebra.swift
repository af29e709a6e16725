internal import Bytes
internal import RESP
internal import Store

// Intersections, unions and differences. All keys belong to one group: the router sees to it.
extension Sets {
    enum Operation {
        case intersection
        case union
        case difference
    }

    @Sendable
    static func sinter(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        reply(&context, request, .intersection)
    }

    @Sendable
    static func sunion(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        reply(&context, request, .union)
    }

    @Sendable
    static func sdiff(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        reply(&context, request, .difference)
    }

    @Sendable
    static func sinterstore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        store(&context, request, .intersection)
    }

    @Sendable
    static func sunionstore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        store(&context, request, .union)
    }

    @Sendable
    static func sdiffstore(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        store(&context, request, .difference)
    }

    @Sendable
    static func sintercard(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let keys = request.integer(at: 1), keys > 0 else {
            context.reply.error("ERR numkeys should be greater than 0")
            return .done
        }
        guard keys <= Int64(request.count - 2) else {
            context.reply.error("ERR Number of keys can't be greater than number of args")
            return .done
        }
        var limit = 0
        let options = 2 + Int(keys)
        for position in stride(from: options, to: request.count, by: 2) {
            guard position + 1 < request.count, request.matches(position, "limit") else {
                context.reply.error(ErrorText.syntax)
                return .done
            }
            guard
                let given = context.count(
                    request, position + 1, error: "ERR LIMIT can't be negative")
            else { return .done }
            limit = given
        }
        guard let sets = context.sets(request, 2..<options) else { return .done }
        var count = 0
        intersect(sets) { _ in
            count += 1
            return count != limit
        }
        context.reply.integer(Int64(count))
        return .done
    }

    private static func reply(
        _ context: inout CommandContext, _ request: borrowing Request, _ operation: Operation
    ) -> Outcome {
        guard let sets = context.sets(request, 1..<request.count) else { return .done }
        let mark = context.reply.openSet()
        var count = 0
        if operation == .union {
            let union = context.result(of: sets, operation)
            union.forEach {
                context.reply.bulk($0)
                return true
            }
            count = union.count
        } else {
            run(operation, sets) {
                context.reply.bulk($0)
                count += 1
                return true
            }
        }
        context.reply.closeSet(mark, count: count)
        return .done
    }

    private static func store(
        _ context: inout CommandContext, _ request: borrowing Request, _ operation: Operation
    ) -> Outcome {
        guard let sets = context.sets(request, 2..<request.count) else { return .done }
        let result = context.result(of: sets, operation)
        if result.isEmpty {
            if let handle = context.find(request[1]) { context.keyspace.remove(handle) }
        } else {
            context.keyspace.set(request[1], in: context.database, to: result)
        }
        context.reply.integer(Int64(result.count))
        return .done
    }

    /// Lends the members of the result, in the order of one of the sets, until `body` returns false.
    /// A union repeats what several sets hold.
    fileprivate static func run(
        _ operation: Operation, _ sets: [SetValue?], _ body: (Span<UInt8>) -> Bool
    ) {
        switch operation {
        case .intersection: intersect(sets, body)
        case .difference: subtract(sets, body)
        case .union:
            for case let set? in sets { set.forEach(body) }
        }
    }

    /// Walks the smallest set and asks the others.
    private static func intersect(_ sets: [SetValue?], _ body: (Span<UInt8>) -> Bool) {
        var smallest = 0
        for (index, set) in sets.enumerated() {
            guard let set else { return }
            if set.count < sets[smallest]?.count ?? 0 { smallest = index }
        }
        sets[smallest]?.forEach { member in
            for (index, set) in sets.enumerated() where index != smallest {
                guard let set, set.contains(member) else { return true }
            }
            return body(member)
        }
    }

    /// Walks the first set and asks the others.
    private static func subtract(_ sets: [SetValue?], _ body: (Span<UInt8>) -> Bool) {
        sets[0]?.forEach { member in
            for set in sets.dropFirst() {
                if let set, set.contains(member) { return true }
            }
            return body(member)
        }
    }
}

extension CommandContext {
    /// The sets of the keys at `positions`, nil for a missing one; nil at all when one of them holds
    /// another type, which is replied.
    fileprivate mutating func sets(
        _ request: borrowing Request, _ positions: Range<Int>
    ) -> [SetValue?]? {
        var sets: [SetValue?] = []
        sets.reserveCapacity(positions.count)
        for position in positions {
            switch find(request[position], .set) {
            case .found(let handle): sets.append(keyspace.set(handle))
            case .missing: sets.append(nil)
            case .refused: return nil
            }
        }
        return sets
    }

    /// A set of its own with the result.
    fileprivate func result(of sets: [SetValue?], _ operation: Sets.Operation) -> SetValue {
        let result = SetValue(order: keyspace.order)
        Sets.run(operation, sets) {
            _ = result.insert($0, limits: keyspace.limits)
            return true
        }
        return result
    }
}
