extension Keys {
    /// The commands on keys of any type, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "del", arity: -2, [.write], [.keyspace, .write, .slow],
            keys: .one(.from(1, to: -1, [.rm, .delete])),
            tips: [.requestMultiShard, .responseSum], del),
        CommandSpec(
            "unlink", arity: -2, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.from(1, to: -1, [.rm, .delete])),
            tips: [.requestMultiShard, .responseSum], del),
        CommandSpec(
            "exists", arity: -2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.from(1, to: -1, .ro)), tips: [.requestMultiShard, .responseSum], exists),
        CommandSpec(
            "touch", arity: -2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.from(1, to: -1, .ro)), tips: [.requestMultiShard, .responseSum], touch),
        CommandSpec(
            "type", arity: 2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.at(1, .ro)), type),
        CommandSpec(
            "rename", arity: 3, [.write], [.keyspace, .write, .slow],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.ow, .update])), rename),
        CommandSpec(
            "renamenx", arity: 3, [.write, .fast], [.keyspace, .write, .fast],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.ow, .insert])), renamenx),
        CommandSpec(
            "object", arity: -2, [], [.slow]),
        CommandSpec(
            "object|encoding", arity: 3, [.readonly], [.keyspace, .read, .slow],
            keys: .one(.at(2, .ro)), tips: [.nondeterministicOutput], objectEncoding),
        CommandSpec(
            "object|freq", arity: 3, [.readonly], [.keyspace, .read, .slow],
            keys: .one(.at(2, .ro)), tips: [.nondeterministicOutput], objectFreq),
        CommandSpec(
            "object|help", arity: 2, [.loading, .stale], [.keyspace, .slow],
            objectHelp),
        CommandSpec(
            "object|idletime", arity: 3, [.readonly], [.keyspace, .read, .slow],
            keys: .one(.at(2, .ro)), tips: [.nondeterministicOutput], objectIdletime),
        CommandSpec(
            "object|refcount", arity: 3, [.readonly], [.keyspace, .read, .slow],
            keys: .one(.at(2, .ro)), tips: [.nondeterministicOutput], objectRefcount),
    ]
}
