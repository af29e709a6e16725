internal import Bytes
internal import RESP
internal import Store

// Arithmetic on a hash's values.
extension Hashes {
    @Sendable
    static func hincrby(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let increment = context.integer(request, 3),
            let hash = context.hashOrNew(request[1])
        else { return .done }
        let old = hash.withValue(of: request[2]) { IntegerText.parse($0) } ?? .some(0)
        guard let old else {
            context.reply.error("ERR hash value is not an integer")
            return .done
        }
        let (sum, overflow) = old.addingReportingOverflow(increment)
        guard !overflow else {
            context.reply.error(ErrorText.overflow)
            return .done
        }
        var text = ByteBuffer()
        text.append(decimal: sum)
        _ = hash.set(request[2], text.readable, limits: context.keyspace.limits)
        context.reply.integer(sum)
        return .done
    }

    @Sendable
    static func hincrbyfloat(_ context: inout CommandContext, _ request: borrowing Request)
        -> Outcome
    {
        guard let increment = FloatText.parseLongDouble(request[3]) else {
            context.reply.error(ErrorText.notAFloat)
            return .done
        }
        guard increment.isFinite else {
            context.reply.error("ERR value is NaN or Infinity")
            return .done
        }
        guard let hash = context.hashOrNew(request[1]) else { return .done }
        let old = hash.withValue(of: request[2]) { FloatText.parseLongDouble($0) } ?? .some(0)
        guard let old else {
            context.reply.error("ERR hash value is not a float")
            return .done
        }
        let sum = old + increment
        guard sum.isFinite else {
            context.reply.error("ERR increment would produce NaN or Infinity")
            return .done
        }
        var text = ByteBuffer()
        LongDoubleText.append(sum, to: &text)
        _ = hash.set(request[2], text.readable, limits: context.keyspace.limits)
        context.reply.bulk(text.readable)
        return .done
    }
}
