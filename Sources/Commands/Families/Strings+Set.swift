internal import RESP
internal import Store

// SET and its relatives with an expiry. Options are parsed before anything is looked up, as in
// Redis, so that a syntax error wins over WRONGTYPE.
extension Strings {
    @Sendable
    static func set(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count > 3 else {
            // The hot path: one lookup, nothing to decide.
            context.setString(request[1], to: request[2])
            context.reply.ok()
            return .done
        }
        guard let options = SetOptions(parsing: request, from: 3, getex: false) else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        var change = options.keepsExpiry ? ExpiryChange.keep : .remove
        if let expiry = options.expiry {
            guard let time = expiry.time(&context, request, command: "set") else { return .done }
            change = .set(time)
        }
        if options.returnsOld {
            guard context.replyOldString(request[1]) else { return .done }
        }
        if options.condition != .always {
            let exists = context.find(request[1]) != nil
            guard exists == (options.condition == .ifPresent) else {
                if !options.returnsOld { context.reply.null() }
                return .done
            }
        }
        context.setString(request[1], to: request[2], expiry: change)
        if !options.returnsOld { context.reply.ok() }
        return .done
    }

    @Sendable
    static func setnx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard context.find(request[1]) == nil else {
            context.reply.integer(0)
            return .done
        }
        context.setString(request[1], to: request[2])
        context.reply.integer(1)
        return .done
    }

    @Sendable
    static func setex(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        setExpiring(&context, request, .seconds, command: "setex")
    }

    @Sendable
    static func psetex(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        setExpiring(&context, request, .milliseconds, command: "psetex")
    }

    private static func setExpiring(
        _ context: inout CommandContext, _ request: borrowing Request, _ unit: ExpiryOption.Unit,
        command: StaticString
    ) -> Outcome {
        let option = ExpiryOption.relative(unit, at: 2)
        guard let time = option.time(&context, request, command: command) else { return .done }
        context.setString(request[1], to: request[3], expiry: .set(time))
        context.reply.ok()
        return .done
    }

    @Sendable
    static func getex(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let options = SetOptions(parsing: request, from: 2, getex: true) else {
            context.reply.error(ErrorText.syntax)
            return .done
        }
        switch context.find(request[1], .string) {
        case .missing: context.reply.null()
        case .refused: break
        case .found(let handle):
            guard let expiry = options.expiry else {
                context.replyString(handle)
                if options.persists { context.keyspace.setExpiry(handle, nil) }
                break
            }
            guard let time = expiry.time(&context, request, command: "getex") else { break }
            context.replyString(handle)
            context.expire(handle, at: time)
        }
        return .done
    }
}

/// The options of SET and GETEX.
private struct SetOptions {
    enum Condition {
        case always
        case ifAbsent
        case ifPresent
    }

    var condition = Condition.always
    var returnsOld = false
    var keepsExpiry = false
    var persists = false
    var expiry: ExpiryOption?

    /// Nil for a syntax error. An option may be repeated; the last one counts, as in Redis.
    init?(parsing request: borrowing Request, from start: Int, getex: Bool) {
        var position = start
        while position < request.count {
            if !getex, request.matches(position, "nx"), condition != .ifPresent {
                condition = .ifAbsent
            } else if !getex, request.matches(position, "xx"), condition != .ifAbsent {
                condition = .ifPresent
            } else if !getex, request.matches(position, "get") {
                returnsOld = true
            } else if !getex, request.matches(position, "keepttl"), expiry == nil {
                keepsExpiry = true
            } else if getex, request.matches(position, "persist"), expiry == nil {
                persists = true
            } else if !keepsExpiry, !persists, position + 1 < request.count,
                let option = Self.expiry(request, position), isSame(option)
            {
                expiry = option
                position += 1
            } else {
                return nil
            }
            position += 1
        }
    }

    private func isSame(_ option: ExpiryOption) -> Bool {
        guard let expiry else { return true }
        return expiry.unit == option.unit && expiry.isRelative == option.isRelative
    }

    private static func expiry(_ request: borrowing Request, _ position: Int) -> ExpiryOption? {
        let number = position + 1
        if request.matches(position, "ex") { return .relative(.seconds, at: number) }
        if request.matches(position, "px") { return .relative(.milliseconds, at: number) }
        if request.matches(position, "exat") {
            return ExpiryOption(position: number, unit: .seconds, isRelative: false)
        }
        if request.matches(position, "pxat") {
            return ExpiryOption(position: number, unit: .milliseconds, isRelative: false)
        }
        return nil
    }
}

extension CommandContext {
    /// Gives a key an expiry, or removes it at once when that time has come.
    mutating func expire(_ handle: KeyHandle, at time: Int64) {
        if time <= now {
            keyspace.remove(handle)
        } else {
            keyspace.setExpiry(handle, time)
        }
    }
}
