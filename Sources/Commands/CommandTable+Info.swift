internal import Bytes
public import RESP

// COMMAND INFO, LIST and GETKEYS in redis-server 7.0's form. The engine's session calls these.
extension CommandTable {
    /// COMMAND without arguments: every command, with its subcommands inside.
    public static func writeAll(to reply: inout ReplyWriter) {
        reply.array(count)
        for spec in all where !isSubcommand(spec) { writeInfo(spec, to: &reply) }
    }

    /// One command as COMMAND INFO tells it.
    public static func writeInfo(_ spec: CommandSpec, to reply: inout ReplyWriter) {
        reply.array(10)
        reply.bulk(spec.name)
        reply.integer(Int64(spec.arity))
        writeFlags(spec.flags.rawValue, CommandFlags.names, to: &reply)
        reply.integer(Int64(spec.firstKey))
        reply.integer(Int64(spec.lastKey))
        reply.integer(Int64(spec.keyStep))
        reply.set(spec.categories.rawValue.nonzeroBitCount)
        for (bit, name) in CommandCategories.names.enumerated()
        where spec.categories.rawValue >> UInt32(bit) & 1 == 1 {
            reply.bytes.append("+@")
            reply.bytes.append(name)
            reply.bytes.append("\r\n")
        }
        reply.set(spec.tips.rawValue.nonzeroBitCount)
        for (bit, name) in CommandTips.names.enumerated()
        where spec.tips.rawValue >> UInt16(bit) & 1 == 1 {
            reply.bulk(name)
        }
        reply.set(spec.keys.count)
        if let keys = spec.keys.first { write(keys, to: &reply) }
        if let keys = spec.keys.second { write(keys, to: &reply) }
        guard !spec.subcommands.isEmpty else {
            reply.set(0)
            return
        }
        // An array here, although the empty one is a set: so does Redis.
        reply.array(spec.subcommands.count)
        for place in spec.subcommands { writeInfo(all[place], to: &reply) }
    }

    private static func writeFlags(
        _ bits: UInt32, _ names: [StaticString], to reply: inout ReplyWriter
    ) {
        reply.set(bits.nonzeroBitCount)
        for (bit, name) in names.enumerated() where bits >> UInt32(bit) & 1 == 1 {
            reply.simple(name)
        }
    }

    private static func write(_ keys: KeySpec, to reply: inout ReplyWriter) {
        reply.map(keys.notes == nil ? 3 : 4)
        if let notes = keys.notes {
            reply.bulk("notes")
            reply.bulk(notes)
        }
        reply.bulk("flags")
        writeFlags(UInt32(keys.flags.rawValue), KeyFlags.names, to: &reply)
        reply.bulk("begin_search")
        reply.map(2)
        reply.bulk("type")
        reply.bulk("index")
        reply.bulk("spec")
        reply.map(1)
        write("index", Int(keys.begin), to: &reply)
        reply.bulk("find_keys")
        reply.map(2)
        reply.bulk("type")
        reply.bulk(keys.search == .range ? "range" : "keynum")
        reply.bulk("spec")
        reply.map(3)
        switch keys.search {
        case .range:
            write("lastkey", Int(keys.last), to: &reply)
            write("keystep", Int(keys.step), to: &reply)
            write("limit", 0, to: &reply)
        case .counted:
            write("keynumidx", 0, to: &reply)
            write("firstkey", 1, to: &reply)
            write("keystep", Int(keys.step), to: &reply)
        }
    }

    private static func write(_ name: StaticString, _ value: Int, to reply: inout ReplyWriter) {
        reply.bulk(name)
        reply.integer(Int64(value))
    }

    /// COMMAND GETKEYS: the keys of the command that begins at argument `start` of `request`.
    public static func writeKeys(
        of request: borrowing Request, from start: Int, to reply: inout ReplyWriter
    ) {
        let spec: CommandSpec
        switch resolve(request, from: start) {
        case .found(let found): spec = found
        case .unknown, .unknownSubcommand:
            reply.error("ERR Invalid command specified")
            return
        case .wrongArity(let found):
            reply.error(
                found.keys.count == 0
                    ? "ERR The command has no key arguments"
                    : "ERR Invalid number of arguments specified for command")
            return
        }
        if spec.id == onceID {
            return writeKeys(of: request, from: start + onceCommandStart, to: &reply)
        }
        guard spec.keys.count > 0 else {
            reply.error("ERR The command has no key arguments")
            return
        }
        let list = reply.openArray()
        var found = 0
        let isSound = spec.keys.forEachKey(of: request, from: start) { position in
            reply.bulk(request[position])
            found += 1
        }
        guard isSound else {
            reply.discard(list)
            reply.error("ERR Invalid arguments specified for command")
            return
        }
        reply.closeArray(list, count: found)
    }
}
