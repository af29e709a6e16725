extension SortedSets {
    /// The sorted set commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "zadd", arity: -4, [.write, .denyoom, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .update])), zadd),
        CommandSpec(
            "zscore", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zscore),
        CommandSpec(
            "zmscore", arity: -3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zmscore),
        CommandSpec(
            "zrange", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrange),
        CommandSpec(
            "zrevrange", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrevrange),
        CommandSpec(
            "zrangebyscore", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrangebyscore),
        CommandSpec(
            "zrevrangebyscore", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrevrangebyscore),
        CommandSpec(
            "zrangebylex", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrangebylex),
        CommandSpec(
            "zrevrangebylex", arity: -4, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), zrevrangebylex),
        CommandSpec(
            "zrangestore", arity: -5, [.write, .denyoom], [.write, .sortedset, .slow],
            keys: .two(.at(1, [.ow, .update]), .at(2, [.ro, .access])), zrangestore),
        CommandSpec(
            "zrem", arity: -3, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .delete])), zrem),
        CommandSpec(
            "zremrangebyrank", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), zremrangebyrank),
        CommandSpec(
            "zremrangebyscore", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), zremrangebyscore),
        CommandSpec(
            "zremrangebylex", arity: 4, [.write], [.write, .sortedset, .slow],
            keys: .one(.at(1, [.rw, .delete])), zremrangebylex),
        CommandSpec(
            "zcard", arity: 2, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, .ro)), zcard),
        CommandSpec(
            "zcount", arity: 4, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zcount),
        CommandSpec(
            "zlexcount", arity: 4, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zlexcount),
        CommandSpec(
            "zrank", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zrank),
        CommandSpec(
            "zrevrank", arity: 3, [.readonly, .fast], [.read, .sortedset, .fast],
            keys: .one(.at(1, [.ro, .access])), zrevrank),
        CommandSpec(
            "zincrby", arity: 4, [.write, .denyoom, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), zincrby),
        CommandSpec(
            "zpopmin", arity: -2, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), zpopmin),
        CommandSpec(
            "zpopmax", arity: -2, [.write, .fast], [.write, .sortedset, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), zpopmax),
        CommandSpec(
            "zrandmember", arity: -2, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], zrandmember),
        CommandSpec(
            "zscan", arity: -3, [.readonly], [.read, .sortedset, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], zscan),
    ]
}
