internal import RESP
internal import Store

/// Commands on all keys of a database. Each group answers for its own slots, and the engine merges:
/// it joins the arrays of KEYS, adds the numbers of DBSIZE, leads a SCAN from group to group by its
/// cursor, and asks a group chosen by its number of keys for RANDOMKEY.
enum WholeKeyspace {
    @Sendable
    static func keys(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        let list = context.reply.openArray()
        var count = 0
        // In slices, because the reply cannot be written while the keyspace is being walked.
        var cursor = ScanCursor.start
        repeat {
            var slice: [KeyHandle] = []
            cursor = context.keyspace.scan(
                from: cursor, in: context.database, atLeast: 256
            ) { slice.append($0) }
            for handle in slice
            where context.matches(handle, request, pattern: 1) && context.isAlive(handle) {
                context.reply.key(handle, of: context.keyspace)
                count += 1
            }
        } while context.keyspace.goesOn(cursor)
        context.reply.closeArray(list, count: count)
        return .done
    }

    @Sendable
    static func scan(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let cursor = ScanOptions.cursor(request[1]) else {
            context.reply.error("ERR invalid cursor")
            return .done
        }
        guard let options = ScanOptions(parsing: request, &context) else { return .done }
        var visited: [KeyHandle] = []
        let next = context.keyspace.scan(
            from: ScanCursor(raw: cursor), in: context.database, atLeast: options.count
        ) { visited.append($0) }
        context.reply.array(2)
        context.reply.bulk(decimal: Int64(next.raw))
        let list = context.reply.openArray()
        var count = 0
        for handle in visited
        where options.select(handle, &context, request) && context.isAlive(handle) {
            context.reply.key(handle, of: context.keyspace)
            count += 1
        }
        context.reply.closeArray(list, count: count)
        return .done
    }

    /// A key by a random rank in content order. Dead keys do not count: after some that are dead the
    /// next one alive in order is taken.
    @Sendable
    static func randomkey(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        guard let handle = context.randomKey() else {
            context.reply.null()
            return .done
        }
        context.reply.key(handle, of: context.keyspace)
        return .done
    }

    @Sendable
    static func dbsize(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        context.reply.integer(Int64(context.keyspace.keyCount(context.database)))
        return .done
    }

    @Sendable
    static func flushall(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard isFlush(&context, request) else { return .done }
        context.keyspace.removeAll()
        context.reply.ok()
        return .done
    }

    @Sendable
    static func flushdb(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard isFlush(&context, request) else { return .done }
        context.keyspace.removeAll(in: context.database)
        context.reply.ok()
        return .done
    }

    /// ASYNC and SYNC are the same: memory is always freed later, in slices.
    private static func isFlush(_ context: inout CommandContext, _ request: borrowing Request)
        -> Bool
    {
        if request.count == 1 { return true }
        if request.count == 2, request.matches(1, "async") || request.matches(1, "sync") {
            return true
        }
        context.reply.error(ErrorText.syntax)
        return false
    }
}
