extension SortedSets {
    /// The sorted set commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "zadd", arity: -4, [.write, .denyoom, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .update])), nil),
        CommandSpec(
            "zscore", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zmscore", arity: -3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrange", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrevrange", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrangebyscore", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrevrangebyscore", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrangebylex", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrevrangebylex", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrangestore", arity: -5, [.write, .denyoom], [.write, .sortedset, .slow],
            keys: .two(.at(1, [.ow, .update]), .at(2, [.ro, .access])), nil),
        CommandSpec(
            "zrem", arity: -3, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "zremrangebyrank", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "zremrangebyscore", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "zremrangebylex", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "zcard", arity: 2, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, .ro)), nil),
        CommandSpec(
            "zcount", arity: 4, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zlexcount", arity: 4, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrank", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zrevrank", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "zincrby", arity: 4, [.write, .denyoom, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), nil),
        CommandSpec(
            "zpopmin", arity: -2, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), nil),
        CommandSpec(
            "zpopmax", arity: -2, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), nil),
        CommandSpec(
            "zrandmember", arity: -2, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], nil),
        CommandSpec(
            "zscan", arity: -3, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], nil),
    ]
}
