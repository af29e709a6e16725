internal import Bytes
internal import DequeModule

/// The log thread of one process: executes batches in order, one sync in flight, and takes what has
/// gathered meanwhile for the next one.
///
/// The host (`Simulation`) calls `begin` when there is work and `finish` when the time that `begin`
/// named has passed. The writes happen at `begin`, into the disk's cache: a power cut before
/// `finish` leaves any subset of their sectors.
struct LogThread {
    private(set) var queue: Deque<LogBatch> = []
    private(set) var isWorking = false
    private var inFlight: (last: UInt64, segment: UInt64)?
    private var lastNumber: UInt64?

    var isIdle: Bool { !isWorking && queue.isEmpty }

    mutating func add(_ batch: LogBatch) {
        if let last = lastNumber {
            invariant(batch.number == last + 1, "batch \(batch.number) after batch \(last)")
        }
        lastNumber = batch.number
        queue.append(batch)
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
                disk.create(opens.segment, bytes: opens.capacity)
            }
            if let current = inFlight, current.segment != batch.segment { break }
            queue.removeFirst()
            disk.write(batch.segment, offset: batch.offset, bytes: batch.bytes.span)
            inFlight = (batch.number, batch.segment)
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
        inFlight = nil
        isWorking = false
        return done.last
    }
}
