public import Bytes
public import Raft

/// Reads old entries of one group back from the log, piece by piece, asynchronously.
///
///     guard var fetch = writer.fetch(group: g, from: 10, upTo: 90, maxBytes: 1 << 20) ...
///     ask the host for fetch.read          // later, with the bytes:
///     switch try fetch.take(bytes, into: &records) { case .more: ask for fetch.read again ... }
///
/// The fetch is a plain value that waits beside the request. Entries are checked one by one (record
/// header, entry checksum, group, index), since a piece need not hold a whole batch. If the group's
/// log is truncated meanwhile, a fetch may still return what was cut: the asker compares terms.
public struct WALFetch: Sendable, Equatable {
    /// What the host reads: `count` bytes, or less before the end of the file, or before a place that
    /// cannot be read.
    public struct Read: Sendable, Equatable {
        public var position: WALPosition
        public var count: Int
    }

    public enum Progress: Sendable, Equatable {
        /// Read `read` again (it has moved on) and hand the bytes in.
        case more
        /// The entries up to this index are there: at least one.
        case finished(last: LogIndex)
    }

    public let group: GroupID
    /// The next index wanted.
    public private(set) var first: LogIndex
    /// The last index that this fetch delivers, unless `maxBytes` are reached before.
    public let last: LogIndex
    private let maxBytes: Int
    private var position: WALPosition
    private var pieceBytes = WALLimits.fetchPieceBytes

    init(
        group: GroupID, first: LogIndex, last: LogIndex, maxBytes: Int, position: WALPosition
    ) {
        self.group = group
        self.first = first
        self.last = last
        self.maxBytes = maxBytes
        self.position = position
    }

    /// What to read next.
    public var read: Read { Read(position: position, count: pieceBytes) }

    /// Takes the bytes that `read` asked for and appends the wanted entry records to `records`.
    public mutating func take(_ bytes: Span<UInt8>, into records: inout ByteBuffer)
        throws(WALError) -> Progress
    {
        let wanted = pieceBytes
        pieceBytes = WALLimits.fetchPieceBytes
        let pieceStart = position.offset
        var at = 0
        while true {
            let step = try step(bytes.extracting(at...))
            switch step {
            case .skip(let count) where count <= bytes.count - at:
                at += count
            case .skip(let count):
                position.offset = pieceStart + at + count
                return try more(bytes, wanted, from: pieceStart)
            case .entries(let length):
                let start = at + RecordHeader.size
                let run = bytes.extracting(start..<start + length)
                if try copy(run, into: &records) { return .finished(last: first - 1) }
                at = start + length
            case .need(let count):
                position.offset = pieceStart + at
                pieceBytes = max(pieceBytes, count)
                return try more(bytes, wanted, from: pieceStart)
            }
            position.offset = pieceStart + at
        }
    }

    /// The end of a piece: go on, unless the file ended where entries should be. A short piece that
    /// has led further was cut short by something behind it.
    private func more(_ bytes: Span<UInt8>, _ wanted: Int, from pieceStart: Int) throws(WALError)
        -> Progress
    {
        guard bytes.count == wanted || position.offset > pieceStart else {
            throw .damaged(position, .entry)
        }
        return .more
    }

    private enum Step {
        /// Something else that is this long.
        case skip(Int)
        /// A wanted record: its header, then this many bytes of entries, all there.
        case entries(Int)
        /// Read again from here, at least this much.
        case need(Int)
    }

    /// What lies at the start of `rest`, which lies at `position`.
    private func step(_ rest: Span<UInt8>) throws(WALError) -> Step {
        guard rest.count > 0 else { return .need(0) }
        let inSector = position.offset % WALLimits.sectorBytes
        if inSector == 0, rest[0] == BatchHeader.firstByte {
            guard rest.count >= BatchHeader.size else { return .need(BatchHeader.size) }
            guard let header = BatchHeader.decode(rest), header.segment == position.segment
            else { throw .damaged(position, .entry) }
            return .skip(BatchHeader.size)
        }
        if rest[0] == 0 {
            // Padding; but a sector that begins with it is behind the last batch.
            guard inSector != 0 else { throw .damaged(position, .entry) }
            return .skip(WALLimits.sectorBytes - inSector)
        }
        guard rest.count >= RecordHeader.size else { return .need(RecordHeader.size) }
        let header: RecordHeader
        do { header = try RecordHeader.decode(rest) } catch { throw .damaged(position, .entry) }
        let total = RecordHeader.size + header.length
        guard header.kind == .entries, header.group == group, header.b >= first else {
            return .skip(total)
        }
        // The writer's index leads to a record that holds the first wanted entry or comes before.
        guard header.a <= first else { throw .damaged(position, .entry) }
        return rest.count >= total ? .entries(header.length) : .need(total)
    }

    /// Copies the wanted ones of a run's entries. Returns whether the fetch is finished.
    private mutating func copy(_ run: Span<UInt8>, into records: inout ByteBuffer)
        throws(WALError) -> Bool
    {
        var entries = EntryRecords(run)
        do throws(DecodeError) {
            while let entry = try entries.next() {
                guard entry.index == first else { continue }
                let taken = records.count
                if taken > 0, taken + entry.record.count > maxBytes { return true }
                records.append(entry.record)
                first += 1
                if entry.index == last { return true }
            }
        } catch {
            throw .damaged(position, .entry)
        }
        return false
    }
}
