internal import Bytes
internal import RESP

// Counts as Redis 7.0 reads them, with the error texts that it gives.
extension CommandContext {
    /// A number that must not be negative; `error` is the reply for anything else.
    mutating func count(
        _ request: borrowing Request, _ position: Int,
        error: StaticString = "ERR value is out of range, must be positive"
    ) -> Int? {
        guard let number = request.integer(at: position), number >= 0 else {
            reply.error(error)
            return nil
        }
        return Int(number)
    }

    /// A count of random picks, negative for picks that may repeat.
    mutating func signedCount(_ request: borrowing Request, _ position: Int) -> Int? {
        guard let number = integer(request, position) else { return nil }
        guard number > .min else {
            reply.openError("ERR value is out of range, value must between ")
            reply.errorText(decimal: -Int64.max)
            reply.errorText(" and ")
            reply.errorText(decimal: .max)
            reply.closeError()
            return nil
        }
        return Int(number)
    }
}

/// Random picks by rank, the same on every replica for the same seed.
enum RandomPicks {
    /// Calls `body` with `count` different ranks below `bound`, in the order of picking (Floyd's
    /// algorithm: no retries, memory for the picks only).
    static func distinct(
        _ count: Int, below bound: Int, _ random: inout SeededGenerator, _ body: (Int) -> Void
    ) {
        invariant(count >= 0 && count <= bound, "more different picks than elements")
        // Asked for membership only; its order, which differs between processes, shows nowhere.
        var picked = Set<Int>(minimumCapacity: count)
        for last in bound - count..<bound {
            let rank = Int(random.below(UInt64(last) + 1))
            let chosen = picked.insert(rank).inserted ? rank : last
            if chosen == last { picked.insert(last) }
            body(chosen)
        }
    }
}
