extension Strings {
    /// The string commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "get", arity: 2, [.readonly, .fast], [.read, .string, .fast],
            keys: .one(.at(1, [.ro, .access])), get),
        CommandSpec(
            "set", arity: -3, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.ofSet), set),
        CommandSpec(
            "setnx", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.ow, .insert])), setnx),
        CommandSpec(
            "setex", arity: 4, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.at(1, [.ow, .update])), setex),
        CommandSpec(
            "psetex", arity: 4, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.at(1, [.ow, .update])), psetex),
        CommandSpec(
            "getset", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), getset),
        CommandSpec(
            "getdel", arity: 2, [.write, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .delete])), getdel),
        CommandSpec(
            "getex", arity: -2, [.write, .fast], [.write, .string, .fast],
            keys: .one(.ofGetex), getex),
        CommandSpec(
            "mget", arity: -2, [.readonly, .fast], [.read, .string, .fast],
            keys: .one(.from(1, to: -1, [.ro, .access])), tips: [.requestMultiShard], mget),
        CommandSpec(
            "mset", arity: -3, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.from(1, to: -1, step: 2, [.ow, .update])),
            tips: [.requestMultiShard, .responseAllSucceeded], mset),
        CommandSpec(
            "msetnx", arity: -3, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.from(1, to: -1, step: 2, [.ow, .insert])),
            tips: [.requestMultiShard, .responseMin], msetnx),
        CommandSpec(
            "append", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .insert])), append),
        CommandSpec(
            "strlen", arity: 2, [.readonly, .fast], [.read, .string, .fast],
            keys: .one(.at(1, .ro)), strlen),
        CommandSpec(
            "incr", arity: 2, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), incr),
        CommandSpec(
            "decr", arity: 2, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), decr),
        CommandSpec(
            "incrby", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), incrby),
        CommandSpec(
            "decrby", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), decrby),
        CommandSpec(
            "incrbyfloat", arity: 3, [.write, .denyoom, .fast], [.write, .string, .fast],
            keys: .one(.at(1, [.rw, .access, .update])), incrbyfloat),
        CommandSpec(
            "getrange", arity: 4, [.readonly], [.read, .string, .slow],
            keys: .one(.at(1, [.ro, .access])), getrange),
        CommandSpec(
            "substr", arity: 4, [.readonly], [.read, .string, .slow],
            keys: .one(.at(1, [.ro, .access])), getrange),
        CommandSpec(
            "setrange", arity: 4, [.write, .denyoom], [.write, .string, .slow],
            keys: .one(.at(1, [.rw, .update])), setrange),
    ]
}
