internal import Bytes
public import RESP

/// Everything known about a command or subcommand: the facts that redis-server 7.0's COMMAND INFO
/// reports, and the code.
///
/// Holds no references, so that a lookup on the hot path costs a copy of some bytes and no
/// reference counting.
public struct CommandSpec: Sendable {
    /// The place in `CommandTable.all`; not stable between versions.
    public internal(set) var id = 0
    /// Lower case; a subcommand's is `container|subcommand`.
    public let name: StaticString
    /// Number of arguments with the name; negative: at least so many.
    public let arity: Int
    public let flags: CommandFlags
    public let categories: CommandCategories
    public let tips: CommandTips
    public let scope: CommandScope
    /// Where keys are: at most two runs.
    public let keys: KeySpecs
    /// Nil for what the session answers itself, and for containers of subcommands.
    public let handler: CommandHandler?
    /// The subcommands' places in `CommandTable.all`; empty for most.
    public internal(set) var subcommands = 0..<0

    public init(
        _ name: StaticString, arity: Int, _ flags: CommandFlags, _ categories: CommandCategories,
        scope: CommandScope = .keyed, keys: KeySpecs = .none, tips: CommandTips = [],
        _ handler: CommandHandler? = nil
    ) {
        self.name = name
        self.arity = arity
        self.flags = flags
        self.categories = categories
        self.tips = tips
        self.scope = scope
        self.keys = keys
        self.handler = handler
    }

    /// Position of the first key, 0 when there is none or it takes a look at the arguments.
    public var firstKey: Int { keys.legacyRange.first }
    /// Position of the last key, counted from the end when negative.
    public var lastKey: Int { keys.legacyRange.last }
    /// Distance from key to key.
    public var keyStep: Int { keys.legacyRange.step }

    /// Whether so many arguments (the name included) are allowed.
    public func accepts(argumentCount: Int) -> Bool {
        arity >= 0 ? argumentCount == arity : argumentCount >= -arity
    }

    /// Whether the command goes through the log.
    public var isWrite: Bool { flags.contains(.write) }

    /// Runs the handler. The only way to run one: it turns a read that met a key past due into
    /// `.needsTime`, so that no handler has to.
    public func run(_ context: inout CommandContext, _ request: borrowing Request) -> Outcome {
        guard let handler else { invariantFailed("\(name) has no handler") }
        let written = context.reply.bytes.count
        context.pastDue = false
        let outcome = handler(&context, request)
        guard context.pastDue || outcome == .needsTime else { return .done }
        invariant(context.mode == .read, "a logged command asked for another time")
        context.reply.bytes.truncate(to: written)
        return .needsTime
    }
}

/// Who answers a command.
public enum CommandScope: UInt8, Sendable {
    /// The group that owns the keys; any group when the request names none.
    case keyed
    /// Every group for its own slots; the engine merges the replies.
    case everyGroup
    /// The session itself, without a group.
    case connection
}

/// COMMAND's flags, in the order in which Redis prints them.
public struct CommandFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    private init(bit: UInt32) { rawValue = 1 << bit }

    public static let write = CommandFlags(bit: 0)
    public static let readonly = CommandFlags(bit: 1)
    public static let denyoom = CommandFlags(bit: 2)
    public static let module = CommandFlags(bit: 3)
    public static let admin = CommandFlags(bit: 4)
    public static let pubsub = CommandFlags(bit: 5)
    public static let noscript = CommandFlags(bit: 6)
    public static let blocking = CommandFlags(bit: 7)
    public static let loading = CommandFlags(bit: 8)
    public static let stale = CommandFlags(bit: 9)
    public static let skipMonitor = CommandFlags(bit: 10)
    public static let skipSlowlog = CommandFlags(bit: 11)
    public static let asking = CommandFlags(bit: 12)
    public static let fast = CommandFlags(bit: 13)
    public static let noAuth = CommandFlags(bit: 14)
    public static let mayReplicate = CommandFlags(bit: 15)
    public static let noMandatoryKeys = CommandFlags(bit: 16)
    public static let noAsyncLoading = CommandFlags(bit: 17)
    public static let noMulti = CommandFlags(bit: 18)
    public static let movablekeys = CommandFlags(bit: 19)
    public static let allowBusy = CommandFlags(bit: 20)

    static let names: [StaticString] = [
        "write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking",
        "loading", "stale", "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth",
        "may_replicate", "no_mandatory_keys", "no_async_loading", "no_multi", "movablekeys",
        "allow_busy",
    ]
}

/// ACL categories, in the order in which Redis prints them.
public struct CommandCategories: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    private init(bit: UInt32) { rawValue = 1 << bit }

    public static let keyspace = CommandCategories(bit: 0)
    public static let read = CommandCategories(bit: 1)
    public static let write = CommandCategories(bit: 2)
    public static let set = CommandCategories(bit: 3)
    public static let sortedset = CommandCategories(bit: 4)
    public static let list = CommandCategories(bit: 5)
    public static let hash = CommandCategories(bit: 6)
    public static let string = CommandCategories(bit: 7)
    public static let bitmap = CommandCategories(bit: 8)
    public static let hyperloglog = CommandCategories(bit: 9)
    public static let geo = CommandCategories(bit: 10)
    public static let stream = CommandCategories(bit: 11)
    public static let pubsub = CommandCategories(bit: 12)
    public static let admin = CommandCategories(bit: 13)
    public static let fast = CommandCategories(bit: 14)
    public static let slow = CommandCategories(bit: 15)
    public static let blocking = CommandCategories(bit: 16)
    public static let dangerous = CommandCategories(bit: 17)
    public static let connection = CommandCategories(bit: 18)
    public static let transaction = CommandCategories(bit: 19)
    public static let scripting = CommandCategories(bit: 20)

    /// Without the `@`.
    public static let names: [StaticString] = [
        "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
        "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
        "connection", "transaction", "scripting",
    ]
}

/// COMMAND's hints for proxies, in the order in which Redis prints them.
public struct CommandTips: OptionSet, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    private init(bit: UInt16) { rawValue = 1 << bit }

    public static let nondeterministicOutput = CommandTips(bit: 0)
    public static let nondeterministicOutputOrder = CommandTips(bit: 1)
    public static let requestAllNodes = CommandTips(bit: 2)
    public static let requestAllShards = CommandTips(bit: 3)
    public static let requestMultiShard = CommandTips(bit: 4)
    public static let requestSpecial = CommandTips(bit: 5)
    public static let responseAllSucceeded = CommandTips(bit: 6)
    public static let responseOneSucceeded = CommandTips(bit: 7)
    public static let responseSum = CommandTips(bit: 8)
    public static let responseMin = CommandTips(bit: 9)
    public static let responseLogicalAnd = CommandTips(bit: 10)
    public static let responseSpecial = CommandTips(bit: 11)

    static let names: [StaticString] = [
        "nondeterministic_output", "nondeterministic_output_order", "request_policy:all_nodes",
        "request_policy:all_shards", "request_policy:multi_shard", "request_policy:special",
        "response_policy:all_succeeded", "response_policy:one_succeeded",
        "response_policy:agg_sum", "response_policy:agg_min", "response_policy:agg_logical_and",
        "response_policy:special",
    ]
}
