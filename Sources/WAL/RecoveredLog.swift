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
    public let nodeRecords: [[UInt8]]
    /// Every group that ever had a record, in group order.
    public let groups: [RecoveredGroup]
    /// The number of the last batch; 0 for an empty log.
    public let lastBatch: UInt64
    /// What was dropped at the end, for the log line; nil after a clean end.
    public let tornTail: TornTail?
    /// The host may cut these files to free space; nothing depends on it.
    public let trims: [Trim]
    /// Preallocated files that the writer will come to, in order. The host may keep them.
    public internal(set) var spareSegments: [UInt64]
    /// Files in front of the log that are not needed any more; the host removes them.
    public let obsoleteSegments: [UInt64]

    private var writer: WALWriter?

    init(
        nodeRecords: [[UInt8]], groups: [RecoveredGroup], writer: consuming WALWriter,
        lastBatch: UInt64, tornTail: TornTail?, trims: [Trim], spareSegments: [UInt64],
        obsoleteSegments: [UInt64]
    ) {
        self.nodeRecords = nodeRecords
        self.groups = groups
        self.lastBatch = lastBatch
        self.tornTail = tornTail
        self.trims = trims
        self.spareSegments = spareSegments
        self.obsoleteSegments = obsoleteSegments
        self.writer = consume writer
    }

    /// The log of an empty directory. Its identity comes from the salt seed.
    public static func empty(_ parameters: WALParameters) -> RecoveredLog {
        var generator = SeededGenerator(seed: parameters.saltSeed)
        let run = WALWriter.Run(
            logIdentity: generator.next(), saltSeed: generator.next(),
            segmentBytes: parameters.segmentBytes, firstSegment: 1, previousEnd: 0)
        return RecoveredLog(
            nodeRecords: [], groups: [], writer: WALWriter(run, WALWriter.Start()), lastBatch: 0,
            tornTail: nil, trims: [], spareSegments: [], obsoleteSegments: [])
    }

    /// Whether nothing was ever durably written.
    public var isEmpty: Bool { lastBatch == 0 }

    /// Takes the writer that continues this log; once.
    public mutating func takeWriter() -> WALWriter {
        guard let writer = writer.take() else {
            invariantFailed("the log's writer was taken twice")
        }
        return writer
    }
}
