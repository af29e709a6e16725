extension Hashes {
    /// The hash commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "hset", arity: -4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .update])), nil),
        CommandSpec(
            "hget", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "hmset", arity: -4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .update])), nil),
        CommandSpec(
            "hmget", arity: -3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "hgetall", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], nil),
        CommandSpec(
            "hdel", arity: -3, [.write, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "hlen", arity: 2, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), nil),
        CommandSpec(
            "hstrlen", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), nil),
        CommandSpec(
            "hexists", arity: 3, [.readonly, .fast], [.read, .hash, .fast],
            keys: .one(.at(1, .ro)), nil),
        CommandSpec(
            "hkeys", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], nil),
        CommandSpec(
            "hvals", arity: 2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], nil),
        CommandSpec(
            "hincrby", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), nil),
        CommandSpec(
            "hincrbyfloat", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), nil),
        CommandSpec(
            "hsetnx", arity: 4, [.write, .denyoom, .fast], [.write, .hash, .fast],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "hrandfield", arity: -2, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], nil),
        CommandSpec(
            "hscan", arity: -3, [.readonly], [.read, .hash, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], nil),
    ]
}
