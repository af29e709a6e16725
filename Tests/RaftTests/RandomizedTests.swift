import Bytes
import Foundation
import Testing

@testable import Raft

/// A cluster under drops, duplicates, delays, partitions, pauses, crashes that lose what was not
/// synced, and clocks of different pace; the oracle watches every step. A failing seed is its own
/// reproduction: `SKEIN_SEEDS=25`, or `SKEIN_SEEDS=1000-2000` for others.
@Suite struct RandomizedTests {
    static let wish = ProcessInfo.processInfo.environment["SKEIN_SEEDS"]

    static var seeds: [Int] {
        let bounds = (wish ?? "0-39").split(separator: "-").compactMap { Int($0) }
        return Array(bounds[0]...bounds[bounds.count - 1])
    }

    @Test(arguments: seeds)
    func `nothing committed is lost, whatever happens`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed))
        run.safetyPhase(milliseconds: 6000)
        run.livenessPhase()
        if Self.wish != nil { print(run.summary) }
    }

    /// A slow clock leads two fast ones over a quick network, and is cut off again and again: the
    /// successor commits as soon as the promises allow.
    @Test(arguments: 0..<8)
    func `a lease ends before a successor commits, at the limit of the drift`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed), huntsLeases: true)
        for _ in 0..<8 { run.cutOffSlowLeader() }
        run.livenessPhase()
    }
}

/// One seed: a phase of faults, then everything heals and must work.
struct RandomRun {
    let seed: UInt64
    let cluster: Cluster
    private var generator: SeededGenerator
    private var nextValue = 0
    private var isHealed = false
    /// One-way links that are cut: from * 16 + to.
    private var blocked: [Bool]
    private var nextFault: Int64 = 0
    private let faults: Faults

    /// How bad it gets; drawn from the seed.
    private struct Faults {
        let dropPercent: UInt64
        let duplicatePercent: UInt64
        let delayMilliseconds: UInt64
        let syncDelayMilliseconds: UInt64
        /// Mean time between two larger faults.
        let pauseMilliseconds: UInt64

        /// None but what a test does itself.
        init() {
            dropPercent = 0
            duplicatePercent = 0
            delayMilliseconds = 1
            syncDelayMilliseconds = 1
            pauseMilliseconds = 1
        }

        init(_ generator: inout SeededGenerator) {
            dropPercent = generator.below(3) == 0 ? 0 : generator.below(20)
            duplicatePercent = generator.below(20)
            delayMilliseconds = 1 + generator.below(30)
            syncDelayMilliseconds = 1 + generator.below(30)
            pauseMilliseconds = 50 + generator.below(600)
        }
    }

    init(seed: UInt64, huntsLeases: Bool = false) {
        self.seed = seed
        var generator = SeededGenerator(seed: seed)
        let sizes = huntsLeases ? [3] : [1, 2, 3, 3, 3, 3, 4, 5]
        let size = sizes[Int(generator.below(UInt64(sizes.count)))]
        let inflight = generator.below(2) == 0 ? 4 << 20 : 1000
        let appendMax = generator.below(2) == 0 ? 60 * 1024 : 150
        let chunk = generator.below(2) == 0 ? 256 << 10 : 200
        cluster = Cluster(size) {
            $0.inflightBytesMax = inflight
            $0.appendBytesMax = appendMax
            $0.logChunkBytes = chunk
            $0.probeInterval = .milliseconds(900)
        }
        cluster.isTracing = false
        cluster.walkEvery = 97
        for node in cluster.nodes {
            node.seed = seed
            node.clockOffset = Int64(generator.below(1_000_000_000_000))
            // drift / promise is 10 %: two clocks may differ by that much in rate.
            let slow = Int64(generator.below(3)) - 1
            node.clockRate = slow * 45_000
            if huntsLeases { node.clockRate = node.id.raw == 1 ? -45_000 : 45_000 }
            node.disk.restoredTail = generator.below(2) == 0 ? .max : 3
            node.boot = 0
            cluster.start(node)
        }
        blocked = Array(repeating: false, count: 16 * 16)
        faults = huntsLeases ? Faults() : Faults(&generator)
        self.generator = generator
    }

    var summary: String {
        "seed \(seed) nodes \(cluster.nodes.count) committed \(cluster.oracle.commit)"
            + " term \(cluster.nodes.map(\.core.term).max()!) \(cluster.statistics)"
    }

    // MARK: Faults

    mutating func safetyPhase(milliseconds: Int) {
        for _ in 0..<milliseconds {
            for node in cluster.nodes where node.replica == nil && generator.below(150) == 0 {
                cluster.start(node)
            }
            if cluster.time >= nextFault {
                let pause = 2 * generator.below(faults.pauseMilliseconds)
                nextFault = cluster.time + Int64(pause) * 1_000_000
                breakSomething()
            }
            step()
        }
    }

    /// Makes the slow clock lead, cuts it off at a random moment, and heals.
    mutating func cutOffSlowLeader() {
        for _ in 0..<(500 + generator.below(100)) {
            step()
            for node in cluster.nodes where node.core.role == .leader && node.id.raw != 1 {
                cluster.turn(node) { replica, now, liveness, effects in
                    _ = replica.core.transferLeadership(
                        to: NodeID(1), now: now, liveness: liveness, effects: &effects)
                }
            }
        }
        isolate(cluster[1], incoming: generator.below(2) == 0, outgoing: true)
        for _ in 0..<700 { step() }
        unblock()
    }

    private mutating func breakSomething() {
        let leaders = cluster.nodes.filter { $0.core.role == .leader }
        let any = cluster.nodes[Int(generator.below(UInt64(cluster.nodes.count)))]
        let leader = leaders.last ?? any
        let victim = generator.below(3) == 0 ? any : leader
        let until = cluster.time + Int64(generator.below(700)) * 1_000_000
        switch generator.below(14) {
        case 0, 1, 2: unblock()
        case 3: isolate(victim, incoming: true, outgoing: true)
        case 4: isolate(victim, incoming: true, outgoing: false)
        case 5: isolate(victim, incoming: false, outgoing: true)
        case 6:
            for position in blocked.indices { blocked[position] = generator.below(4) == 0 }
        case 7, 8: crash(victim)
        case 9: for node in cluster.nodes { crash(node) }
        case 10: victim.pausedUntil = until
        case 11: victim.loopPausedUntil = until
        case 12: crash(any)
        default:
            cluster.turn(leader) { replica, now, liveness, effects in
                _ = replica.core.transferLeadership(
                    to: nil, now: now, liveness: liveness, effects: &effects)
            }
        }
    }

    private mutating func crash(_ node: Node) {
        guard node.replica != nil else { return }
        cluster.crash(node, keeping: Int(generator.below(UInt64(node.disk.pending.count + 1))))
    }

    private mutating func unblock() {
        for position in blocked.indices { blocked[position] = false }
    }

    private mutating func isolate(_ node: Node, incoming: Bool, outgoing: Bool) {
        unblock()
        for peer in node.members {
            if incoming { blocked[Int(peer.raw) * 16 + Int(node.id.raw)] = true }
            if outgoing { blocked[Int(node.id.raw) * 16 + Int(peer.raw)] = true }
        }
    }

    // MARK: One millisecond

    private mutating func step() {
        cluster.time += 1_000_000
        scheduleNetwork()
        deliverDue()
        for node in cluster.nodes where node.replica != nil {
            if node.pausedUntil <= cluster.time { step(node) }
        }
        cluster.oracle.checkLeases(in: cluster)
    }

    private mutating func scheduleNetwork() {
        var scheduled: [Cluster.Envelope] = []
        for var envelope in cluster.network {
            guard envelope.deliverAt == 0 else {
                scheduled.append(envelope)
                continue
            }
            let isCut = blocked[Int(envelope.from.raw) * 16 + Int(envelope.to.raw)]
            if !isHealed, isCut || generator.below(100) < faults.dropPercent { continue }
            let delay = isHealed ? 1 : generator.below(faults.delayMilliseconds)
            envelope.deliverAt = cluster.time + Int64(delay) * 1_000_000
            scheduled.append(envelope)
            if !isHealed, generator.below(100) < faults.duplicatePercent {
                envelope.deliverAt += Int64(generator.below(400)) * 1_000_000
                scheduled.append(envelope)
            }
        }
        cluster.network = scheduled
    }

    private func deliverDue() {
        let due = cluster.network.filter { $0.deliverAt <= cluster.time }
        cluster.network.removeAll { $0.deliverAt <= cluster.time }
        for var envelope in due {
            let node = cluster.node(envelope.to)
            let wakes =
                envelope.isRaft
                ? max(node.pausedUntil, node.loopPausedUntil) : node.pausedUntil
            if wakes > cluster.time {
                envelope.deliverAt = wakes
                cluster.network.append(envelope)
            } else {
                cluster.deliver(envelope)
            }
        }
    }

    private mutating func step(_ node: Node) {
        if cluster.time >= node.nextPing {
            node.nextPing = cluster.time + 75_000_000
            for peer in node.members where peer != node.id {
                cluster.sendPing(from: node, to: peer)
            }
        }
        if node.loopPausedUntil > cluster.time { return }
        let delay = isHealed ? 2 : faults.syncDelayMilliseconds
        if !node.disk.pending.isEmpty, generator.below(delay) == 0 {
            cluster.sync(node, count: 1 + Int(generator.below(UInt64(node.disk.pending.count))))
        }
        if node.replica!.core.nextDeadline <= node.clock(cluster.time) { cluster.tick(node) }
        if !node.fetches.isEmpty, generator.below(5) == 0 {
            cluster.answerFetches(node, failing: !isHealed && generator.below(4) == 0)
        }
        if node.core.role == .leader { work(on: node) }
    }

    private mutating func work(on leader: Node) {
        if generator.below(10) == 0 {
            nextValue += 1
            cluster.propose(leader, Array("value \(nextValue)".utf8))
        }
        if generator.below(20) == 0 { cluster.beginRead(leader) }
        if generator.below(30) == 0 {
            leader.replica!.core.evictLog(toBytes: 100, applied: leader.core.commit)
        }
        if !isHealed, generator.below(300) == 0, let peer = leader.members.last {
            leader.replica!.core.linkUp(peer)
        }
    }

    // MARK: Healing

    /// Everything heals: there must be a leader soon, and all logs must become equal.
    mutating func livenessPhase() {
        isHealed = true
        unblock()
        for node in cluster.nodes {
            if node.replica == nil { cluster.start(node) }
            node.pausedUntil = 0
            node.loopPausedUntil = 0
        }
        for _ in 0..<2500 { step() }
        let leaders = cluster.nodes.filter { $0.core.role == .leader }
        precondition(
            leaders.count == 1,
            "seed \(seed): no single leader after healing: \(cluster.nodes.map(\.core))")
        guard case .appended(let index) = cluster.propose(leaders[0], Array("last".utf8)) else {
            preconditionFailure("seed \(seed): the leader refuses")
        }
        for _ in 0..<2500 { step() }
        for node in cluster.nodes {
            precondition(
                node.core.commit >= index,
                "seed \(seed): \(node.id) did not catch up with \(index) of \(leaders[0].id):"
                    + " \(leaders[0].replica!.core.followers) \(cluster.nodes.map(\.core))")
        }
    }
}
