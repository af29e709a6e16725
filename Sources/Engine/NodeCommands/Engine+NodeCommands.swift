internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import RESP
internal import Store

/// The arguments of a command that concerns the connection or the node: copied, since these are
/// rare and may look at everything.
struct NodeRequest {
    let arguments: [[UInt8]]

    init(_ request: Request) {
        var arguments: [[UInt8]] = []
        for position in 0..<request.count { arguments.append(request[position].copied) }
        self.arguments = arguments
    }

    var count: Int { arguments.count }

    func text(_ position: Int) -> String { String(decoding: arguments[position], as: UTF8.self) }

    /// The argument in lower case, for comparing with names.
    func word(_ position: Int) -> String { text(position).lowercased() }

    /// The argument as Redis shows it in an error: up to a zero byte.
    func shown(_ position: Int) -> String {
        let argument = arguments[position]
        return CommandTable.printed(argument.span).text
    }

    func integer(_ position: Int) -> Int64? {
        let argument = arguments[position]
        return IntegerText.parse(argument.span)
    }
}

/// Arguments of their own, put together as a client's stand in its input.
struct PackedRequest: ~Copyable {
    private var bytes = ByteBuffer()
    private var ranges: [ArgumentRange] = []

    init(_ arguments: [[UInt8]]) {
        for argument in arguments {
            ranges.append(ArgumentRange(offset: bytes.count, count: argument.count))
            bytes.append(argument)
        }
    }

    var request: Request {
        @_lifetime(borrow self)
        get { Request(bytes: bytes.readable, ranges: ranges.span) }
    }
}

/// What became of a node command.
enum NodeCommandStep {
    /// The reply, if there is one, is written.
    case done(ReplyKind)
    /// Parts are under way; the reply comes later.
    case started
}

extension Engine {
    /// Executes the session's next request, which concerns the connection, the node, or all groups.
    /// True when the session can go on at once.
    mutating func executeNodeCommand(_ index: Int, now: ClockReading) -> Bool {
        let (request, spec, consumed) = nextRequest(index)
        sessions[index].commands += 1
        let step =
            spec.scope == .everyGroup
            ? executeOnAllGroups(index, request, spec, now: now)
            : executeOnNode(index, request, spec, now: now)
        guard let step else { return false }
        sessions[index].blockedSince = nil
        // The session may be gone, or its input: CLIENT KILL, QUIT.
        if !sessions[index].isGone, sessions[index].parsed {
            sessions[index].parsed = false
            sessions[index].parser.reset()
            sessions[index].input.consume(min(consumed, sessions[index].input.count))
        }
        switch step {
        case .done(let kind):
            node.commandStatistics.answeredInPlace(spec.id, kind)
            return true
        case .started:
            node.commandStatistics.step(spec.id)
            return false
        }
    }

    private mutating func nextRequest(_ index: Int) -> (NodeRequest, CommandSpec, Int) {
        invariant(
            sessions[index].parsed && sessions[index].cursor == 0,
            "a node command behind provisional reads")
        let consumed = sessions[index].parser.consumed
        let parsed = node.copyRequest(sessions[index])
        return (parsed.request, parsed.spec, consumed)
    }

    mutating func reply(_ index: Int, _ body: (inout ReplyWriter) -> Void)
        -> NodeCommandStep?
    {
        .done(node.writeReply(to: &sessions[index], body))
    }

    /// Nil: must be tried again later.
    private mutating func executeOnAllGroups(
        _ index: Int, _ request: NodeRequest, _ spec: CommandSpec, now: ClockReading
    ) -> NodeCommandStep? {
        if let reason = node.muteReason {
            return reply(index) { $0.error(text: "CLUSTERDOWN \(reason)") }
        }
        if let reason = sessions[index].refusal {
            sessions[index].refusal = nil
            return reply(index) { $0.error(text: reason) }
        }
        guard node.dataGroups > 0 else {
            node.block(&sessions[index], now: now)
            return nil
        }
        let bytes = request.arguments.reduce(0) { $0 + $1.count }
        guard bytes + 8 * request.count <= EngineLimits.inlineCommandBytesMax else {
            return reply(index) {
                $0.error("ERR the command is too large to be asked of every group")
            }
        }
        switch spec.name.description {
        case "dbsize":
            beginGather(
                index, spec, merge: .sum, request: request.arguments, isWrite: false, now: now)
        case "keys":
            beginGather(
                index, spec, merge: .concatenate, request: request.arguments, isWrite: false,
                now: now)
        case "flushall", "flushdb":
            if request.count > 2
                || (request.count == 2 && !["sync", "async"].contains(request.word(1)))
            {
                return reply(index) { $0.error("ERR syntax error") }
            }
            beginGather(
                index, spec, merge: .first, request: request.arguments, isWrite: true, now: now)
        case "randomkey":
            beginGather(
                index, spec, merge: .pick, request: [Array("DBSIZE".utf8)], isWrite: false, now: now
            )
        case "scan":
            beginSingle(
                index, UInt16(spec.id), group: groupOfCursor(request),
                request: request.arguments, now: now)
        default:
            return reply(index) { $0.error(text: "ERR \(spec.name) has no way over all groups") }
        }
        return .started
    }

    /// SCAN goes through the slots, and so through the groups, in order. Any group answers for a cursor
    /// that is none.
    private func groupOfCursor(_ request: NodeRequest) -> Int {
        let cursor = request.arguments[1]
        guard node.dataGroups > 1, let raw = CommandTable.scanCursor(cursor.span) else { return 1 }
        let slot = min(max(0, ScanCursor(raw: raw).slot), HashSlot.count - 1)
        return node.group(of: HashSlot(UInt16(slot)))
    }

    private mutating func executeOnNode(
        _ index: Int, _ request: NodeRequest, _ spec: CommandSpec, now: ClockReading
    ) -> NodeCommandStep? {
        let name = spec.name.description
        switch name {
        case "echo":
            let message = request.arguments[1]
            return reply(index) { $0.bulk(message.span) }
        case "time": return reply(index) { NodeReplies.time(now, to: &$0) }
        case "quit":
            let step = reply(index) { $0.ok() }
            sessions[index].isClosing = true
            return step
        case "skein.session|open": return openOnceSession(index, request, spec, now: now)
        case "skein.session|help":
            return reply(index) {
                NodeReplies.help(["SKEIN.SESSION <subcommand>:", "OPEN [WINDOW <n>]"], to: &$0)
            }
        case "skein.once":
            return transactionCommand(index, "exec", once: request.arguments[..<3], now: now)
        case "multi", "exec", "discard": return transactionCommand(index, name, now: now)
        case "select": return reply(index, select(index, request))
        case "reset": return reset(index)
        case "readonly", "readwrite":
            sessions[index].readsNear = name == "readonly"
            return reply(index, nil)
        case "auth": return reply(index) { NodeReplies.auth(request, to: &$0) }
        case "hello": return hello(index, request)
        case "lolwut":
            return reply(index) {
                $0.verbatim(Array("Redis ver. \(ServerVersion.redis)\n".utf8).span)
            }
        case "debug": return debug(index, request)
        case "bgsave": return backgroundSave(index, request)
        case "lastsave":
            let saved = node.snapshots.lastSaved
            return reply(index) { $0.integer(saved) }
        case "info":
            let text = InfoReport.text(
                sections: (1..<request.count).map { request.word($0) }, node: node,
                sessions: sessions, now: now)
            return reply(index) { $0.verbatim(Array(text.utf8).span) }
        default: break
        }
        if name.hasPrefix("cluster") || name.hasPrefix("skein.") {
            return cluster(index, request, name, now: now)
        }
        if name.hasPrefix("client") { return client(index, request, name, now: now) }
        if name.hasPrefix("config") { return config(index, request, name) }
        if name.hasPrefix("command") { return command(index, request, name) }
        return reply(index) { $0.error(text: "ERR '\(name)' is not supported") }
    }

    mutating func reply(_ index: Int, _ error: String?) -> NodeCommandStep? {
        reply(index) { writer in
            if let error { writer.error(text: error) } else { writer.ok() }
        }
    }

    /// The error, or nil.
    private mutating func select(_ index: Int, _ request: NodeRequest) -> String? {
        guard let number = request.integer(1) else {
            return "ERR value is not an integer or out of range"
        }
        guard Int32(exactly: number) != nil else {
            return "ERR value is out of range, value must between -2147483648 and 2147483647"
        }
        guard (0..<16).contains(number) else { return "ERR DB index is out of range" }
        sessions[index].database = Int(number)
        return nil
    }

    private mutating func reset(_ index: Int) -> NodeCommandStep? {
        sessions[index].database = 0
        sessions[index].transaction = nil
        sessions[index].resp = .two
        sessions[index].name = ""
        sessions[index].replyMode = .on
        sessions[index].noEvict = false
        sessions[index].noTouch = false
        sessions[index].readsNear = false
        return reply(index) { $0.simple("RESET") }
    }

    /// `HELLO [protover [AUTH user password] [SETNAME name]]`: nothing changes when any part is wrong.
    private mutating func hello(_ index: Int, _ request: NodeRequest) -> NodeCommandStep? {
        var version: RESPVersion?
        if request.count > 1 {
            guard let number = request.integer(1) else {
                return reply(index) {
                    $0.error("ERR Protocol version is not an integer or out of range")
                }
            }
            guard let known = UInt8(exactly: number).flatMap(RESPVersion.init(rawValue:)) else {
                return reply(index) { $0.error("NOPROTO unsupported protocol version") }
            }
            version = known
        }
        var name: String?
        var at = 2
        while at < request.count {
            let left = request.count - at - 1
            switch request.word(at) {
            case "auth" where left >= 2:
                guard NodeReplies.isDefaultUser(request, at: at + 1) else {
                    return reply(index) { $0.error(NodeReplies.wrongUser) }
                }
                at += 3
            case "setname" where left >= 1:
                guard ClientName.isValid(request.arguments[at + 1]) else {
                    return reply(index) { $0.error(text: ClientName.error) }
                }
                name = request.text(at + 1)
                at += 2
            default:
                let option = request.shown(at)
                return reply(index) {
                    $0.error(text: "ERR Syntax error in HELLO option '\(option)'")
                }
            }
        }
        if let name { sessions[index].name = name }
        if let version { sessions[index].resp = version }
        let (id, resp) = (sessions[index].clientID, sessions[index].resp)
        return reply(index) { NodeReplies.hello(id: id, version: resp, to: &$0) }
    }

    /// `DEBUG SLEEP seconds`: the whole node stands still after this turn, like Redis does; for a day at
    /// most. What is no number, or is negative, is no pause.
    private mutating func debug(_ index: Int, _ request: NodeRequest) -> NodeCommandStep? {
        guard request.count == 3, request.word(1) == "sleep" else {
            let name = request.arguments[1]
            return reply(index) {
                $0.openError("ERR unknown subcommand or wrong number of arguments for '")
                $0.errorText(CommandTable.clipped(name.span))
                $0.errorText("'. Try DEBUG HELP.")
                $0.closeError()
            }
        }
        let text = request.arguments[2]
        let seconds = min(max(0, FloatText.parseBound(text.span) ?? 0), 86_400)
        outbox.sleep = .microseconds(Int64(seconds * 1_000_000))
        return reply(index) { $0.ok() }
    }

    /// `BGSAVE [SCHEDULE]`: snapshots of all groups, one after the other. SCHEDULE means what Redis
    /// means by it: no error when one is under way.
    private mutating func backgroundSave(_ index: Int, _ request: NodeRequest) -> NodeCommandStep? {
        let isScheduled = request.count == 2 && request.word(1) == "schedule"
        guard request.count == 1 || isScheduled else { return reply(index, "ERR syntax error") }
        if node.saveAll() { return reply(index) { $0.simple("Background saving started") } }
        guard isScheduled else { return reply(index, "ERR Background save already in progress") }
        return reply(index) { $0.simple("Background saving scheduled") }
    }

    // MARK: CONFIG and COMMAND

    private mutating func config(_ index: Int, _ request: NodeRequest, _ name: String)
        -> NodeCommandStep?
    {
        switch name {
        case "config|get":
            let pairs = node.configuration.get((2..<request.count).map { request.text($0) })
            return reply(index) { writer in
                writer.map(pairs.count)
                for pair in pairs {
                    writer.bulk(pair.name)
                    writer.bulk(pair.value)
                }
            }
        case "config|set":
            return setConfiguration(index, request)
        case "config|resetstat":
            node.resetStatistics()
            return reply(index) { $0.ok() }
        case "config|rewrite":
            return reply(index) {
                $0.error("ERR Rewriting the configuration file is not supported; edit it")
            }
        default:
            return reply(index) {
                NodeReplies.help(
                    [
                        "CONFIG <subcommand>:", "GET <pattern> [<pattern> ...]",
                        "SET <directive> <value> [<directive> <value> ...]", "RESETSTAT",
                    ], to: &$0)
            }
        }
    }

    private mutating func setConfiguration(_ index: Int, _ request: NodeRequest)
        -> NodeCommandStep?
    {
        guard request.count % 2 == 0 else {
            return reply(index, "ERR wrong number of arguments for 'config|set' command")
        }
        do throws(ConfigSetError) {
            var changed = node.configuration
            try changed.set((2..<request.count).map { request.text($0) })
            try checkRoom(for: changed)
            node.configuration = changed
        } catch {
            guard case .unknown(let name) = error,
                let at = (2..<request.count).first(where: { request.text($0) == name })
            else { return reply(index, error.reply) }
            // The name as it came: it need not be text.
            let bytes = request.arguments[at]
            return reply(index) {
                $0.openError("ERR Unknown option or number of arguments for CONFIG SET - '")
                $0.errorText(CommandTable.printed(bytes.span))
                $0.errorText("'")
                $0.closeError()
            }
        }
        let limits = node.respLimits
        for session in sessions.openIndices { sessions[session].parser.limits = limits }
        return reply(index) { $0.ok() }
    }

    /// More clients than the process may have descriptors for are not promised.
    private func checkRoom(for changed: Configuration) throws(ConfigSetError) {
        let room = node.host.clientsMax
        guard room > 0, changed.maxclients > room,
            changed.maxclients > node.configuration.maxclients
        else { return }
        throw .failed(
            directive: "maxclients",
            reason:
                "The operating system is not able to handle the specified number of clients, try with \(room)"
        )
    }

    private mutating func command(_ index: Int, _ request: NodeRequest, _ name: String)
        -> NodeCommandStep?
    {
        reply(index) { CommandReplies.write(request, name, to: &$0) }
    }
}

/// Names that clients give themselves.
enum ClientName {
    static let error = "ERR Client names cannot contain spaces, newlines or special characters."

    static func isValid(_ name: [UInt8]) -> Bool {
        name.allSatisfy { (UInt8(ascii: "!")...UInt8(ascii: "~")).contains($0) }
    }
}
