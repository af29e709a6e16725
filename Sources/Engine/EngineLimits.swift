internal import Bytes

/// Every limit of the engine, with its reason and what happens at the edge.
enum EngineLimits {
    /// Commands in one entry: with the record's and the payload's headers it stays under the 60 KiB
    /// of a record, and so within one frame. A full batch is proposed, the next one begins.
    static let batchBytesMax = 48 * 1024
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
    /// Unanswered commands of one origin for one group. Beyond it sessions are not read.
    static let queueBytesMax = 16 << 20
    /// Unanswered commands of one session. Beyond it the session is not executed further.
    static let sessionInFlightMax = 4096
    /// Replies kept for one origin; the oldest are forgotten first (the client gets -UNCERTAIN).
    static let replyWindowBytesMax = 4 << 20
    /// Large commands being put together, all origins; the oldest is given up (-TRYAGAIN).
    static let assemblyBytesMax = 1 << 30
    /// A large command that got no piece for this long of log time is given up.
    static let assemblyIdleMilliseconds: Int64 = 60_000
    /// Entries applied in one turn, in bytes: a restart replays in slices and stays responsive.
    static let applyBytesPerTurn = 512 << 10
    /// Log records taken from disk at once.
    static let logReadBytesMax = 512 * 1024
    /// Unread input of a session that cannot be executed now; beyond it the socket is not read.
    static let heldInputBytesMax = 1 << 20
    /// Unsent output of a session beyond which its commands are not executed.
    static let heldOutputBytesMax = 1 << 20
    /// Reads waiting at the leader, in bytes, all origins together; beyond it forwards are refused.
    static let readBacklogBytesMax = 32 << 20
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
