import Bytes
import Testing

@testable import Raft

/// A cluster under drops, duplicates, delays, crashes that lose what was not synced, partitions and
/// clocks of different pace; the oracle watches every step. A failing seed is its own reproduction.
@Suite struct RandomizedTests {
    @Test(arguments: 0..<40)
    func `nothing committed is lost, whatever happens`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed))
        run.safetyPhase(milliseconds: 6000)
        run.livenessPhase()
    }
}

struct RandomRun {
    let seed: UInt64
    var generator: SeededGenerator
    let cluster: Cluster
    var nextValue = 0
    var blocked: Set<Int> = []
    // Faults, drawn from the seed.
    let dropPercent: UInt64
    let duplicatePercent: UInt64
    let delayMilliseconds: UInt64
    let syncDelayMilliseconds: UInt64
    let crashPerMille: UInt64
    var isHealed = false

    init(seed: UInt64) {
        self.seed = seed
        var generator = SeededGenerator(seed: seed)
        let sizes = [1, 2, 3, 3, 3, 4, 5]
        let size = sizes[Int(generator.below(UInt64(sizes.count)))]
        let inflight = generator.below(2) == 0 ? 4 << 20 : 400
        let appendMax = generator.below(2) == 0 ? 60 * 1024 : 150
        let chunk = generator.below(2) == 0 ? 256 << 10 : 200
        cluster = Cluster(size) {
            $0.inflightBytesMax = inflight
            $0.appendBytesMax = appendMax
            $0.logChunkBytes = chunk
            $0.probeInterval = .milliseconds(900)
        }
        cluster.isTracing = false
        dropPercent = generator.below(3) == 0 ? 0 : generator.below(25)
        duplicatePercent = generator.below(20)
        delayMilliseconds = 1 + generator.below(40)
        syncDelayMilliseconds = 1 + generator.below(40)
        crashPerMille = generator.below(6)
        for node in cluster.nodes {
            node.seed = seed
            node.clockOffset = Int64(generator.below(1_000_000_000_000))
            // drift / promise is 10 %: two clocks may differ by that much.
            node.clockRate = Int64(generator.below(90_000)) - 45_000
            node.disk.restoredTail = generator.below(2) == 0 ? .max : 3
        }
        for node in cluster.nodes {
            node.boot = 0
            cluster.start(node)
        }
        self.generator = generator
    }

    func chance(_ generator: inout SeededGenerator, perMille: UInt64) -> Bool {
        generator.below(1000) < perMille
    }

    mutating func safetyPhase(milliseconds: Int) {
        for _ in 0..<milliseconds {
            faults()
            step()
        }
    }

    private mutating func faults() {
        for node in cluster.nodes {
            if node.replica == nil {
                if chance(&generator, perMille: 10) { cluster.start(node) }
            } else if chance(&generator, perMille: crashPerMille) {
                let keeping = Int(generator.below(UInt64(node.disk.pending.count + 1)))
                cluster.crash(node, keeping: keeping)
            }
        }
        if chance(&generator, perMille: 8) {
            // A random set of one-way links is cut, or all are healed.
            blocked = []
            if generator.below(2) == 0 {
                let count = UInt64(cluster.nodes.count)
                for _ in 0..<generator.below(2 * count) {
                    blocked.insert(Int(generator.below(count) * 16 + generator.below(count)))
                }
            }
        }
    }

    private func isBlocked(_ envelope: Cluster.Envelope) -> Bool {
        blocked.contains(Int(envelope.from.raw - 1) * 16 + Int(envelope.to.raw - 1))
    }

    /// One millisecond.
    mutating func step() {
        cluster.time += 1_000_000
        scheduleNetwork()
        deliverDue()
        for node in cluster.nodes where node.replica != nil {
            stepNode(node)
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
            if !isHealed, generator.below(100) < dropPercent || isBlocked(envelope) { continue }
            let delay = isHealed ? 1 : generator.below(delayMilliseconds)
            envelope.deliverAt = cluster.time + Int64(delay) * 1_000_000
            scheduled.append(envelope)
            if !isHealed, generator.below(100) < duplicatePercent {
                envelope.deliverAt += Int64(generator.below(400)) * 1_000_000
                scheduled.append(envelope)
            }
        }
        cluster.network = scheduled
    }

    private func deliverDue() {
        let due = cluster.network.filter { $0.deliverAt <= cluster.time }
        cluster.network.removeAll { $0.deliverAt <= cluster.time }
        for envelope in due { cluster.deliver(envelope) }
    }

    private mutating func stepNode(_ node: Node) {
        if cluster.time >= node.nextPing {
            node.nextPing = cluster.time + 75_000_000
            for peer in node.members where peer != node.id {
                cluster.sendPing(from: node, to: peer)
            }
        }
        if !node.disk.pending.isEmpty, generator.below(syncDelayMilliseconds) == 0 {
            cluster.sync(node, count: 1 + Int(generator.below(UInt64(node.disk.pending.count))))
        }
        if node.replica!.core.nextDeadline <= node.clock(cluster.time) { cluster.tick(node) }
        if !node.fetches.isEmpty, generator.below(5) == 0 {
            cluster.answerFetches(node, failing: !isHealed && generator.below(4) == 0)
        }
        guard node.replica!.core.role == .leader else { return }
        if generator.below(10) == 0 {
            nextValue += 1
            cluster.propose(node, Array("value \(nextValue)".utf8))
        }
        if generator.below(20) == 0 { cluster.beginRead(node) }
        if generator.below(30) == 0 {
            node.replica!.core.evictLog(toBytes: 100, applied: node.core.commit)
        }
        if !isHealed, chance(&generator, perMille: 2) {
            cluster.turn(node) { replica, now, liveness, effects in
                _ = replica.core.transferLeadership(
                    to: nil, now: now, liveness: liveness, effects: &effects)
            }
        }
        if !isHealed, chance(&generator, perMille: 3), let peer = node.members.last {
            node.replica!.core.linkUp(peer)
        }
    }

    /// Everything heals; the cluster must find a leader and commit, and all logs become equal.
    mutating func livenessPhase() {
        isHealed = true
        blocked = []
        for node in cluster.nodes where node.replica == nil { cluster.start(node) }
        for _ in 0..<4000 { step() }
        let leaders = cluster.nodes.filter { $0.core.role == .leader }
        precondition(
            leaders.count == 1,
            "seed \(seed): no single leader after healing: \(cluster.nodes.map(\.core))")
        let leader = leaders[0]
        // Quiet the workload and let everybody catch up.
        let proposal = cluster.propose(leader, Array("last".utf8))
        guard case .appended(let index) = proposal else {
            // A transfer was under way; it ends within the timeout.
            return
        }
        for _ in 0..<1500 { step() }
        for node in cluster.nodes {
            precondition(
                node.core.commit >= index,
                "seed \(seed): \(node.id) did not catch up with \(index): \(cluster.nodes.map(\.core)) \(leader.replica!.core.followers)"
            )
        }
    }
}
