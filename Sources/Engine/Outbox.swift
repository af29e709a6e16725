public import Bytes
public import Raft
public import Snapshot
public import WAL

/// What the engine wants done: filled during a turn, drained by the host after `endTurn`, in this
/// order: log batches, dials, links, sessions.
public struct Outbox: ~Copyable {
    /// The turn's batch for the log thread; take it out after every `endTurn`.
    public var batch: WALBatch?
    /// Older log records to be read.
    public var logReads: [LogReadRequest] = []
    /// For the snapshot thread, in order; to be taken out after every `endTurn`.
    public var snapshotCommands: [SnapshotCommand] = []
    /// Segments of the log that may be used anew or removed, oldest first.
    public var segmentsReleased: [UInt64] = []
    /// `Engine.nodeID`, `peerAddresses` or `livenessToken` may be others than before: for the liveness
    /// thread. To be reset when that was told.
    public var arePeersNew = false
    /// Peers to be connected to.
    public var dials: [Dial] = []
    /// Links with output.
    public var linksToFlush: [LinkID] = []
    /// Links to be closed once their output is written.
    public var linksToClose: [LinkID] = []
    /// Sessions with output.
    public var sessionsToFlush: [SessionID] = []
    /// Sessions to be closed once their output is written.
    public var sessionsToClose: [SessionID] = []
    /// Sessions to be closed at once, whatever is still queued for them.
    public var sessionsToDrop: [SessionID] = []
    /// Sessions whose socket is to be left unread until they are resumed.
    public var sessionsToPause: [SessionID] = []
    public var sessionsToResume: [SessionID] = []
    /// For the diagnostic log.
    public var lines: [LogLine] = []
    /// DEBUG SLEEP: the loop is to stand still for this long, after everything was flushed.
    public var sleep: Interval?
    /// The node is to stop.
    public var exit: ExitReason?

    init() {}
}

/// Older log records that the engine wants: answered by `Engine.logRead`.
public struct LogReadRequest: Equatable, Sendable {
    public var id: LogReadID
    public var position: WALPosition
    /// Bytes to read; fewer only at the end of the file.
    public var count: Int
}

/// A connection that the engine wants.
public struct Dial: Equatable, Sendable {
    public var peer: NodeID
    public var host: String
    public var port: Int
}

/// Why a node stops.
public enum ExitReason: Equatable, Sendable {
    /// Asked to, everything handed over.
    case shutdown
    /// Something that must not be survived; the text is for the operator.
    case fatal(String)
}

/// A line for the diagnostic log: `event key=value ...`.
public struct LogLine: Equatable, Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, verbose, notice, warning

        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    public var level: Level
    public var text: String

    public init(_ level: Level, _ text: String) {
        self.level = level
        self.text = text
    }
}
