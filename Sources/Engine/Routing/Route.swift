internal import Bytes
internal import Raft

/// The way from this node, as origin, to one group: what is unanswered, and whom it was sent to.
struct Route: ~Copyable {
    /// The leader that the current streams address.
    struct Target: Equatable {
        var node: NodeID
        var term: Term
    }

    var writes = CommandQueue()
    var reads = CommandQueue()
    /// Reads that this node's own replica answers, as follower.
    var nearReads = CommandQueue()
    /// Large commands whose pieces are still on their way, oldest first.
    var uploads: [Upload] = []
    private var nextUpload: UInt64 = 1
    private(set) var target: Target?
    /// The target refused: what is unanswered is sent again at this moment.
    var retryAt: Instant?
    /// To the oldest write, to the oldest read.
    var partialWriteReply = PartialReply()
    var partialReadReply = PartialReply()

    /// Everything that waits for an answer, in bytes.
    var byteCount: Int { writes.byteCount + reads.byteCount + nearReads.byteCount }

    /// How long a command that is queued now would wait: see `CommandQueue.expectedWait`.
    func expectedWait(_ queue: Replica.QueueKind, without own: Int, now: Instant) -> Interval? {
        switch queue {
        case .writes: writes.expectedWait(without: own, now: now)
        case .reads: reads.expectedWait(without: own, now: now)
        case .nearReads: nearReads.expectedWait(without: own, now: now)
        }
    }

    /// Whether something waits that may be sent now.
    var hasUnsent: Bool { hasUnsentCommands || hasUnsentPieces }

    var hasUnsentCommands: Bool {
        writes.unsent > 0 || reads.unsent > 0 || nearReads.unsent > 0
    }

    var hasUnsentPieces: Bool { uploads.contains { $0.isComplete || $0.nextPiece() != nil } }

    /// Whether nothing waits.
    var isIdle: Bool {
        writes.isEmpty && reads.isEmpty && nearReads.isEmpty && uploads.isEmpty
    }

    /// Since when the oldest command waits that somebody still waits for.
    var oldestAwaited: Instant? {
        var oldest: Instant?
        if let item = writes.oldestAwaited { oldest = item.queuedAt }
        if let item = reads.oldestAwaited { oldest = min(oldest ?? item.queuedAt, item.queuedAt) }
        if let item = nearReads.oldestAwaited {
            oldest = min(oldest ?? item.queuedAt, item.queuedAt)
        }
        // A large command may take long, as long as it gets on.
        for upload in uploads {
            let since = upload.isGivenUp ? Instant(nanoseconds: .min) : upload.progressAt
            oldest = min(oldest ?? since, since)
        }
        return oldest
    }

    /// Gives up the oldest read that somebody has waited for since `limit` or before.
    mutating func giveUpRead(queuedBefore limit: Instant) -> CommandQueue.Item? {
        if let oldest = reads.oldestAwaited, oldest.queuedAt <= limit { return reads.giveUp().item }
        if let oldest = nearReads.oldestAwaited, oldest.queuedAt <= limit {
            return nearReads.giveUp().item
        }
        return nil
    }

    /// Moves the next unsent reads of a queue into `output`; false when there are none.
    mutating func takeReads(
        _ queue: Replica.QueueKind, origin: Origin, limit: Int, into output: inout ByteBuffer
    ) -> Bool {
        switch queue {
        case .reads: return reads.takeRun(origin: origin, limit: limit, into: &output)
        case .nearReads: return nearReads.takeRun(origin: origin, limit: limit, into: &output)
        case .writes: invariantFailed("writes taken for reads")
        }
    }

    /// Takes note of who leads now; a change makes everything unanswered unsent again.
    mutating func address(_ leader: NodeID?, term: Term, now: Instant) {
        let next = leader.map { Target(node: $0, term: term) }
        guard next != target else { return }
        target = next
        restart(now: now)
    }

    /// Sends everything unanswered again: the link broke, the leader changed or refused.
    mutating func restart(now: Instant) {
        retryAt = nil
        writes.restart(now: now)
        reads.restart(now: now)
        nearReads.restart(now: now)
        partialWriteReply.removeAll()
        partialReadReply.removeAll()
        for index in uploads.indices { uploads[index].sent = uploads[index].applied }
    }

    mutating func upload(
        _ command: SharedBytes, session: SessionID, flags: LoggedCommand.Flags,
        database: Int, tableID: UInt16, limits: NodeLimits, now: Instant
    ) {
        uploads.append(
            Upload(
                number: nextUpload, command: command, session: session, flags: flags,
                database: database, tableID: tableID, pieceBytes: limits.fragmentBytes,
                windowBytes: limits.fragmentWindowBytes, startedAt: now))
        nextUpload += 1
    }
}

/// A command too large for an entry: its pieces are logged first, then a reference to them takes its
/// place in the order. Until then it holds no sequence and delays nobody.
struct Upload {
    let number: UInt64
    let command: SharedBytes
    var session: SessionID
    let flags: LoggedCommand.Flags
    let database: Int
    /// Its place in the command table.
    let tableID: UInt16
    /// Of one piece, and of all that are on their way (`NodeLimits`).
    private let pieceBytes: Int
    private let windowBytes: Int
    var startedAt: Instant
    /// Bytes handed to the leader in this stream.
    var sent = 0
    /// Bytes that are applied: never to be sent again.
    var applied = 0
    /// When bytes were confirmed last, or since when nothing else was expected.
    private(set) var progressAt: Instant
    /// When the first of the bytes that are on their way were sent.
    private var sentAt: Instant
    /// When its first piece was sent for the first time, or again.
    private var begunAt: Instant
    /// The group did not keep its pieces, however often it was begun again.
    private(set) var isGivenUp = false
    private var attempts = 1

    /// Words of pieces that were lost may come for so long after it was begun again.
    private static let settlingTime = Interval.seconds(1)
    private static let attemptsMax = 3

    init(
        number: UInt64, command: SharedBytes, session: SessionID, flags: LoggedCommand.Flags,
        database: Int, tableID: UInt16, pieceBytes: Int, windowBytes: Int, startedAt: Instant
    ) {
        self.pieceBytes = pieceBytes
        self.windowBytes = windowBytes
        self.number = number
        self.command = command
        self.session = session
        self.flags = flags
        self.database = database
        self.tableID = tableID
        self.startedAt = startedAt
        progressAt = startedAt
        sentAt = startedAt
        begunAt = startedAt
    }

    /// Whether bytes are on their way, and none was confirmed or sent since `limit`.
    func isStuck(since limit: Instant) -> Bool {
        sent > applied && max(progressAt, sentAt) < limit
    }

    var isComplete: Bool { applied == command.count }

    /// The next piece to be sent, when the window allows one.
    func nextPiece() -> Range<Int>? {
        guard sent < command.count, sent - applied < windowBytes, !isGivenUp else {
            return nil
        }
        return sent..<min(command.count, sent + pieceBytes)
    }

    mutating func advance(past piece: Range<Int>, now: Instant) {
        if sent == applied { sentAt = now }
        sent = piece.upperBound
    }

    /// Pieces up to `offset` are applied; 0: what was there is not kept any more (`Assemblies`).
    mutating func confirm(upTo offset: Int, now: Instant) {
        if offset == 0, applied > 0, begunAt + Self.settlingTime <= now { beginAgain(now: now) }
        guard offset > applied, offset <= command.count else { return }
        applied = offset
        sent = max(sent, offset)
        progressAt = now
    }

    private mutating func beginAgain(now: Instant) {
        guard attempts < Self.attemptsMax else {
            isGivenUp = true
            return
        }
        attempts += 1
        applied = 0
        sent = 0
        begunAt = now
    }
}
