internal import Bytes
internal import RESP
internal import Store

// ZADD and ZINCRBY.
extension SortedSets {
    @Sendable
    static func zadd(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        add(&context, request, [])
    }

    /// As in Redis, an option's name in place of the increment is read as one: a syntax error then,
    /// because the number of arguments is fixed.
    @Sendable
    static func zincrby(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        add(&context, request, .incr)
    }

    /// Reads the options, `implied` ones included, and adds what follows them.
    private static func add(
        _ context: inout CommandContext, _ request: borrowing Request, _ implied: AddOptions
    ) -> Outcome {
        var options = implied
        var position = 2
        while position < request.count, let option = AddOptions(request, position) {
            options.insert(option)
            position += 1
        }
        let arguments = request.count - position
        guard arguments > 0, arguments % 2 == 0 else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        if let conflict = options.conflict(pairs: arguments / 2) {
            context.reply.error(conflict)
            return .done
        }
        return add(&context, request, from: position, options)
    }

    /// Adds the pairs of score and member from `start` on.
    private static func add(
        _ context: inout CommandContext, _ request: borrowing Request, from start: Int,
        _ options: AddOptions
    ) -> Outcome {
        // All scores are read before anything changes.
        for position in stride(from: start, to: request.count, by: 2)
        where request.double(at: position) == nil {
            context.reply.error(ErrorText.notAFloat)
            return .done
        }
        if options.contains(.xx) {
            switch context.find(request[1], .sortedSet) {
            case .refused: return .done
            case .missing:
                if options.contains(.incr) {
                    context.reply.null()
                } else {
                    context.reply.integer(0)
                }
                return .done
            case .found: break
            }
        }
        guard let set = context.sortedSetOrNew(request[1]) else { return .done }
        var (added, updated) = (0, 0)
        var last: Double?
        for position in stride(from: start, to: request.count, by: 2) {
            guard let given = request.double(at: position) else { continue }
            let member = request[position + 1]
            let old = set.score(of: member)
            // Not `given + (old ?? 0)`: -0 for a new member stays -0 in the reply.
            let score = options.contains(.incr) ? old.map { given + $0 } ?? given : given
            guard !score.isNaN else {
                context.reply.error("ERR resulting score is not a number (NaN)")
                return .done
            }
            last = nil
            guard options.allow(score, after: old) else { continue }
            last = score
            _ = set.set(member, score: score, limits: context.keyspace.limits)
            if old == nil { added += 1 } else if old != score { updated += 1 }
        }
        context.replyAdded(options, added: added, updated: updated, last: last)
        return .done
    }
}

extension CommandContext {
    fileprivate mutating func replyAdded(
        _ options: AddOptions, added: Int, updated: Int, last: Double?
    ) {
        if options.contains(.incr) {
            if let last { reply.double(last) } else { reply.null() }
        } else {
            reply.integer(Int64(options.contains(.ch) ? added + updated : added))
        }
    }
}

/// What may stand between ZADD's key and its first score.
private struct AddOptions: OptionSet {
    let rawValue: UInt8

    static let nx = AddOptions(rawValue: 1)
    static let xx = AddOptions(rawValue: 2)
    static let gt = AddOptions(rawValue: 4)
    static let lt = AddOptions(rawValue: 8)
    static let ch = AddOptions(rawValue: 16)
    static let incr = AddOptions(rawValue: 32)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The option at a position; nil when there is none.
    init?(_ request: borrowing Request, _ position: Int) {
        if request.matches(position, "nx") {
            self = .nx
        } else if request.matches(position, "xx") {
            self = .xx
        } else if request.matches(position, "gt") {
            self = .gt
        } else if request.matches(position, "lt") {
            self = .lt
        } else if request.matches(position, "ch") {
            self = .ch
        } else if request.matches(position, "incr") {
            self = .incr
        } else {
            return nil
        }
    }

    /// The error for options that contradict each other.
    func conflict(pairs: Int) -> StaticString? {
        if contains([.nx, .xx]) {
            return "ERR XX and NX options at the same time are not compatible"
        }
        if contains([.gt, .nx]) || contains([.lt, .nx]) || contains([.gt, .lt]) {
            return "ERR GT, LT, and/or NX options at the same time are not compatible"
        }
        if contains(.incr), pairs > 1 {
            return "ERR INCR option supports a single increment-element pair"
        }
        return nil
    }

    /// Whether a member with score `old` (nil: not there) is to get `score`.
    func allow(_ score: Double, after old: Double?) -> Bool {
        guard let old else { return !contains(.xx) }
        if contains(.nx) { return false }
        if contains(.gt), score <= old { return false }
        if contains(.lt), score >= old { return false }
        return true
    }
}
