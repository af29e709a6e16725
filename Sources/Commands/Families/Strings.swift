internal import Bytes
internal import RESP
internal import Store

/// The string commands.
enum Strings {
    /// Redis's proto-max-bulk-len at its default. A constant, because it decides what apply does
    /// and must be equal on all nodes.
    static let bytesMax = 512 << 20

    @Sendable
    static func get(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        switch context.find(request[1], .string) {
        case .found(let handle): context.replyString(handle)
        case .missing: context.reply.null()
        case .refused: break
        }
        return .done
    }

    @Sendable
    static func mget(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        context.reply.array(request.count - 1)
        for position in 1..<request.count {
            // Another type is no error here.
            if let handle = context.find(request[position]),
                context.keyspace.kind(of: handle) == .string
            {
                context.replyString(handle)
            } else {
                context.reply.null()
            }
        }
        return .done
    }

    @Sendable
    static func strlen(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        switch context.find(request[1], .string) {
        case .found(let handle):
            context.reply.integer(Int64(context.keyspace.string(handle).count))
        case .missing: context.reply.integer(0)
        case .refused: break
        }
        return .done
    }

    @Sendable
    static func getrange(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let start = context.integer(request, 2), let end = context.integer(request, 3) else {
            return .done
        }
        switch context.find(request[1], .string) {
        case .found(let handle): context.replyString(handle, from: start, through: end)
        case .missing: context.reply.bulk("")
        case .refused: break
        }
        return .done
    }

    @Sendable
    static func getset(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard context.replyOldString(request[1]) else { return .done }
        context.setString(request[1], to: request[2])
        return .done
    }

    @Sendable
    static func getdel(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        switch context.find(request[1], .string) {
        case .found(let handle):
            context.replyString(handle)
            context.keyspace.remove(handle)
        case .missing: context.reply.null()
        case .refused: break
        }
        return .done
    }

    @Sendable
    static func mset(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count % 2 == 1 else { return context.wrongArity("mset") }
        setAll(&context, request)
        context.reply.ok()
        return .done
    }

    @Sendable
    static func msetnx(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard request.count % 2 == 1 else { return context.wrongArity("msetnx") }
        for position in stride(from: 1, to: request.count, by: 2)
        where context.find(request[position]) != nil {
            context.reply.integer(0)
            return .done
        }
        setAll(&context, request)
        context.reply.integer(1)
        return .done
    }

    private static func setAll(_ context: inout CommandContext, _ request: borrowing Request) {
        for position in stride(from: 1, to: request.count, by: 2) {
            context.setString(request[position], to: request[position + 1])
        }
    }

    @Sendable
    static func append(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        switch context.find(request[1], .string) {
        case .missing:
            context.setString(request[1], to: request[2])
            context.reply.integer(Int64(request[2].count))
        case .found(let handle):
            let count = context.keyspace.string(handle).count
            guard request[2].count <= bytesMax - count else {
                context.reply.error(ErrorText.stringTooLong)
                return .done
            }
            context.reply.integer(Int64(context.keyspace.append(handle, request[2])))
        case .refused: break
        }
        return .done
    }

    @Sendable
    static func setrange(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let offset = context.integer(request, 2) else { return .done }
        guard offset >= 0 else {
            context.reply.error("ERR offset is out of range")
            return .done
        }
        let found = context.find(request[1], .string)
        if case .refused = found { return .done }
        let value = request[3]
        guard !value.isEmpty else {
            // Nothing to write: the length as it is, and no new key.
            if case .found(let handle) = found {
                context.reply.integer(Int64(context.keyspace.string(handle).count))
            } else {
                context.reply.integer(0)
            }
            return .done
        }
        guard offset <= Int64(bytesMax - value.count) else {
            context.reply.error(ErrorText.stringTooLong)
            return .done
        }
        if case .missing = found {
            context.keyspace.set(request[1], in: context.database, to: Span(), as: .raw)
        }
        guard let handle = context.find(request[1]) else {
            invariantFailed("a key vanished during its own change")
        }
        let count = context.keyspace.overwrite(handle, at: Int(offset), with: value)
        context.reply.integer(Int64(count))
        return .done
    }
}

extension CommandContext {
    /// The value of a string key.
    mutating func replyString(_ handle: KeyHandle) {
        reply.string(handle, of: keyspace)
    }

    /// Part of a string key, by the rules of GETRANGE: an end before the start of the string means
    /// its first byte.
    mutating func replyString(_ handle: KeyHandle, from start: Int64, through end: Int64) {
        let count = Int64(keyspace.string(handle).count)
        let isReversed = start < 0 && end < 0 && start > end
        let end = end < 0 ? max(0, end + count) : end
        guard !isReversed, let range = Ranges.clamp(start, end, count: count) else {
            reply.bulk("")
            return
        }
        reply.string(handle, of: keyspace, range)
    }

    /// The value of a string key or null; false when the key holds another type (that is replied).
    mutating func replyOldString(_ key: Span<UInt8>) -> Bool {
        switch find(key, .string) {
        case .found(let handle):
            replyString(handle)
            return true
        case .missing:
            reply.null()
            return true
        case .refused: return false
        }
    }

    /// Sets a string that a client sent; a large one is not copied.
    mutating func setString(
        _ key: Span<UInt8>, to value: Span<UInt8>, expiry: ExpiryChange = .remove
    ) {
        keyspace.set(key, in: database, to: value, expiry: expiry, owner: argumentOwner)
    }

    /// An integer argument; nil when it is none (that is replied).
    mutating func integer(_ request: borrowing Request, _ position: Int) -> Int64? {
        if let number = request.integer(at: position) { return number }
        reply.error(ErrorText.notAnInteger)
        return nil
    }

    /// Replies with the arity error of a command that counts its arguments itself.
    mutating func wrongArity(_ name: StaticString) -> Outcome {
        CommandTable.writeWrongArity(name, to: &reply)
        return .done
    }
}

// Parts of a keyspace go into the reply here, where the two are separate arguments: of one context
// the compiler would not let one be read while the other is changed.
extension ReplyWriter {
    /// The value of a string key.
    fileprivate mutating func string(_ handle: KeyHandle, of keyspace: borrowing Keyspace) {
        switch keyspace.string(handle) {
        case .integer(let number): bulk(decimal: number)
        case .bytes(let bytes): bulk(bytes)
        }
    }

    /// Part of the value of a string key.
    fileprivate mutating func string(
        _ handle: KeyHandle, of keyspace: borrowing Keyspace, _ range: Range<Int>
    ) {
        switch keyspace.string(handle) {
        case .integer(let number):
            var digits = ByteBuffer()
            digits.append(decimal: number)
            bulk(digits.readable.extracting(range))
        case .bytes(let bytes): bulk(bytes.extracting(range))
        }
    }

    /// The name of a key.
    mutating func key(_ handle: KeyHandle, of keyspace: borrowing Keyspace) {
        bulk(keyspace.key(of: handle))
    }
}
