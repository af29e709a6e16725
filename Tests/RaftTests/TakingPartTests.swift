import Bytes
import Raft
import Testing

@Suite struct TakingPartTests {
    @Test func `a node that takes no part neither vouches nor promises`() {
        let now = Instant(nanoseconds: 1_000_000_000)
        let other = PairLiveness(
            node: NodeID(2), boot: 1, peers: [NodeID(1)], promise: .milliseconds(300), now: now)
        let silent = PairLiveness(
            node: NodeID(1), boot: 1, peers: [NodeID(2)], promise: .milliseconds(300), now: now)
        silent.takePart(false)
        #expect(silent.ping(to: NodeID(2), now: now) == nil)
        guard let ping = other.ping(to: NodeID(1), now: now) else {
            Issue.record("a well node does not ping")
            return
        }
        #expect(silent.receive(ping, now: now) == nil)
        silent.takePart(true)
        #expect(silent.ping(to: NodeID(2), now: now) != nil)
        #expect(silent.receive(ping, now: now) != nil)
    }

    @Test func `a log that was damaged begins behind a snapshot of a term it had not heard of`() {
        let now = Instant(nanoseconds: 1_000_000_000)
        var restored = RestoredGroup()
        restored.term = 5
        restored.vote = NodeID(2)
        restored.firstIndex = 72
        restored.lastIndex = 71
        restored.precedingTerm = 6
        restored.snapshotIndex = 71
        restored.snapshotTerm = 6
        let configuration = RaftConfiguration(
            id: NodeID(1), group: GroupID(1), members: [NodeID(1), NodeID(2), NodeID(3)])
        var core = RaftCore(configuration, restored: restored, seed: 7, now: now)
        core.checkInvariants()
        let (term, vote) = (core.term, core.vote)
        #expect(term == 6 && vote == nil)
        let liveness = PairLiveness(
            node: NodeID(1), boot: 1, peers: [NodeID(2), NodeID(3)],
            promise: configuration.electionTimeout, now: now)
        var effects = RaftEffects()
        core.endTurn(now: now, liveness: liveness, effects: &effects)
        #expect(effects.io.map(\.io) == [.hardState(term: 6, vote: nil)])
    }
}
