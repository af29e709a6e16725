public import Bytes

// Linearizable reads (thesis, 6.4).
//
// A read is served when this leader has committed an entry of its term (`committedInTerm`), all that
// was committed when the read arrived is applied, and either the lease holds after the read was
// executed, or a round begun after the read arrived is confirmed.

extension RaftCore {
    /// The round that confirms everything asked before the end of this turn; its heartbeats leave in
    /// `endTurn`. All reads of a turn share one round.
    public mutating func beginReadRound() -> UInt64 {
        if !roundOpen {
            round += 1
            roundOpen = true
        }
        return round
    }

    /// The end of this leader's lease, or nil when it has none. While this replica leads and neither
    /// transfers nor is muted, an end that was told stays true: promises are not taken back.
    ///
    /// Counted in each set of voters of the members in force; see `PairLiveness`, "While the members
    /// change", for why that covers the members before and after as well.
    public func leaseEnd(liveness: PairLiveness) -> Instant? {
        guard configuration.readLease, committedInTerm, !leaseVoid, transfer == nil else {
            return nil
        }
        let none = Instant(nanoseconds: .min)
        // The quorum-th greatest; this node binds itself without end.
        let end = agreed(own: .distantFuture, least: none) { leaseEnd(by: $0, liveness) ?? none }
        return end == none ? nil : end
    }

    /// Until when a follower is bound to this leader, in this group and term.
    private func leaseEnd(by position: Int, _ liveness: PairLiveness) -> Instant? {
        guard progress[position].followEpoch != 0 else { return nil }
        return liveness.leaseEnd(by: peers[position], epoch: progress[position].followEpoch)
    }

    /// Whether this leader's lease holds at `now`, a fresh reading of the boot clock.
    public func holdsLease(now: Instant, liveness: PairLiveness) -> Bool {
        if now < knownLeaseEnd { return true }
        guard let end = leaseEnd(liveness: liveness) else { return false }
        return now < end
    }

    /// Notes at a turn's end how long the lease reaches now, when what is known will not do for long.
    mutating func refreshLease(now: Instant, liveness: PairLiveness) {
        let soon = Interval(nanoseconds: configuration.electionTimeout.nanoseconds / 2)
        guard now + soon >= knownLeaseEnd, let end = leaseEnd(liveness: liveness) else { return }
        knownLeaseEnd = max(knownLeaseEnd, end)
    }

    /// No lease from here on, whatever was known.
    mutating func forgetLease() {
        knownLeaseEnd = Instant(nanoseconds: .min)
    }

    /// Notes that a follower saw `round` in this term.
    mutating func confirmRound(_ seen: UInt64, at position: Int, effects: inout RaftEffects) {
        guard seen > progress[position].roundAcknowledged else { return }
        invariant(seen <= round, "a round that was never begun")
        progress[position].roundAcknowledged = seen
        updateConfirmedRound(effects: &effects)
    }

    /// The round that a quorum saw; this replica sees a round when it leaves.
    mutating func updateConfirmedRound(effects: inout RaftEffects) {
        let seen = agreed(own: round, least: 0) { progress[$0].roundAcknowledged }
        guard seen > confirmedReadRound else { return }
        confirmedReadRound = seen
        effects.readRoundConfirmed = true
    }
}
