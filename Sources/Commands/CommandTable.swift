internal import Bytes
public import RESP

/// All commands, and how a request finds its own.
///
/// To add a command: write its handler in its family's file (`Families/Strings.swift` is the
/// model) and its row in `Families/<Family>+Commands.swift`, with the facts that redis-server 7.0's
/// `COMMAND INFO name` reports. A new family's rows are joined to `families` below. Nothing else:
/// routing, arity, COMMAND and its errors come from the row.
public enum CommandTable {
    /// Every command and subcommand; containers come right before their subcommands.
    public static let all: [CommandSpec] = build(families.flatMap { $0 })

    private static let families: [[CommandSpec]] = [
        Strings.commands, Keys.commands, Expiry.commands, WholeKeyspace.commands,
        Lists.commands, Hashes.commands, Sets.commands, SortedSets.commands, Connection.commands,
        Once.commands,
    ]

    /// Number of commands, subcommands not counted.
    public static let count = all.count { !isSubcommand($0) }

    /// What a request turned out to be.
    public enum Resolution {
        case found(CommandSpec)
        case unknown
        /// A container's subcommand that does not exist.
        case unknownSubcommand(CommandSpec)
        case wrongArity(CommandSpec)
    }

    /// The command or subcommand that a request asks for, its arity checked.
    ///
    /// - Parameter start: where the command begins; not 0 for COMMAND GETKEYS.
    public static func resolve(_ request: borrowing Request, from start: Int = 0) -> Resolution {
        guard let spec = lookup(request[start]) else { return .unknown }
        let count = request.count - start
        guard !spec.subcommands.isEmpty, count > 1 else {
            return spec.accepts(argumentCount: count) ? .found(spec) : .wrongArity(spec)
        }
        guard let subcommand = lookup(request[start + 1], in: spec) else {
            return .unknownSubcommand(spec)
        }
        return subcommand.accepts(argumentCount: count)
            ? .found(subcommand) : .wrongArity(subcommand)
    }

    /// The command of this name, whatever its letters' case. Allocates nothing.
    public static func lookup(_ name: Span<UInt8>) -> CommandSpec? {
        guard let place = index.find(name, all) else { return nil }
        return all[place]
    }

    /// The subcommand of this name; `container|subcommand` is not meant here.
    public static func lookup(_ name: Span<UInt8>, in container: CommandSpec) -> CommandSpec? {
        for place in container.subcommands
        where CommandName.equals(all[place].name, name, from: container.name.utf8CodeUnitCount + 1)
        {
            return all[place]
        }
        return nil
    }

    private static let index = CommandIndex(all)

    static func isSubcommand(_ spec: CommandSpec) -> Bool { CommandName.hasBar(spec.name) }

    private static func build(_ rows: [CommandSpec]) -> [CommandSpec] {
        var table: [CommandSpec] = []
        var container: Int?
        for var row in rows {
            row.id = table.count
            if isSubcommand(row) {
                guard let container else { invariantFailed("\(row.name) has no container") }
                table[container].subcommands =
                    (table[container].subcommands.isEmpty
                        ? row.id : table[container].subcommands.lowerBound)..<row.id + 1
            } else {
                container = row.id
            }
            table.append(row)
        }
        for spec in table where spec.scope != .connection {
            invariant(
                (spec.handler == nil) == !spec.subcommands.isEmpty, "\(spec.name) has no handler")
        }
        return table
    }
}

/// An open-addressing index over the names, so that a lookup is one hash and about one comparison.
struct CommandIndex: Sendable {
    private static let size = 1024
    /// Place in the table plus one; 0 is free.
    private var places = [UInt16](repeating: 0, count: CommandIndex.size)

    init(_ table: [CommandSpec]) {
        invariant(table.count < Self.size / 2, "too many commands for the index")
        for spec in table where !CommandTable.isSubcommand(spec) {
            var slot = CommandName.hash(spec.name) & (Self.size - 1)
            while places[slot] != 0 { slot = (slot + 1) & (Self.size - 1) }
            places[slot] = UInt16(spec.id + 1)
        }
    }

    func find(_ name: Span<UInt8>, _ table: borrowing [CommandSpec]) -> Int? {
        var slot = CommandName.hash(name) & (Self.size - 1)
        while places[slot] != 0 {
            let place = Int(places[slot]) - 1
            if CommandName.equals(table[place].name, name) { return place }
            slot = (slot + 1) & (Self.size - 1)
        }
        return nil
    }
}

/// Comparing names without regard to the case of ASCII letters, and without strings.
enum CommandName {
    /// FNV-1a over the lower-case bytes.
    static func hash(_ name: Span<UInt8>) -> Int {
        var hash: UInt32 = 0x811c_9dc5
        // No name is longer; a long argument must not cost time.
        for i in 0..<min(name.count, 32) {
            hash = (hash ^ UInt32(asciiLowercase(name[i]))) &* 0x0100_0193
        }
        return Int(hash ^ hash >> 15)
    }

    static func hash(_ name: StaticString) -> Int { hash(bytes(name)) }

    /// Whether `literal` from byte `start` on is `name`.
    static func equals(_ literal: StaticString, _ name: Span<UInt8>, from start: Int = 0) -> Bool {
        let literal = bytes(literal)
        guard name.count == literal.count - start else { return false }
        for i in 0..<name.count where asciiLowercase(name[i]) != literal[start + i] {
            return false
        }
        return true
    }

    static func hasBar(_ name: StaticString) -> Bool {
        let bytes = bytes(name)
        for i in bytes.indices where bytes[i] == UInt8(ascii: "|") { return true }
        return false
    }

    /// Literals live as long as the process.
    @_lifetime(immortal)
    static func bytes(_ literal: StaticString) -> Span<UInt8> {
        let buffer = unsafe UnsafeBufferPointer(
            start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        let span = unsafe Span(_unsafeElements: buffer)
        return unsafe _overrideLifetime(span, copying: ())
    }
}
