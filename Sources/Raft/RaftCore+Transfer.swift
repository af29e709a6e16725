public import Bytes

// Leadership transfer (thesis, 3.10).

extension RaftCore {
    /// Begins to hand leadership over to `target`, or to the most caught up follower that is well.
    /// Proposals are refused meanwhile, and no lease holds. It ends with another leader, or after one
    /// election timeout without success (`RaftEffects.transferFailed`). Returns whether it began.
    @discardableResult
    public mutating func transferLeadership(
        to target: NodeID?, now: Instant, liveness: PairLiveness, effects: inout RaftEffects
    ) -> Bool {
        guard role == .leader, transfer == nil, !isMuted else { return false }
        // Who is no member yet, or no more, by its own log could not campaign (S11 f).
        guard let successor = successor(target, now: now, liveness: liveness) else { return false }
        forgetLease()
        transfer = Transfer(target: successor, deadline: now + configuration.electionTimeout)
        return true
    }

    private func successor(
        _ wanted: NodeID?, now: Instant, liveness: PairLiveness
    ) -> NodeID? {
        var best: Progress?
        for follower in progress where follower.linkUp && follower.state != .snapshot {
            if let wanted, follower.id != wanted { continue }
            guard members.voters.contains(follower.id), follower.vouchesForLog else { continue }
            // Whom we do not hear of could not win.
            guard liveness.isUp(follower.id, now: now) else { continue }
            if let best, follower.match <= best.match { continue }
            best = follower
        }
        return best?.id
    }

    /// Tells the successor to campaign once it has everything.
    mutating func advanceTransfer(now: Instant, effects: inout RaftEffects) {
        guard let transfer, let position = position(of: transfer.target) else { return }
        invariant(members.voters.contains(transfer.target), "leadership is handed to no voter")
        guard progress[position].match == log.lastIndex else {
            // It has lost what it had; nothing is repeated before it has that again.
            self.transfer?.resendAt = nil
            return
        }
        if let resendAt = transfer.resendAt, now < resendAt { return }
        self.transfer?.resendAt =
            now + Interval(nanoseconds: configuration.electionTimeout.nanoseconds / 4)
        // From here on the successor may be elected at any moment of this term (L4).
        leaseVoid = true
        send(.timeoutNow, to: transfer.target, effects: &effects)
    }
}
