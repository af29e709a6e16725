internal import Bytes
internal import DequeModule
internal import Raft

/// Reads that wait at the leader, first come first served: for a ReadIndex round that began after
/// their arrival, and for everything committed before that round to be applied.
struct ReadBacklog: ~Copyable {
    struct Item {
        var origin: Origin
        var sequence: UInt64
        var flags: LoggedCommand.Flags
        var database: Int
        /// The origin's queue.
        var queue: Replica.QueueKind
        /// Bytes of the arguments, the next ones in the backlog's buffer.
        var length: Int
        /// The round that confirms the read; 0 until the end of the turn begins one.
        var round: UInt64 = 0
        /// What was committed when that round began.
        var index: LogIndex = 0
    }

    private(set) var items = Deque<Item>()
    private var bytes = ByteBuffer()
    /// Items, counted from the back, without a round.
    private(set) var waiting = 0

    var isEmpty: Bool { items.isEmpty }
    var byteCount: Int { bytes.count }
    var first: Item? { items.first }

    mutating func append(
        _ command: LoggedCommand, sequence: UInt64, origin: Origin, queue: Replica.QueueKind
    ) {
        items.append(
            Item(
                origin: origin, sequence: sequence, flags: command.flags,
                database: Int(command.database), queue: queue, length: command.arguments.count))
        bytes.append(command.arguments)
        waiting += 1
    }

    /// Assigns the round that was begun just now to all reads that had none.
    mutating func assign(round: UInt64, index: LogIndex) {
        var at = items.count - waiting
        while at < items.count {
            items[at].round = round
            items[at].index = index
            at += 1
        }
        waiting = 0
    }

    /// Gives the reads whose index was asked for by request `round` or before the index that the
    /// leader told: all that was committed after they arrived.
    mutating func confirm(round: UInt64, index: LogIndex) {
        for at in items.indices {
            guard items[at].round > 0, items[at].round <= round else { return }
            items[at].index = min(items[at].index, index)
        }
    }

    /// All reads wait for a round again.
    mutating func forgetRounds() {
        for at in items.indices { items[at].round = 0 }
        waiting = items.count
    }

    /// The arguments of the first read.
    var firstArguments: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.readable.extracting(0..<(items.first?.length ?? 0)) }
    }

    mutating func removeFirst() {
        guard let item = items.popFirst() else { invariantFailed("no read to remove") }
        bytes.consume(item.length)
        waiting = min(waiting, items.count)
    }

    /// Leadership is gone: the origins ask again.
    mutating func removeAll() {
        items.removeAll()
        bytes.removeAll(keepingCapacityUpTo: EngineLimits.idleBufferBytes)
        waiting = 0
    }
}
