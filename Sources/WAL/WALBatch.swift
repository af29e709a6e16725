public import Bytes

/// One sealed batch: what the log thread writes, and where.
///
/// The host executes batches strictly in order of their numbers:
/// 1. if `opens` is set: sync the segment before, create or take the preallocated file of the new
///    one, sync its directory entry;
/// 2. write `bytes` at `position`;
/// 3. sync, at once or in the mode's time; `mustSync` batches always at once;
/// 4. when the sync has returned: write `stateCopy`, if there is one, over its file and sync that;
///    store `mark`, unsynced. Only then is the batch reported.
public struct WALBatch: ~Copyable, Sendable {
    /// A segment that comes into use with this batch.
    public struct Opening: Equatable, Sendable {
        public var segment: UInt64
        /// Bytes to preallocate.
        public var capacity: Int
    }

    /// Counts from 1 over the life of the log; what `WALWriter.durable(upTo:)` takes back.
    public let number: UInt64
    /// Where `bytes` go. The offset is 0 when the batch brings its segment's header along.
    public let position: WALPosition
    public let opens: Opening?
    /// Holds a vote, a term, a node record or something else that no relaxed mode may lose.
    public let mustSync: Bool
    public var bytes: ByteBuffer
    /// Identity of the log.
    public var log: UInt64 = 0
    /// What the log's small state is with this batch, if the batch changes it.
    public var stateCopy: WALStateCopy?

    /// What to store once everything up to this batch is durable.
    public var mark: WALMark { WALMark(log: log, segment: position.segment, batch: number) }
}
