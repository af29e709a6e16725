internal import Bytes

/// Durations, counted in buckets: sixteen to a power of two of nanoseconds, from one nanosecond to two
/// minutes. A percentile is told by its bucket's upper end, so it is never too short and at most a
/// sixteenth too long. 4.3 KiB, allocated at the first duration and never again.
struct LatencyHistogram {
    /// Durations below 16 ns have a bucket each; longer ones than this count in the last bucket.
    private static let longest: UInt64 = 1 << 37 - 1
    private static let bucketCount = index(of: longest) + 1

    private var buckets: [UInt64] = []
    private(set) var count: UInt64 = 0

    mutating func record(_ interval: Interval, times: Int = 1) {
        if buckets.isEmpty { buckets = [UInt64](repeating: 0, count: Self.bucketCount) }
        let nanoseconds = min(UInt64(max(0, interval.nanoseconds)), Self.longest)
        buckets[Self.index(of: nanoseconds)] += UInt64(times)
        count += UInt64(times)
    }

    private static func index(of nanoseconds: UInt64) -> Int {
        guard nanoseconds >= 16 else { return Int(nanoseconds) }
        let power = 63 - nanoseconds.leadingZeroBitCount
        return (power - 3) * 16 + Int(nanoseconds >> UInt64(power - 4) & 15)
    }

    /// The longest duration, in nanoseconds, that counts in a bucket.
    private static func upperEnd(of index: Int) -> UInt64 {
        guard index >= 16 else { return UInt64(index) }
        let width = UInt64(1) << UInt64(index / 16 - 1)
        return (UInt64(index % 16) + 17) * width - 1
    }

    /// The duration, in microseconds, that a share of all recorded ones do not exceed.
    func percentile(_ share: Double) -> Double {
        guard count > 0 else { return 0 }
        let wanted = max(1, UInt64((Double(count) * share).rounded(.up)))
        var seen: UInt64 = 0
        for index in buckets.indices {
            seen += buckets[index]
            if seen >= wanted { return Double(Self.upperEnd(of: index)) / 1000 }
        }
        return 0
    }
}
