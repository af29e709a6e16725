internal import Bytes

/// A run of neighbouring entries in memory: their records one behind the other, and where each
/// begins.
///
/// Invariant: `offsets` ascends; record i lies at `offsets[i] ..< (offsets[i + 1] or bytes.count)`.
struct LogChunk: ~Copyable, Sendable {
    private(set) var firstIndex: LogIndex
    private var bytes: ByteBuffer
    private var offsets: [UInt32]

    init(firstIndex: LogIndex) {
        self.firstIndex = firstIndex
        bytes = ByteBuffer()
        offsets = []
    }

    var count: Int { offsets.count }
    var endIndex: LogIndex { firstIndex + LogIndex(offsets.count) }
    var byteCount: Int { bytes.count }

    /// Starts anew at `index`, keeping the memory.
    mutating func reset(firstIndex index: LogIndex) {
        firstIndex = index
        bytes.removeAll()
        offsets.removeAll(keepingCapacity: true)
    }

    /// Encodes an entry behind the last one; returns the length of its record.
    mutating func append(term: Term, kind: EntryKind, payload: Span<UInt8>) -> Int {
        let before = bytes.count
        offsets.append(UInt32(before))
        bytes.appendRecord(
            index: endIndex - 1, term: term, kind: kind, payload: payload)
        return bytes.count - before
    }

    /// Copies a verified record behind the last one.
    mutating func append(record: Span<UInt8>) {
        offsets.append(UInt32(bytes.count))
        bytes.append(record)
    }

    /// Drops entry `index` and all behind it.
    mutating func truncate(from index: LogIndex) {
        let keep = Int(index - firstIndex)
        bytes.truncate(to: offset(keep))
        offsets.removeLast(offsets.count - keep)
    }

    /// Where record number `position` begins, or the end of all.
    private func offset(_ position: Int) -> Int {
        position < offsets.count ? Int(offsets[position]) : bytes.count
    }

    /// Bytes of the records from `index` to the end of the chunk.
    func byteCount(from index: LogIndex) -> Int {
        bytes.count - offset(Int(index - firstIndex))
    }

    /// The entry at `index`, which must lie in the chunk.
    @_lifetime(borrow self)
    func entry(at index: LogIndex) -> EntryView {
        let position = Int(index - firstIndex)
        return EntryView(
            verified: bytes.readable.extracting(offset(position)..<offset(position + 1)))
    }

    /// Appends records from `index` to at most `last` to `buffer`: as many as fit `maxBytes`, none if
    /// the first does not fit. Returns the index behind the last one copied.
    func copyRecords(
        from index: LogIndex, through last: LogIndex, maxBytes: Int, into buffer: inout ByteBuffer
    ) -> LogIndex {
        let end = self.end(from: index, through: last, maxBytes: maxBytes)
        let range = offset(Int(index - firstIndex))..<offset(Int(end - firstIndex))
        buffer.append(bytes.readable.extracting(range))
        return end
    }

    /// The index behind the last record that fits into `maxBytes`, counted from `index`.
    func end(from index: LogIndex, through last: LogIndex, maxBytes: Int) -> LogIndex {
        let start = Int(index - firstIndex)
        let limit = Int(min(last + 1, endIndex) - firstIndex)
        let base = offset(start)
        if offset(limit) - base <= maxBytes { return firstIndex + LogIndex(limit) }
        // The last position in start...limit whose offset is at most base + maxBytes.
        var low = start
        var high = limit
        while low < high {
            let middle = (low + high + 1) / 2
            if offset(middle) - base <= maxBytes { low = middle } else { high = middle - 1 }
        }
        return firstIndex + LogIndex(low)
    }

    /// Walks the chunk and verifies every record against its place and checksum.
    func checkInvariants() {
        var records = EntryRecords(bytes.readable)
        var position = 0
        do {
            while true {
                let start = records.offset
                guard let entry = try records.next() else { break }
                invariant(position < offsets.count, "more records than offsets")
                invariant(Int(offsets[position]) == start, "an offset points into a record")
                invariant(
                    entry.index == firstIndex + LogIndex(position), "a record at a wrong place")
                position += 1
            }
        } catch {
            invariantFailed("a record in memory is damaged: \(error)")
        }
        invariant(position == offsets.count, "more offsets than records")
    }
}
