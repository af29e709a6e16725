internal import Bytes
internal import DequeModule
internal import WAL

/// How far a log has come: what may be answered, and what is on stable storage.
struct LogProgress: Equatable {
    var written: UInt64
    var synced: UInt64
}

/// The log thread of one process: executes batches in order, one piece of work in flight, and takes
/// what has gathered meanwhile for the next one.
///
/// The host (`Simulation`) calls `begin` when there is work and `finish` when the time that `begin`
/// named has passed. The writes happen at `begin`, into the disk's cache: a power cut before they are
/// synced leaves any subset of their sectors. In the relaxed modes the work syncs only what must be.
struct LogThread {
    enum Begun: Equatable {
        case nothing
        /// The next batch wants a segment that there is no room for.
        case full
        /// So many batches are being written; whether a sync follows.
        case work(taken: Int, syncs: Bool)
    }

    private struct Work {
        var last: UInt64
        var syncs: Bool
        var mark: WALMark?
        var opensSegment = false
        /// Only copies of the small state are being written.
        var isOfCopies = false
    }

    private(set) var queue: Deque<LogBatch> = []
    private var work: Work?
    private var lastNumber: UInt64?
    /// Invariant: `synced <= written`.
    private var written: UInt64 = 0
    private var synced: UInt64 = 0
    /// Of durable batches, which are not reported before the copies are durable, too.
    private var copies: [WALStateCopy] = []
    private var writtenCopy: WALStateCopy?
    private var reported = LogProgress(written: 0, synced: 0)
    /// The open segment.
    private var segment: UInt64?
    /// Segments that the log has given up, whose files are still there; oldest first.
    private var spares: [UInt64] = []

    var isWorking: Bool { work != nil }
    /// A new segment's first batch is being written.
    var isOpening: Bool { work?.opensSegment ?? false }
    /// Durable; 0 while nothing of this run is.
    var syncedBatch: UInt64 { reported.synced }
    var hasWork: Bool { !queue.isEmpty || !copies.isEmpty }
    var isIdle: Bool { !isWorking && !hasWork }

    mutating func add(_ batch: LogBatch) {
        if let last = lastNumber {
            invariant(batch.number == last + 1, "batch \(batch.number) after batch \(last)")
        }
        lastNumber = batch.number
        queue.append(batch)
    }

    /// Takes over the files of segments that the log has given up: two are kept to be used again, the
    /// others are removed. As in the server, nothing depends on when.
    mutating func release(_ segments: [UInt64], on disk: inout VirtualDisk) {
        spares += segments
        while spares.count > 2 { disk.remove(spares.removeFirst()) }
    }

    /// Makes the file of a segment, from one that was given up if there is one of the right size.
    private mutating func open(
        _ opening: (segment: UInt64, capacity: Int), on disk: inout VirtualDisk
    ) {
        while disk.size(of: opening.segment) == nil, let spare = spares.popLast() {
            if disk.size(of: spare) == opening.capacity {
                disk.recycle(spare, as: opening.segment)
                return
            }
            disk.remove(spare)
        }
        disk.create(opening.segment, bytes: opening.capacity)
    }

    /// Writes the next batches. Before a batch that opens a segment everything in the segment before
    /// is synced (W2 of the log's format), as a piece of work of its own.
    ///
    /// - Parameters:
    ///   - hasRoom: a segment can be made.
    ///   - mayWrite: what was allocated can be written; not so on a full disk that copies on write.
    mutating func begin(
        on disk: inout VirtualDisk, batchesMax: Int, mode: SyncMode, hasRoom: Bool = true,
        mayWrite: Bool = true
    ) -> Begun {
        guard !isWorking else { return .nothing }
        // Of batches that became durable together one copy is written, before the next batches are.
        if let copy = WALStateCopy.newest(of: copies, behind: writtenCopy) {
            disk.write(copy)
            copies.removeAll()
            writtenCopy = copy
            work = Work(last: written, syncs: true, isOfCopies: true)
            return .work(taken: 0, syncs: true)
        }
        guard let first = queue.first else { return .nothing }
        if first.opens != nil {
            if segment != nil, synced < written {
                work = Work(last: written, syncs: true)
                return .work(taken: 0, syncs: true)
            }
            guard hasRoom else { return .full }
        }
        guard mayWrite else { return .full }
        var taken = 0
        var syncs = mode == .always
        var last = written
        var mark: WALMark?
        let opensSegment = first.opens != nil
        while taken < batchesMax, let batch = queue.first {
            if let opens = batch.opens {
                if taken > 0 { break }
                open(opens, on: &disk)
                segment = opens.segment
            }
            invariant(batch.segment == segment, "a batch for a segment that is not open")
            queue.removeFirst()
            disk.write(batch.segment, offset: batch.offset, bytes: batch.bytes.span)
            // What a run finds was synced by its recovery.
            if last == 0 { synced = batch.number - 1 }
            last = batch.number
            syncs = syncs || batch.mustSync
            mark = batch.mark
            if let copy = batch.stateCopy { copies.append(copy) }
            taken += 1
        }
        work = Work(last: last, syncs: syncs, mark: mark, opensSegment: opensSegment)
        return .work(taken: taken, syncs: syncs)
    }

    /// The work is done.
    mutating func finish(on disk: inout VirtualDisk) -> LogProgress {
        guard let done = work, let segment else {
            invariantFailed("work ended that never began")
        }
        work = nil
        if done.isOfCopies {
            disk.syncStateFiles()
        } else {
            written = done.last
            if done.syncs {
                disk.sync(segment)
                if let mark = done.mark { disk.mark = mark }
                synced = done.last
            }
        }
        if copies.isEmpty { reported = LogProgress(written: written, synced: synced) }
        return reported
    }

    /// The process stops in an orderly way: everything is written and synced, unless there is no room.
    mutating func stop(on disk: inout VirtualDisk, hasRoom: Bool) {
        if isWorking { _ = finish(on: &disk) }
        while hasRoom, case .work = begin(on: &disk, batchesMax: .max, mode: .always) {
            _ = finish(on: &disk)
        }
    }

    /// The sync that `everysec` makes on another thread: what is written later is not covered.
    /// - Returns: up to where it reaches; nil when there is nothing to sync.
    mutating func beginBackgroundSync(on disk: inout VirtualDisk) -> UInt64? {
        guard copies.isEmpty, synced < written, let segment else { return nil }
        disk.sync(segment)
        return written
    }

    mutating func endBackgroundSync(upTo batch: UInt64) -> LogProgress {
        synced = max(synced, batch)
        if copies.isEmpty { reported = LogProgress(written: written, synced: synced) }
        return reported
    }
}
