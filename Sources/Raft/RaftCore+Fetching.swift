public import Bytes

/// Records that were read back from disk for followers, until the turn's messages are built.
struct Staging: ~Copyable, Sendable {
    private var bytes = ByteBuffer()
    private var runs: [Run] = []
    /// A turn that is over could send them; see `forgetOffered`.
    private var isOffered = false

    private struct Run: Sendable {
        var follower: NodeID
        var first: LogIndex
        var last: LogIndex
        var start: Int
        var count: Int
    }

    /// Cuts fetched records into appends for `follower`. The records were verified.
    mutating func stage(_ records: Span<UInt8>, for follower: NodeID, maxBytes: Int) {
        forgetOffered()
        let base = bytes.count
        bytes.append(records)
        var walk = EntryRecords(records)
        var start = 0
        while true {
            let before = walk.offset
            guard let entry = walk.nextVerified() else { break }
            let end = walk.offset
            if before == 0 || end - start > maxBytes {
                start = before
                runs.append(
                    Run(
                        follower: follower, first: entry.index, last: entry.index,
                        start: base + before, count: end - before))
            } else {
                runs[runs.count - 1].last = entry.index
                runs[runs.count - 1].count = end - start
            }
        }
    }

    /// The staged append for `follower` that begins with entry `index`.
    func run(for follower: NodeID, from index: LogIndex) -> (last: LogIndex, bytes: Int)? {
        for run in runs where run.follower == follower && run.first == index {
            return (run.last, run.count)
        }
        return nil
    }

    func copyRecords(
        _ entries: ClosedRange<LogIndex>, for follower: NodeID, into buffer: inout ByteBuffer
    ) {
        for run in runs where run.follower == follower && run.first == entries.lowerBound {
            invariant(run.last == entries.upperBound, "a staged append of another length")
            buffer.append(bytes.readable.extracting(run.start..<(run.start + run.count)))
            return
        }
        invariantFailed("staged records went before they were sent")
    }

    /// The turn's messages are built; the host copies their records before the next turn ends.
    mutating func offer() { isOffered = !runs.isEmpty }

    /// Drops what an earlier turn offered; what it did not send is fetched again.
    mutating func forgetOffered() {
        guard isOffered else { return }
        bytes.removeAll(keepingCapacityUpTo: Limits.recordBytesMax)
        runs.removeAll(keepingCapacity: true)
        isOffered = false
    }
}

extension RaftCore {
    /// Asks for committed entries that are no longer in memory, for the applier. The answer comes
    /// through `fetched` and is the host's to use; returns the id that it will carry.
    ///
    /// What is in memory is not asked for, though committed: it may have replaced other entries in this
    /// very turn, which are what the disk holds there until the turn's operations are written.
    public mutating func requestEntries(
        from index: LogIndex, upTo last: LogIndex, maxBytes: Int, effects: inout RaftEffects
    ) -> UInt64 {
        invariant(
            index >= log.firstIndex && index <= last && last <= commit
                && index < log.firstInMemory,
            "a fetch of nothing")
        lastFetch += 1
        effects.fetches.append(
            LogFetch(
                id: lastFetch, purpose: .apply, from: index,
                upTo: min(last, log.firstInMemory - 1), maxBytes: maxBytes))
        return lastFetch
    }

    /// Asks for what a lagging follower needs next, unless that is under way.
    mutating func fetchEntries(for position: Int, now: Instant, effects: inout RaftEffects) {
        let next = progress[position].next
        invariant(next >= log.firstIndex, "a fetch from before the log's start")
        guard progress[position].fetch == nil else { return }
        if let notBefore = progress[position].fetchNotBefore, now < notBefore { return }
        lastFetch += 1
        progress[position].fetch = lastFetch
        effects.fetches.append(
            LogFetch(
                id: lastFetch, purpose: .follower(peers[position]), from: next,
                upTo: min(log.firstInMemory - 1, durability.index),
                maxBytes: Limits.fetchBytesMax))
    }

    /// Takes entries that were read back from disk; nil when they could not be read, which is never
    /// the same as "no entries" (S6 f). For `.apply` this only verifies them.
    /// An answer about entries that were compacted meanwhile is dropped.
    ///
    /// - Throws: when the records are not the entries that were asked for, or damaged. The log on
    ///   disk is corrupt then.
    public mutating func fetched(
        _ fetch: LogFetch, records: Span<UInt8>, now: Instant
    ) throws(DecodeError) {
        guard case .follower(let follower) = fetch.purpose else {
            if fetch.from >= log.firstIndex { try verify(fetch, records) }
            return
        }
        // An answer that comes after the leadership ended is of no use.
        guard role == .leader, let position = position(of: follower),
            progress[position].fetch == fetch.id
        else { return }
        progress[position].fetch = nil
        guard fetch.from >= log.firstIndex else { return }
        try verify(fetch, records)
        staging.stage(records, for: follower, maxBytes: configuration.appendBytesMax)
    }

    /// The read for `fetch` failed; it is tried again after a while.
    public mutating func fetchFailed(_ fetch: LogFetch, now: Instant) {
        guard case .follower(let follower) = fetch.purpose, role == .leader,
            let position = position(of: follower), progress[position].fetch == fetch.id
        else { return }
        progress[position].fetch = nil
        progress[position].fetchNotBefore = now + configuration.retransmitTimeout
    }

    private func verify(_ fetch: LogFetch, _ records: Span<UInt8>) throws(DecodeError) {
        var walk = EntryRecords(records)
        var index = fetch.from
        while let entry = try walk.next() {
            guard entry.index == index, index <= fetch.upTo else {
                throw .invalid("fetched entry index")
            }
            guard log.term(at: index) == entry.term else {
                throw .invalid("fetched entry term")
            }
            index += 1
        }
        guard index > fetch.from else { throw .invalid("fetched nothing") }
    }
}
