internal import Bytes
internal import DequeModule
internal import Raft

/// Where a write's time goes on the leader, entry by entry: in the queue until it is proposed, until
/// the own disk has it, until a quorum has it, until it is applied, until the turn's replies leave.
struct WriteTimeline {
    private struct Stamp {
        var index: LogIndex
        var queuedAt: Instant
        var proposedAt: Instant
        var durableAt: Instant?
        var committedAt: Instant?
    }

    /// Entries under way, oldest first. At most so many: what is beyond is not measured.
    private var stamps = Deque<Stamp>()
    private static let stampsMax = 4096
    private var appliedAt: Instant?

    private(set) var queue = LatencyHistogram()
    private(set) var fsync = LatencyHistogram()
    private(set) var replicate = LatencyHistogram()
    private(set) var apply = LatencyHistogram()
    private(set) var reply = LatencyHistogram()

    mutating func proposed(_ index: LogIndex, queuedAt: Instant, now: Instant) {
        guard stamps.count < Self.stampsMax else { return }
        stamps.append(Stamp(index: index, queuedAt: queuedAt, proposedAt: now))
        queue.record(now - queuedAt)
    }

    mutating func durable(upTo index: LogIndex, now: Instant) {
        for at in stamps.indices {
            if stamps[at].index > index { return }
            guard stamps[at].durableAt == nil else { continue }
            stamps[at].durableAt = now
            fsync.record(now - stamps[at].proposedAt)
        }
    }

    mutating func committed(upTo index: LogIndex, now: Instant) {
        for at in stamps.indices {
            if stamps[at].index > index { return }
            guard stamps[at].committedAt == nil else { continue }
            stamps[at].committedAt = now
            replicate.record(now - stamps[at].proposedAt)
        }
    }

    mutating func applied(upTo index: LogIndex, now: Instant) {
        while let first = stamps.first, first.index <= index {
            stamps.removeFirst()
            if let committedAt = first.committedAt { apply.record(now - committedAt) }
            appliedAt = now
        }
    }

    mutating func flushed(now: Instant) {
        guard let at = appliedAt else { return }
        reply.record(now - at)
        appliedAt = nil
    }

    /// Leadership changed: what was under way is no longer this node's to measure.
    mutating func forget() {
        stamps.removeAll()
        appliedAt = nil
    }
}

/// Counts of durations in buckets that grow by a quarter of a power of two: percentiles within
/// about 12 %, 2 KiB of memory, no allocation after the first.
struct LatencyHistogram {
    private var buckets: [UInt64] = []
    private(set) var count: UInt64 = 0

    mutating func record(_ interval: Interval) {
        if buckets.isEmpty { buckets = [UInt64](repeating: 0, count: 256) }
        let nanoseconds = UInt64(max(1, interval.nanoseconds))
        let power = 63 - nanoseconds.leadingZeroBitCount
        let quarter = power >= 2 ? Int(nanoseconds >> UInt64(power - 2)) & 3 : 0
        buckets[power * 4 + quarter] += 1
        count += 1
    }

    /// The duration, in microseconds, that a share of all recorded ones do not exceed.
    func percentile(_ share: Double) -> Double {
        guard count > 0 else { return 0 }
        let wanted = UInt64((Double(count) * share).rounded(.up))
        var seen: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            seen += bucket
            if seen >= wanted {
                let upper = Double(UInt64(1) << UInt64(index / 4)) * (1 + Double(index % 4 + 1) / 4)
                return upper / 1000
            }
        }
        return 0
    }
}
