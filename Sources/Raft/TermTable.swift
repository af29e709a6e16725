internal import Bytes

/// Where each term begins: the term of every entry of the log without reading the log.
///
/// One element per term that left an entry, so a log of a billion entries written by ten leaders
/// needs ten elements. Terms never decrease along a log (Raft paper, 5.3).
///
/// Invariant: `starts` ascends strictly in index and in term; the first start is
/// `precedingIndex + 1` unless the table is empty.
struct TermTable: Sendable {
    private(set) var starts: [TermStart]
    /// The last index before the table's first entry, and its term.
    private(set) var precedingIndex: LogIndex
    private(set) var precedingTerm: Term

    init(precedingIndex: LogIndex, precedingTerm: Term, starts: [TermStart]) {
        self.precedingIndex = precedingIndex
        self.precedingTerm = precedingTerm
        self.starts = starts
        checkInvariants(lastIndex: .max)
    }

    /// Term of the newest start, or of what precedes the table.
    var lastTerm: Term { starts.last?.term ?? precedingTerm }

    /// Notes that entry `index` has `term`.
    mutating func append(index: LogIndex, term: Term) {
        let last = lastTerm
        invariant(term >= last, "an entry of term \(term) behind one of term \(last)")
        if starts.isEmpty || term > last {
            starts.append(TermStart(index: index, term: term))
        }
    }

    /// Forgets everything from `index` on.
    mutating func truncate(from index: LogIndex) {
        while let last = starts.last, last.index >= index { starts.removeLast() }
    }

    /// Forgets everything up to `index` but its term. `lastIndex`: of the log.
    mutating func compact(upTo index: LogIndex, lastIndex: LogIndex) {
        invariant(index > precedingIndex && index <= lastIndex, "compacted outside of the log")
        let run = self.run(of: index)
        let term = starts[run].term
        let runEnds = run + 1 < starts.count ? starts[run + 1].index - 1 : lastIndex
        if runEnds > index {
            starts.removeFirst(run)
            starts[0].index = index + 1
        } else {
            starts.removeFirst(run + 1)
        }
        precedingIndex = index
        precedingTerm = term
    }

    /// Term of entry `index`, which must lie in the log or be the one before it.
    func term(at index: LogIndex) -> Term {
        let run = self.run(of: index)
        return run < 0 ? precedingTerm : starts[run].term
    }

    /// Position of the run that holds `index`; -1 for what precedes the table.
    private func run(of index: LogIndex) -> Int {
        // The newest terms are asked for nearly always.
        if let last = starts.last, index >= last.index { return starts.count - 1 }
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle].index <= index { low = middle + 1 } else { high = middle }
        }
        return low - 1
    }

    /// The greatest index of at most `index` whose term is at most `term`: where two logs may agree
    /// when one of them holds `term` at `index` (skips a whole term per message, S19).
    func lastIndex(upTo index: LogIndex, notAfter term: Term) -> LogIndex {
        var run = self.run(of: index)
        var candidate = index
        while run >= 0, starts[run].term > term {
            candidate = starts[run].index - 1
            run -= 1
        }
        return candidate
    }

    /// Walks the whole table.
    func checkInvariants(lastIndex: LogIndex) {
        var previous = TermStart(index: precedingIndex, term: precedingTerm)
        for (position, start) in starts.enumerated() {
            if position == 0 {
                invariant(start.index == precedingIndex + 1, "the first term starts late")
                invariant(start.term >= precedingTerm, "terms decrease")
            } else {
                invariant(start.index > previous.index, "term starts out of order")
                invariant(start.term > previous.term, "terms out of order")
            }
            previous = start
        }
        invariant(previous.index <= lastIndex || starts.isEmpty, "a term behind the log's end")
    }
}
