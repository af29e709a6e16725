internal import Bytes
internal import RESP
internal import Store

/// The hash commands on single fields and whole hashes. `Hashes+Numbers.swift` has the arithmetic,
/// `Hashes+Scan.swift` the iteration and the random picks.
enum Hashes {
    @Sendable
    static func hset(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count % 2 == 0 else { return context.wrongArity("hset") }
        guard let added = setAll(&context, request) else { return .done }
        context.reply.integer(added)
        return .done
    }

    @Sendable
    static func hmset(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count % 2 == 0 else { return context.wrongArity("hmset") }
        if setAll(&context, request) != nil { context.reply.ok() }
        return .done
    }

    /// How many fields were new; nil for a key of another type.
    private static func setAll(
        _ context: inout CommandContext, _ request: borrowing Request
    ) -> Int64? {
        guard let hash = context.hashOrNew(request[1]) else { return nil }
        var added: Int64 = 0
        for position in stride(from: 2, to: request.count, by: 2) {
            let isNew = hash.set(
                request[position], request[position + 1], limits: context.keyspace.limits)
            if isNew { added += 1 }
        }
        return added
    }

    @Sendable
    static func hsetnx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hashOrNew(request[1]) else { return .done }
        let isNew = !hash.contains(request[2])
        if isNew { _ = hash.set(request[2], request[3], limits: context.keyspace.limits) }
        context.reply.integer(isNew ? 1 : 0)
        return .done
    }

    @Sendable
    static func hget(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.null)?.value else { return .done }
        context.replyValue(of: request[2], in: hash)
        return .done
    }

    @Sendable
    static func hmget(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        var hash: HashValue?
        switch context.find(request[1], .hash) {
        case .found(let handle): hash = context.keyspace.hash(handle)
        case .missing: break
        case .refused: return .done
        }
        context.reply.array(request.count - 2)
        for position in 2..<request.count {
            if let hash {
                context.replyValue(of: request[position], in: hash)
            } else {
                context.reply.null()
            }
        }
        return .done
    }

    @Sendable
    static func hdel(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let (handle, hash) = context.hash(request[1], orElse: Missing.zero) else {
            return .done
        }
        var removed: Int64 = 0
        for position in 2..<request.count where hash.remove(request[position]) { removed += 1 }
        context.keyspace.removeIfEmpty(handle)
        context.reply.integer(removed)
        return .done
    }

    @Sendable
    static func hlen(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(Int64(hash.count))
        return .done
    }

    @Sendable
    static func hstrlen(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(Int64(hash.withValue(of: request[2]) { $0.count } ?? 0))
        return .done
    }

    @Sendable
    static func hexists(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.zero)?.value else { return .done }
        context.reply.integer(hash.contains(request[2]) ? 1 : 0)
        return .done
    }

    @Sendable
    static func hkeys(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        context.reply.array(hash.count)
        hash.forEach { field, _ in
            context.reply.bulk(field)
            return true
        }
        return .done
    }

    @Sendable
    static func hvals(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.emptyArray)?.value else {
            return .done
        }
        context.reply.array(hash.count)
        hash.forEach { _, value in
            context.reply.bulk(value)
            return true
        }
        return .done
    }

    @Sendable
    static func hgetall(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let hash = context.hash(request[1], orElse: Missing.emptyMap)?.value else {
            return .done
        }
        context.reply.map(hash.count)
        hash.forEach { field, value in
            context.reply.bulk(field)
            context.reply.bulk(value)
            return true
        }
        return .done
    }
}

extension CommandContext {
    fileprivate mutating func replyValue(of field: Span<UInt8>, in hash: HashValue) {
        let found: Void? = hash.withValue(of: field) { reply.bulk($0) }
        if found == nil { reply.null() }
    }
}
