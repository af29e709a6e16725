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
