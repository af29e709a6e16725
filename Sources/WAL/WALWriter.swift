internal import Bytes
public import Raft

/// Builds the batches of one log and decides where each of them lies. Loop thread only.
///
/// The engine adds records while it ends its turn, then seals. Nothing here does I/O: the host
/// executes the batches in order and reports back through `durable(upTo:)`.
///
/// Invariants: batches are numbered without gaps; `durableBatch < nextBatch`; `offset` is a multiple
/// of a sector; the pending buffer starts with room for the headers; `groups` and `indexes.groups`
/// run in parallel.
public struct WALWriter: ~Copyable {
    /// Where and with what secrets a run of the process goes on.
    struct Run {
        var logIdentity: UInt64
        /// Random per run (W5).
        var saltSeed: UInt64
        var segmentBytes: Int
        var firstSegment: UInt64
        /// Where the segment before the first one ends.
        var previousEnd: Int
    }

    /// What the log holds. Made by recovery.
    struct Start {
        var nextBatch: UInt64 = 1
        /// Of the next copy of the small state.
        var stateSequence: UInt64 = 1
        var chain: UInt32 = 0
        var segments = LiveSegments()
        var nodeRecords = NodeRecords()
        var indexes = LogIndexes()
        /// In the order of `indexes.groups`.
        var hardStates: [HardState] = []
    }

    /// What the writer knows of a group beside its index.
    struct GroupState {
        /// The range of its log with what is pending; the index only knows what is sealed.
        var first: LogIndex
        var last: LogIndex
        /// Term and vote as sealed: what a checkpoint says.
        var hardState: HardState
    }

    /// A record of the pending batch that changes what the writer knows, once the batch has a place.
    struct PendingChange {
        var kind: RecordKind
        var slot: Int
        /// As in the record's header; of a node record, its position in `pendingNodeRecords`.
        var a: UInt64
        var b: UInt64
        /// From the batch's start.
        var offset: Int
        /// Of its payload.
        var bytes: Int
    }

    /// Room kept at the front of the pending buffer: a segment header, should the batch open one,
    /// and the batch header.
    static let reserved = SegmentHeader.size + BatchHeader.size

    let run: Run
    var indexes: LogIndexes
    var groups: [GroupState]
    var nodeRecords: NodeRecords
    var nextBatch: UInt64
    /// Header checksum of the batch sealed last.
    var chain: UInt32
    /// 0: no segment is open yet in this run.
    var segment: UInt64 = 0
    var segmentSalt: UInt64 = 0
    var capacity = 0
    var offset = 0

    var pending = ByteBuffer()
    var pendingChanges: [PendingChange] = []
    var pendingNodeRecords: [NodeRecords.Record] = []
    var pendingMustSync = false
    /// A term, a vote or a node record is among the pending ones.
    var pendingChangesState = false
    /// Of the next copy of the small state.
    var stateSequence: UInt64
    /// Of the copy that the run began with; 0 for none.
    let firstStateSequence: UInt64
    var expectedBatchBytes = 4096

    /// All batches up to this number are on stable storage.
    public internal(set) var durableBatch: UInt64
    /// The newest mark in a sealed batch.
    var sealedMark: UInt64
    /// The newest batch with more in it than a mark.
    var lastContentBatch: UInt64

    var segments: LiveSegments
    /// The newest batch that shortens the log of some group.
    var shorteningBatch: UInt64 = 0
    /// Whether something was shortened, or a segment opened, since segments were last given up.
    var mayRelease = false
    /// Given up, and not yet taken.
    var released: [UInt64] = []

    init(_ run: Run, _ start: Start) {
        invariant(
            run.segmentBytes >= WALLimits.segmentBytesMin
                && run.segmentBytes.isMultiple(of: WALLimits.sectorBytes)
                && run.segmentBytes <= WALLimits.batchBytesMax,
            "segment size \(run.segmentBytes) is too small, too large or not whole sectors")
        invariant(
            start.hardStates.count == start.indexes.groups.count, "groups without a hard state")
        self.run = run
        indexes = start.indexes
        groups = zip(start.indexes.groups, start.hardStates).map {
            GroupState(first: $0.first, last: $0.last, hardState: $1)
        }
        nodeRecords = start.nodeRecords
        segments = start.segments
        nextBatch = start.nextBatch
        stateSequence = start.stateSequence
        firstStateSequence = start.stateSequence - 1
        chain = start.chain
        // What recovery read had been synced before (R1).
        durableBatch = start.nextBatch - 1
        sealedMark = start.nextBatch - 1
        lastContentBatch = start.nextBatch - 1
    }

    /// Whether nothing waits to be sealed.
    public var isEmpty: Bool { pending.count <= Self.reserved }

    /// Bytes of records that wait to be sealed.
    public var pendingBytes: Int { max(0, pending.count - Self.reserved) }

    /// The number of the batch sealed last; what is pending goes into the one after it.
    public var lastBatch: UInt64 { nextBatch - 1 }

    /// Points in the sparse index, for INFO.
    public var indexPointCount: Int { indexes.pointCount }
}

// Finding old entries.
extension WALWriter {
    /// A read of entries `first...last` of `group`, or of as many of them from `first` on as one
    /// stretch of the log and `maxBytes` yield: at least one. All must be durable and not pending.
    /// Nil if the log does not hold them: `start` may have let them go.
    public func fetch(group: GroupID, from first: LogIndex, upTo last: LogIndex, maxBytes: Int)
        -> WALFetch?
    {
        guard let index = indexes.find(group), first >= index.first, first <= last,
            last <= index.last
        else { return nil }
        let found = index.locate(first, maxBytes: maxBytes)
        let position = WALPosition(
            segment: UInt64(found.start.segment), offset: Int(found.start.offset))
        return WALFetch(
            group: group, first: first, last: min(last, max(first, found.upTo)),
            maxBytes: maxBytes, position: position)
    }

    /// Whether what a read of `fetch` has brought may be taken. False once its entries were let go:
    /// the file may be gone then, or hold something else, and what was read says nothing.
    public func isCurrent(_ fetch: WALFetch) -> Bool {
        // A needed entry's segment is not given up, and a fetch stays in the segment of `first`.
        indexes.find(fetch.group).map { fetch.first >= $0.first } ?? false
    }
}
