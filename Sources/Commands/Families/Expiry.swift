internal import RESP
internal import Store

/// When keys die: setting, asking and taking back.
enum Expiry {
    @Sendable
    static func expire(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        setExpiry(&context, request, .seconds, isRelative: true, command: "expire")
    }

    @Sendable
    static func pexpire(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        setExpiry(&context, request, .milliseconds, isRelative: true, command: "pexpire")
    }

    @Sendable
    static func expireat(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        setExpiry(&context, request, .seconds, isRelative: false, command: "expireat")
    }

    @Sendable
    static func pexpireat(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        setExpiry(&context, request, .milliseconds, isRelative: false, command: "pexpireat")
    }

    /// Unlike SET's options, these take times in the past: the key is deleted then.
    private static func setExpiry(
        _ context: inout CommandContext, _ request: borrowing Request, _ unit: ExpiryOption.Unit,
        isRelative: Bool, command: StaticString
    ) -> Outcome {
        guard let conditions = context.expireConditions(request) else { return .done }
        guard let number = context.integer(request, 2) else { return .done }
        guard
            let time = ExpiryOption.milliseconds(number, unit, since: isRelative ? context.now : 0)
        else {
            ExpiryOption.writeInvalid(&context, command)
            return .done
        }
        guard let handle = context.find(request[1]),
            conditions.allow(context.keyspace.expiry(of: handle), time)
        else {
            context.reply.integer(0)
            return .done
        }
        context.expire(handle, at: time)
        context.reply.integer(1)
        return .done
    }

    @Sendable
    static func ttl(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        context.replyExpiry(request[1]) { ($0 - $1 + 500) / 1000 }
    }

    @Sendable
    static func pttl(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        context.replyExpiry(request[1]) { $0 - $1 }
    }

    @Sendable
    static func expiretime(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome
    {
        context.replyExpiry(request[1]) { time, _ in (time + 500) / 1000 }
    }

    @Sendable
    static func pexpiretime(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        context.replyExpiry(request[1]) { time, _ in time }
    }

    @Sendable
    static func persist(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let handle = context.find(request[1]), context.keyspace.expiry(of: handle) != nil
        else {
            context.reply.integer(0)
            return .done
        }
        context.keyspace.setExpiry(handle, nil)
        context.reply.integer(1)
        return .done
    }
}

/// NX, XX, GT and LT of the EXPIRE commands.
private struct ExpireConditions: OptionSet {
    let rawValue: UInt8
    static let ifNone = ExpireConditions(rawValue: 1)
    static let ifAny = ExpireConditions(rawValue: 2)
    static let ifLater = ExpireConditions(rawValue: 4)
    static let ifEarlier = ExpireConditions(rawValue: 8)

    /// No expiry counts as one that never comes.
    func allow(_ old: Int64?, _ new: Int64) -> Bool {
        if contains(.ifNone), old != nil { return false }
        if contains(.ifAny), old == nil { return false }
        if contains(.ifLater) {
            guard let old, new > old else { return false }
        }
        if contains(.ifEarlier), let old, new >= old { return false }
        return true
    }
}

extension CommandContext {
    /// The options behind the time; nil for a wrong one (that is replied).
    fileprivate mutating func expireConditions(_ request: borrowing Request) -> ExpireConditions? {
        var conditions: ExpireConditions = []
        for position in stride(from: 3, to: request.count, by: 1) {
            if request.matches(position, "nx") {
                conditions.insert(.ifNone)
            } else if request.matches(position, "xx") {
                conditions.insert(.ifAny)
            } else if request.matches(position, "gt") {
                conditions.insert(.ifLater)
            } else if request.matches(position, "lt") {
                conditions.insert(.ifEarlier)
            } else {
                reply.openError("ERR Unsupported option ")
                reply.errorText(CommandTable.printed(request[position]))
                reply.closeError()
                return nil
            }
        }
        if conditions.contains(.ifNone), conditions != .ifNone {
            reply.error("ERR NX and XX, GT or LT options at the same time are not compatible")
            return nil
        }
        if conditions.contains([.ifLater, .ifEarlier]) {
            reply.error("ERR GT and LT options at the same time are not compatible")
            return nil
        }
        return conditions
    }

    /// A key's expiry as `form(expiry, now)` gives it; -1 without one, -2 without a key.
    fileprivate mutating func replyExpiry(
        _ key: Span<UInt8>, _ form: (Int64, Int64) -> Int64
    ) -> Outcome {
        guard let handle = find(key) else {
            reply.integer(-2)
            return .done
        }
        guard let expiry = keyspace.expiry(of: handle) else {
            reply.integer(-1)
            return .done
        }
        reply.integer(form(expiry, now))
        return .done
    }
}
