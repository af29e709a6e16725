public import Bytes
public import Raft

/// What the log knows of one group.
public final class RecoveredGroup {
    public let group: GroupID
    /// 0 if the group never had a hard state.
    public internal(set) var term: Term = 0
    public internal(set) var vote: NodeID?
    /// The first index that the log holds.
    public let firstIndex: LogIndex = 1
    /// 0 for a group without entries.
    public internal(set) var lastIndex: LogIndex = 0
    /// Where each term begins, ascending: enough to tell the term of any index.
    public private(set) var termStarts: [TermStart] = []
    /// The newest entries as entry records, `tailFirst...lastIndex`, as far as the budget went.
    public private(set) var tail = ByteBuffer()
    public private(set) var tailFirst: LogIndex = 1

    /// Where runs begin in the tail: index, and bytes since the tail's very first byte.
    private var runs: [(first: LogIndex, offset: Int)] = []
    private var droppedRuns = 0
    private var droppedBytes = 0

    init(_ group: GroupID) { self.group = group }

    var tailBytes: Int { tail.count }

    /// What the group's core starts from. Moves the tail out: once.
    public func restored() -> RestoredGroup {
        var restored = RestoredGroup()
        restored.term = term
        restored.vote = vote
        restored.firstIndex = firstIndex
        restored.lastIndex = lastIndex
        restored.termStarts = termStarts
        restored.tail = tail.take()
        return restored
    }

    /// Notes an entry's term; false if terms go back.
    func noteTerm(_ term: Term, at index: LogIndex) -> Bool {
        if let last = termStarts.last {
            guard term >= last.term else { return false }
            if term == last.term { return true }
        }
        termStarts.append(TermStart(index: index, term: term))
        return true
    }

    /// Appends a run of entries `first...last` to the tail.
    func append(_ records: Span<UInt8>, first: LogIndex, last: LogIndex) {
        if tail.isEmpty { tailFirst = first }
        runs.append((first, droppedBytes + tail.count))
        tail.append(records)
        lastIndex = last
    }

    /// Voids entries from `index` on; returns how many bytes of the tail went.
    func truncate(from index: LogIndex) -> Int {
        lastIndex = index - 1
        termStarts.removeSubrange(termStarts.partitionPoint { $0.index >= index }...)
        let before = tail.count
        if index <= tailFirst {
            tail.removeAll()
            tailFirst = index
            dropRuns()
            return before
        }
        let run = runs.partitionPoint { $0.first >= index } - 1
        let start = runs[run].offset - droppedBytes
        var at = start
        var entries = EntryRecords(tail.readable.extracting(start...))
        while let entry = try? entries.next(), entry.index < index {
            at = start + entries.offset
        }
        runs.removeSubrange((run + 1)...)
        tail.truncate(to: at)
        return before - tail.count
    }

    /// Drops the oldest run of the tail; returns its size.
    func evictOldest() -> Int {
        let before = tail.count
        invariant(before > 0, "nothing to evict")
        guard droppedRuns + 1 < runs.count else {
            tail.removeAll()
            tailFirst = lastIndex + 1
            dropRuns()
            return before
        }
        droppedRuns += 1
        tailFirst = runs[droppedRuns].first
        tail.consume(runs[droppedRuns].offset - droppedBytes)
        droppedBytes = runs[droppedRuns].offset
        if droppedRuns > 1024, droppedRuns > runs.count / 2 {
            runs.removeSubrange(..<droppedRuns)
            droppedRuns = 0
        }
        return before - tail.count
    }

    private func dropRuns() {
        runs.removeAll()
        droppedRuns = 0
        droppedBytes = 0
    }
}
