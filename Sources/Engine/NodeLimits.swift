internal import Bytes
internal import PeerProtocol
internal import Raft

/// The limits of a node that a host may set otherwise than they are: the simulator makes them small, so
/// that what happens at them happens often. Servers leave them as they are.
///
/// None of them decides what is applied, so nodes may differ in them; and none may be larger than it is by
/// itself, since others rely on that (a frame, a record).
public struct NodeLimits: Equatable, Sendable {
    /// Bytes of commands in one entry, and in one frame to the leader; one command at least.
    public var batchBytes = EngineLimits.batchBytes
    /// A command with more argument bytes travels in pieces.
    public var inlineCommandBytes = EngineLimits.inlineCommandBytesMax
    /// Bytes of one piece of a large command, and of its pieces on their way.
    public var fragmentBytes = EngineLimits.fragmentBytesMax
    public var fragmentWindowBytes = EngineLimits.fragmentWindowBytes
    /// Bytes of one command that travels in pieces, as clients send it; a larger one is refused.
    public var largeCommandBytes = EngineLimits.assemblyBytesMax
    /// Bytes of unanswered commands of this node for one group.
    public var queueBytes = EngineLimits.queueBytesMax
    /// Unanswered commands of one session.
    public var sessionInFlight = EngineLimits.sessionInFlightMax
    /// Bytes of a session's commands that are executed before others get their turn.
    public var sessionBytesPerTurn = EngineLimits.sessionBytesPerTurn
    /// Bytes of entries that one turn applies; one entry at least.
    public var applyBytesPerTurn = EngineLimits.applyBytesPerTurn
    /// Bytes of committed entries read back from the log at once; one entry at least.
    public var applyReadBytes = EngineLimits.applyReadBytesMax
    /// Bytes of a snapshot that is being sent: of one piece, and of all on their way.
    public var snapshotPieceBytes = SnapshotPieceFrame.bytesMax
    public var snapshotWindowBytes = EngineLimits.snapshotWindowBytes
    /// Bytes of a snapshot's image that one turn makes, unless the log grows fast.
    public var snapshotBytesPerTurn = EngineLimits.snapshotBytesPerTurn
    /// Bytes of records in one append, unless a single one is larger.
    public var appendBytes = Limits.recordBytesMax
    /// Bytes of records on their way to one follower; one append at least.
    public var inflightBytes = Limits.inflightBytesMax
    /// Bytes of entries of one group that wait for their commit; one entry at least.
    public var uncommittedBytes = Limits.uncommittedBytesMax
    /// Bytes of one chunk of a group's log in memory.
    public var logChunkBytes = Limits.logChunkBytes

    public init() {}

    /// Sets what belongs to a group.
    func apply(to raft: inout RaftConfiguration) {
        raft.appendBytesMax = appendBytes
        raft.inflightBytesMax = inflightBytes
        raft.uncommittedBytesMax = uncommittedBytes
        raft.logChunkBytes = logChunkBytes
    }

    /// Stops the process if some limit is larger than by itself, or none at all.
    func check() {
        let most = NodeLimits()
        for (limit, highest) in zip(values, most.values) {
            invariant(
                limit.value > 0 && limit.value <= highest.value,
                "limit \(limit.name) is \(limit.value), not 1 to \(highest.value)")
        }
    }

    private var values: [(name: String, value: Int)] {
        [
            ("batch", batchBytes), ("inline", inlineCommandBytes), ("fragment", fragmentBytes),
            ("fragments", fragmentWindowBytes), ("large", largeCommandBytes),
            ("queue", queueBytes),
            ("session", sessionInFlight), ("input", sessionBytesPerTurn),
            ("apply", applyBytesPerTurn), ("read", applyReadBytes),
            ("piece", snapshotPieceBytes), ("pieces", snapshotWindowBytes),
            ("image", snapshotBytesPerTurn), ("append", appendBytes),
            ("inflight", inflightBytes), ("uncommitted", uncommittedBytes),
            ("chunk", logChunkBytes),
        ]
    }

    /// Those that are not as usual, each `name:value`.
    public var summary: String {
        zip(values, NodeLimits().values).filter { $0.value != $1.value }
            .map { "\($0.0.name):\($0.0.value)" }.joined(separator: ",")
    }
}
