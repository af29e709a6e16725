internal import Bytes
internal import Commands
internal import RESP

/// SKEIN.ONCE at the node that the client talks to: what cannot be executed is refused, the rest goes
/// the way of writes to the group of the carried command's keys, reads too: their answers are kept.
extension NodeState {
    mutating func executeOnce(
        _ session: inout Session, _ request: Request, _ spec: CommandSpec, now: ClockReading
    ) -> Step {
        if isLoading { return refuse(&session, spec, Self.loadingError) }
        guard OnceCall.sequence(of: request) != nil else {
            return refuse(&session, spec, OnceCall.noSequence)
        }
        guard request[1].count <= OnceSession.bytesMax else {
            return refuse(&session, spec, OnceCall.expired)
        }
        let command = OnceCall.command(of: request)
        let resolution = CommandTable.resolve(command)
        guard case .found(let carried) = resolution else {
            let step = answerInPlace(&session, spec, isRejection: true) {
                CommandTable.writeError(resolution, command, to: &$0)
            }
            if case .done = step { session.transaction?.isSpoiled = true }
            return step
        }
        if carried.id == Self.execID {
            guard session.wait == .nothing, session.leaseMark == nil else { return .wait }
            return .node
        }
        if session.transaction != nil { return refuse(&session, spec, OnceCall.inTransaction) }
        guard OnceCall.mayCarry(carried) else {
            return answerInPlace(&session, spec, isRejection: true) {
                $0.error(text: "ERR SKEIN.ONCE can not carry '\(carried.name)'")
            }
        }
        return executeKeyed(
            &session, request, spec, keysOf: command, carried, now: now, mayRead: false)
    }

    private mutating func refuse(
        _ session: inout Session, _ spec: CommandSpec, _ error: StaticString
    ) -> Step {
        let step = answerInPlace(&session, spec, isRejection: true) { $0.error(error) }
        if case .done = step { session.transaction?.isSpoiled = true }
        return step
    }

    static let execID = CommandTable.all.first { $0.name.description == "exec" }!.id
}

extension Engine {
    /// `SKEIN.SESSION OPEN [WINDOW n]`: logged in one of the groups, any of them. Nil when it must be
    /// tried again.
    mutating func openOnceSession(
        _ index: Int, _ request: NodeRequest, _ spec: CommandSpec, now: ClockReading
    ) -> NodeCommandStep? {
        let opening = PackedRequest(request.arguments)
        guard OnceCall.window(ofOpening: opening.request) != nil else {
            return refuseOnce(index, OnceCall.noWindow)
        }
        if let reason = sessions[index].refusal {
            sessions[index].refusal = nil
            return refuseOnce(index, text: reason)
        }
        if let reason = node.muteReason { return refuseOnce(index, text: "CLUSTERDOWN \(reason)") }
        if let refusal = node.diskRefusal(adds: false) {
            return refuseOnce(index, text: refusal.error)
        }
        guard node.dataGroups > 0 else {
            node.block(&sessions[index], now: now)
            return nil
        }
        let group = 1 + Int(sessions[index].clientID) % node.dataGroups
        guard node.routes[group].byteCount < node.limits.queueBytes else {
            node.block(&sessions[index], now: now)
            return nil
        }
        sessions[index].blockedSince = nil
        sessions[index].wait = .writes(group)
        sessions[index].inFlight = 1
        enqueue(
            index, group, request.arguments, command: UInt16(spec.id), isWrite: true, now: now)
        return .started
    }

    private mutating func refuseOnce(_ index: Int, _ error: StaticString) -> NodeCommandStep? {
        .done(node.writeReply(to: &sessions[index]) { $0.error(error) })
    }

    private mutating func refuseOnce(_ index: Int, text: String) -> NodeCommandStep? {
        .done(node.writeReply(to: &sessions[index]) { $0.error(text: text) })
    }
}
