internal import Bytes
internal import DequeModule
internal import RESP

/// The unanswered commands of this node (the origin) for one group, in program order: one queue for
/// logged commands, one for reads.
///
/// A command stays, with its bytes, until its answer is there, so that everything unanswered can be
/// sent again in order when another node leads. Sequences are consecutive within the queue.
///
/// Invariant: `sent <= everSent <= count`; the bytes of the first `sent` commands are the first
/// `sentBytes` of `bytes`.
struct CommandQueue: ~Copyable {
    struct Item {
        var session: SessionID
        /// Encoded bytes; less than an entry, so that an item stays small.
        var encodedBytes: UInt32
        /// Its place in the command table, to be counted by; `CommandStatistics.none` for the engine's
        /// own.
        var command: UInt16
        var queuedAt: Instant

        var length: Int { Int(encodedBytes) }
    }

    private var items = Deque<Item>()
    private var bytes = ByteBuffer()
    /// Sequence of the oldest unanswered command.
    private(set) var head: UInt64 = 1
    /// Commands sent in the current stream.
    private(set) var sent = 0
    private var sentBytes = 0
    /// Commands that may have reached some leader; an execution can not be excluded.
    private(set) var everSent = 0
    /// Commands at the front that were given up but had to stay, and their bytes: nobody waits for
    /// them. Commands are given up oldest first, so there are none behind.
    private var abandoned = 0
    private var abandonedBytes = 0
    /// The stream, and the next frame's place in it.
    private(set) var stream: UInt64 = 1
    private(set) var position: UInt64 = 0
    /// When the stream last moved: a reply came, or a piece of one, or it began.
    private(set) var progressAt = Instant(nanoseconds: 0)
    /// How fast commands are answered, while many wait.
    private var rate = AnswerRate()

    var count: Int { items.count }
    var isEmpty: Bool { items.isEmpty }
    var byteCount: Int { bytes.count }
    var unsent: Int { items.count - sent }
    var unsentBytes: Int { bytes.count - sentBytes }
    var oldestUnsent: Item? { sent < items.count ? items[sent] : nil }

    /// Appends a command; its sequence is returned.
    mutating func append(
        _ request: Request, flags: LoggedCommand.Flags, database: Int, session: SessionID,
        command: UInt16 = CommandStatistics.none, now: Instant
    ) -> UInt64 {
        let before = bytes.count
        LoggedCommand.encodeHead(
            flags: flags, database: database, argumentBytes: encodedArgumentsCount(of: request),
            into: &bytes)
        encodeArguments(of: request, into: &bytes)
        return push(
            session: session, length: bytes.count - before, command: command, now: now)
    }

    /// Appends the reference of a large command whose pieces are all applied.
    mutating func append(
        _ reference: LargeReference, flags: LoggedCommand.Flags, database: Int,
        session: SessionID, command: UInt16 = CommandStatistics.none, now: Instant
    ) -> UInt64 {
        let before = bytes.count
        var encoded = ByteBuffer()
        reference.encode(into: &encoded)
        LoggedCommand.encodeHead(
            flags: flags.union(.large), database: database, argumentBytes: encoded.count,
            into: &bytes)
        bytes.append(encoded.readable)
        return push(
            session: session, length: bytes.count - before, command: command, now: now)
    }

    private mutating func push(
        session: SessionID, length: Int, command: UInt16, now: Instant
    ) -> UInt64 {
        if items.isEmpty { progressAt = now }
        items.append(
            Item(
                session: session, encodedBytes: UInt32(length), command: command, queuedAt: now))
        return head + UInt64(items.count) - 1
    }

    /// Begins a new stream: everything unanswered is sent again.
    mutating func restart(now: Instant) {
        stream += 1
        position = 0
        sent = 0
        sentBytes = 0
        progressAt = now
    }

    /// A piece of the oldest command's answer came.
    mutating func answerGotOn(now: Instant) { progressAt = now }

    /// Moves the next commands into `output` as one run of at most `limit` bytes (always at least
    /// one command when any is unsent), and counts them as sent.
    mutating func takeRun(origin: Origin, limit: Int, into output: inout ByteBuffer) -> Bool {
        var taken = 0
        var length = 0
        while sent + taken < items.count {
            let next = items[sent + taken].length
            if taken > 0, length + next > limit { break }
            length += next
            taken += 1
        }
        guard taken > 0 else { return false }
        RunHeader(origin: origin, floor: head, first: head + UInt64(sent), count: taken)
            .encode(into: &output)
        output.append(bytes.readable.extracting(sentBytes..<sentBytes + length))
        sent += taken
        sentBytes += length
        everSent = max(everSent, sent)
        position += 1
        return true
    }

    /// Removes the oldest command because its answer is there. Nil when `sequence` is not the oldest:
    /// an answer that came before, or one that overtook others.
    ///
    /// - Parameter waitLimit: `queue-wait-limit`.
    mutating func answer(
        _ sequence: UInt64, waitLimit: Interval = .seconds(0), now: Instant
    ) -> Item? {
        guard sequence == head, let item = items.popFirst() else { return nil }
        progressAt = now
        rate.answered(
            Self.work(1, item.length), waited: now - item.queuedAt, limit: waitLimit, now: now)
        bytes.consume(item.length)
        head += 1
        // An answer may come from this node's own log before the new stream sent the command again.
        if sent > 0 {
            sent -= 1
            sentBytes -= item.length
        }
        if everSent > 0 { everSent -= 1 }
        if abandoned > 0 {
            abandoned -= 1
            abandonedBytes -= item.length
        }
        return item
    }

    /// What commands cost, in bytes: a small one costs about as much as so many bytes of a large one.
    private static func work(_ commands: Int, _ bytes: Int) -> Int { bytes + commands * 256 }

    /// How long a command that is appended now would wait; nil when that can not be told, or is short.
    ///
    /// - Parameter own: commands that do not count, of the same size as the others.
    func expectedWait(without own: Int, now: Instant) -> Interval? {
        guard let wait = rate.wait(for: Self.work(items.count, bytes.count), now: now) else {
            return nil
        }
        let others = max(0, items.count - own)
        return Interval(
            nanoseconds: Int64(
                Double(wait.nanoseconds) * Double(others) / Double(max(1, items.count))))
    }

    /// Gives the oldest awaited command up: nobody waits for it any more. When it was never sent it
    /// is certainly not executed. It leaves the queue if it can; otherwise it stays, stripped of its
    /// effect, so that its sequence is settled.
    mutating func giveUp() -> (item: Item, neverSent: Bool) {
        let index = abandoned
        invariant(index < items.count, "no such command")
        let item = items[index]
        let neverSent = index >= everSent
        if index == 0, neverSent {
            items.removeFirst()
            bytes.consume(item.length)
            head += 1
            return (item, true)
        }
        items[index].session = .none
        let flags = bytes.readable[abandonedBytes] | LoggedCommand.Flags.abandoned.rawValue
        bytes.overwrite(littleEndian: flags, at: abandonedBytes)
        abandoned += 1
        abandonedBytes += item.length
        return (item, neverSent)
    }

    /// The oldest command that somebody still waits for.
    var oldestAwaited: Item? { abandoned < items.count ? items[abandoned] : nil }
}
