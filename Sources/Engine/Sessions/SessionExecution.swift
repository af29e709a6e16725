internal import Bytes
internal import Cluster
internal import Commands
internal import RESP
internal import Raft

/// Why the execution of a session's input stopped.
enum ExecutionStop: Equatable {
    /// Nothing (whole) left to execute, or what is next must wait for an answer.
    case waiting
    /// A command that concerns the node: the engine answers it and goes on.
    case nodeCommand
    /// This session had its share of the turn.
    case shared
    /// A read came up where reads must not be executed (the end of a turn).
    case readHeld
}

extension NodeState {
    /// Executes what the session has sent, as far as program order allows.
    ///
    /// Reads on a leader with a lease are answered in place; everything else is queued for its
    /// group's leader, which may be this node.
    mutating func execute(_ session: inout Session, now: ClockReading, mayRead: Bool)
        -> ExecutionStop
    {
        var input = session.input.take()
        var parser = RequestParser()
        swap(&session.parser, &parser)
        defer {
            swap(&session.input, &input)
            swap(&session.parser, &parser)
        }
        var shared = 0
        while !session.isClosing {
            if session.output.count + session.queuedInHost > EngineLimits.heldOutputBytesMax {
                session.isOutputHeld = true
                return .waiting
            }
            if !session.parsed {
                guard session.cursor < input.count else { break }
                let status = parser.parse(
                    input.readable.extracting(session.cursor..<input.count))
                switch status {
                case .incomplete:
                    return .waiting
                case .empty:
                    skip(&session, &input, &parser)
                    continue
                case .failed(let failure):
                    guard session.wait == .nothing, session.leaseMark == nil else {
                        return .waiting
                    }
                    writeReply(to: &session) { failure.write(to: &$0) }
                    session.isClosing = true
                    input.removeAll(keepingCapacityUpTo: 0)
                    session.cursor = 0
                    return .waiting
                case .request:
                    session.parsed = true
                }
            }
            let consumed = parser.consumed
            let step = executeOne(
                &session, parser, input.readable.extracting(session.cursor..<input.count),
                now: now, mayRead: mayRead)
            switch step {
            case .done:
                session.blockedSince = nil
                session.commands += 1
                skip(&session, &input, &parser)
                shared += consumed
                if shared > limits.sessionBytesPerTurn { return .shared }
            case .taken:
                // The request's bytes were taken over as a large command.
                session.blockedSince = nil
                session.commands += 1
                parser.reset()
                takeOver(&session, &input, consumed: consumed, now: now)
                return .waiting
            case .wait:
                return .waiting
            case .node:
                return .nodeCommand
            case .held:
                return .readHeld
            }
        }
        return .waiting
    }

    /// Leaves the executed request behind. Its bytes are kept while lease reads are provisional.
    private func skip(
        _ session: inout Session, _ input: inout ByteBuffer, _ parser: inout RequestParser
    ) {
        session.cursor += parser.consumed
        session.parsed = false
        parser.reset()
        guard session.leaseMark == nil else { return }
        input.consume(session.cursor)
        session.cursor = 0
        if input.isEmpty { input.removeAll(keepingCapacityUpTo: EngineLimits.idleBufferBytes) }
    }

    /// What became of one request.
    enum Step {
        case done, wait, node, held, taken
    }

    private mutating func executeOne(
        _ session: inout Session, _ parser: borrowing RequestParser, _ input: Span<UInt8>,
        now: ClockReading, mayRead: Bool
    ) -> Step {
        let request = parser.request(over: input)
        let resolution = CommandTable.resolve(request)
        guard case .found(let spec) = resolution else {
            if Self.isHTTP(request) { return refuseHTTP(&session) }
            var spec: CommandSpec?
            if case .wrongArity(let refused) = resolution { spec = refused }
            let step = answerInPlace(&session, spec, isRejection: true) {
                CommandTable.writeError(resolution, request, to: &$0)
            }
            if case .done = step { session.transaction?.isSpoiled = true }
            return step
        }
        session.lastActive = now.boot
        session.lastCommand = spec.id
        if spec.id == CommandTable.onceID {
            return executeOnce(&session, request, spec, now: now)
        }
        if let transaction = session.transaction, Self.isQueued(spec) {
            guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
            if let refusal = queue(request, spec, in: transaction) {
                return answerInPlace(&session, spec, isRejection: true) { $0.error(refusal) }
            }
            commandStatistics.step(spec.id)
            return answerInPlace(&session, nil) { $0.simple("QUEUED") }
        }
        if isLoading, !spec.flags.contains(.loading) {
            return answerInPlace(&session, spec, isRejection: true) { $0.error(Self.loadingError) }
        }
        switch spec.scope {
        case .connection:
            if spec.id == Self.pingID { return ping(&session, request, spec) }
            guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
            return .node
        case .everyGroup:
            guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
            if let refused = refuseForRoom(&session, spec, isWrite: spec.isWrite) {
                return refused
            }
            return .node
        case .keyed:
            return executeKeyed(
                &session, request, spec, keysOf: request, spec, now: now, mayRead: mayRead)
        }
    }

    static let loadingError: StaticString = "LOADING Redis is loading the dataset in memory"

    /// Sends a request to the group of its keys.
    ///
    /// - Parameters:
    ///   - command: whose keys they are; the request itself, or what it carries.
    ///   - carried: the command's own facts.
    mutating func executeKeyed(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, keysOf command: Request,
        _ carried: CommandSpec, now: ClockReading, mayRead: Bool
    ) -> Step {
        if let reason = session.refusal {
            guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
            session.refusal = nil
            return answerInPlace(&session, spec) { $0.error(text: reason) }
        }
        if let reason = muteReason {
            return answerInPlace(&session, spec) { $0.error(text: "CLUSTERDOWN \(reason)") }
        }
        guard dataGroups > 0 else { return blocked(&session, now: now) }
        guard let group = group(of: command, carried) else {
            return answerInPlace(&session, spec) {
                $0.error("CROSSSLOT Keys in request don't hash to the same slot")
            }
        }
        if let refused = refuseForRoom(&session, carried, isWrite: spec.isWrite) { return refused }
        return spec.isWrite
            ? queueWrite(&session, request, spec, group: group, now: now)
            : read(&session, request, spec, group: group, now: now, mayRead: mayRead)
    }

    /// Refuses a write that there is no room for; nil: it may go on.
    private mutating func refuseForRoom(
        _ session: inout Session, _ spec: CommandSpec, isWrite: Bool
    ) -> Step? {
        guard isWrite, let refusal = diskRefusal(adds: spec.flags.contains(.denyoom)) else {
            return nil
        }
        return answerInPlace(&session, spec, isRejection: true) { $0.error(text: refusal.error) }
    }

    /// Whether the request is a line of HTTP: a web page that makes a browser send commands hidden in
    /// the body of a request comes with one of these first.
    private static func isHTTP(_ request: Request) -> Bool {
        request.matches(0, "post") || request.matches(0, "host:")
    }

    /// Ends the session without a reply, as Redis does, before it reaches the body of the request.
    private mutating func refuseHTTP(_ session: inout Session) -> Step {
        guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
        log(
            .warning,
            "client-closed addr=\(session.address) reason=\"HTTP: perhaps an attack through a browser\""
        )
        session.output.removeAll(keepingCapacityUpTo: 0)
        session.isClosing = true
        return .done
    }

    /// Answers a request that needs nothing but the session, and counts it for `spec`.
    mutating func answerInPlace(
        _ session: inout Session, _ spec: CommandSpec?, isRejection: Bool = false,
        _ body: (inout ReplyWriter) -> Void
    ) -> Step {
        guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
        let kind = writeReply(to: &session, body)
        if let spec { commandStatistics.answeredInPlace(spec.id, isRejection ? .rejection : kind) }
        return .done
    }

    private mutating func ping(_ session: inout Session, _ request: Request, _ spec: CommandSpec)
        -> Step
    {
        guard session.wait == .nothing else { return .wait }
        let isProvisional = session.leaseMark != nil
        let kind = writeReply(to: &session, isProvisional: isProvisional) { reply in
            switch request.count {
            case 1: reply.simple("PONG")
            case 2: reply.bulk(request[1])
            default: reply.error("ERR wrong number of arguments for 'ping' command")
            }
        }
        commandStatistics.answeredInPlace(spec.id, kind, isProvisional: isProvisional)
        return .done
    }

    /// Lets `body` write one reply into the session's output, where it stays unless the client wants
    /// none. Errors are counted either way.
    @discardableResult
    mutating func writeReply(
        to session: inout Session, isProvisional: Bool = false,
        _ body: (inout ReplyWriter) -> Void
    ) -> ReplyKind {
        let start = session.output.count
        var writer = ReplyWriter(version: session.resp)
        swap(&writer.bytes, &session.output)
        body(&writer)
        swap(&writer.bytes, &session.output)
        let kind = commandStatistics.judge(
            session.output.readable.extracting(start..<session.output.count),
            isProvisional: isProvisional)
        if !session.repliesAreVisible { session.output.truncate(to: start) }
        session.commandFinished()
        return kind
    }

    /// The group (index) that owns all keys of the request; nil when there is more than one.
    func group(of request: Request, _ spec: CommandSpec) -> Int? {
        if dataGroups == 1 { return 1 }
        var owner: Int?
        var isOne = true
        _ = spec.keys.forEachKey(of: request) { position in
            let group = self.group(of: HashSlot.of(key: request[position]))
            if owner == nil { owner = group }
            if owner != group { isOne = false }
        }
        return isOne ? owner ?? 1 : nil
    }

    private static let pingID = CommandTable.all.first { $0.name.description == "ping" }?.id

    // MARK: Reads

    private mutating func read(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, group: Int,
        now: ClockReading, mayRead: Bool
    ) -> Step {
        if session.wait == .nothing, group < replicas.count,
            replicas[group].canReadByLease(now: now.boot, liveness: liveness)
        {
            guard mayRead else { return .held }
            if readInPlace(&session, request, spec, group: group, now: now) { return .done }
        }
        if encodedArgumentsCount(of: request) > limits.inlineCommandBytes {
            // Too large for a frame: it goes through the log, in pieces, as large writes do.
            return queueWrite(&session, request, spec, group: group, now: now)
        }
        let isNear = readsNear(session, group)
        switch session.wait {
        case .nothing where session.leaseMark == nil: break
        case isNear ? .nearReads(group) : .reads(group)
        where session.inFlight < limits.sessionInFlight && session.replyMode == .on: break
        default: return .wait
        }
        if session.refusedBehind > 0
            || isOverloaded(group, isNear ? .nearReads : .reads, session, now: now)
        {
            return refuseOverload(&session, spec)
        }
        return enqueueRead(&session, request, spec, group: group, isNear: isNear, now: now)
    }

    /// Executes a read under the lease, into the session's output. The end of the turn confirms it.
    /// False when it met a key that is past due: nothing was written, it goes through the queue.
    private mutating func readInPlace(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, group: Int,
        now: ClockReading
    ) -> Bool {
        let before = session.output.count
        let outcome = replicas[group].read(
            request, spec, database: session.database, version: session.resp, clock: now.wall,
            into: &session.output)
        guard outcome == .done else {
            session.output.truncate(to: before)
            return false
        }
        if session.leaseMark == nil {
            session.leaseMark = Session.LeaseMark(
                cursor: session.cursor, output: before, replyMode: session.replyMode)
            provisional.append(session.id)
        }
        let kind = commandStatistics.judge(
            session.output.readable.extracting(before..<session.output.count), isProvisional: true)
        commandStatistics.answeredInPlace(spec.id, kind, isProvisional: true)
        if !session.repliesAreVisible { session.output.truncate(to: before) }
        session.commandFinished()
        return true
    }

    private mutating func enqueueRead(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, group: Int,
        isNear: Bool, now: ClockReading
    ) -> Step {
        guard routes[group].byteCount < limits.queueBytes else {
            return blocked(&session, now: now)
        }
        let flags: LoggedCommand.Flags = session.resp == .three ? .resp3 : []
        if isNear {
            _ = routes[group].nearReads.append(
                request, flags: flags, database: session.database, session: session.id,
                command: UInt16(spec.id), now: now.boot)
            statistics.followerReads += 1
        } else {
            _ = routes[group].reads.append(
                request, flags: flags, database: session.database, session: session.id,
                command: UInt16(spec.id), now: now.boot)
        }
        commandStatistics.step(spec.id)
        session.wait = isNear ? .nearReads(group) : .reads(group)
        session.inFlight += 1
        return .done
    }

    // MARK: Writes

    private mutating func queueWrite(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, group: Int,
        now: ClockReading
    ) -> Step {
        guard session.leaseMark == nil else { return .wait }
        switch session.wait {
        case .nothing: break
        case .writes(group)
        where session.inFlight < limits.sessionInFlight && session.replyMode == .on: break
        default: return .wait
        }
        if session.refusedBehind > 0 || isOverloaded(group, .writes, session, now: now) {
            return refuseOverload(&session, spec)
        }
        guard routes[group].byteCount < limits.queueBytes else {
            return blocked(&session, now: now)
        }
        if encodedArgumentsCount(of: request) > limits.inlineCommandBytes {
            guard session.wait == .nothing else { return .wait }
            let bytes = largeCommandBytes(of: request.argumentBytes, arguments: request.count)
            guard bytes <= limits.largeCommandBytes else {
                writeReply(to: &session) { $0.error("ERR The command is too large") }
                return .done
            }
            session.wait = .upload(group)
            session.inFlight = 1
            return .taken
        }
        _ = routes[group].writes.append(
            request, flags: session.resp == .three ? .resp3 : [], database: session.database,
            session: session.id, command: UInt16(spec.id), now: now.boot)
        commandStatistics.step(spec.id)
        session.wait = .writes(group)
        session.inFlight += 1
        return .done
    }

    /// The most bytes that arguments of so many bytes are in the form that clients send.
    func largeCommandBytes(of bytes: Int, arguments: Int) -> Int {
        // A length of at most 19 digits, its sign, and two ends of lines; as much for their number.
        bytes + 32 * (arguments + 1)
    }

    /// Takes the bytes of a large command out of the input without copying them.
    private mutating func takeOver(
        _ session: inout Session, _ input: inout ByteBuffer, consumed: Int, now: ClockReading
    ) {
        guard case .upload(let group) = session.wait else {
            invariantFailed("a large command without a group")
        }
        invariant(session.leaseMark == nil, "a large command behind provisional reads")
        input.consume(session.cursor)
        session.cursor = 0
        session.parsed = false
        guard let command = session.lastCommand else {
            invariantFailed("a large command without a name")
        }
        session.startedAt = now.boot
        commandStatistics.step(command)
        var rest = ByteBuffer()
        rest.append(input.readable.extracting(consumed..<input.count))
        input.truncate(to: consumed)
        swap(&input, &rest)
        routes[group].upload(
            SharedBytes(rest), session: session.id, flags: session.resp == .three ? .resp3 : [],
            database: session.database, tableID: UInt16(command), limits: limits,
            now: now.boot)
    }

    /// The session's parsed request, copied out.
    func copyRequest(_ session: borrowing Session) -> (request: NodeRequest, spec: CommandSpec) {
        let request = session.parser.request(over: session.input.readable)
        guard case .found(let spec) = CommandTable.resolve(request) else {
            invariantFailed("a node command that is not in the table")
        }
        return (NodeRequest(request), spec)
    }

    /// The queue to the group is full, or there is no group yet: the session waits for room, without its command.
    private mutating func blocked(_ session: inout Session, now: ClockReading) -> Step {
        block(&session, now: now)
        return .wait
    }

    mutating func block(_ session: inout Session, now: ClockReading) {
        if session.blockedSince == nil {
            session.blockedSince = now.boot
            if blockedSessions.isEmpty {
                blockedRetryAt = now.boot + EngineLimits.blockedRetryInterval
            }
            blockedSessions.append(session.id)
        }
    }
}
