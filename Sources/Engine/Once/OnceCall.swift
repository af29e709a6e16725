internal import Bytes
internal import Commands
internal import RESP
internal import Store

/// `SKEIN.ONCE session sequence command [argument ...]` and `SKEIN.SESSION OPEN [WINDOW n]` as they
/// stand in the log: as the client sent them, but for a transaction, which is
/// `SKEIN.ONCE session sequence EXEC` with the queued commands behind it (`LoggedTransaction`).
enum OnceCall {
    /// Sequences are 1 and above, with room to count on.
    static let sequenceMax = Int64(1) << 62

    static func isOnce(_ request: Request) -> Bool { request.matches(0, "skein.once") }

    static func isOpening(_ request: Request) -> Bool { request.matches(0, "skein.session") }

    /// The number that the client gave the request; nil for what is none.
    static func sequence(of request: Request) -> UInt64? {
        guard let number = request.integer(at: 2), number >= 1, number < sequenceMax else {
            return nil
        }
        return UInt64(number)
    }

    /// The command that is to be executed once.
    @_lifetime(copy request)
    static func command(of request: Request) -> Request {
        request.dropFirst(CommandTable.onceCommandStart)
    }

    /// Whether the request can be read and executed, on every replica for ever.
    static func isSound(_ request: Request) -> Bool {
        guard request.count > CommandTable.onceCommandStart, sequence(of: request) != nil,
            request[1].count <= OnceSession.bytesMax
        else { return false }
        let command = command(of: request)
        if LoggedTransaction.isTransaction(command) { return LoggedTransaction.isSound(command) }
        guard case .found(let spec) = CommandTable.resolve(command) else { return false }
        return mayCarry(spec)
    }

    /// Whether SKEIN.ONCE may carry a command: one that the group of its keys executes.
    static func mayCarry(_ spec: CommandSpec) -> Bool {
        guard spec.scope == .keyed, case .some = spec.handler else { return false }
        return true
    }

    /// The window that is asked for; nil when the request is none for a session.
    static func window(ofOpening request: Request) -> Int? {
        guard request.count > 1, request.matches(1, "open") else { return nil }
        if request.count == 2 { return OnceSession.windowDefault }
        guard request.count == 4, request.matches(2, "window"), let window = request.integer(at: 3),
            window >= 1, window <= Int64(OnceSession.windowMax)
        else { return nil }
        return Int(window)
    }

    /// What tells a command from another one under the same sequence.
    static func digest(of command: Request, database: Int) -> UInt64 {
        var hash = StateHash(seed: UInt64(database))
        hash.feed(command.count)
        for position in 0..<command.count { hash.feed(command[position]) }
        return hash.value
    }

    // What SKEIN.ONCE itself answers. The first word is what clients go by.
    static let expired: StaticString =
        "ONCEEXPIRED The session is unknown or has expired, the command was not executed"
    static let behind: StaticString =
        "ONCEEXPIRED The sequence is behind the window of its session, the command was not executed"
    static let answerDropped: StaticString =
        "ONCEDONE The command was executed before, its answer was too large to be kept"
    static let mismatch: StaticString =
        "ONCEMISMATCH The sequence belongs to another command, this one was not executed"
    static let noSequence: StaticString =
        "ERR The sequence must be an integer from 1 to 4611686018427387903"
    static let inTransaction: StaticString =
        "ERR SKEIN.ONCE is not allowed inside a transaction, end it with SKEIN.ONCE session sequence EXEC"
    static let noWindow: StaticString =
        "ERR syntax error, try SKEIN.SESSION OPEN [WINDOW n] with n from 1 to 1024"
}
