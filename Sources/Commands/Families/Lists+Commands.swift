extension Lists {
    /// The list commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "lpush", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "rpush", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "lpushx", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "rpushx", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "lpop", arity: -2, [.write, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), nil),
        CommandSpec(
            "rpop", arity: -2, [.write, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), nil),
        CommandSpec(
            "llen", arity: 2, [.readonly, .fast], [.read, .list, .fast],
            keys: .one(.at(1, .ro)), nil),
        CommandSpec(
            "lindex", arity: 3, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "lrange", arity: 4, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "lset", arity: 4, [.write, .denyoom], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .update])), nil),
        CommandSpec(
            "ltrim", arity: 4, [.write], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "lrem", arity: 4, [.write], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .delete])), nil),
        CommandSpec(
            "linsert", arity: 5, [.write, .denyoom], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .insert])), nil),
        CommandSpec(
            "lpos", arity: -3, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), nil),
        CommandSpec(
            "lmove", arity: 5, [.write, .denyoom], [.write, .list, .slow],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.rw, .insert])), nil),
        CommandSpec(
            "rpoplpush", arity: 3, [.write, .denyoom], [.write, .list, .slow],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.rw, .insert])), nil),
    ]
}
