import Bytes
import Cluster
import RESP
import Store

@testable import Commands

/// One replica's commands without a server: a request in, RESP bytes out.
final class Runner {
    var context: CommandContext

    init(ranges: [SlotRange] = [.all], seed: UInt64 = 7) {
        context = CommandContext(
            keyspace: Keyspace(
                ranges: ranges, hash: SipHash(key0: seed, key1: ~seed), limits: EncodingLimits()))
        context.random = SeededGenerator(seed: seed)
        context.keyspace.logTime = 1_000_000
        context.clock = 1_000_000
    }

    /// Runs words as the engine would: writes as entries at log time, reads by the clock. Returns
    /// the reply's bytes, or "needs time".
    func callAsFunction(_ words: String...) -> String { run(words.map { Array($0.utf8) }) }

    func run(_ words: [[UInt8]]) -> String {
        var bytes: [UInt8] = []
        var ranges: [ArgumentRange] = []
        for word in words {
            ranges.append(ArgumentRange(offset: bytes.count, count: word.count))
            bytes += word
        }
        let request = Request(bytes: bytes.span, ranges: ranges.span)
        context.reply.bytes.removeAll()
        var outcome = Outcome.done
        switch CommandTable.resolve(request) {
        case .found(let spec):
            context.mode = spec.isWrite ? .apply : .read
            outcome = spec.run(&context, request)
        case let other:
            CommandTable.writeError(other, request, to: &context.reply)
        }
        if outcome == .needsTime { return "needs time" }
        return String(decoding: context.reply.bytes.copyBytes(), as: UTF8.self)
    }

    /// Lets log time and clock go on.
    func advance(_ milliseconds: Int64) {
        context.keyspace.logTime += milliseconds
        context.clock = context.keyspace.logTime
    }

    /// Lets only the clock go on, as between entries.
    func advanceClock(_ milliseconds: Int64) { context.clock += milliseconds }
}

/// A bulk string as RESP writes it.
func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
