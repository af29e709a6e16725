public import Bytes
public import RESP
public import Store

/// What a handler works on: one replica's keys, the reply, and the circumstances of one command.
///
/// One per replica. The engine sets the fields below "per command" before each command and swaps
/// `reply.bytes` between sessions.
///
/// A command runs in one of two modes. In `.apply` it comes from the log: time is the entry's time
/// (`keyspace.logTime`), and everything must be a function of the entry and the keyspace. In `.read`
/// it runs on the leader only and must change nothing. Handlers need not care, as long as they look
/// keys up through `find` and take the time from `now`.
public struct CommandContext: ~Copyable {
    public enum Mode: Sendable {
        case apply
        case read
    }

    public var keyspace: Keyspace
    public var reply = ReplyWriter()

    // Per command.

    /// The session's database, 0 ..< 16.
    public var database = 0
    public var mode = Mode.read
    /// The leader's wall clock in milliseconds since 1970; for `.read` only.
    public var clock: Int64 = 0
    /// Seeded from the log entry in `.apply`, by the leader alone in `.read`.
    public var random = SeededGenerator(seed: 0)
    /// A read met a key that is past due by `clock` and not dead by the log yet.
    public var pastDue = false
    /// The large buffer that the request lies in, if it does: long values keep a slice of it.
    public var argumentOwner: SharedBytes?

    public init(keyspace: consuming Keyspace) {
        self.keyspace = keyspace
    }

    /// The time that a command sees, in milliseconds since 1970.
    public var now: Int64 {
        switch mode {
        case .apply: keyspace.logTime
        case .read: max(clock, keyspace.logTime)
        }
    }

    /// The key's handle if the key is alive.
    ///
    /// When applying, a dead key is removed. When reading, a key that is past due by the clock but
    /// not dead by the log makes the whole command run again after a time entry: see
    /// `CommandSpec.run`.
    public mutating func find(_ key: Span<UInt8>) -> KeyHandle? {
        switch mode {
        case .apply:
            return keyspace.findRemovingDead(key, in: database)
        case .read:
            guard let handle = keyspace.locate(key, in: database), isAlive(handle) else {
                keyspace.countMiss()
                return nil
            }
            keyspace.countHit()
            return handle
        }
    }

    private enum Life {
        case alive, pastDue, dead
    }

    private func life(of handle: KeyHandle) -> Life {
        guard let expiry = keyspace.expiry(of: handle) else { return .alive }
        if expiry <= keyspace.logTime { return .dead }
        return mode == .read && expiry <= clock ? .pastDue : .alive
    }

    /// Whether a key met in an iteration is alive; notes one that is past due.
    public mutating func isAlive(_ handle: KeyHandle) -> Bool {
        let life = life(of: handle)
        if life == .pastDue { pastDue = true }
        return life == .alive
    }

    /// A random key that is alive, by rank in content order; nil when there is none.
    ///
    /// A key that is past due is passed over: whether it lives is told by no other key. That there is
    /// none depends on it, and so it is noted then.
    ///
    /// O(segments of a table), unless many keys in a row are dead.
    mutating func randomKey() -> KeyHandle? {
        let count = keyspace.keyCount(database)
        guard count > 0 else { return nil }
        // Redis, too, gives up guessing at some time.
        for _ in 0..<100 {
            let rank = Int(random.below(UInt64(count)))
            let handle = keyspace.key(atRank: rank, in: database)
            if life(of: handle) == .alive { return handle }
        }
        var alive: KeyHandle?
        var isPastDue = false
        keyspace.visitKeys(database) { handle in
            switch life(of: handle) {
            case .alive: alive = handle
            case .pastDue: isPastDue = true
            case .dead: break
            }
            return alive == nil
        }
        if alive == nil, isPastDue { pastDue = true }
        return alive
    }

    /// Looks a key up that must hold a value of one type.
    public mutating func find(_ key: Span<UInt8>, _ kind: ValueKind) -> Found {
        guard let handle = find(key) else { return .missing }
        if keyspace.kind(of: handle) == kind { return .found(handle) }
        reply.error(ErrorText.wrongType)
        return .refused
    }
}

/// What a lookup with an expected type gave.
public enum Found {
    case missing
    case found(KeyHandle)
    /// The key holds another type; the error reply is written.
    case refused
}

/// What the engine is to do with a command that has run.
public enum Outcome: Sendable, Equatable {
    /// The reply is written.
    case done
    /// A read met a key past due: propose a time entry of at least `clock`, then run it again with
    /// the same clock. Nothing is written.
    case needsTime
}

/// The code of a command. It writes exactly one reply.
public typealias CommandHandler =
    @Sendable (inout CommandContext, borrowing Request) -> Outcome

/// Errors that several commands give, as redis-server 7.0 spells them.
public enum ErrorText {
    public static var wrongType: StaticString {
        "WRONGTYPE Operation against a key holding the wrong kind of value"
    }
    public static var syntax: StaticString { "ERR syntax error" }
    public static var notAnInteger: StaticString { "ERR value is not an integer or out of range" }
    public static var notAFloat: StaticString { "ERR value is not a valid float" }
    public static var noSuchKey: StaticString { "ERR no such key" }
    public static var overflow: StaticString { "ERR increment or decrement would overflow" }
    public static var stringTooLong: StaticString {
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    }
}
