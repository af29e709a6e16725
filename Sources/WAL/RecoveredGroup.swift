public import Bytes
public import Raft

/// What the log knows of one group.
public final class RecoveredGroup {
    public let group: GroupID
    /// 0 if the group never had a hard state.
    public internal(set) var term: Term = 0
    public internal(set) var vote: NodeID?
    /// The first index that the log holds.
    public private(set) var firstIndex: LogIndex = 1
    /// The term of the entry before `firstIndex`.
    public private(set) var precedingTerm: Term = 0
    /// `firstIndex - 1` for a group without entries.
    public private(set) var lastIndex: LogIndex = 0
    /// Where each term begins, ascending: enough to tell the term of any index.
    public private(set) var termStarts: [TermStart] = []
    /// The newest entries as entry records, `tailFirst...lastIndex`, as far as the budget went.
    public private(set) var tail = ByteBuffer()
    public private(set) var tailFirst: LogIndex = 1
    /// What the entries of kind `membership` hold, ascending.
    public private(set) var memberEntries: [GroupMembers] = []

    /// The last entry that is only known from the checkpoint with which the replay began: it lies in
    /// a segment before.
    private var unreadLast: LogIndex = 0

    /// Where runs begin in the tail: index, and bytes since the tail's very first byte.
    private var runs: [(first: LogIndex, offset: Int)] = []
    private var droppedRuns = 0
    private var droppedBytes = 0

    init(_ group: GroupID) { self.group = group }

    /// A group as a checkpoint knows it, its entries yet to be read.
    init(_ known: Checkpoint.Group) {
        group = known.group
        term = known.hardState.term
        vote = known.hardState.vote == 0 ? nil : NodeID(known.hardState.vote)
        firstIndex = known.precedingIndex + 1
        precedingTerm = known.precedingTerm
        lastIndex = known.last
        unreadLast = known.last
        tailFirst = known.last + 1
    }

    /// Whether all entries `firstIndex...lastIndex` were read.
    var isComplete: Bool { unreadLast < firstIndex }

    /// Whether that holds, or what was not read is in a snapshot.
    func isComplete(with snapshot: WALSnapshot) -> Bool {
        isComplete || (snapshot.group == group && snapshot.index >= unreadLast)
    }

    var tailBytes: Int { tail.count }

    var hardState: HardState { HardState(term: term, vote: vote?.raw ?? 0) }

    /// Takes over a term and a vote that the log has lost.
    func adopt(_ state: HardState) {
        term = state.term
        vote = state.vote == 0 ? nil : NodeID(state.vote)
    }

    /// What the group's core starts from. Moves the tail out: once.
    public func restored() -> RestoredGroup {
        var restored = RestoredGroup()
        restored.term = term
        restored.vote = vote
        restored.firstIndex = firstIndex
        restored.precedingTerm = precedingTerm
        restored.lastIndex = lastIndex
        restored.termStarts = termStarts
        restored.tail = tail.take()
        restored.memberEntries = memberEntries
        return restored
    }

    /// Notes an entry's term; false if terms go back.
    func noteTerm(_ term: Term, at index: LogIndex) -> Bool {
        if let last = termStarts.last {
            guard term >= last.term else { return false }
            if term == last.term { return true }
        } else {
            guard term >= precedingTerm else { return false }
        }
        termStarts.append(TermStart(index: index, term: term))
        return true
    }

    /// Notes an entry that changes the group's members.
    func note(_ members: GroupMembers) { memberEntries.append(members) }

    /// Appends a run of entries `first...last` to the tail.
    func append(_ records: Span<UInt8>, first: LogIndex, last: LogIndex) {
        if tail.isEmpty { tailFirst = first }
        runs.append((first, droppedBytes + tail.count))
        tail.append(records)
        lastIndex = last
    }

    /// Lets the log begin behind `index`; returns how many bytes of the tail went, nil if entries
    /// remain that follow one of another term.
    func start(after index: LogIndex, term: Term) -> Int? {
        guard index >= lastIndex || self.term(at: index).map({ $0 == term }) ?? true else {
            return nil
        }
        let before = tail.count
        if index >= lastIndex || index + 1 < firstIndex {
            // A start goes back only where there are no entries: none are left to be read.
            if index + 1 < firstIndex { unreadLast = 0 }
            lastIndex = index
            termStarts.removeAll()
            dropTail(next: index + 1)
        } else {
            dropTerms(upTo: index)
            dropTail(upTo: index)
        }
        firstIndex = index + 1
        precedingTerm = term
        memberEntries.removeAll { $0.since <= index }
        return before - tail.count
    }

    /// The term of an entry or of the one before the first; nil if it was not read.
    private func term(at index: LogIndex) -> Term? {
        if index == firstIndex - 1 { return precedingTerm }
        let run = termStarts.partitionPoint { $0.index > index } - 1
        return run < 0 || index <= unreadLast ? nil : termStarts[run].term
    }

    private func dropTerms(upTo index: LogIndex) {
        let run = termStarts.partitionPoint { $0.index > index + 1 } - 1
        // Negative: the next entry was not read either.
        guard run >= 0 else { return }
        termStarts.removeSubrange(..<run)
        termStarts[0].index = index + 1
    }

    /// Drops the entries up to `index`, of which some that follow remain.
    private func dropTail(upTo index: LogIndex) {
        guard !tail.isEmpty, tailFirst <= index else { return }
        let run = runs.partitionPoint { $0.first > index + 1 } - 1
        var at = runs[run].offset - droppedBytes
        var entries = EntryRecords(tail.readable.extracting(at...))
        let start = at
        while let entry = try? entries.next(), entry.index <= index {
            at = start + entries.offset
        }
        runs[run] = (index + 1, droppedBytes + at)
        tail.consume(at)
        droppedRuns = run
        droppedBytes += at
        tailFirst = index + 1
    }

    private func dropTail(next index: LogIndex) {
        tail.removeAll()
        tailFirst = index
        dropRuns()
    }

    /// Voids entries from `index` on; returns how many bytes of the tail went.
    func truncate(from index: LogIndex) -> Int {
        lastIndex = index - 1
        unreadLast = min(unreadLast, lastIndex)
        memberEntries.removeAll { $0.since >= index }
        termStarts.removeSubrange(termStarts.partitionPoint { $0.index >= index }...)
        let before = tail.count
        if index <= tailFirst {
            dropTail(next: index)
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
            dropTail(next: lastIndex + 1)
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
