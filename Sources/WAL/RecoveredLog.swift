internal import Bytes
internal import Raft

/// A log as the last run left it: what the engine starts from.
public struct RecoveredLog: ~Copyable {
    /// A tail that was dropped: unsynced when the last run ended, hence never answered.
    public struct TornTail: Equatable, Sendable {
        public var position: WALPosition
        /// Up to the last byte that is not zero.
        public var bytes: Int
        public var firstLostBatch: UInt64
        /// Batch headers seen in it, at least so many batches are lost.
        public var headersFound: Int
    }

    /// A file that is longer than what counts in it, by more than a sixteenth.
    public struct Trim: Equatable, Sendable {
        public var segment: UInt64
        public var bytes: Int
    }

    /// Identity, boots: as they were given to `WALWriter.identity`, in order, without those that a
    /// later one of their class replaced.
    public private(set) var nodeRecords: [[UInt8]]
    /// Every group that ever had a record, in group order.
    public private(set) var groups: [RecoveredGroup]
    /// The number of the last batch; 0 for an empty log.
    public let lastBatch: UInt64
    /// What was dropped at the end, for the log line; nil after a clean end.
    public private(set) var tornTail: TornTail?
    /// The host may cut these files to free space; nothing depends on it.
    public private(set) var trims: [Trim] = []
    /// Preallocated files that the writer will come to, in order. The host may keep them.
    public internal(set) var spareSegments: [UInt64] = []
    /// Files in front of the log that are not needed any more; the host removes them.
    public let obsoleteSegments: [UInt64]
    /// The log was damaged and is cut: entries that were acknowledged may be missing in any group.
    /// The node must not vote in a group before a leader has confirmed that it has them all.
    public private(set) var wasCut = false
    /// Batches that the last run had written, and may have reported without a sync, are not there.
    public private(set) var lacksWritten = false
    /// What is damaged and does not keep the log from being used; for the log line.
    public internal(set) var damage: WALError?
    /// What the host must do before anything is written; nil for a log that was whole.
    public internal(set) var repair: WALRepair?

    private var writer: WALWriter?

    private init(
        nodeRecords: [[UInt8]], groups: [RecoveredGroup], writer: consuming WALWriter,
        lastBatch: UInt64, obsoleteSegments: [UInt64]
    ) {
        self.nodeRecords = nodeRecords
        self.groups = groups
        self.lastBatch = lastBatch
        self.obsoleteSegments = obsoleteSegments
        self.writer = consume writer
    }

    /// What a replay that ended in segment `newest` has come to.
    init(
        _ replay: borrowing LogReplay, _ newest: SegmentHeader, _ stateSequence: UInt64,
        _ parameters: WALParameters, segments: [UInt64]
    ) {
        let nodeRecords = replay.state.nodeRecords
        let groups = replay.state.groups
        var writer = WALWriter(
            WALWriter.Run(
                logIdentity: newest.logIdentity, saltSeed: parameters.saltSeed,
                segmentBytes: parameters.segmentBytes, firstSegment: newest.segment + 1,
                previousEnd: replay.end),
            WALWriter.Start(
                nextBatch: replay.expected.number, stateSequence: stateSequence + 1,
                chain: replay.expected.chain, segments: replay.segments,
                nodeRecords: nodeRecords, indexes: replay.state.indexes,
                hardStates: groups.map(\.hardState)))
        writer.release()
        _ = writer.takeReleased()
        let oldest = writer.oldestSegment ?? newest.segment
        self.init(
            nodeRecords: nodeRecords.all.map(\.bytes), groups: groups, writer: writer,
            lastBatch: replay.expected.number - 1,
            obsoleteSegments: segments.filter { $0 < oldest })
    }

    /// Notes how the files end, where nothing is damaged.
    mutating func noteEnd(tornTail: TornTail?, trims: [Trim], spareSegments: [UInt64]) {
        self.tornTail = tornTail
        self.trims = trims.filter { trim in !obsoleteSegments.contains(trim.segment) }
        self.spareSegments = spareSegments
    }

    /// Notes what the last run had written, whatever became of it.
    mutating func noteWritten(upTo batch: UInt64) { lacksWritten = batch > lastBatch }

    /// Lets the logs of groups begin behind their snapshots where that helps: the first batch of the
    /// run will say so.
    ///
    /// - Parameter whereverIncomplete: only where entries were not read. Otherwise also where a
    ///   snapshot reaches further than the log.
    mutating func beginBehind(_ snapshots: [WALSnapshot], whereverIncomplete: Bool) {
        for group in groups {
            let snapshot = snapshots.first { $0.group == group.group }
            if group.isComplete, whereverIncomplete || snapshot?.index ?? 0 <= group.lastIndex {
                continue
            }
            if let snapshot, group.isComplete(with: snapshot) {
                start(group, after: snapshot.index, snapshot.term, keepingRest: true)
            } else {
                // What is left of this log joins nothing: a peer's snapshot will.
                start(group, after: group.lastIndex, 0, keepingRest: false)
            }
        }
    }

    private mutating func start(
        _ group: RecoveredGroup, after index: LogIndex, _ term: Term, keepingRest: Bool
    ) {
        writer?.start(group: group.group, after: index, term: term, keepingRest: keepingRest)
        _ = group.start(after: index, term: term)
        invariant(group.isComplete, "a log that is cut and still lacks entries")
    }

    /// Takes over what a copy of the small state knows that the log, cut before it, does not: the
    /// first batch of the run will hold it. From now on entries may be missing.
    mutating func adopt(_ copy: WALStateCopy) {
        wasCut = true
        for record in copy.checkpoint.nodeRecords.all {
            writer?.identity(record.bytes.span, replacing: record.replacing)
        }
        nodeRecords = copy.checkpoint.nodeRecords.all.map(\.bytes)
        for known in copy.checkpoint.groups {
            let group = group(known.group)
            // The log is ahead of the copy in what was durable and never reported.
            guard known.hardState.isNewer(than: group.hardState) else { continue }
            group.adopt(known.hardState)
            writer?.hardState(group: group.group, term: group.term, vote: group.vote)
        }
    }

    private mutating func group(_ id: GroupID) -> RecoveredGroup {
        let at = groups.partitionPoint { $0.group >= id }
        if at == groups.count || groups[at].group != id {
            groups.insert(RecoveredGroup(id), at: at)
        }
        return groups[at]
    }

    /// The log of an empty directory. Its identity comes from the salt seed.
    public static func empty(_ parameters: WALParameters) -> RecoveredLog {
        var generator = SeededGenerator(seed: parameters.saltSeed)
        let run = WALWriter.Run(
            logIdentity: generator.next(), saltSeed: generator.next(),
            segmentBytes: parameters.segmentBytes, firstSegment: 1, previousEnd: 0)
        return RecoveredLog(
            nodeRecords: [], groups: [], writer: WALWriter(run, WALWriter.Start()), lastBatch: 0,
            obsoleteSegments: [])
    }

    /// A log of which nothing is left but the copy of its small state.
    static func lost(_ copy: WALStateCopy, _ parameters: WALParameters) -> RecoveredLog {
        let run = WALWriter.Run(
            logIdentity: copy.logIdentity, saltSeed: parameters.saltSeed,
            segmentBytes: parameters.segmentBytes, firstSegment: 1, previousEnd: 0)
        let start = WALWriter.Start(stateSequence: copy.sequence + 1)
        var log = RecoveredLog(
            nodeRecords: [], groups: [], writer: WALWriter(run, start), lastBatch: 0,
            obsoleteSegments: [])
        log.adopt(copy)
        return log
    }

    /// Whether nothing was ever durably written.
    public var isEmpty: Bool { lastBatch == 0 && nodeRecords.isEmpty }

    /// Takes the writer that continues this log; once.
    public mutating func takeWriter() -> WALWriter {
        guard let writer = writer.take() else {
            invariantFailed("the log's writer was taken twice")
        }
        return writer
    }
}
