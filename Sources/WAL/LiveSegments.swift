internal import Bytes

/// The segments of a log from the oldest that is not given up to the one that is being written.
///
/// Invariant: the numbers ascend without gaps; the batch numbers do not descend.
struct LiveSegments: Equatable {
    struct Segment: Equatable {
        var number: UInt64
        /// The number of the first batch that it holds, or would hold.
        var firstBatch: UInt64
        /// Bytes from the file's start to the end of its last batch.
        var end: Int
    }

    private(set) var all: [Segment] = []
    /// Sum of all `end`s.
    private(set) var bytes = 0

    mutating func append(_ segment: Segment) {
        invariant(
            all.isEmpty || all[all.count - 1].number + 1 == segment.number,
            "a gap between segments")
        all.append(segment)
        bytes += segment.end
    }

    /// Notes that the newest segment has grown.
    mutating func extend(by count: Int) {
        all[all.count - 1].end += count
        bytes += count
    }

    mutating func removeAll() { self = LiveSegments() }

    /// The newest segment of which a batch up to `batch` exists: its checkpoint can be relied on.
    func newest(begunBy batch: UInt64) -> UInt64? { all.last { $0.firstBatch <= batch }?.number }

    /// Gives up the segments below `number`; returns them, oldest first.
    mutating func release(below number: UInt64) -> [UInt64] {
        let kept = all.partitionPoint { $0.number >= number }
        invariant(kept < all.count || all.isEmpty, "the newest segment was given up")
        for segment in all[..<kept] { bytes -= segment.end }
        defer { all.removeSubrange(..<kept) }
        return all[..<kept].map(\.number)
    }

    /// Bytes of the log from `position` on.
    func bytes(from position: WALPosition) -> Int {
        let from = all.partitionPoint { $0.number >= position.segment }
        var sum = 0
        for segment in all[from...] { sum += segment.end }
        if from < all.count, all[from].number == position.segment { sum -= position.offset }
        return max(0, sum)
    }
}
