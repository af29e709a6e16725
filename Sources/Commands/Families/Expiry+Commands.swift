extension Expiry {
    /// The expiry commands, with the facts of redis-server 7.0.
    static let commands: [CommandSpec] = [
        CommandSpec(
            "expire", arity: -3, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.at(1, [.rw, .update])), expire),
        CommandSpec(
            "pexpire", arity: -3, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.at(1, [.rw, .update])), pexpire),
        CommandSpec(
            "expireat", arity: -3, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.at(1, [.rw, .update])), expireat),
        CommandSpec(
            "pexpireat", arity: -3, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.at(1, [.rw, .update])), pexpireat),
        CommandSpec(
            "ttl", arity: 2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], ttl),
        CommandSpec(
            "pttl", arity: 2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.at(1, [.ro, .access])), tips: [.nondeterministicOutput], pttl),
        CommandSpec(
            "expiretime", arity: 2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.at(1, [.ro, .access])), expiretime),
        CommandSpec(
            "pexpiretime", arity: 2, [.readonly, .fast], [.keyspace, .read, .fast],
            keys: .one(.at(1, [.ro, .access])), pexpiretime),
        CommandSpec(
            "persist", arity: 2, [.write, .fast], [.keyspace, .write, .fast],
            keys: .one(.at(1, [.rw, .update])), persist),
    ]
}
