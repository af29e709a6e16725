internal import Bytes

/// Every limit of the engine, with its reason and what happens at the edge.
enum EngineLimits {
    /// Commands of one entry that peers must accept: with the record's and the payload's headers it stays
    /// under the 60 KiB of a record, and so within one frame.
    static let batchBytesMax = 48 * 1024
    /// Commands of one entry as this node makes them, unless a single one is longer: an entry is applied
    /// in one turn. A full one is proposed, the next one begins.
    static let batchBytes = 16 * 1024
    /// Commands that may wait until the log's write under way is over; more are proposed at once.
    static let heldBackBytesMax = 24 * 1024
    /// How long they wait at most: the disk may be full or stall while the other members' disks do not.
    static let heldBackTime = Interval.milliseconds(50)
    /// A command with more argument bytes travels in pieces.
    static let inlineCommandBytesMax = 32 * 1024
    /// One piece of a large command.
    static let fragmentBytesMax = 48 * 1024
    /// Pieces of one large command on their way (proposed, not applied); the rest waits at the origin.
    static let fragmentWindowBytes = 2 << 20
    /// Unanswered commands of one origin for one group: half a second's worth at a hundred thousand small
    /// transactions per second. Beyond it commands are refused while the queue is answered slowly (see
    /// AnswerRate), and otherwise sessions are not read.
    static let queueBytesMax = 32 << 20
    /// Sessions that wait for room in a queue try again so often.
    static let blockedRetryInterval = Interval.milliseconds(50)
    /// Unanswered commands of one session. Beyond it the session is not executed further.
    static let sessionInFlightMax = 4096
    /// Replies kept for one origin; the oldest are forgotten first (the client gets -UNCERTAIN).
    static let replyWindowBytesMax = 4 << 20
    /// The longest answer that SKEIN.ONCE keeps; a repeated request whose answer was longer is told that
    /// it was executed (-ONCEDONE).
    static let onceAnswerBytesMax = 64 << 10
    /// Large commands being put together, all origins; the oldest is given up (-TRYAGAIN). A single one
    /// that is larger is refused by the node that its client sent it to (`NodeLimits.largeCommandBytes`).
    static let assemblyBytesMax = 1 << 30
    /// A large command that got no piece for this long of log time is given up.
    static let assemblyIdleMilliseconds: Int64 = 60_000
    /// Entries applied in one turn, all groups together, in bytes; at least one entry. What is left waits
    /// for the next turn. The most expensive small commands (new hashes of ten fields, members of a large
    /// sorted set) take 1 to 2 ms then, beside as long for the commands that the turn takes up.
    static let applyBytesPerTurn = 24 << 10
    /// As much again for each of so many bytes that the turn took up: half of its input.
    static let applyInputStep = 48 << 10
    /// Committed entries taken from the log's files at once. They are applied in one turn, too.
    static let applyReadBytesMax = 128 << 10
    /// Unread input of a session that cannot be executed now; beyond it the socket is not read.
    static let heldInputBytesMax = 1 << 20
    /// Unsent output of a session beyond which its commands are not executed.
    static let heldOutputBytesMax = 1 << 20
    /// Reads waiting at the leader, in bytes, all origins together; beyond it forwards are refused.
    static let readBacklogBytesMax = 32 << 20
    /// Answers to one peer's reads that wait to be sent, and the one that passes the limit; beyond it the
    /// reads wait in the backlog.
    static let forwardedReplyBytesMax = 64 << 20
    /// Answers that are made before they are handed on, and the one that passes the limit; the reads behind
    /// are executed in the next turn.
    static let answerBytesAtOnce = 8 << 20
    /// Due keys that one expiry entry may delete, so that applying it stays short.
    static let expirePerEntry = 200
    /// Dropped keys freed per turn: well under a millisecond.
    static let reclaimPerTurn = 500
    /// Of a snapshot's image, per turn: a fraction of a millisecond.
    static let snapshotBytesPerTurn = 64 * 1024
    /// Or so many for each byte that the group logged meanwhile: with two the log of one snapshot's time
    /// stays at half of the data, as long as the disk keeps up.
    static let snapshotBytesPerLogged = 2
    /// A large turn's slice: less than a millisecond beside the commands that were as many bytes.
    static let snapshotBytesPerTurnMax = 512 * 1024
    /// Bytes of a snapshot on their way to one follower.
    static let snapshotWindowBytes = 1 << 20
    /// What an entry takes in the log beside its payload: headers, and its share of a sector.
    static let entryLogOverhead = 320
    /// How often peers' clocks and their fitness to lead are looked at.
    static let peerWatchInterval = Interval.seconds(1)
    /// For how long a preferred member must have been well, and this leader have led, before it hands over.
    static let calmTime = Interval.seconds(10)
    /// The same after hand-overs that did not last: twice as long each time, but no longer than this.
    static let calmTimeMax = Interval.seconds(600)
    /// Entries that a preferred member may lack at that moment: what the hand-over waits for.
    static let handOverLagMax: UInt64 = 64
    /// A turn's worth of input for one session before others get their turn.
    static let sessionBytesPerTurn = 256 * 1024
    /// Memory that an idle session's buffers may keep.
    static let idleBufferBytes = 16 * 1024
    /// Connections on the cluster port that have not introduced themselves; beyond it new ones are
    /// closed.
    static let strangerLinksMax = 64
    /// How long a connection on the cluster port may take to introduce itself.
    static let helloTime = Interval.seconds(5)
    /// How long one that wants to join, or that may take this node in, keeps a connection.
    static let applicantTime = Interval.seconds(60)
    /// Nodes that are being met at a time; one more is refused.
    static let meetingsMax = 16
    /// How long a node that was met is tried to be reached.
    static let meetingTime = Interval.seconds(60)
}
