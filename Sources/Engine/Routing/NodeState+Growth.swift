internal import Bytes
internal import Commands
internal import Configuration
internal import RESP
internal import Raft
internal import Store

/// Why a leader refuses commands that add data; in the log, in place of their arguments.
enum GrowthRefusal: UInt8 {
    case memory = 0
    case transactionMemory = 1
    case disk = 2
    case transactionDisk = 3

    /// As Redis says it; for the disk, as it does when the append-only file cannot be written.
    var error: String {
        switch self {
        case .memory: Self.outOfMemory
        case .transactionMemory: Self.discarded + Self.outOfMemory
        case .disk: Self.diskFull
        case .transactionDisk: Self.discarded + Self.diskFull
        }
    }

    private static let discarded = "EXECABORT Transaction discarded because of: "
    private static let outOfMemory = "OOM command not allowed when used memory > 'maxmemory'."
    private static let diskFull =
        "MISCONF Errors writing to the AOF file: No space left on device"
}

/// Growth that a leader refuses: `maxmemory` with `noeviction`, when its keys take more; and a disk that
/// is nearly full. What is refused is what Redis refuses then, commands with the flag `denyoom`: reads,
/// and commands that remove data, go on.
///
/// The leader judges before it proposes, and the refusal takes the command's place in the log: the
/// order within a session, exactly once, and equal states on all replicas need nothing else. Only the
/// arguments stay out of the log. For want of room most commands are refused before that
/// (NodeState+Space).
extension NodeState {
    /// Bytes that the keys of all groups take here.
    var keyBytes: Int {
        (0..<replicas.count).reduce(0) { $0 + replicas[$1].context.keyspace.memoryBytes }
    }

    /// Bytes of keys that are held only for a snapshot under way.
    var imageBytes: Int {
        (0..<replicas.count).reduce(0) { $0 + replicas[$1].context.keyspace.imageHeldBytes }
    }

    /// Looks at the limits; once per turn, since a turn's commands add little.
    mutating func checkGrowth(now: ClockReading) {
        let isOver = configuration.maxMemory > 0 && keyBytes > configuration.maxMemory
        growthRefusal = mustRefuseGrowth(now: now) ? .disk : isOver ? .memory : nil
    }

    /// The run as it came, but with every command marked that must not add data now.
    func refusingGrowth(
        _ run: Span<UInt8>, reason: GrowthRefusal, group: Int
    ) throws(DecodeError) -> ByteBuffer {
        var reader = ByteReader(run)
        var marked = ByteBuffer()
        let header = try RunHeader(from: &reader)
        header.encode(into: &marked)
        var decoder = ArgumentDecoder()
        for _ in 0..<header.count {
            let command = try LoggedCommand(from: &reader)
            let growth = try self.growth(command, header.origin, group: group, &decoder)
            guard growth != .none else {
                LoggedCommand.encodeHead(
                    flags: command.flags, database: Int(command.database),
                    argumentBytes: command.arguments.count, into: &marked)
                marked.append(command.arguments)
                continue
            }
            // A large command's pieces must be forgotten: its reference stays.
            let isLarge = command.flags.contains(.large)
            LoggedCommand.encodeHead(
                flags: command.flags.union(.growthRefused), database: Int(command.database),
                argumentBytes: 1 + (isLarge ? command.arguments.count : 0), into: &marked)
            marked.append(reason.rawValue + (growth == .transaction ? 1 : 0))
            if isLarge { marked.append(command.arguments) }
        }
        return marked
    }

    private enum Growth {
        case none, command, transaction
    }

    private func growth(
        _ command: borrowing LoggedCommand, _ origin: Origin, group: Int,
        _ decoder: inout ArgumentDecoder
    ) throws(DecodeError) -> Growth {
        if command.flags.contains(.abandoned) { return .none }
        if command.flags.contains(.large) {
            let reference = try LargeReference(decoding: command.arguments)
            return replicas[group].assemblies.startsGrowth(origin: origin, reference)
                ? .command : .none
        }
        _ = try decoder.decode(command.arguments)
        var request = decoder.request(over: command.arguments)
        if OnceCall.isOnce(request) {
            // A repetition adds nothing, and its client waits for the first answer.
            if replicas[group].knowsOnce(request) { return .none }
            request = OnceCall.command(of: request)
        }
        if LoggedTransaction.isTransaction(request) {
            return LoggedTransaction.addsData(request) ? .transaction : .none
        }
        guard case .found(let spec) = CommandTable.resolve(request) else { return .none }
        return spec.flags.contains(.denyoom) ? .command : .none
    }
}

extension Replica {
    /// Answers a command that its leader refused.
    mutating func refuse(
        _ command: borrowing LoggedCommand, origin: Origin
    ) throws(DecodeError) {
        var reader = ByteReader(command.arguments)
        guard let refusal = GrowthRefusal(rawValue: try reader.read()) else {
            throw .invalid("refusal")
        }
        if command.flags.contains(.large) {
            let rest = reader.remaining
            let reference = try LargeReference(decoding: try reader.readBytes(rest))
            _ = assemblies.take(origin: origin, reference: reference)
        }
        context.reply.error(text: refusal.error)
    }
}

extension LoggedTransaction {
    /// Whether one of the queued commands may add data.
    static func addsData(_ request: Request) -> Bool {
        var decoder = ArgumentDecoder()
        for position in 1..<request.count {
            let encoded = request[position]
            guard (try? decoder.decode(encoded)) != nil,
                case .found(let spec) = CommandTable.resolve(decoder.request(over: encoded))
            else { continue }
            if spec.flags.contains(.denyoom) { return true }
        }
        return false
    }
}
