internal import Bytes
internal import Commands
internal import RESP
internal import Raft
internal import Store

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
    ///
    /// A read that meets a key past due by the clock stops them all. A leader gives its clock to all
    /// that wait: they arrived before. They are executed when the log's time has reached it, with that
    /// clock, by which nothing can be past due any more. A newer one at each try would find another key
    /// past due each time, for as long as keys expire.
    ///
    /// - Parameter clock: the leader's clock, now; nil on a follower, whose reads have their own.
    /// - Returns: the time that the log must reach before the first read can go on.
    mutating func serveBacklog(
        confirmed round: UInt64, clock: Int64?, decoder: inout ArgumentDecoder,
        random: inout SeededGenerator
    ) -> Int64? {
        while let item = backlog.first {
            guard item.round > 0, item.round <= round, item.index <= applied else { return nil }
            if clock != nil, let held = item.clock, held > context.keyspace.logTime { return held }
            guard let time = item.clock ?? clock else {
                invariantFailed("a read with an index and without a clock")
            }
            let start = context.reply.bytes.count
            if start > EngineLimits.answerBytesAtOnce {
                hasMoreToServe = true
                return nil
            }
            if !item.flags.contains(.abandoned) {
                context.mode = .read
                context.database = item.database
                context.reply.version = item.flags.contains(.resp3) ? .three : .two
                context.clock = time
                context.random = SeededGenerator(seed: random.next())
                guard Self.execute(backlog, decoder: &decoder, context: &context) else {
                    context.reply.bytes.truncate(to: start)
                    if clock != nil {
                        invariant(item.clock == nil, "a key past due by a time that is in the log")
                        backlog.hold(at: time)
                    }
                    return time
                }
            }
            answers.append(
                Answer(
                    origin: item.origin, sequence: item.sequence, status: .complete,
                    queue: item.queue,
                    start: start, count: context.reply.bytes.count - start))
            backlog.removeFirst()
        }
        return nil
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
