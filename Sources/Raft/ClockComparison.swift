internal import Bytes

/// Judges whether a peer's clock runs at our pace, from the pongs alone.
///
/// Each pong tells one peer reading p that was taken between our readings s (ping sent) and r (pong
/// received), so the peer's clock is ahead of ours by an offset in [p - r, p - s]. Of each window the
/// narrowest interval is kept. When two windows lie `span` apart and every offset in the one differs
/// from every offset in the other by more than `span * tolerance`, the two clocks cannot be running
/// within the tolerance of each other, whatever the network did.
///
/// A wide interval (slow network) can only hide a bad clock, never accuse a good one.
struct ClockComparison: Sendable {
    /// Readings of one window are folded into one.
    static let windowLength = Interval.seconds(2)

    private struct Sample {
        var at: Instant
        /// Bounds of (peer's clock - ours), in nanoseconds.
        var low: Int64
        var high: Int64
        var width: Int64 { high - low }
    }

    private var base: Sample?
    private var best: Sample?
    private var windowStart = Instant(nanoseconds: 0)
    /// The clocks disagreed when two windows were compared last.
    private(set) var disagrees = false

    /// Takes one exchange into account. `tolerance`: the greatest difference in rate that the lease
    /// arithmetic allows, in parts per million.
    mutating func note(
        sent: Instant, received: Instant, peer: Instant, tolerance: Int64
    ) {
        let sample = Sample(
            at: received, low: peer.nanoseconds - received.nanoseconds,
            high: peer.nanoseconds - sent.nanoseconds)
        guard let kept = best else {
            best = sample
            windowStart = received
            return
        }
        if sample.width <= kept.width { best = sample }
        guard received - windowStart >= Self.windowLength, let chosen = best else { return }
        compare(chosen, tolerance: tolerance)
        best = nil
    }

    private mutating func compare(_ sample: Sample, tolerance: Int64) {
        guard let base else {
            self.base = sample
            return
        }
        let span = (sample.at - base.at).nanoseconds
        // The least by which the offset must have moved between the two samples.
        let moved = max(sample.low - base.high, base.low - sample.high, 0)
        let allowed = span / 1_000_000 * tolerance
        disagrees = moved > allowed
        // A long span finds small differences of rate, a fresh base finds recent ones: start again
        // after a disagreement (so that a single jump is forgiven) and every 16 windows.
        if disagrees || span > 16 * Self.windowLength.nanoseconds { self.base = sample }
    }
}
