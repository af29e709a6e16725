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
}
