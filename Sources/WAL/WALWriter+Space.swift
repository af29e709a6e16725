public import Raft

// How much of the disk the log takes, who is the reason, and what can go.
extension WALWriter {
    /// Segments that hold nothing needed any more, oldest first: the host may remove their files or
    /// use them again. To be called after `durable(upTo:)`; each is returned once. What is not taken
    /// is found again by the next recovery.
    public mutating func takeReleased() -> [UInt64] {
        defer { released = [] }
        return released
    }

    /// Bytes of the segments from the oldest one that is needed, or not given up yet. O(1).
    ///
    /// Counts whole segments, so a cut within the newest one does not change it: what a trigger
    /// compares with its limit is `heldBytes`.
    public var liveBytes: Int { segments.bytes }

    /// The number of segments that `liveBytes` counts.
    public var liveSegmentCount: Int { segments.all.count }

    /// Bytes of the log, of all groups together, from the oldest entry on that any group needs: what
    /// a restart reads, and what snapshots of the groups in question would make superfluous.
    /// O(groups + segments).
    public var heldBytes: Int { oldestHolder.map { bytesHeld(by: $0) } ?? 0 }

    /// Bytes of the log, of all groups together, from the oldest entry on that `group` needs: how
    /// much it would keep if it were the only one. Up to `WALLimits.pointDistance` too many. 0 if it
    /// needs none.
    public func bytesHeld(by group: GroupID) -> Int {
        indexes.find(group)?.oldestPlace.map { segments.bytes(from: $0) } ?? 0
    }

    /// The group that needs the oldest entry; a snapshot of it lets the most of the log go. O(groups).
    public var oldestHolder: GroupID? {
        var oldest: (place: WALPosition, group: GroupID)?
        for index in indexes.groups {
            guard let place = index.oldestPlace else { continue }
            if let known = oldest, known.place <= place { continue }
            oldest = (place, index.group)
        }
        return oldest?.group
    }

    /// The first index that the log of `group` holds, or will hold, by what is sealed.
    public func firstIndex(of group: GroupID) -> LogIndex { indexes.find(group)?.first ?? 1 }

    /// The oldest segment that is not given up; nil before the first batch of an empty log.
    var oldestSegment: UInt64? { segments.all.first?.number }

    /// The oldest segment that must be kept by what is sealed, if all up to `batch` is durable (W8).
    /// Nil: there is none at all.
    func oldestNeeded(ifDurable batch: UInt64) -> UInt64? {
        // Without its checkpoint a segment is nothing to begin with.
        guard let base = segments.newest(begunBy: batch) else { return oldestSegment }
        return min(base, indexes.oldestSegment ?? base)
    }

    /// Gives up what nobody needs. A record that shortens a log and is not durable may not have
    /// happened after a crash: then this waits.
    mutating func release() {
        guard durableBatch >= shorteningBatch, let oldest = oldestNeeded(ifDurable: durableBatch)
        else { return }
        // Otherwise the newest segment's checkpoint is not durable yet, and more may follow.
        if let newest = segments.all.last, newest.firstBatch <= durableBatch { mayRelease = false }
        released += segments.release(below: oldest)
    }
}
