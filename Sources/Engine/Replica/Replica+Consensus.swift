internal import Bytes
internal import Raft

/// Events for the group's core; what they lead to collects in `effects` until the turn ends.
extension Replica {
    mutating func propose(
        kind: EntryKind, payload: Span<UInt8>, now: Instant, liveness: PairLiveness
    ) -> Proposal {
        core.propose(
            kind: kind, payload: payload, now: now, liveness: liveness, effects: &effects)
    }

    mutating func receive(
        _ message: RaftMessage, records: Span<UInt8>, from peer: NodeID, now: Instant,
        liveness: PairLiveness
    ) throws(DecodeError) {
        try core.receive(
            message, entries: records, from: peer, now: now, liveness: liveness,
            effects: &effects)
    }

    mutating func durable(upTo ticket: IOTicket, now: Instant, liveness: PairLiveness) {
        core.durable(upTo: ticket, now: now, liveness: liveness, effects: &effects)
        timeline.durable(upTo: core.durableIndex, now: now)
    }

    mutating func tick(now: Instant, liveness: PairLiveness) {
        core.tick(now: now, liveness: liveness, effects: &effects)
    }

    mutating func endTurn(now: Instant, liveness: PairLiveness) {
        core.endTurn(now: now, liveness: liveness, effects: &effects)
    }

    mutating func handOver(now: Instant, liveness: PairLiveness) {
        core.transferLeadership(to: nil, now: now, liveness: liveness, effects: &effects)
    }

    /// False when that follower cannot take over now.
    mutating func handOver(to peer: NodeID, now: Instant, liveness: PairLiveness) -> Bool {
        core.transferLeadership(to: peer, now: now, liveness: liveness, effects: &effects)
    }

    /// A durable snapshot becomes this replica's state; false when it is older than what is there.
    mutating func install(
        index: LogIndex, term: Term, members: GroupMembers?, now: Instant, liveness: PairLiveness
    ) -> Bool {
        core.install(
            index: index, term: term, members: members, now: now, liveness: liveness,
            effects: &effects)
    }

    mutating func changeMembers(to voters: [NodeID], now: Instant, liveness: PairLiveness)
        throws(ChangeRefusal)
    {
        try core.proposeChange(
            voters: voters, learners: [], now: now, liveness: liveness, effects: &effects)
    }

    mutating func giveUpChange(now: Instant) {
        core.giveUpChange(now: now, effects: &effects)
    }

    /// This replica takes part in nothing any more.
    mutating func mute(now: Instant) { core.setMuted(true, now: now, effects: &effects) }

    mutating func requireSnapshot(now: Instant) {
        core.requireSnapshot(logIsWhole: core.isLogWhole, now: now, effects: &effects)
    }

    /// The log may lack entries that this replica has acknowledged.
    mutating func distrustLog(now: Instant) { core.distrustLog(now: now, effects: &effects) }

    /// The state is lost, and a peer must send it.
    var lacksState: Bool { core.needsSnapshot }

    mutating func snapshotInstalled(at peer: NodeID, index: LogIndex, now: Instant) {
        core.snapshotInstalled(at: peer, index: index, now: now, effects: &effects)
    }

    /// Asks for committed entries that left memory.
    mutating func fetchCommitted(from index: LogIndex, maxBytes: Int) {
        isFetching = true
        _ = core.requestEntries(
            from: index, upTo: core.commit, maxBytes: maxBytes,
            effects: &effects)
    }
}
