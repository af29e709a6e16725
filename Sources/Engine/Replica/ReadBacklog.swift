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
        /// The leader's clock with which the read is executed, of a moment behind its arrival. On a
        /// follower it came with the index. On a leader it is nil until a read that waited here at
        /// that moment met a key that was past due: then it is that try's clock.
        var clock: Int64?
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

    /// Gives the reads whose index was asked for by request `round` or before what the leader told:
    /// an index up to which all is that was committed before they arrived, and its clock. The first
    /// answer counts. A later one has a later clock, and perhaps not the index of the time entry that
    /// was wished for: taking it up would put a read off again and again.
    mutating func confirm(round: UInt64, index: LogIndex, clock: Int64) {
        for at in items.indices {
            guard items[at].round > 0, items[at].round <= round else { return }
            guard items[at].index == .max else { continue }
            items[at].index = index
            items[at].clock = clock
        }
    }

    /// All reads wait for a round again.
    mutating func forgetRounds() {
        for at in items.indices {
            items[at].round = 0
            items[at].clock = nil
        }
        waiting = items.count
    }

    /// All reads that have no clock yet get this one, which was read just now: one entry that moves
    /// the log's time up to it serves them all.
    mutating func hold(at clock: Int64) {
        var at = items.count
        // Those that have one are in front.
        while at > 0, items[at - 1].clock == nil {
            at -= 1
            items[at].clock = clock
        }
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
