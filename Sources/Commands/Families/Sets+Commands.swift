extension Sets {
    /// The set commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "sadd", arity: -3, [.write, .denyoom, .fast], [.write, .set, .fast],
            keys: .one(.at(1, [.rw, .insert])), sadd),
        CommandSpec(
            "srem", arity: -3, [.write, .fast], [.write, .set, .fast],
            keys: .one(.at(1, [.rw, .delete])), srem),
        CommandSpec(
            "smembers", arity: 2, [.readonly], [.read, .set, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutputOrder], smembers),
        CommandSpec(
            "sismember", arity: 3, [.readonly, .fast], [.read, .set, .fast],
            keys: .one(.at(1, .ro)), sismember),
        CommandSpec(
            "smismember", arity: -3, [.readonly, .fast], [.read, .set, .fast],
            keys: .one(.at(1, [.ro, .access])), smismember),
        CommandSpec(
            "scard", arity: 2, [.readonly, .fast], [.read, .set, .fast],
            keys: .one(.at(1, .ro)), scard),
        CommandSpec(
            "spop", arity: -2, [.write, .fast], [.write, .set, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), tips: [.nondeterministicOutput], spop),
        CommandSpec(
            "srandmember", arity: -2, [.readonly], [.read, .set, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], srandmember),
        CommandSpec(
            "smove", arity: 4, [.write, .fast], [.write, .set, .fast],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.rw, .insert])), smove),
        CommandSpec(
            "sscan", arity: -3, [.readonly], [.read, .set, .slow],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], sscan),
        CommandSpec(
            "sinter", arity: -2, [.readonly], [.read, .set, .slow],
            keys: .one(.from(1, to: -1, [.ro, .access])),
            tips: [.nondeterministicOutputOrder], sinter),
        CommandSpec(
            "sunion", arity: -2, [.readonly], [.read, .set, .slow],
            keys: .one(.from(1, to: -1, [.ro, .access])),
            tips: [.nondeterministicOutputOrder], sunion),
        CommandSpec(
            "sdiff", arity: -2, [.readonly], [.read, .set, .slow],
            keys: .one(.from(1, to: -1, [.ro, .access])),
            tips: [.nondeterministicOutputOrder], sdiff),
        CommandSpec(
            "sinterstore", arity: -3, [.write, .denyoom], [.write, .set, .slow],
            keys: .two(.at(1, [.rw, .update]), .from(2, to: -1, [.ro, .access])), sinterstore),
        CommandSpec(
            "sunionstore", arity: -3, [.write, .denyoom], [.write, .set, .slow],
            keys: .two(.at(1, [.ow, .update]), .from(2, to: -1, [.ro, .access])), sunionstore),
        CommandSpec(
            "sdiffstore", arity: -3, [.write, .denyoom], [.write, .set, .slow],
            keys: .two(.at(1, [.ow, .update]), .from(2, to: -1, [.ro, .access])), sdiffstore),
        CommandSpec(
            "sintercard", arity: -3, [.readonly, .movablekeys], [.read, .set, .slow],
            keys: .one(.counted(at: 1, [.ro, .access])), sintercard),
    ]
}
