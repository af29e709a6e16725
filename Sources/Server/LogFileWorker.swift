internal import Bytes
internal import Glibc
internal import UV
internal import WAL

/// What runs on the log thread. `LogThread` has the rules.
struct LogWorker: ~Copyable {
    private let options: LogThread.Options
    private let directory: DataDirectory
    private let monitor: Monitor<LogThread.State>
    private let preparer: LogFilePreparer
    private let reserve: DiskReserve
    private let syncer: LogFileSyncer?
    private let report: @Sendable (LogThread.Event) -> Void

    private var file: LogFile?
    private var markFile: LogMarkFile?
    /// In the relaxed modes.
    private var writtenFile: LogMarkFile?
    /// Whether what an earlier run left in it has been forgotten.
    private var isWrittenFileOurs = false
    private var stateFiles: LogStateFiles?
    /// Of batches that are written and not synced.
    private var stateCopies: [WALStateCopy] = []
    private var writtenCopy: WALStateCopy?
    /// Of the batch written last.
    private var writtenMark: WALMark?
    /// Last batch written, last batch synced. Invariant: `synced <= written`.
    private var written: UInt64 = 0
    private var synced: UInt64 = 0
    private var isFull = false
    /// CLOCK_MONOTONIC; when `everySecond` begins its next sync.
    private var nextSync: UInt64 = 0

    private static let second: UInt64 = 1_000_000_000

    /// The disk is full and the process is to end: the queue cannot be written.
    private struct GivenUp: Error {}

    init(
        _ directory: DataDirectory, options: LogThread.Options, monitor: Monitor<LogThread.State>,
        preparer: LogFilePreparer, reserve: DiskReserve, syncer: LogFileSyncer?,
        report: @escaping @Sendable (LogThread.Event) -> Void
    ) {
        self.options = options
        self.monitor = monitor
        self.preparer = preparer
        self.reserve = reserve
        self.syncer = syncer
        self.report = report
        markFile = LogMarkFile(WALMark.fileName, in: directory)
        if options.mode != .always {
            writtenFile = LogMarkFile(WALMark.writtenFileName, in: directory)
        }
        self.directory = directory
    }

    mutating func run() {
        var group: [LogThread.Queued] = []
        do {
            while try waitForWork(&group) {
                if !group.isEmpty { try write(group) }
                group.removeAll(keepingCapacity: true)
            }
            if synced < written { try sync() }
            if written > 0 { report(.progress(written: written, synced: synced)) }
        } catch let error as FileError {
            report(.failed(error))
        } catch {
            // GivenUp: everything that was written is reported already.
        }
    }

    /// Waits for batches, or for the background sync. False: the end, and nothing is queued.
    private mutating func waitForWork(_ group: inout [LogThread.Queued]) throws -> Bool {
        let before = synced
        let deadline = syncer != nil && synced < written ? nextSync : nil
        let woken: (stop: Bool, background: UInt64, error: FileError?)? =
            monitor.wait(deadline: deadline) { state in
                if let error = state.backgroundError { return (true, 0, error) }
                if !state.queue.isEmpty {
                    swap(&state.queue, &group)
                    state.queuedBytes = 0
                } else if !state.isStopping, state.backgroundSynced <= before {
                    return nil
                }
                let stop = state.isStopping && group.isEmpty
                return (stop, state.backgroundSynced, nil)
            }
        if let error = woken?.error { throw error }
        if let woken, woken.background > synced {
            synced = woken.background
            report(.progress(written: written, synced: synced))
        }
        if let file, let syncer, synced < written, monotonicNanoseconds() >= nextSync {
            nextSync = monotonicNanoseconds() + Self.second
            syncer.sync(file, upTo: written)
        }
        return woken?.stop != true
    }

    /// Writes a group of batches, syncs if the mode or one of them wants it, and reports.
    private mutating func write(_ group: [LogThread.Queued]) throws {
        let start = monotonicNanoseconds()
        var mustSync = options.mode == .always
        options.syncStarted(bootInstant())
        for queued in group {
            if let opening = queued.batch.opens { try open(opening, for: queued.batch) }
            try write(queued.batch)
            mustSync = mustSync || queued.batch.mustSync
        }
        if mustSync { try sync() }
        if isWrittenFileOurs, let writtenMark { writtenFile?.store(writtenMark) }
        options.syncFinished(bootInstant())
        measure(group, from: start, didSync: mustSync)
        report(.progress(written: written, synced: synced))
    }

    private mutating func write(_ batch: borrowing WALBatch) throws {
        invariant(written == 0 || batch.number == written + 1, "batches out of order")
        guard let file, file.segment == batch.position.segment else {
            invariantFailed("a batch for a segment that is not open")
        }
        while true {
            do throws(FileError) {
                try file.write(batch.bytes, at: batch.position.offset)
                break
            } catch {
                // File systems that copy on write can run out of space in allocated files, and a
                // segment that was made on a full disk is not allocated.
                guard error.isOutOfSpace, reserve.release() else {
                    try waitForSpace(error)
                    continue
                }
            }
        }
        spaceIsBack()
        // The first batch of a run: nothing before it is unsynced.
        if written == 0 { synced = batch.number - 1 }
        written = batch.number
        writtenMark = batch.mark
        if let copy = batch.stateCopy { stateCopies.append(copy) }
    }

    private mutating func sync() throws {
        try file?.sync()
        try writeStateCopies()
        synced = written
        if let writtenMark { markFile?.store(writtenMark) }
        if !isWrittenFileOurs, written > 0 { takeOverWrittenFile() }
    }

    /// The first batch is durable, and says what follows from the mark of an earlier run. Every run
    /// begins with a sync, so that nothing was reported without a mark before.
    private mutating func takeOverWrittenFile() {
        isWrittenFileOurs = true
        writtenFile?.clear()
        // Best effort: a file that stays makes a later start more careful than it need be.
        if options.mode == .always { try? directory.remove(WALMark.writtenFileName) }
    }

    /// The batches are durable; what they changed of the small state becomes so twice before that is
    /// reported.
    private mutating func writeStateCopies() throws {
        guard let copy = WALStateCopy.newest(of: stateCopies, behind: writtenCopy) else { return }
        stateCopies.removeAll(keepingCapacity: true)
        while true {
            do throws(FileError) {
                if stateFiles == nil { stateFiles = try LogStateFiles(in: directory) }
                try stateFiles?.write(copy)
                break
            } catch {
                if error.isOutOfSpace, reserve.release() { continue }
                try waitForSpace(error, mayReport: false)
            }
        }
        writtenCopy = copy
    }

    /// Moves to a new segment: what was written to the one before becomes durable first.
    private mutating func open(_ opening: WALBatch.Opening, for batch: borrowing WALBatch) throws {
        if file != nil { try sync() }
        // Capacity counts, too: a batch may want a segment larger than the one prepared.
        var next = try preparer.take(opening.segment)
        while next == nil || opening.capacity > options.segmentBytes {
            do throws(FileError) {
                next = try preparer.make(opening.segment, capacity: opening.capacity)
                break
            } catch {
                guard error.isOutOfSpace else { throw error }
                if reserve.release() { continue }
                next = preparer.makeSmall(
                    opening.segment, atMost: options.segmentBytes / 2,
                    atLeast: batch.bytes.count)
                if next != nil { break }
                try waitForSpace(error)
            }
        }
        spaceIsBack()
        file = next
        preparer.prepare(opening.segment + 1, capacity: options.segmentBytes)
        monitor.withLock { $0.statistics.segmentsOpened += 1 }
    }

    /// Lets a second pass if `error` is one that passes with time; throws it otherwise. A full disk
    /// is not a stalled one: the liveness need not worry meanwhile.
    ///
    /// - Parameter mayReport: what is written already need not wait with the rest.
    private mutating func waitForSpace(_ error: FileError, mayReport: Bool = true) throws {
        guard error.isOutOfSpace else { throw error }
        if !isFull {
            isFull = true
            if mayReport, synced < written {
                // In every mode: a batch that must sync may be among them.
                try sync()
                report(.progress(written: written, synced: synced))
            }
            report(.full(error))
        }
        options.syncFinished(bootInstant())
        let retry = monotonicNanoseconds() + Self.second
        let stop = monitor.wait(deadline: retry) { $0.isStopping ? true : nil } ?? false
        if stop { throw GivenUp() }
        options.syncStarted(bootInstant())
    }

    private mutating func spaceIsBack() {
        guard isFull else { return }
        isFull = false
        report(.goesOn)
    }

    private func measure(_ group: [LogThread.Queued], from start: UInt64, didSync: Bool) {
        let end = monotonicNanoseconds()
        monitor.withLock { state in
            if didSync {
                state.statistics.syncs.add(Interval(nanoseconds: Int64(end - start)))
            }
            for queued in group {
                let wait = Int64(start) - Int64(queued.since)
                state.statistics.waits.add(Interval(nanoseconds: wait))
                state.statistics.bytes += UInt64(queued.batch.bytes.count)
            }
            state.statistics.batches += UInt64(group.count)
        }
    }
}
