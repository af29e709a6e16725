internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import RESP

/// MULTI: what a session sends until EXEC is queued.
extension NodeState {
    /// Commands that are not queued but take effect at once, also within a transaction.
    private static let immediate: Set<Int> = ids(["multi", "exec", "discard", "quit", "reset"])
    /// Commands without a group that make sense within a transaction.
    private static let answerable: Set<Int> = ids(["ping", "echo"])

    private static func ids(_ names: [String]) -> Set<Int> {
        Set(CommandTable.all.filter { names.contains($0.name.description) }.map(\.id))
    }

    static func isQueued(_ spec: CommandSpec) -> Bool { !immediate.contains(spec.id) }

    /// Queues a request of a session in a transaction; nil, or why it is refused. The reply is the
    /// caller's: a client that wants no replies has its commands queued all the same.
    func queue(
        _ request: Request, _ spec: CommandSpec, in transaction: TransactionQueue
    ) -> StaticString? {
        let refusal = refusal(of: request, spec, in: transaction)
        if refusal != nil { transaction.isSpoiled = true }
        return refusal
    }

    private func refusal(
        of request: Request, _ spec: CommandSpec, in transaction: TransactionQueue
    ) -> StaticString? {
        if spec.scope == .connection, !Self.answerable.contains(spec.id) {
            return "ERR Command not allowed inside a transaction"
        }
        if spec.scope == .everyGroup, dataGroups > 1 { return Self.crossSlot }
        var group: Int?
        if spec.scope == .keyed, dataGroups > 0 {
            guard let owner = self.group(of: request, spec) else { return Self.crossSlot }
            group = owner
        }
        // It must not be larger than a command may be.
        let most = min(configuration.clientQueryBufferLimit, limits.largeCommandBytes)
        guard transaction.append(request, spec, group: group, bytesMax: most) else {
            return "ERR The transaction is too large"
        }
        return nil
    }

    private static let crossSlot: StaticString =
        "CROSSSLOT Keys in request don't hash to the same slot"
}

extension Engine {
    /// MULTI, EXEC and DISCARD. Nil when it must be tried again.
    ///
    /// - Parameter once: `SKEIN.ONCE session sequence` before the EXEC, if it is to be executed once.
    mutating func transactionCommand(
        _ index: Int, _ name: String, once: ArraySlice<[UInt8]> = [], now: ClockReading
    ) -> NodeCommandStep? {
        let transaction = sessions[index].transaction
        switch (name, transaction) {
        case ("multi", nil):
            sessions[index].transaction = TransactionQueue()
            return write(index) { $0.ok() }
        case ("multi", _):
            return write(index) { $0.error("ERR MULTI calls can not be nested") }
        case ("discard", nil):
            return write(index) { $0.error("ERR DISCARD without MULTI") }
        case ("discard", _):
            sessions[index].transaction = nil
            return write(index) { $0.ok() }
        case (_, nil):
            return write(index) { $0.error("ERR EXEC without MULTI") }
        case (_, let transaction?):
            return execute(index, transaction, once: once, now: now)
        }
    }

    private mutating func write(_ index: Int, _ body: (inout ReplyWriter) -> Void)
        -> NodeCommandStep?
    {
        .done(node.writeReply(to: &sessions[index], body))
    }

    /// EXEC: logs the transaction as one command. Nil when it must be tried again.
    private mutating func execute(
        _ index: Int, _ transaction: TransactionQueue, once: ArraySlice<[UInt8]>,
        now: ClockReading
    ) -> NodeCommandStep? {
        if let reason = sessions[index].refusal {
            sessions[index].refusal = nil
            sessions[index].transaction = nil
            return write(index) { $0.error(text: reason) }
        }
        if transaction.isSpoiled {
            sessions[index].transaction = nil
            return write(index) {
                $0.error("EXECABORT Transaction discarded because of previous errors.")
            }
        }
        if transaction.commands.isEmpty {
            sessions[index].transaction = nil
            return write(index) { $0.emptyArray() }
        }
        if let reason = node.muteReason {
            sessions[index].transaction = nil
            return write(index) { $0.error(text: "CLUSTERDOWN \(reason)") }
        }
        if transaction.crossesGroups {
            sessions[index].transaction = nil
            return write(index) {
                $0.error("CROSSSLOT Keys in request don't hash to the same slot")
            }
        }
        if node.diskRefusal(adds: transaction.addsData) != nil {
            sessions[index].transaction = nil
            return write(index) { $0.error(text: GrowthRefusal.transactionDisk.error) }
        }
        // As it would travel, which is a little more than what was counted before.
        let bytes = node.largeCommandBytes(
            of: transaction.byteCount, arguments: once.count + transaction.commands.count + 1)
        if bytes > node.limits.largeCommandBytes {
            sessions[index].transaction = nil
            return write(index) {
                $0.error("EXECABORT Transaction discarded because of: it is too large")
            }
        }
        let group = transaction.group ?? 1
        if node.dataGroups > 0, node.isOverloaded(group, .writes, sessions[index], now: now) {
            node.statistics.overloadRefusals += 1
            sessions[index].transaction = nil
            return write(index) { $0.error(NodeState.overloadError) }
        }
        guard node.dataGroups > 0, node.routes[group].byteCount < node.limits.queueBytes else {
            node.block(&sessions[index], now: now)
            return nil
        }
        sessions[index].blockedSince = nil
        sessions[index].transaction = nil
        sessions[index].executing = transaction.tableIDs
        sessions[index].inFlight = 1
        if transaction.byteCount > node.limits.inlineCommandBytes {
            sessions[index].wait = .upload(group)
            upload(index, once + transaction.request, group: group, now: now)
        } else {
            sessions[index].wait = .writes(group)
            enqueue(
                index, group, once + transaction.request, command: Self.execID, isWrite: true,
                now: now)
        }
        return .started
    }

    /// A transaction too large for an entry travels in pieces, in the form that clients send.
    private mutating func upload(
        _ index: Int, _ arguments: [[UInt8]], group: Int, now: ClockReading
    ) {
        var bytes = ByteBuffer()
        bytes.append("*\(arguments.count)\r\n")
        for argument in arguments {
            bytes.append("$\(argument.count)\r\n")
            bytes.append(argument)
            bytes.append("\r\n")
        }
        sessions[index].startedAt = now.boot
        node.routes[group].upload(
            SharedBytes(bytes), session: sessions[index].id,
            flags: sessions[index].resp == .three ? .resp3 : [],
            database: sessions[index].database, tableID: Self.execID,
            limits: node.limits, now: now.boot)
    }

    private static let execID = UInt16(NodeState.execID)
}
