internal import Bytes
internal import Raft

/// Where one group's entries lie in the log: a sparse map from index to place.
///
/// A point says: the record at this place is an `entries` record of the group that starts with
/// index `first`; walking on from there meets the following entries in order, up to (not including)
/// the next *bound* point: one in another segment, or one behind a truncation, before which the
/// walk would meet entries that are void.
///
/// Invariants: `first` rises strictly from point to point; so do the places. The first point of a
/// group, its first in each segment, and the first after each truncation exist and are never thinned
/// out. There are no points without entries.
struct GroupIndex {
    struct Point: Equatable {
        var first: LogIndex
        /// UInt32 to keep a point at 16 bytes and a flag: 2^32 segments of 64 MiB are 256 PiB.
        var segment: UInt32
        var offset: UInt32
        /// Whether a walk from an earlier point must stop before `first`.
        var isBound: Bool
    }

    let group: GroupID
    private(set) var points: [Point] = []
    /// The first index the log holds for this group, or will hold.
    private(set) var first: LogIndex = 1
    /// `first - 1` while there are no entries.
    private(set) var last: LogIndex = 0
    /// The term of the entry before `first`.
    private(set) var precedingTerm: Term = 0
    private var bytesSincePoint = 0
    private var truncatedSinceAppend = false

    init(group: GroupID) { self.group = group }

    /// An index without points, for a group of which only its range is known.
    init(_ known: Checkpoint.Group) {
        group = known.group
        first = known.precedingIndex + 1
        last = known.last
        precedingTerm = known.precedingTerm
    }

    /// Where the oldest entry that is needed lies, or up to `WALLimits.pointDistance` before it in
    /// the same segment; nil without entries.
    var oldestPlace: WALPosition? {
        points.first.map { WALPosition(segment: UInt64($0.segment), offset: Int($0.offset)) }
    }

    /// Notes a record with entries `first...last` at `place`. Returns whether that made a point.
    mutating func append(
        first: LogIndex, last: LogIndex, at place: WALPosition, bytes: Int
    ) -> Bool {
        invariant(first == self.last + 1, "entries do not follow the group's last entry")
        invariant(first <= last, "an empty run of entries")
        self.last = last
        let needed: Bool
        let bound: Bool
        if let point = points.last {
            bound = truncatedSinceAppend || UInt64(point.segment) != place.segment
            needed =
                bound || bytesSincePoint >= WALLimits.pointBytes
                || place.offset - Int(point.offset) >= WALLimits.pointDistance
        } else {
            (needed, bound) = (true, true)
        }
        truncatedSinceAppend = false
        if needed {
            points.append(
                Point(
                    first: first, segment: UInt32(place.segment), offset: UInt32(place.offset),
                    isBound: bound))
            bytesSincePoint = 0
        }
        bytesSincePoint += bytes
        return needed
    }

    /// Voids the entries from `index` on. Returns how many points went with them.
    mutating func truncate(from index: LogIndex) -> Int {
        invariant(index >= first && index <= last, "truncation outside the log")
        last = index - 1
        truncatedSinceAppend = true
        let kept = last < first ? 0 : points.partitionPoint { $0.first >= index }
        let removed = points.count - kept
        points.removeSubrange(kept...)
        return removed
    }

    /// Lets the log begin behind `index`; before where it began only if it is empty. Returns how many
    /// points went.
    mutating func start(after index: LogIndex, term: Term) -> Int {
        if index + 1 < first {
            invariant(last < first, "the start of a log with entries goes back")
            last = index
        }
        first = index + 1
        precedingTerm = term
        let before = points.count
        if last <= index {
            last = index
            points.removeAll()
        } else {
            // The point before the first needed entry stays, and must not be thinned out.
            points.removeSubrange(..<max(0, points.partitionPoint { $0.first > first } - 1))
            if !points.isEmpty { points[0].isBound = true }
        }
        return before - points.count
    }

    /// Drops every second point that is not bound. Returns how many went.
    mutating func thin() -> Int {
        let before = points.count
        var keepNext = false
        points.removeAll { point in
            if point.isBound {
                keepNext = false
                return false
            }
            keepNext.toggle()
            return keepNext
        }
        return before - points.count
    }

    /// Where to start walking for `index`, and the last index that the walk meets.
    ///
    /// O(log points), and then the points up to `maxBytes` of file or the next bound.
    func locate(_ index: LogIndex, maxBytes: Int) -> (start: Point, upTo: LogIndex) {
        invariant(index >= first && index <= last, "located an index outside the log")
        let start = points.partitionPoint { $0.first > index } - 1
        invariant(start >= 0, "no point below a held index")
        let point = points[start]
        for next in points[(start + 1)...] {
            if next.isBound || Int(next.offset) - Int(point.offset) > maxBytes {
                return (point, next.first - 1)
            }
        }
        return (point, last)
    }
}

extension Array {
    /// The position of the first element for which `belongsAfter` holds; all before it must not.
    func partitionPoint(_ belongsAfter: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if belongsAfter(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// The sparse indexes of all groups, in group order, bounded together.
struct LogIndexes {
    private(set) var groups: [GroupIndex] = []
    private(set) var pointCount = 0
    private var thinAbove = WALLimits.pointsMax

    /// Position of `group`, made if it is new.
    mutating func slot(of group: GroupID) -> Int {
        let slot = groups.partitionPoint { $0.group >= group }
        if slot == groups.count || groups[slot].group != group {
            groups.insert(GroupIndex(group: group), at: slot)
        }
        return slot
    }

    /// Takes over what a checkpoint knows of a group that has no record yet.
    mutating func adopt(_ known: Checkpoint.Group) {
        invariant(groups.last.map { $0.group < known.group } ?? true, "groups out of order")
        groups.append(GroupIndex(known))
    }

    /// The oldest segment in which an entry lies that some group needs; nil if there is none.
    var oldestSegment: UInt64? {
        var oldest: UInt64?
        for group in groups {
            guard let place = group.oldestPlace else { continue }
            oldest = min(oldest ?? .max, place.segment)
        }
        return oldest
    }

    /// The index of `group`, if it ever had a record.
    func find(_ group: GroupID) -> GroupIndex? {
        let slot = groups.partitionPoint { $0.group >= group }
        return slot < groups.count && groups[slot].group == group ? groups[slot] : nil
    }

    /// Notes entries of the group at `slot`.
    mutating func append(
        slot: Int, first: LogIndex, last: LogIndex, at place: WALPosition, bytes: Int
    ) {
        if groups[slot].append(first: first, last: last, at: place, bytes: bytes) {
            pointCount += 1
            if pointCount > thinAbove { thin() }
        }
    }

    /// Voids entries of the group at `slot`.
    mutating func truncate(slot: Int, from index: LogIndex) {
        pointCount -= groups[slot].truncate(from: index)
    }

    /// Lets the log of the group at `slot` begin behind `index`.
    mutating func start(slot: Int, after index: LogIndex, term: Term) {
        pointCount -= groups[slot].start(after: index, term: term)
    }

    private mutating func thin() {
        for slot in groups.indices { pointCount -= groups[slot].thin() }
        // Bound points stay. If there are that many, the next try waits for half as many again.
        thinAbove = max(WALLimits.pointsMax, pointCount + pointCount / 2)
    }
}
