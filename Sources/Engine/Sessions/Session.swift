internal import Bytes
internal import Commands
internal import RESP

/// One client connection.
///
/// Program order: a session's commands take effect in the order they were sent, and it has commands
/// under way in one group and of one class (logged or reads) at a time. Whatever does not fit that
/// stays unparsed in `input` until the answers are there.
///
/// Lease reads of the current turn are provisional until the end of the turn has read the clock
/// again: `leaseMark` remembers where input and output stood before the first of them, and everything
/// that would change state waits behind it.
struct Session: ~Copyable {
    /// What the session waits for before it goes on.
    enum Wait: Equatable {
        case nothing
        /// Answers to logged commands of this group (index).
        case writes(Int)
        /// Answers to reads of this group.
        case reads(Int)
        /// Answers to reads of this group by this node's own replica.
        case nearReads(Int)
        /// Parts of a command that goes to every group.
        case gather
        /// The pieces of a large command.
        case upload(Int)
    }

    /// CLIENT REPLY.
    enum ReplyMode: Equatable { case on, off, skipNext, skipping }

    let id: SessionID
    /// CLIENT ID: never used twice in a process.
    let clientID: Int64
    let address: String
    let localAddress: String
    let descriptor: Int32
    let openedAt: Instant

    var input = ByteBuffer()
    /// Executed bytes at the front of `input`, kept while lease reads are provisional.
    var cursor = 0
    var parser: RequestParser
    /// Whether `parser` holds a complete request that could not be executed yet.
    var parsed = false

    var output = ByteBuffer()
    /// Bytes that the host has taken and not yet written.
    var queuedInHost = 0
    /// Its commands wait until the unsent output has become less.
    var isOutputHeld = false
    /// Since when the unsent output is above the soft limit.
    var softLimitSince: Instant?

    /// Between MULTI and EXEC.
    var transaction: TransactionQueue?
    var wait = Wait.nothing
    /// Commands under way.
    var inFlight = 0
    /// Commands that were refused behind those, whose replies must come after theirs.
    var refusedBehind = 0
    var gather: Gather?
    /// Since when the oldest command under way is, if its place in a queue does not tell.
    var startedAt: Instant?
    /// The commands of the transaction under way, by their places in the command table.
    var executing: [UInt16] = []
    var leaseMark: LeaseMark?

    var resp = RESPVersion.two
    /// READONLY: reads are answered by this node's own replicas, as current as anywhere.
    var readsNear = false
    var database = 0
    var replyMode = ReplyMode.on
    /// The client sends no more. It gets the answers to what it sent, then the connection ends.
    var inputHasEnded = false
    /// The connection ends once the output is written.
    var isClosing = false
    /// The socket is gone; the slot is freed when nothing refers to it any more.
    var isGone = false
    /// The host was told to leave the socket unread.
    var isPaused = false
    /// Already on the list of sessions to be executed, to be flushed.
    var isReady = false
    var isFlushing = false
    /// Waits for room in a queue since then.
    var blockedSince: Instant?
    /// The next command waited too long for room: it is refused with this error.
    var refusal: String?

    var name = ""
    var libraryName = ""
    var libraryVersion = ""
    var noEvict = false
    var noTouch = false
    /// Of the command table; nil before the first command.
    var lastCommand: Int?
    var lastActive: Instant
    var commands: Int64 = 0

    struct LeaseMark {
        var cursor: Int
        var output: Int
        var replyMode: ReplyMode
    }

    init(
        id: SessionID, clientID: Int64, address: String, localAddress: String, descriptor: Int32,
        limits: RESPLimits, now: Instant
    ) {
        self.id = id
        self.clientID = clientID
        self.address = address
        self.localAddress = localAddress
        self.descriptor = descriptor
        openedAt = now
        lastActive = now
        parser = RequestParser(limits: limits)
    }

    /// Whether all that the client sent was answered, as far as it was whole, and the answers are out.
    var isDone: Bool {
        wait == .nothing && leaseMark == nil && blockedSince == nil && !parsed && !isReady
            && output.isEmpty && queuedInHost == 0
    }

    /// Whether a reply written now is to be seen by the client.
    var repliesAreVisible: Bool { replyMode == .on || replyMode == .skipNext }

    /// A command is done: CLIENT REPLY SKIP covers exactly the one after it.
    mutating func commandFinished() {
        switch replyMode {
        case .skipNext: replyMode = .skipping
        case .skipping: replyMode = .on
        case .on, .off: break
        }
    }

    /// Appends the answer of a command that was under way.
    mutating func answer(_ reply: Span<UInt8>) {
        invariant(inFlight > 0, "an answer without a command")
        if repliesAreVisible { output.append(reply) }
        finishOne()
    }

    /// Appends an error that the engine itself gives in place of an answer.
    mutating func answer(error: String) {
        if repliesAreVisible {
            output.append(UInt8(ascii: "-"))
            output.append(error)
            output.append("\r\n")
        }
        finishOne()
    }

    private mutating func finishOne() {
        inFlight -= 1
        if inFlight == 0 { wait = .nothing }
        commandFinished()
        if inFlight == 0, refusedBehind > 0 { answerRefused() }
    }
}
