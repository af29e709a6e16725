public import Bytes
internal import DequeModule

/// The entries of one group: terms of all of them, records of the newest ones.
///
/// Memory holds a contiguous tail of the log in chunks of `chunkBytes`; what was evicted lies only
/// on disk and is asked back through `LogFetch`. Appending allocates nothing per entry: a chunk that
/// is evicted becomes the next one. Eviction frees whole chunks. The log itself begins where a durable
/// snapshot allows it to (`compact`, `restart`); what lies before is in no log any more.
///
/// Invariants:
/// 1. `firstIndex - 1 <= lastIndex`, and `firstIndex <= firstInMemory <= lastIndex + 1`.
/// 2. The chunks are contiguous and end at `lastIndex`; none is empty. The oldest one may begin before
///    `firstIndex`, but reaches it.
/// 3. The record at index i has index i and the term that the term table tells.
public struct RaftLog: ~Copyable, Sendable {
    private var chunks = UniqueDeque<LogChunk>()
    private var spare: LogChunk?
    private var terms: TermTable
    private let chunkBytes: Int

    /// The first entry that exists on disk; 1 until the log is compacted.
    public private(set) var firstIndex: LogIndex
    /// The newest entry; `firstIndex - 1` when there is none.
    public private(set) var lastIndex: LogIndex
    /// Bytes of records in memory.
    public private(set) var memoryBytes = 0

    /// A log as recovery found it. The tail's records must be contiguous up to `lastIndex`.
    init(restored: borrowing RestoredGroup, chunkBytes: Int) {
        invariant(restored.firstIndex >= 1, "index 0 is no entry")
        invariant(restored.lastIndex + 1 >= restored.firstIndex, "the log ends before it begins")
        self.chunkBytes = chunkBytes
        firstIndex = restored.firstIndex
        terms = TermTable(
            precedingIndex: restored.firstIndex - 1, precedingTerm: restored.precedingTerm,
            starts: restored.termStarts)
        lastIndex = restored.lastIndex
        terms.checkInvariants(lastIndex: lastIndex)
        invariant(
            restored.termStarts.isEmpty == (lastIndex < firstIndex),
            "terms and entries disagree")
        restoreTail(restored.tail.readable)
    }

    private mutating func restoreTail(_ tail: Span<UInt8>) {
        var records = EntryRecords(tail)
        var previous: LogIndex?
        do {
            while let entry = try records.next() {
                invariant(
                    previous == nil || entry.index == previous! + 1, "a gap in the restored tail")
                invariant(
                    entry.index >= firstIndex && entry.index <= lastIndex
                        && entry.term == terms.term(at: entry.index),
                    "restored entry \(entry.index) is not of this log")
                store(record: entry.record, index: entry.index)
                previous = entry.index
            }
        } catch {
            invariantFailed("a restored record is damaged: \(error)")
        }
        invariant(previous == nil || previous == lastIndex, "the restored tail ends early")
    }

    /// Term of the newest entry.
    public var lastTerm: Term { terms.lastTerm }

    /// The oldest entry in memory; `lastIndex + 1` when there is none.
    public var firstInMemory: LogIndex {
        chunks.isEmpty ? lastIndex + 1 : max(chunks[0].firstIndex, firstIndex)
    }

    /// Term of the entry before the first one.
    public var precedingTerm: Term { terms.precedingTerm }

    /// Term of entry `index`, or nil when it is not in the log. Index `firstIndex - 1` is known.
    public func term(at index: LogIndex) -> Term? {
        guard index <= lastIndex, index + 1 >= firstIndex else { return nil }
        return terms.term(at: index)
    }

    /// The entry at `index`, or nil when it is not in memory.
    @_lifetime(borrow self)
    public func entry(at index: LogIndex) -> EntryView? {
        guard index >= firstInMemory, index <= lastIndex else { return nil }
        return chunks[chunk(of: index)].entry(at: index)
    }

    /// Position of the chunk that holds `index`, which must be in memory.
    private func chunk(of index: LogIndex) -> Int {
        var low = 0
        var high = chunks.count - 1
        // The newest chunk is asked for nearly always.
        if chunks[high].firstIndex <= index { return high }
        while low < high {
            let middle = (low + high + 1) / 2
            if chunks[middle].firstIndex <= index { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// Appends an entry; returns its index.
    ///
    /// - Precondition: the payload is at most `Limits.payloadBytesMax` long.
    mutating func append(term: Term, kind: EntryKind, payload: Span<UInt8>) -> LogIndex {
        let index = lastIndex + 1
        terms.append(index: index, term: term)
        makeRoom(EntryRecord.headerBytes + payload.count, for: index)
        memoryBytes += chunks[chunks.count - 1].append(term: term, kind: kind, payload: payload)
        lastIndex = index
        return index
    }

    /// Appends an entry that another node encoded.
    ///
    /// - Precondition: the entry is verified and its index is `lastIndex + 1`.
    mutating func append(_ entry: borrowing EntryView) {
        invariant(entry.index == lastIndex + 1, "a gap in the log")
        terms.append(index: entry.index, term: entry.term)
        store(record: entry.record, index: entry.index)
        lastIndex = entry.index
    }

    private mutating func store(record: Span<UInt8>, index: LogIndex) {
        makeRoom(record.count, for: index)
        chunks[chunks.count - 1].append(record: record)
        memoryBytes += record.count
    }

    /// Ends the newest chunk when `bytes` more would make it longer than a chunk should be.
    private mutating func makeRoom(_ bytes: Int, for index: LogIndex) {
        if chunks.count > 0 {
            let used = chunks[chunks.count - 1].byteCount
            if used + bytes <= chunkBytes { return }
        }
        if var chunk = spare.take() {
            chunk.reset(firstIndex: index)
            chunks.append(chunk)
        } else {
            chunks.append(LogChunk(firstIndex: index))
        }
    }

    /// Drops entry `index` and everything behind it.
    mutating func truncate(from index: LogIndex) {
        invariant(index >= firstIndex, "truncated before the log's start")
        guard index <= lastIndex else { return }
        terms.truncate(from: index)
        while chunks.count > 0 {
            let newest = chunks.count - 1
            let before = chunks[newest].byteCount
            if chunks[newest].firstIndex >= index {
                memoryBytes -= before
                spare = chunks.removeLast()
                continue
            }
            if chunks[newest].endIndex > index {
                chunks[newest].truncate(from: index)
                memoryBytes -= before - chunks[newest].byteCount
            }
            break
        }
        lastIndex = index - 1
        dropCompacted()
    }

    /// The log begins behind `index`: what lies before is forgotten, but for its last term. O(chunks
    /// dropped).
    mutating func compact(upTo index: LogIndex) {
        invariant(index >= firstIndex && index <= lastIndex, "compacted outside of the log")
        terms.compact(upTo: index, lastIndex: lastIndex)
        firstIndex = index + 1
        dropCompacted()
    }

    /// The log is empty and begins behind entry `index` of `term`, whatever was in it.
    mutating func restart(after index: LogIndex, term: Term) {
        while chunks.count > 0 { spare = chunks.removeLast() }
        memoryBytes = 0
        terms = TermTable(precedingIndex: index, precedingTerm: term, starts: [])
        firstIndex = index + 1
        lastIndex = index
    }

    /// Drops chunks that lie before the log's start.
    private mutating func dropCompacted() {
        while chunks.count > 0, chunks[0].endIndex <= firstIndex {
            memoryBytes -= chunks[0].byteCount
            spare = chunks.removeFirst()
        }
    }

    /// Appends the records from `index` to at most `upTo` to `buffer`: as many as fit `maxBytes`, but
    /// at least one. Returns the last index copied, or nil when entry `index` is not in memory.
    public func copyRecords(
        from index: LogIndex, upTo: LogIndex, maxBytes: Int, into buffer: inout ByteBuffer
    ) -> LogIndex? {
        guard let last = fit(from: index, upTo: upTo, maxBytes: maxBytes)?.last else { return nil }
        var position = chunk(of: index)
        var next = index
        while next <= last {
            next = chunks[position].copyRecords(
                from: next, through: last, maxBytes: .max, into: &buffer)
            position += 1
        }
        return last
    }

    /// How many of the entries from `index` to `upTo` fit `maxBytes`, but at least `index` itself: the
    /// last one and the bytes of their records. nil when entry `index` is not in memory.
    func fit(from index: LogIndex, upTo: LogIndex, maxBytes: Int) -> (last: LogIndex, bytes: Int)? {
        guard index >= firstInMemory, index <= lastIndex, index <= upTo else { return nil }
        let through = min(upTo, lastIndex)
        var position = chunk(of: index)
        var next = index
        var bytes = 0
        while next <= through {
            let end = chunks[position].end(
                from: next, through: through, maxBytes: maxBytes - bytes)
            bytes += chunks[position].byteCount(from: next) - chunks[position].byteCount(from: end)
            let stopped = end < min(chunks[position].endIndex, through + 1)
            next = end
            if stopped { break }
            position += 1
        }
        guard next > index else {
            // Even the first is longer: it travels alone.
            position = chunk(of: index)
            let after = min(index + 1, chunks[position].endIndex)
            let own = chunks[position].byteCount(from: index)
            return (index, own - chunks[position].byteCount(from: after))
        }
        return (next - 1, bytes)
    }

    /// Bytes of the records from `index` on, as far as they are in memory.
    public func recordBytes(from index: LogIndex) -> Int {
        guard index <= lastIndex, chunks.count > 0 else { return 0 }
        let start = max(index, firstInMemory)
        var position = chunks.count - 1
        var bytes = 0
        while chunks[position].firstIndex > start {
            bytes += chunks[position].byteCount
            position -= 1
        }
        return bytes + chunks[position].byteCount(from: start)
    }

    /// Drops the oldest chunks from memory until at most `bytes` bytes remain, but no entry from
    /// `keeping` on. O(chunks dropped).
    mutating func evict(toBytes bytes: Int, keeping: LogIndex) {
        while memoryBytes > bytes, chunks.count > 0, chunks[0].endIndex <= keeping {
            memoryBytes -= chunks[0].byteCount
            spare = chunks.removeFirst()
        }
    }

    /// The greatest index of at most `index` whose term is at most `term`.
    func lastIndex(upTo index: LogIndex, notAfter term: Term) -> LogIndex {
        terms.lastIndex(upTo: min(index, lastIndex), notAfter: term)
    }

    /// Walks the whole log in memory.
    public func checkInvariants() {
        invariant(lastIndex + 1 >= firstIndex, "the log ends before it begins")
        terms.checkInvariants(lastIndex: lastIndex)
        var bytes = 0
        var next = firstInMemory
        for position in 0..<chunks.count {
            if position == 0 {
                invariant(
                    chunks[0].firstIndex <= next && chunks[0].endIndex > next,
                    "a chunk before the log's start")
            } else {
                invariant(chunks[position].firstIndex == next, "a gap between chunks")
            }
            invariant(chunks[position].count > 0, "an empty chunk")
            chunks[position].checkInvariants()
            bytes += chunks[position].byteCount
            next = chunks[position].endIndex
        }
        invariant(next == lastIndex + 1, "the chunks end before the log")
        invariant(bytes == memoryBytes, "bytes in memory are miscounted")
        for index in firstInMemory..<(lastIndex + 1) {
            guard let entry = entry(at: index) else { invariantFailed("an entry is missing") }
            invariant(entry.term == terms.term(at: index), "an entry's term is another one")
        }
    }
}
