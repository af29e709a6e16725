import Bytes
import Testing

@testable import Raft

@Suite struct PairLivenessTests {
    static let n1 = NodeID(1)
    static let n2 = NodeID(2)
    static let n3 = NodeID(3)

    private func liveness(_ id: NodeID, boot: UInt64 = 1) -> PairLiveness {
        PairLiveness(
            node: id, boot: boot, peers: [Self.n1, Self.n2, Self.n3],
            promise: .milliseconds(300), drift: .milliseconds(30), busyLimit: .seconds(10),
            diskStallLimit: .seconds(5), now: at(0))
    }

    private func at(_ milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 0) + .milliseconds(milliseconds)
    }

    /// One exchange from `one` to `other`; both clocks read `time`.
    private func exchange(_ one: PairLiveness, _ other: PairLiveness, at time: Int64) {
        guard let ping = one.ping(to: other.node, now: at(time)),
            let pong = other.receive(ping, now: at(time))
        else { return }
        one.receive(pong, now: at(time))
    }

    @Test func `a promise binds until it has run out`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        let epoch = follower.followEpoch(for: Self.n1)
        exchange(leader, follower, at: 1000)
        #expect(!follower.release(Self.n1, quoted: epoch, now: at(1299)))
        #expect(follower.followEpoch(for: Self.n1) == epoch)
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1300)))
        #expect(follower.followEpoch(for: Self.n1) == epoch + 1)
    }

    @Test func `a ping renews the promise`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        exchange(leader, follower, at: 1000)
        exchange(leader, follower, at: 1200)
        let epoch = follower.followEpoch(for: Self.n1)
        #expect(!follower.release(Self.n1, quoted: epoch, now: at(1400)))
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1500)))
    }

    @Test func `after a release, promises count only for groups that quote the new epoch`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        let epoch = follower.followEpoch(for: Self.n1)
        exchange(leader, follower, at: 1000)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch) == at(1270))
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1400)))
        exchange(leader, follower, at: 1400)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch) == nil)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch + 1) == at(1670))
        #expect(leader.promisedEpoch(of: Self.n2) == epoch + 1)
    }

    @Test func `a group that still quotes the old epoch is free once the old promises end`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        let epoch = follower.followEpoch(for: Self.n1)
        exchange(leader, follower, at: 1000)
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1300)))
        // Promises under the new epoch do not cover a group that quoted the old one.
        exchange(leader, follower, at: 1310)
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1320)))
        #expect(!follower.release(Self.n1, quoted: epoch + 1, now: at(1320)))
    }

    @Test func `abandoning one group leaves the promise to the others in force`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        let epoch = follower.followEpoch(for: Self.n1)
        exchange(leader, follower, at: 1000)
        follower.abandon(Self.n1, quoted: epoch)
        #expect(follower.followEpoch(for: Self.n1) == epoch + 1)
        // Another group, quoting the old epoch, is covered by the promise of 1000 still.
        #expect(!follower.release(Self.n1, quoted: epoch, now: at(1100)))
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1300)))
    }

    @Test func `a late pong of an older epoch changes nothing`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        let epoch = follower.followEpoch(for: Self.n1)
        let early = leader.ping(to: Self.n2, now: at(1000))!
        let earlyPong = follower.receive(early, now: at(1001))!
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1301)))
        let late = leader.ping(to: Self.n2, now: at(1310))!
        leader.receive(follower.receive(late, now: at(1311))!, now: at(1312))
        leader.receive(earlyPong, now: at(1313))
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch) == nil)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch + 1) == at(1580))
        #expect(leader.acknowledgedSend(by: Self.n2) == at(1310))
    }

    @Test func `pongs to an earlier boot are ignored`() {
        let before = liveness(Self.n1, boot: 1)
        let follower = liveness(Self.n2)
        let ping = before.ping(to: Self.n2, now: at(5000))!
        let pong = follower.receive(ping, now: at(5000))!
        // The machine restarted: its clock begins anew.
        let after = liveness(Self.n1, boot: 2)
        after.receive(pong, now: at(10))
        #expect(after.acknowledgedSend(by: Self.n2) == nil)
        // Nor when the clock has come so far again.
        after.receive(pong, now: at(6000))
        #expect(after.acknowledgedSend(by: Self.n2) == nil)
    }

    @Test func `a restarted leader is not covered by promises to its former self`() {
        let before = liveness(Self.n1, boot: 1)
        let follower = liveness(Self.n2)
        exchange(before, follower, at: 1000)
        let epoch = follower.followEpoch(for: Self.n1)
        let after = liveness(Self.n1, boot: 2)
        exchange(after, follower, at: 1100)
        #expect(follower.boot(of: Self.n1) == 2)
        #expect(follower.followEpoch(for: Self.n1) == epoch + 1)
        // The group that followed the former process is free at once.
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1101)))
    }

    @Test func `a restarted follower quotes an epoch that never was before`() {
        let first = liveness(Self.n2, boot: 1)
        let second = liveness(Self.n2, boot: 2)
        let old = first.followEpoch(for: Self.n1)
        #expect(second.followEpoch(for: Self.n1) > old)
        let leader = liveness(Self.n1)
        exchange(leader, first, at: 1000)
        exchange(leader, second, at: 1100)
        #expect(leader.leaseEnd(by: Self.n2, epoch: old) == nil)
    }

    @Test func `a stalled loop or disk is not vouched for`() {
        let node = liveness(Self.n1)
        node.stampLoop(now: at(0))
        #expect(node.ping(to: Self.n2, now: at(9_999)) != nil)
        #expect(node.ping(to: Self.n2, now: at(10_001)) == nil)
        node.stampLoop(now: at(10_002))
        #expect(node.ping(to: Self.n2, now: at(10_002)) != nil)
        node.syncStarted(now: at(10_002))
        #expect(node.ping(to: Self.n2, now: at(15_002)) != nil)
        #expect(node.ping(to: Self.n2, now: at(15_003)) == nil)
        node.syncFinished(now: at(15_004))
        #expect(node.ping(to: Self.n2, now: at(15_004)) != nil)
    }

    @Test func `who cannot be led is not bound`() {
        let node = liveness(Self.n1)
        node.linkDown(to: Self.n2, now: at(1000))
        #expect(node.ping(to: Self.n2, now: at(1300)) != nil)
        #expect(node.ping(to: Self.n2, now: at(1301)) == nil)
        #expect(node.ping(to: Self.n3, now: at(1301)) != nil)
        node.linkUp(to: Self.n2)
        #expect(node.ping(to: Self.n2, now: at(1302)) != nil)
    }

    @Test func `a peer is believed no longer than it promised`() {
        let leader = liveness(Self.n1)
        let follower = PairLiveness(
            node: Self.n2, boot: 1, peers: [Self.n1, Self.n2, Self.n3],
            promise: .milliseconds(100), now: at(0))
        exchange(leader, follower, at: 1000)
        let epoch = follower.followEpoch(for: Self.n1)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch) == at(1070))
    }

    @Test
    func `a peer that left is neither pinged nor promised to, and keeps what it was promised`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        exchange(leader, follower, at: 1000)
        let epoch = follower.followEpoch(for: Self.n1)
        follower.setPeers([Self.n3])
        #expect(follower.ping(to: Self.n1, now: at(1100)) == nil)
        exchange(leader, follower, at: 1100)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch) == at(1270))
        #expect(!follower.release(Self.n1, quoted: epoch, now: at(1299)))
        #expect(follower.release(Self.n1, quoted: epoch, now: at(1300)))
        // It comes back to where it was.
        follower.setPeers([Self.n1, Self.n3])
        exchange(leader, follower, at: 1400)
        #expect(follower.followEpoch(for: Self.n1) == epoch + 1)
        #expect(leader.leaseEnd(by: Self.n2, epoch: epoch + 1) == at(1670))
    }

    @Test func `a peer that joins is pinged and counted`() {
        let leader = liveness(Self.n1)
        let n4 = NodeID(4)
        let joiner = PairLiveness(
            node: n4, boot: 1, peers: [Self.n1], promise: .milliseconds(300),
            drift: .milliseconds(30), now: at(0))
        #expect(leader.ping(to: n4, now: at(1000)) == nil)
        leader.setPeers([Self.n1, Self.n2, Self.n3, n4])
        #expect(leader.ping(to: Self.n1, now: at(1000)) == nil)
        exchange(leader, joiner, at: 1000)
        exchange(joiner, leader, at: 1000)
        #expect(leader.leaseEnd(by: n4, epoch: joiner.followEpoch(for: Self.n1)) == at(1270))
        #expect(leader.isUp(n4, now: at(1000)))
    }

    @Test func `a ping tells how gladly its sender leads`() throws {
        let (one, other) = (liveness(Self.n1), liveness(Self.n2))
        #expect(other.priority(of: Self.n1) == LivenessPing.usualPriority)
        for priority in [0, 7, 1000] {
            one.priority = priority
            let ping = try #require(one.ping(to: Self.n2, now: at(1000)))
            var bytes = ByteBuffer()
            LivenessMessage.ping(ping).encode(into: &bytes)
            #expect(bytes.count == LivenessPing.encodedBytes)
            let decoded = try LivenessMessage.decode(bytes.readable)
            #expect(decoded == .ping(ping))
            guard case .ping(let received) = decoded else { return }
            _ = other.receive(received, now: at(1000))
            #expect(other.priority(of: Self.n1) == priority)
        }
        one.priority = 5000
        #expect(one.priority == 1000)
    }

    @Test func `a pair is up for one promise after a ping`() {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        #expect(!follower.isUp(Self.n1, now: at(0)))
        exchange(leader, follower, at: 1000)
        #expect(follower.isUp(Self.n1, now: at(1299)))
        #expect(!follower.isUp(Self.n1, now: at(1300)))
        #expect(follower.lastHeard(from: Self.n1) == at(1000))
        #expect(follower.lastHeard(from: Self.n3) == nil)
    }

    @Test(arguments: [
        (0, false), (50_000, false), (-50_000, false), (200_000, true), (-200_000, true),
    ])
    func `a clock of another pace is noticed and not counted`(rate: Int64, isNoticed: Bool) {
        let leader = liveness(Self.n1)
        let follower = liveness(Self.n2)
        var generator = SeededGenerator(seed: 4)
        for step in 0..<400 {
            let sent = 1_000_000_000 + Int64(step) * 75_000_000
            let arrived = sent + Int64(generator.below(3_000_000))
            let back = arrived + Int64(generator.below(3_000_000))
            let theirs = arrived + arrived / 1_000_000 * rate
            leader.stampLoop(now: Instant(nanoseconds: sent))
            let ping = leader.ping(to: Self.n2, now: Instant(nanoseconds: sent))!
            let pong = follower.receive(ping, now: Instant(nanoseconds: theirs))!
            leader.receive(pong, now: Instant(nanoseconds: back))
        }
        #expect(leader.clockDisagrees(with: Self.n2) == isNoticed)
        let epoch = follower.followEpoch(for: Self.n1)
        #expect((leader.leaseEnd(by: Self.n2, epoch: epoch) == nil) == isNoticed)
    }
}
