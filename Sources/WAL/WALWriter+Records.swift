internal import Bytes
public import Raft

// Adding records to the pending batch.
extension WALWriter {
    /// Makes the pending batch sync at once in every appendfsync mode: for entries that change
    /// membership.
    public mutating func requireSync() { pendingMustSync = true }

    /// Adds opaque bytes of the node: its identity, a boot. Recovery returns them in order.
    ///
    /// - Parameter replacing: a class of the caller's choice. Of the records of one class only the
    ///   newest counts: recovery may leave out the others, and segments do not carry them on. 0: the
    ///   record counts for ever.
    public mutating func identity(_ bytes: Span<UInt8>, replacing: UInt32 = 0) {
        invariant(bytes.count <= WALLimits.nodeRecordBytesMax, "node record too long")
        let offset = begin(
            RecordHeader(
                kind: .node, group: GroupID(0), a: UInt64(replacing), b: 0, length: bytes.count))
        pending.append(bytes)
        pendingNodeRecords.append(
            .init(replacing: replacing, bytes: ByteBuffer(copying: bytes).copyBytes()))
        note(.node, slot: 0, a: UInt64(pendingNodeRecords.count - 1), offset: offset)
        pendingMustSync = true
        pendingChangesState = true
    }

    /// Adds a group's term and vote; the last one added counts.
    public mutating func hardState(group: GroupID, term: Term, vote: NodeID?) {
        invariant(vote?.raw != 0, "node 0 does not exist")
        let slot = slot(of: group)
        let vote = UInt64(vote?.raw ?? 0)
        let offset = begin(
            RecordHeader(kind: .hardState, group: group, a: term, b: vote, length: 0))
        note(.hardState, slot: slot, a: term, b: vote, offset: offset)
        pendingMustSync = true
        pendingChangesState = true
    }

    /// Voids the group's entries from `index` on; they must exist.
    public mutating func truncate(group: GroupID, from index: LogIndex) {
        let slot = slot(of: group)
        invariant(
            index >= groups[slot].first && index <= groups[slot].last,
            "truncation outside the log")
        let offset = begin(
            RecordHeader(kind: .truncate, group: group, a: index, b: 0, length: 0))
        groups[slot].last = index - 1
        note(.truncate, slot: slot, a: index, offset: offset)
    }

    /// The group's log begins behind (`index`, `term`) from here on: a durable snapshot stands for
    /// what is before, and it is never asked for again. If `keepingRest` is false, or the log ends
    /// before `index`, all of it is dropped, and the next entry is `index + 1`.
    ///
    /// Goes back, to before where the log begins, only if nothing of it is kept: for a history that is
    /// given up. Reads of its entries (`fetch`) that are under way must not be taken then. Syncs in every
    /// mode. Segments that nobody needs then come out of `takeReleased` once this is durable.
    public mutating func start(
        group: GroupID, after index: LogIndex, term: Term, keepingRest: Bool
    ) {
        let slot = slot(of: group)
        let kept = max(index + 1, groups[slot].first)
        invariant(index + 1 == kept || !keepingRest, "a log's start goes back")
        if !keepingRest, kept <= groups[slot].last { truncate(group: group, from: kept) }
        let offset = begin(
            RecordHeader(kind: .start, group: group, a: index, b: term, length: 0))
        groups[slot].first = index + 1
        groups[slot].last = index + 1 < kept ? index : max(index, groups[slot].last)
        note(.start, slot: slot, a: index, b: term, offset: offset)
        pendingMustSync = true
    }

    /// Adds entries `first...last`, encoded as entry records one behind the other. They follow the
    /// group's last entry.
    public mutating func entries(
        group: GroupID, records: Span<UInt8>, first: LogIndex, last: LogIndex
    ) {
        let slot = slot(of: group)
        invariant(first == groups[slot].last + 1 && first <= last, "entries out of order")
        var from = 0
        var index = first
        while index <= last {
            let run = EntryRun.prefix(
                of: records.extracting(from...), maxBytes: WALLimits.runBytesMax)
            append(run, of: records.extracting(from..<from + run.bytes), slot: slot, first: index)
            index += run.entries
            from += run.bytes
        }
        invariant(index == last + 1 && from == records.count, "entries and their range differ")
        groups[slot].last = last
    }

    private mutating func append(
        _ run: EntryRun, of records: Span<UInt8>, slot: Int, first: LogIndex
    ) {
        let last = first + run.entries - 1
        let group = indexes.groups[slot].group
        let offset = begin(
            RecordHeader(kind: .entries, group: group, a: first, b: last, length: run.bytes))
        pending.append(records)
        note(.entries, slot: slot, a: first, b: last, offset: offset, bytes: run.bytes)
    }

    /// Writes a record's header; returns its offset from the batch's start.
    private mutating func begin(_ header: RecordHeader) -> Int {
        if pending.isEmpty { openPending() }
        let offset = pending.count - SegmentHeader.size
        header.encode(into: &pending)
        invariant(
            pending.count + header.length <= WALLimits.batchBytesMax, "a batch beyond its limit")
        return offset
    }

    mutating func openPending() {
        pending.reserve(Self.reserved + expectedBatchBytes)
        pending.append(repeating: 0, count: Self.reserved)
    }

    private mutating func note(
        _ kind: RecordKind, slot: Int, a: UInt64, b: UInt64 = 0, offset: Int, bytes: Int = 0
    ) {
        pendingChanges.append(
            PendingChange(kind: kind, slot: slot, a: a, b: b, offset: offset, bytes: bytes))
    }

    private mutating func slot(of group: GroupID) -> Int {
        let known = indexes.groups.count
        let slot = indexes.slot(of: group)
        if indexes.groups.count > known {
            groups.insert(GroupState(first: 1, last: 0, hardState: HardState()), at: slot)
            for i in pendingChanges.indices where pendingChanges[i].slot >= slot {
                pendingChanges[i].slot += 1
            }
        }
        return slot
    }
}
