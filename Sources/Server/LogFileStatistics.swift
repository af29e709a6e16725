public import Bytes

/// What the log thread measured since the start; a copy.
public struct LogStatistics: Sendable {
    /// From the start of a group's first write to the end of its sync.
    public internal(set) var syncs = DurationHistogram()
    /// From `submit` to the start of the write.
    public internal(set) var waits = DurationHistogram()
    public internal(set) var batches: UInt64 = 0
    public internal(set) var bytes: UInt64 = 0
    public internal(set) var segmentsOpened: UInt64 = 0
    /// Files of segments that were given up: used again, and removed.
    public internal(set) var segmentsRecycled: UInt64 = 0
    public internal(set) var segmentsRemoved: UInt64 = 0
    /// Batches and bytes that wait to be written.
    public internal(set) var queuedBatches = 0
    public internal(set) var queuedBytes = 0
}

/// Counts of durations in buckets whose bounds grow by about an eighth: exact enough for p50 and p99
/// at 2 KiB of memory, whatever the range.
public struct DurationHistogram: Sendable {
    // Eight buckets for every power of two up to 2^35 ns (34 s); longer ones count as that.
    private var buckets = [UInt64](repeating: 0, count: 33 * 8)
    public private(set) var count: UInt64 = 0
    public private(set) var maximum = Interval(nanoseconds: 0)

    public init() {}

    public mutating func add(_ duration: Interval) {
        let value = UInt64(max(0, duration.nanoseconds))
        buckets[Self.bucket(of: value)] += 1
        count += 1
        maximum = max(maximum, duration)
    }

    /// The duration that the given share (0...1) of all do not exceed, rounded up by at most an
    /// eighth; zero while there are none.
    public func quantile(_ share: Double) -> Interval {
        guard count > 0 else { return Interval(nanoseconds: 0) }
        let wanted = max(1, UInt64((Double(count) * share).rounded(.up)))
        var seen: UInt64 = 0
        for (i, n) in buckets.enumerated() {
            seen += n
            if seen >= wanted {
                return min(maximum, Interval(nanoseconds: Int64(Self.upperBound(of: i))))
            }
        }
        return maximum
    }

    private static func bucket(of value: UInt64) -> Int {
        if value < 8 { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let bucket = (exponent - 2) * 8 + Int((value >> UInt64(exponent - 3)) & 7)
        return min(bucket, 33 * 8 - 1)
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        if bucket < 8 { return UInt64(bucket) }
        let exponent = bucket / 8 + 2
        return ((UInt64(8 + bucket % 8) + 1) << UInt64(exponent - 3)) - 1
    }
}
