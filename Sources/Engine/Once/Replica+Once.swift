internal import Bytes
internal import Commands
internal import RESP
internal import Raft
internal import Store

/// SKEIN.ONCE and SKEIN.SESSION OPEN, applied.
extension Replica {
    /// Executes the command that the request carries, or answers as it was answered before.
    mutating func runOnce(_ request: Request) -> ReplyStatusCode {
        let command = OnceCall.command(of: request)
        guard let sequence = OnceCall.sequence(of: request) else {
            invariantFailed("a request in the log without a sequence")
        }
        guard let session = OnceSession(request[1], onceKey) else {
            context.reply.error(OnceCall.expired)
            return .complete
        }
        let digest = OnceCall.digest(of: command, database: context.database)
        let time = context.keyspace.logTime
        switch once.admit(session, sequence, digest: digest, at: time) {
        case .repeated(let reply): context.reply.raw(reply.span)
        case .answerDropped: context.reply.error(OnceCall.answerDropped)
        case .mismatch: context.reply.error(OnceCall.mismatch)
        case .behind: context.reply.error(OnceCall.behind)
        case .expired: context.reply.error(OnceCall.expired)
        case .fresh:
            let start = context.reply.bytes.count
            let status = Self.run(command, slots: slots, context: &context)
            // Not executed, and another group's affair: nothing is recorded.
            guard status == .complete else { return status }
            let length = context.reply.bytes.count - start
            var reply: [UInt8]?
            if length <= EngineLimits.onceAnswerBytesMax {
                reply = context.reply.bytes.readable.extracting(start..<start + length).copied
            }
            once.record(session, sequence, digest: digest, reply: reply)
        }
        return .complete
    }

    /// Opens a session; the reply is its id.
    mutating func openOnce(_ request: Request) {
        guard let window = OnceCall.window(ofOpening: request) else {
            invariantFailed("an opening in the log without a window")
        }
        let session = once.open(
            window: window, group: group.raw, at: context.keyspace.logTime)
        var id = ByteBuffer(minimumCapacity: OnceSession.bytesMax)
        session.write(onceKey, into: &id)
        context.reply.bulk(id.readable)
    }

    /// Whether a request was executed before, as far as this replica has applied the log.
    func knowsOnce(_ request: Request) -> Bool {
        guard let sequence = OnceCall.sequence(of: request),
            let session = OnceSession(request[1], onceKey)
        else { return false }
        return once.knows(session, sequence)
    }
}
