extension WholeKeyspace {
    /// The commands on all keys, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "keys", arity: 2, [.readonly], [.keyspace, .read, .slow, .dangerous],
            scope: .everyGroup, tips: [.requestAllShards, .nondeterministicOutputOrder], keys),
        CommandSpec(
            "scan", arity: -2, [.readonly], [.keyspace, .read, .slow],
            scope: .everyGroup, tips: [.nondeterministicOutput, .requestSpecial], scan),
        CommandSpec(
            "randomkey", arity: 1, [.readonly], [.keyspace, .read, .slow],
            scope: .everyGroup, tips: [.requestAllShards, .nondeterministicOutput], randomkey),
        CommandSpec(
            "dbsize", arity: 1, [.readonly, .fast], [.keyspace, .read, .fast],
            scope: .everyGroup, tips: [.requestAllShards, .responseSum], dbsize),
        CommandSpec(
            "flushall", arity: -1, [.write], [.keyspace, .write, .slow, .dangerous],
            scope: .everyGroup, tips: [.requestAllShards, .responseAllSucceeded], flushall),
        CommandSpec(
            "flushdb", arity: -1, [.write], [.keyspace, .write, .slow, .dangerous],
            scope: .everyGroup, tips: [.requestAllShards, .responseAllSucceeded], flushdb),
    ]
}
