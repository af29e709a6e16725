internal import Bytes
internal import Commands
internal import RESP
internal import Raft

extension Replica {
    /// Whether a read that arrives now may be answered from the state at once: this replica leads
    /// with a lease, an entry of its term is committed, and all that is committed is applied.
    func canReadByLease(now: Instant, liveness: PairLiveness) -> Bool {
        core.role == .leader && applied == core.commit && failure == nil
            && core.holdsLease(now: now, liveness: liveness)
    }

    /// Executes a read on the state, as of the leader's clock, into `output`.
    mutating func read(
        _ request: Request, _ spec: CommandSpec, database: Int, version: RESPVersion,
        clock: Int64, into output: inout ByteBuffer
    ) -> Outcome {
        context.mode = .read
        context.database = database
        context.reply.version = version
        context.clock = clock
        usedLease = true
        swap(&context.reply.bytes, &output)
        defer { swap(&context.reply.bytes, &output) }
        return spec.run(&context, request)
    }

    /// Answers the waiting reads whose round is confirmed and whose index is applied, in order.
    /// A read that meets a key past due by the clock stops until a time entry is applied.
    mutating func serveBacklog(
        confirmed round: UInt64, clock: Int64, decoder: inout ArgumentDecoder,
        random: inout SeededGenerator, past: inout Bool
    ) {
        while let item = backlog.first {
            guard item.round > 0, item.round <= round, item.index <= applied else { return }
            let start = context.reply.bytes.count
            if !item.flags.contains(.abandoned) {
                context.mode = .read
                context.database = item.database
                context.reply.version = item.flags.contains(.resp3) ? .three : .two
                context.clock = clock
                context.random = SeededGenerator(seed: random.next())
                guard Self.execute(backlog, decoder: &decoder, context: &context) else {
                    context.reply.bytes.truncate(to: start)
                    past = true
                    return
                }
            }
            answers.append(
                Answer(
                    origin: item.origin, sequence: item.sequence, status: .complete,
                    queue: item.queue,
                    start: start, count: context.reply.bytes.count - start))
            backlog.removeFirst()
        }
    }

    /// False when the read met a key that is past due by the clock.
    private static func execute(
        _ backlog: borrowing ReadBacklog, decoder: inout ArgumentDecoder,
        context: inout CommandContext
    ) -> Bool {
        let arguments = backlog.firstArguments
        guard (try? decoder.decode(arguments)) != nil else {
            context.reply.error("ERR unreadable command")
            return true
        }
        let request = decoder.request(over: arguments)
        guard case .found(let spec) = CommandTable.resolve(request), case .some = spec.handler
        else {
            context.reply.error("ERR unreadable command")
            return true
        }
        return spec.run(&context, request) == .done
    }
}
