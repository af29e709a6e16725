extension Lists {
    /// The list commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "lpush", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), lpush),
        CommandSpec(
            "rpush", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), rpush),
        CommandSpec(
            "lpushx", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), lpushx),
        CommandSpec(
            "rpushx", arity: -3, [.write, .denyoom, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .insert])), rpushx),
        CommandSpec(
            "lpop", arity: -2, [.write, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), lpop),
        CommandSpec(
            "rpop", arity: -2, [.write, .fast], [.write, .list, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), rpop),
        CommandSpec(
            "llen", arity: 2, [.readonly, .fast], [.read, .list, .fast],
            keys: .one(.at(1, .ro)), llen),
        CommandSpec(
            "lindex", arity: 3, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), lindex),
        CommandSpec(
            "lrange", arity: 4, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), lrange),
        CommandSpec(
            "lset", arity: 4, [.write, .denyoom], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .update])), lset),
        CommandSpec(
            "ltrim", arity: 4, [.write], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .delete])), ltrim),
        CommandSpec(
            "lrem", arity: 4, [.write], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .delete])), lrem),
        CommandSpec(
            "linsert", arity: 5, [.write, .denyoom], [.write, .list, .slow],
            keys: .one(.at(1, [.rw, .insert])), linsert),
        CommandSpec(
            "lpos", arity: -3, [.readonly], [.read, .list, .slow],
            keys: .one(.at(1, [.ro, .access])), lpos),
        CommandSpec(
            "lmove", arity: 5, [.write, .denyoom], [.write, .list, .slow],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.rw, .insert])), lmove),
        CommandSpec(
            "rpoplpush", arity: 3, [.write, .denyoom], [.write, .list, .slow],
            keys: .two(.at(1, [.rw, .access, .delete]), .at(2, [.rw, .insert])), rpoplpush),
    ]
}
