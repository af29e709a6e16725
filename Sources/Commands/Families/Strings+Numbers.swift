internal import Bytes
internal import RESP
internal import Store

extension Strings {
    @Sendable
    static func incr(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        increment(&context, request[1], by: 1)
    }

    @Sendable
    static func decr(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        increment(&context, request[1], by: -1)
    }

    @Sendable
    static func incrby(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let increment = context.integer(request, 2) else { return .done }
        return Self.increment(&context, request[1], by: increment)
    }

    @Sendable
    static func decrby(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let decrement = context.integer(request, 2) else { return .done }
        guard decrement != .min else {
            context.reply.error("ERR decrement would overflow")
            return .done
        }
        return increment(&context, request[1], by: -decrement)
    }

    private static func increment(
        _ context: inout CommandContext, _ key: Span<UInt8>, by increment: Int64
    ) -> Outcome {
        let found = context.find(key, .string)
        let old: Int64
        switch found {
        case .refused: return .done
        case .missing: old = 0
        case .found(let handle):
            guard let number = context.keyspace.string(handle).integer else {
                context.reply.error(ErrorText.notAnInteger)
                return .done
            }
            old = number
        }
        let (sum, overflow) = old.addingReportingOverflow(increment)
        guard !overflow else {
            context.reply.error(ErrorText.overflow)
            return .done
        }
        if case .found(let handle) = found {
            context.keyspace.setInteger(handle, to: sum)
        } else {
            context.keyspace.set(key, in: context.database, to: sum, expiry: .remove)
        }
        context.reply.integer(sum)
        return .done
    }

    @Sendable
    static func incrbyfloat(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        let old: LongDouble?
        switch context.find(request[1], .string) {
        case .refused: return .done
        case .missing: old = 0
        case .found(let handle):
            switch context.keyspace.string(handle) {
            case .integer(let number): old = LongDouble(number)
            case .bytes(let bytes): old = FloatText.parseLongDouble(bytes)
            }
        }
        guard let old, let increment = FloatText.parseLongDouble(request[2]) else {
            context.reply.error(ErrorText.notAFloat)
            return .done
        }
        let sum = old + increment
        guard sum.isFinite else {
            context.reply.error("ERR increment would produce NaN or Infinity")
            return .done
        }
        var text = ByteBuffer()
        LongDoubleText.append(sum, to: &text)
        context.keyspace.set(
            request[1], in: context.database, to: text.readable, as: .bytes, expiry: .keep)
        context.reply.bulk(text.readable)
        return .done
    }
}

extension StringContent {
    /// The number that the text spells exactly.
    fileprivate var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .bytes(let bytes): IntegerText.parse(bytes)
        }
    }
}
