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
        var precedingIndex: LogIndex = 0
        var precedingTerm: Term = 0
        /// Index `precedingIndex + 1` is at 0.
        var entries: [Entry] = []

        var last: LogIndex { precedingIndex + LogIndex(entries.count) }
        /// The term of the newest entry, or of what precedes the log.
        var lastTerm: Term { entries.last?.term ?? precedingTerm }

        mutating func start(after index: LogIndex, term: Term, keepingRest: Bool) {
            let known = index >= precedingIndex ? Int(index - precedingIndex) : 0
            entries.removeFirst(min(entries.count, known))
            if !keepingRest { entries = [] }
            (precedingIndex, precedingTerm) = (index, term)
        }
    }

    /// Of each class but 0 only the newest.
    struct NodeRecord: Equatable {
        var replacing: UInt32
        var bytes: [UInt8]
    }

    var nodeRecords: [NodeRecord] = []
    /// By group number; without those of which nothing is known yet.
    var groups: [UInt32: Group] = [:]

    mutating func add(_ record: NodeRecord) {
        if record.replacing != 0 { nodeRecords.removeAll { $0.replacing == record.replacing } }
        nodeRecords.append(record)
    }

    static func == (left: LogModel, right: LogModel) -> Bool {
        left.nodeRecords.map(\.bytes) == right.nodeRecords.map(\.bytes)
            && left.groups.filter { $0.value != Group() }
                == right.groups.filter { $0.value != Group() }
    }
}

/// A log thread that a test moves step by step.
final class LogExecutor {
    let disk: VirtualDisk
    private var queue:
        [(
            mark: WALMark, position: WALPosition, opens: WALBatch.Opening?, bytes: [UInt8],
            copy: WALStateCopy?
        )] = []
    /// Whether the copies of the small state are written behind the batches.
    private let keepsCopies: Bool
    private var copied = 0
    private var nextToWrite = 0
    private var openSegment: UInt64?
    private(set) var written: UInt64
    /// What was reported as durable.
    private(set) var synced: UInt64

    init(disk: VirtualDisk, lastBatch: UInt64, keepsCopies: Bool = false) {
        self.disk = disk
        self.keepsCopies = keepsCopies
        written = lastBatch
        synced = lastBatch
    }

    func submit(_ batch: consuming WALBatch) {
        let copy = keepsCopies ? batch.stateCopy : nil
        queue.append((batch.mark, batch.position, batch.opens, batch.bytes.copyBytes(), copy))
    }

    var hasToWrite: Bool { nextToWrite < queue.count }

    /// Segments given up, oldest first, whose files still lie there.
    private(set) var pool: [UInt64] = []

    func release(_ segments: [UInt64]) { pool += segments }

    /// Removes one file that is given up.
    func removeReleased() {
        guard !pool.isEmpty else { return }
        disk.remove(pool.removeFirst())
    }

    /// Writes one batch; `false` from `goOn` is a crash before the next step. A file that was given
    /// up is used again if there is one and `recycling` allows it.
    func writeNext(recycling: Bool = true, goOn: () -> Bool = { true }) -> Bool {
        let batch = queue[nextToWrite]
        if let opening = batch.opens {
            if let openSegment {
                guard goOn() else { return false }
                disk.sync(openSegment)
            }
            guard prepare(opening, recycling: recycling, goOn: goOn) else { return false }
            openSegment = opening.segment
        }
        guard goOn() else { return false }
        disk.write(batch.position, batch.bytes)
        written = batch.mark.batch
        nextToWrite += 1
        return true
    }

    private func prepare(_ opening: WALBatch.Opening, recycling: Bool, goOn: () -> Bool) -> Bool {
        if recycling, !disk.contains(opening.segment), let old = pool.last {
            // W9, step by step.
            guard goOn() else { return false }
            disk.write(WALPosition(segment: old, offset: 0), [UInt8](repeating: 0, count: 512))
            guard goOn() else { return false }
            disk.sync(old)
            guard goOn() else { return false }
            disk.rename(old, to: opening.segment)
            pool.removeLast()
        }
        guard goOn() else { return false }
        disk.create(opening.segment, bytes: opening.capacity)
        guard goOn() else { return false }
        disk.sync(opening.segment)
        disk.syncDirectory()
        return true
    }

    /// Syncs and returns the batch up to which all is durable; less if it crashes before it could say.
    func sync(goOn: () -> Bool = { true }) -> UInt64 {
        if let openSegment {
            guard goOn() else { return synced }
            disk.sync(openSegment)
            for at in copied..<nextToWrite {
                guard let copy = queue[at].copy else { continue }
                disk.write(copy)
                guard goOn() else { return synced }
                disk.syncStateFiles()
                guard goOn() else { return synced }
            }
            copied = nextToWrite
            synced = written
            if nextToWrite > 0 { disk.mark = queue[nextToWrite - 1].mark }
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
    var model = LogModel(
        nodeRecords: log.nodeRecords.map { .init(replacing: 0, bytes: $0) })
    for group in log.groups {
        var entries: [LogModel.Entry] = []
        let first = group.firstIndex
        if group.lastIndex >= first {
            entries = try readEntries(
                writer, disk, group: group.group.raw, from: first, upTo: group.lastIndex,
                maxBytes: 900)
        }
        model.groups[group.group.raw] = .init(
            term: group.term, vote: group.vote?.raw ?? 0, precedingIndex: first - 1,
            precedingTerm: group.precedingTerm, entries: entries)
        for (i, entry) in entries.enumerated() {
            let start = group.termStarts.last { $0.index <= first + LogIndex(i) }
            invariant(start?.term == entry.term, "term starts differ from the entries")
        }
        invariant(group.termStarts.isEmpty == entries.isEmpty, "terms without entries")
        invariant(entries.isEmpty || group.termStarts[0].index == first, "terms begin elsewhere")
        // Of a log that was cut, the writer learns it with its first batch.
        invariant(
            log.wasCut || writer.firstIndex(of: group.group) == first, "the writer's first index")
        let tailBytes = ByteBuffer(copying: group.tail.readable)
        var tail = EntryRecords(tailBytes.readable)
        var index = group.tailFirst
        invariant(index >= first, "the tail begins before the log")
        while let view = try tail.next() {
            invariant(view.index == index && view.term == entries[Int(index - first)].term, "tail")
            index += 1
        }
        invariant(index == group.lastIndex + 1, "the tail does not reach the last entry")
    }
    return model
}
