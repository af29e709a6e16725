internal import Bytes
internal import Raft

/// What the batches replayed so far add up to.
struct RecoveredState: ~Copyable {
    var nodeRecords: [[UInt8]] = []
    var indexes = LogIndexes()
    /// In the order of `indexes.groups`.
    var groups: [RecoveredGroup] = []
    private let tailBytesMax: Int
    private var tailBytes = 0

    init(tailBytesMax: Int) { self.tailBytesMax = tailBytesMax }

    /// Replays the records of one whole batch that lies at `place`.
    mutating func replay(_ body: Span<UInt8>, of batch: BatchHeader, at place: WALPosition)
        throws(WALError)
    {
        var from = 0
        while from < body.count, body[from] != 0 {
            let header: RecordHeader
            do { header = try RecordHeader.decode(body.extracting(from...)) } catch {
                throw .damaged(place, .record(in: batch.number, "unreadable header"))
            }
            let payloadStart = from + RecordHeader.size
            guard body.count - payloadStart >= header.length else {
                throw .damaged(place, .record(in: batch.number, "longer than its batch"))
            }
            let payload = body.extracting(payloadStart..<payloadStart + header.length)
            let position = WALPosition(
                segment: place.segment, offset: place.offset + BatchHeader.size + from)
            if let problem = replay(header, payload, at: position) {
                throw .damaged(position, .record(in: batch.number, problem))
            }
            from = payloadStart + header.length
        }
    }

    /// Replays one record; returns what is wrong with it.
    private mutating func replay(
        _ header: RecordHeader, _ payload: Span<UInt8>, at position: WALPosition
    ) -> WALError.StaticText? {
        switch header.kind {
        case .node:
            nodeRecords.append(ByteBuffer(copying: payload).copyBytes())
            return nil
        case .hardState:
            guard let vote = UInt16(exactly: header.b) else { return "vote out of range" }
            let group = groups[slot(of: header.group)]
            guard header.a >= group.term else { return "term goes back" }
            group.term = header.a
            group.vote = vote == 0 ? nil : NodeID(vote)
            return nil
        case .truncate:
            let slot = slot(of: header.group)
            let index = indexes.groups[slot]
            guard header.a >= index.first, header.a <= index.last else {
                return "truncation outside the log"
            }
            indexes.truncate(slot: slot, from: header.a)
            tailBytes -= groups[slot].truncate(from: header.a)
            return nil
        case .entries:
            return append(header, payload, at: position)
        }
    }

    private mutating func append(
        _ header: RecordHeader, _ payload: Span<UInt8>, at position: WALPosition
    ) -> WALError.StaticText? {
        let slot = slot(of: header.group)
        guard header.a == indexes.groups[slot].last + 1, header.b >= header.a else {
            return "entries do not follow the group's last entry"
        }
        var entries = EntryRecords(payload)
        var index = header.a
        do throws(DecodeError) {
            while let entry = try entries.next() {
                guard entry.index == index, index <= header.b else { return "entry index" }
                guard groups[slot].noteTerm(entry.term, at: index) else {
                    return "entry term goes back"
                }
                index += 1
            }
        } catch {
            return "entry is damaged"
        }
        guard index == header.b + 1 else { return "entries are missing" }
        indexes.append(
            slot: slot, first: header.a, last: header.b, at: position, bytes: payload.count)
        groups[slot].append(payload, first: header.a, last: header.b)
        tailBytes += payload.count
        while tailBytes > tailBytesMax { evict() }
        return nil
    }

    /// Drops the oldest piece of the largest tail.
    private mutating func evict() {
        var largest = groups[0]
        for group in groups where group.tailBytes > largest.tailBytes { largest = group }
        tailBytes -= largest.evictOldest()
    }

    private mutating func slot(of group: GroupID) -> Int {
        let known = indexes.groups.count
        let slot = indexes.slot(of: group)
        if indexes.groups.count > known { groups.insert(RecoveredGroup(group), at: slot) }
        return slot
    }
}
