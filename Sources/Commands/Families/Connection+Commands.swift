/// Commands about the session, the node and the command table: no group takes part, and the engine's
/// session answers them. Here are only their facts.
enum Connection {
    /// The commands that the session answers, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "ping", arity: -1, [.fast], [.fast, .connection],
            scope: .connection, tips: [.requestAllShards, .responseAllSucceeded]),
        CommandSpec(
            "echo", arity: 2, [.loading, .stale, .fast], [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "multi", arity: 1, [.noscript, .loading, .stale, .fast, .allowBusy],
            [.fast, .transaction],
            scope: .connection),
        CommandSpec(
            "exec", arity: 1, [.noscript, .loading, .stale, .skipSlowlog],
            [.slow, .transaction],
            scope: .connection),
        CommandSpec(
            "discard", arity: 1, [.noscript, .loading, .stale, .fast, .allowBusy],
            [.fast, .transaction],
            scope: .connection),
        CommandSpec(
            "hello", arity: -1, [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
            [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "auth", arity: -2, [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
            [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "quit", arity: -1, [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
            [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "reset", arity: 1, [.noscript, .loading, .stale, .fast, .noAuth, .allowBusy],
            [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "readonly", arity: 1, [.loading, .stale, .fast], [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "readwrite", arity: 1, [.loading, .stale, .fast], [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "select", arity: 2, [.loading, .stale, .fast], [.fast, .connection],
            scope: .connection),
        CommandSpec(
            "command", arity: -1, [.loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.nondeterministicOutputOrder]),
        CommandSpec(
            "command|count", arity: 2, [.loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "command|docs", arity: -2, [.loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.nondeterministicOutputOrder]),
        CommandSpec(
            "command|getkeys", arity: -4, [.loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "command|getkeysandflags", arity: -4, [.loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "command|help", arity: 2, [.loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "command|info", arity: -2, [.loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.nondeterministicOutputOrder]),
        CommandSpec(
            "command|list", arity: -2, [.loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.nondeterministicOutputOrder]),
        CommandSpec(
            "client", arity: -2, [], [.slow],
            scope: .connection),
        CommandSpec(
            "client|getname", arity: 2, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "client|help", arity: 2, [.loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "client|id", arity: 2, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "client|info", arity: 2, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "client|kill", arity: -3, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous, .connection],
            scope: .connection),
        CommandSpec(
            "client|list", arity: -2, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous, .connection],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "client|no-evict", arity: 3, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous, .connection],
            scope: .connection),
        CommandSpec(
            "client|reply", arity: 3, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "client|setname", arity: 3, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection),
        // 7.2 has these two; client libraries send the first on every connect.
        CommandSpec(
            "client|no-touch", arity: 3, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection),
        CommandSpec(
            "client|setinfo", arity: 4, [.noscript, .loading, .stale], [.slow, .connection],
            scope: .connection, tips: [.requestAllNodes, .responseAllSucceeded]),
        CommandSpec(
            "config", arity: -2, [], [.slow],
            scope: .connection),
        CommandSpec(
            "config|get", arity: -3, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "config|help", arity: 2, [.loading, .stale], [.slow],
            scope: .connection),
        CommandSpec(
            "config|resetstat", arity: 2, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "config|rewrite", arity: 2, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "config|set", arity: -4, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection, tips: [.requestAllNodes, .responseAllSucceeded]),
        CommandSpec(
            "cluster", arity: -2, [], [.slow],
            scope: .connection),
        CommandSpec(
            "cluster|forget", arity: 3, [.admin, .noAsyncLoading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "cluster|help", arity: 2, [.loading, .stale], [.slow],
            scope: .connection),
        CommandSpec(
            "cluster|info", arity: 2, [.loading, .stale], [.slow],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "cluster|keyslot", arity: 3, [.loading, .stale], [.slow],
            scope: .connection),
        CommandSpec(
            "cluster|meet", arity: -4, [.admin, .noAsyncLoading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "cluster|myid", arity: 2, [.loading, .stale], [.slow],
            scope: .connection),
        CommandSpec(
            "cluster|nodes", arity: 2, [.loading, .stale], [.slow],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "cluster|shards", arity: 2, [.loading, .stale], [.slow],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "cluster|slots", arity: 2, [.loading, .stale], [.slow],
            scope: .connection, tips: [.nondeterministicOutput]),
        // Of our own.
        CommandSpec(
            "skein.nodes", arity: 1, [.loading, .stale], [.slow],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "skein.transfer", arity: 3, [.admin, .noAsyncLoading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "info", arity: -1, [.loading, .stale], [.slow, .dangerous],
            scope: .connection,
            tips: [.nondeterministicOutput, .requestAllShards, .responseSpecial]),
        CommandSpec(
            "bgsave", arity: -1, [.admin, .noscript, .noAsyncLoading],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "lastsave", arity: 1, [.loading, .stale, .fast], [.admin, .fast, .dangerous],
            scope: .connection, tips: [.nondeterministicOutput]),
        CommandSpec(
            "debug", arity: -2, [.admin, .noscript, .loading, .stale],
            [.admin, .slow, .dangerous],
            scope: .connection),
        CommandSpec(
            "time", arity: 1, [.loading, .stale, .fast], [.fast],
            scope: .connection, tips: [.nondeterministicOutput]),
    ]
}
