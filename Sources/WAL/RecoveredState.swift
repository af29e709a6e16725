internal import Bytes
internal import Raft

/// What the batches replayed so far add up to.
struct RecoveredState: ~Copyable {
    var nodeRecords = NodeRecords()
    var indexes = LogIndexes()
    /// In the order of `indexes.groups`.
    var groups: [RecoveredGroup] = []
    /// Whether something stands for the time before the first batch read: a checkpoint, or nothing
    /// because there was none.
    private(set) var hasBeginning = false
    private let tailBytesMax: Int
    private var tailBytes = 0

    init(tailBytesMax: Int) { self.tailBytesMax = tailBytesMax }

    /// Whether nothing is known to be missing (R5).
    var isComplete: Bool { hasBeginning && groups.allSatisfy(\.isComplete) }

    /// Whether no group lacks entries, or only such as its snapshot stands for.
    func isComplete(with snapshots: [WALSnapshot]) -> Bool {
        groups.allSatisfy { group in
            group.isComplete || snapshots.contains { group.isComplete(with: $0) }
        }
    }

    /// What a checkpoint would say now.
    var checkpoint: Checkpoint {
        Checkpoint(
            nodeRecords: nodeRecords,
            groups: zip(indexes.groups, groups).map { Checkpoint.Group($0, $1.hardState) })
    }

    /// Replays the records of one whole batch that lies at `place`.
    mutating func replay(_ body: Span<UInt8>, of batch: BatchHeader, at place: WALPosition)
        throws(WALError)
    {
        var from = 0
        var isFirst = place.offset == SegmentHeader.size
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
            let problem: WALError.StaticText? =
                switch (isFirst, header.kind == .checkpoint) {
                case (true, true): compare(payload)
                case (false, false): replay(header, payload, at: position)
                case (true, false): "no checkpoint at a segment's beginning"
                case (false, true): "a checkpoint within a segment"
                }
            if let problem { throw .damaged(position, .record(in: batch.number, problem)) }
            isFirst = false
            from = payloadStart + header.length
        }
        if isFirst {
            throw .damaged(place, .record(in: batch.number, "no checkpoint in its first batch"))
        }
    }

    /// Begins with a checkpoint, or compares it with what the replay has come to (R4).
    private mutating func compare(_ payload: Span<UInt8>) -> WALError.StaticText? {
        let found: Checkpoint
        do { found = try Checkpoint(decoding: payload) } catch { return "unreadable checkpoint" }
        guard !hasBeginning else {
            return found == checkpoint ? nil : "the checkpoint differs from what is before it"
        }
        hasBeginning = true
        nodeRecords = found.nodeRecords
        for group in found.groups {
            indexes.adopt(group)
            groups.append(RecoveredGroup(group))
        }
        return nil
    }

    /// Replays one record; returns what is wrong with it.
    private mutating func replay(
        _ header: RecordHeader, _ payload: Span<UInt8>, at position: WALPosition
    ) -> WALError.StaticText? {
        switch header.kind {
        case .node:
            guard let replacing = UInt32(exactly: header.a) else { return "class out of range" }
            nodeRecords.add(ByteBuffer(copying: payload).copyBytes(), replacing: replacing)
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
        case .start:
            let slot = slot(of: header.group)
            let index = indexes.groups[slot]
            guard header.a + 1 >= index.first || index.last < index.first else {
                return "the start of a log with entries goes back"
            }
            guard let dropped = groups[slot].start(after: header.a, term: header.b) else {
                return "start with another term than its entry"
            }
            indexes.start(slot: slot, after: header.a, term: header.b)
            tailBytes -= dropped
            return nil
        case .entries:
            return append(header, payload, at: position)
        case .checkpoint: invariantFailed("a checkpoint is no change")
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
                if let members = try GroupMembers(entry: entry) {
                    groups[slot].note(members)
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
