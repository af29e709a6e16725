internal import Bytes
internal import Engine
internal import Snapshot
internal import WAL

/// What reaches a process between two turns; taken by its next turn in this order.
enum Inbound {
    case linkOpened(connection: Int, dialed: Int?)
    case dialFailed(connection: Int, peer: Int)
    case linkBytes(connection: Int, [UInt8])
    case linkClosed(connection: Int)
    case sessionOpened(connection: Int, client: Int)
    case sessionBytes(connection: Int, [UInt8])
    case sessionClosed(connection: Int)
    /// How much of what the process sent still waits in its host.
    case outputQueued(connection: Int, bytes: Int)
    case logProgress(LogProgress)
    case logSpace(LogSpace)
    case logRead(id: UInt64, bytes: [UInt8]?)
    case snapshot(SnapshotEvent)
    /// A command of an operator.
    case operation(String)
}

/// What a process wants done at the end of a turn: the engine's outbox as plain values.
struct Outbound {
    var batches: [LogBatch] = []
    var reads: [LogReadWish] = []
    /// Segments that the log has given up.
    var segmentsReleased: [UInt64] = []
    /// Nodes to connect to: the id by which the engine asks for it, and the machine.
    var dials: [(id: Int, node: Int)] = []
    /// Bytes for connections, in order.
    var output: [(connection: Int, bytes: [UInt8])] = []
    var closes: [Int] = []
    var pauses: [Int] = []
    var resumes: [Int] = []
    var lines: [String] = []
    /// DEBUG SLEEP.
    var sleep: Interval?
    /// The process ends; nil text for an orderly end.
    var exit: Exit?
    /// The engine has more to do at once.
    var hasMoreWork = false
    var nextDeadline = Instant.distantFuture

    enum Exit: Equatable {
        case orderly
        case fatal(String)
    }
}

/// A sealed batch of the write-ahead log.
struct LogBatch {
    var number: UInt64
    var segment: UInt64
    var offset: Int
    /// A segment that comes into use with this batch, and its size.
    var opens: (segment: UInt64, capacity: Int)?
    /// No mode may put its sync off.
    var mustSync = false
    var bytes: [UInt8]
    /// Stored when the batch is durable.
    var mark: WALMark?
    /// Written and synced behind the batch, before that is reported.
    var stateCopy: WALStateCopy?
}

/// A wish to read old log records.
struct LogReadWish {
    var id: UInt64
    var segment: UInt64
    var offset: Int
    var count: Int
}

/// What a checker asks a replica.
struct ReplicaReading {
    var group: UInt32
    var isLeader: Bool
    var term: UInt64
    var commit: UInt64
    var applied: UInt64
    /// The first entry that the log still holds.
    var firstIndex: UInt64 = 1
    var lastIndex: UInt64
    /// The term of the entry at `applied`.
    var appliedTerm: UInt64 = 0
    /// It leads, and has committed an entry of its term.
    var hasCommittedInTerm = false
}
