internal import Bytes
internal import DequeModule
internal import WAL

/// The log thread of one process: executes batches in order, one sync in flight, and takes what has
/// gathered meanwhile for the next one.
///
/// The host (`Simulation`) calls `begin` when there is work and `finish` when the time that `begin`
/// named has passed. The writes happen at `begin`, into the disk's cache: a power cut before
/// `finish` leaves any subset of their sectors.
struct LogThread {
    private(set) var queue: Deque<LogBatch> = []
    private(set) var isWorking = false
    private var inFlight: (last: UInt64, segment: UInt64, mark: WALMark?)?
    private var lastNumber: UInt64?
    /// Segments that the log has given up, whose files are still there; oldest first.
    private var spares: [UInt64] = []

    var isIdle: Bool { !isWorking && queue.isEmpty }

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

    /// Writes the next batches. A batch that opens a segment begins a sync of its own: everything
    /// before it is durable by then.
    /// - Returns: how many batches were taken.
    mutating func begin(on disk: inout VirtualDisk, batchesMax: Int) -> Int {
        guard !isWorking, !queue.isEmpty else { return 0 }
        var taken = 0
        while taken < batchesMax, let batch = queue.first {
            if let opens = batch.opens {
                if taken > 0 { break }
                open(opens, on: &disk)
            }
            if let current = inFlight, current.segment != batch.segment { break }
            queue.removeFirst()
            disk.write(batch.segment, offset: batch.offset, bytes: batch.bytes.span)
            inFlight = (batch.number, batch.segment, batch.mark)
            taken += 1
        }
        isWorking = true
        return taken
    }

    /// The sync has returned.
    /// - Returns: up to which batch the log is durable.
    mutating func finish(on disk: inout VirtualDisk) -> UInt64 {
        guard let done = inFlight else { invariantFailed("a sync ended that never began") }
        disk.sync(done.segment)
        if let mark = done.mark { disk.mark = mark }
        inFlight = nil
        isWorking = false
        return done.last
    }
}
