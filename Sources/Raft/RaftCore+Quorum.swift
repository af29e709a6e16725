internal import Bytes

// What a majority says. While two sets of voters decide together, a majority of each must say it.

extension RaftCore {
    /// Whether this replica makes every majority by itself.
    var isAlone: Bool { members.isAlone(configuration.id) }

    /// The greatest value that a majority of each set of voters reaches, `least` if there is none above
    /// it. `own`: this replica's, which counts where it is a voter. `value`: of the peer at a position.
    func agreed<Value: Comparable>(
        own: Value, least: Value, _ value: (_ position: Int) -> Value
    ) -> Value {
        let voters = agreed(
            in: .voters, needed: members.voters.count / 2 + 1, own: own, least: least, value)
        guard members.isJoint else { return voters }
        return min(
            voters,
            agreed(
                in: .outgoing, needed: members.outgoing.count / 2 + 1, own: own, least: least,
                value))
    }

    private func agreed<Value: Comparable>(
        in half: Halves, needed: Int, own: Value, least: Value, _ value: (Int) -> Value
    ) -> Value {
        func isReached(_ candidate: Value) -> Bool {
            var count = ownHalves.contains(half) && own >= candidate ? 1 : 0
            for position in peers.indices where halves[position].contains(half) {
                if value(position) >= candidate { count += 1 }
            }
            return count >= needed
        }
        var best = least
        if ownHalves.contains(half), own > best, isReached(own) { best = own }
        for position in peers.indices where halves[position].contains(half) {
            let candidate = value(position)
            if candidate > best, isReached(candidate) { best = candidate }
        }
        return best
    }

    /// Whether those who granted this candidate a vote, and its own where it counts, are enough.
    var hasWon: Bool {
        agreed(own: 1, least: 0) { granted.contains(peers[$0]) ? 1 : 0 } == 1
    }

    /// The newest moment at which a quorum was known to be well. Not for a group of one.
    func quorumContact(liveness: PairLiveness) -> Instant {
        agreed(own: .distantFuture, least: electedAt) {
            max(liveness.acknowledgedSend(by: peers[$0]) ?? electedAt, electedAt)
        }
    }

    func quorumIsActive(now: Instant, liveness: PairLiveness) -> Bool {
        isAlone || now < quorumContact(liveness: liveness) + configuration.electionTimeout
    }
}
