extension Hashes {
    /// The hash commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "hset", arity: -4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .update])), hset),
        CommandSpec(
            "hget", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, [.ro, .access])), hget),
        CommandSpec(
            "hmset", arity: -4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .update])), hmset),
        CommandSpec(
            "hmget", arity: -3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, [.ro, .access])), hmget),
        CommandSpec(
            "hgetall", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], hgetall),
        CommandSpec(
            "hdel", arity: -3, [.write, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .delete])), hdel),
        CommandSpec(
            "hlen", arity: 2, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), hlen),
        CommandSpec(
            "hstrlen", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), hstrlen),
        CommandSpec(
            "hexists", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), hexists),
        CommandSpec(
            "hkeys", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], hkeys),
        CommandSpec(
            "hvals", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], hvals),
        CommandSpec(
            "hincrby", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), hincrby),
        CommandSpec(
            "hincrbyfloat", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), hincrbyfloat),
        CommandSpec(
            "hsetnx", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .insert])), hsetnx),
        CommandSpec(
            "hrandfield", arity: -2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], hrandfield),
        CommandSpec(
            "hscan", arity: -3, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], hscan),
    ]
}
