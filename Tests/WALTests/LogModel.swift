import Bytes
import Raft
import WAL

/// What a log should hold after each of its batches: the plain truth that recovery is compared with.
struct LogModel: Equatable {
    struct Entry: Equatable {
        var term: Term
        /// Stands for the payload: comparing bytes is slow in debug builds.
        var payloadBytes: Int
        var payloadChecksum: UInt32

        init(term: Term, payload: Span<UInt8>) {
            self.term = term
            payloadBytes = payload.count
            payloadChecksum = CRC32C.checksum(payload)
        }
    }

    struct Group: Equatable {
        var term: Term = 0
        var vote: UInt16 = 0
        /// Index 1 is at 0.
        var entries: [Entry] = []
    }

    var nodeRecords: [[UInt8]] = []
    /// By group number.
    var groups: [UInt32: Group] = [:]
}

/// A log thread that a test moves step by step.
final class LogExecutor {
    let disk: VirtualDisk
    private var queue:
        [(number: UInt64, position: WALPosition, opens: WALBatch.Opening?, bytes: [UInt8])] = []
    private var nextToWrite = 0
    private var openSegment: UInt64?
    private(set) var written: UInt64
    /// What was reported as durable.
    private(set) var synced: UInt64

    init(disk: VirtualDisk, lastBatch: UInt64) {
        self.disk = disk
        written = lastBatch
        synced = lastBatch
    }

    func submit(_ batch: consuming WALBatch) {
        queue.append((batch.number, batch.position, batch.opens, batch.bytes.copyBytes()))
    }

    var hasToWrite: Bool { nextToWrite < queue.count }

    /// Writes one batch; `false` from `goOn` is a crash before the next step.
    func writeNext(goOn: () -> Bool = { true }) -> Bool {
        let batch = queue[nextToWrite]
        if let opening = batch.opens {
            if let openSegment {
                guard goOn() else { return false }
                disk.sync(openSegment)
            }
            guard goOn() else { return false }
            disk.create(opening.segment, bytes: opening.capacity)
            guard goOn() else { return false }
            disk.syncCreation(opening.segment)
            openSegment = opening.segment
        }
        guard goOn() else { return false }
        disk.write(batch.position, batch.bytes)
        written = batch.number
        nextToWrite += 1
        return true
    }

    /// Syncs and returns the batch up to which all is durable.
    func sync() -> UInt64 {
        if let openSegment {
            disk.sync(openSegment)
            synced = written
        }
        return synced
    }

    /// Writes and syncs all there is.
    func drain() -> UInt64 {
        while hasToWrite { _ = writeNext() }
        return sync()
    }
}

/// Encodes entries `first...` of one term.
func entryRecords(_ payloads: [[UInt8]], from first: LogIndex, term: Term) -> ByteBuffer {
    var records = ByteBuffer()
    for (i, payload) in payloads.enumerated() {
        records.appendRecord(
            index: first + LogIndex(i), term: term, kind: .commands, payload: payload.span)
    }
    return records
}

/// Reads entries back through the sparse index, as the engine does.
func readEntries(
    _ writer: borrowing WALWriter, _ disk: VirtualDisk, group: UInt32, from first: LogIndex,
    upTo last: LogIndex, maxBytes: Int
) throws -> [LogModel.Entry] {
    var entries: [LogModel.Entry] = []
    var next = first
    while next <= last {
        var fetch = writer.fetch(group: GroupID(group), from: next, upTo: last, maxBytes: maxBytes)!
        var records = ByteBuffer()
        var done: LogIndex?
        while done == nil {
            var bytes = ByteBuffer()
            try disk.read(fetch.read.position, count: fetch.read.count, into: &bytes)
            if case .finished(let index) = try fetch.take(bytes.readable, into: &records) {
                done = index
            }
        }
        var views = EntryRecords(records.readable)
        while let view = try views.next() {
            invariant(view.index == next, "a fetch returned another index")
            entries.append(.init(term: view.term, payload: view.payload))
            next += 1
        }
        invariant(next == done! + 1, "a fetch returned other entries than it said")
    }
    return entries
}

/// What a recovered log holds, entries read through the sparse index and compared with the tails.
func contents(of log: borrowing RecoveredLog, _ writer: borrowing WALWriter, _ disk: VirtualDisk)
    throws -> LogModel
{
    var model = LogModel(nodeRecords: log.nodeRecords)
    for group in log.groups {
        var entries: [LogModel.Entry] = []
        if group.lastIndex > 0 {
            entries = try readEntries(
                writer, disk, group: group.group.raw, from: 1, upTo: group.lastIndex, maxBytes: 900)
        }
        model.groups[group.group.raw] = .init(
            term: group.term, vote: group.vote?.raw ?? 0, entries: entries)
        for (i, entry) in entries.enumerated() {
            let start = group.termStarts.last { $0.index <= LogIndex(i + 1) }
            invariant(start?.term == entry.term, "term starts differ from the entries")
        }
        let tailBytes = ByteBuffer(copying: group.tail.readable)
        var tail = EntryRecords(tailBytes.readable)
        var index = group.tailFirst
        while let view = try tail.next() {
            invariant(view.index == index && view.term == entries[Int(index) - 1].term, "tail")
            index += 1
        }
        invariant(index == group.lastIndex + 1, "the tail does not reach the last entry")
    }
    return model
}
