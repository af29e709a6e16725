internal import Bytes

/// The payload of an entry of kind `commands`, and of a forward frame.
///
///     payload:  u8 format version (1) | i64 log time, ms | u64 seed | run ...
///     run:      origin node | origin boot | floor | first sequence | count | command ...
///     command:  u8 flags | u8 database | user | length | arguments
///
/// Numbers without a type are LEB128. A run is commands of one origin with consecutive sequences;
/// a forward frame carries one run, and the leader copies it into the entry as it came. `floor` is
/// the origin's oldest unanswered sequence: replies below it need not be kept.
///
/// Flags: 1 the client speaks RESP3; 2 the arguments are the reference of a large command whose
/// pieces came before (`LargeReference`); 4 abandoned: takes its sequence, changes nothing; 8 refused by
/// the leader, for there is no room: changes nothing and says so. Instead of its arguments there is a
/// `GrowthRefusal`, and a large command's reference behind it.
enum CommandPayload {
    static let version: UInt8 = 1
    /// Version, time and seed.
    static let headerBytes = 1 + 8 + 8

    static func appendHeader(time: Int64, seed: UInt64, to bytes: inout ByteBuffer) {
        bytes.append(version)
        bytes.append(littleEndian: time)
        bytes.append(littleEndian: seed)
    }
}

/// Who commands come from: a node and one start of its process.
struct Origin: Hashable, Sendable {
    var node: UInt16
    var boot: UInt64
}

/// The head of a run.
struct RunHeader: Equatable {
    var origin: Origin
    var floor: UInt64
    var first: UInt64
    var count: Int

    /// At most this many bytes.
    static let encodedBytesMax = 3 + 10 + 10 + 10 + 5

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: UInt64(origin.node))
        bytes.append(varint: origin.boot)
        bytes.append(varint: floor)
        bytes.append(varint: first)
        bytes.append(varint: UInt64(count))
    }

    init(origin: Origin, floor: UInt64, first: UInt64, count: Int) {
        self.origin = origin
        self.floor = floor
        self.first = first
        self.count = count
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        guard let node = UInt16(exactly: try reader.readVarint()) else { throw .invalid("origin") }
        origin = Origin(node: node, boot: try reader.readVarint())
        floor = try reader.readVarint()
        first = try reader.readVarint()
        count = try reader.readCount()
        // A command takes at least four bytes: a count beyond that is not worth counting to.
        guard count >= 1, count <= reader.remaining / 4 + 1 else { throw .invalid("run length") }
        // Room to count on: no process comes near the limit.
        guard first >= 1, floor >= 1, floor <= first, first < 1 << 62 else {
            throw .invalid("run sequence")
        }
    }
}

/// One command of a run, borrowed.
struct LoggedCommand: ~Escapable {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let resp3 = Flags(rawValue: 1)
        static let large = Flags(rawValue: 2)
        static let abandoned = Flags(rawValue: 4)
        static let growthRefused = Flags(rawValue: 8)
        static let all: Flags = [.resp3, .large, .abandoned, .growthRefused]
    }

    let flags: Flags
    let database: UInt8
    let arguments: Span<UInt8>

    @_lifetime(copy reader)
    init(from reader: inout ByteReader) throws(DecodeError) {
        flags = Flags(rawValue: try reader.read())
        guard flags.isSubset(of: .all) else { throw .invalid("command flags") }
        database = try reader.read()
        guard database < 16 else { throw .invalid("database") }
        guard try reader.readVarint() == 0 else { throw .invalid("user") }
        arguments = try reader.readLengthPrefixed()
    }

    /// Appends everything but the arguments' bytes.
    static func encodeHead(
        flags: Flags, database: Int, argumentBytes: Int, into bytes: inout ByteBuffer
    ) {
        bytes.append(flags.rawValue)
        bytes.append(UInt8(database))
        bytes.append(varint: 0)  // The user; ACLs give it meaning.
        bytes.append(varint: UInt64(argumentBytes))
    }
}

/// Stands in a run for a command that is too large for an entry.
struct LargeReference: Equatable {
    /// Number of the command among its origin's large commands.
    var command: UInt64
    /// Bytes of the command.
    var length: UInt64

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: command)
        bytes.append(varint: length)
    }

    init(command: UInt64, length: UInt64) {
        self.command = command
        self.length = length
    }

    init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        command = try reader.readVarint()
        length = try reader.readVarint()
    }
}
