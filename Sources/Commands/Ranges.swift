/// Index ranges as clients give them: inclusive, negative from the end.
enum Ranges {
    /// The elements that `start` through `end` name among `count`; nil when there are none.
    static func clamp(_ start: Int64, _ end: Int64, count: Int64) -> Range<Int>? {
        // Saturating, not wrapping: an index far below zero stays below zero.
        let start = max(0, start < 0 ? start + count : start)
        let end = min(count - 1, end < 0 ? end + count : end)
        guard start <= end else { return nil }
        return Int(start)..<Int(end) + 1
    }
}
