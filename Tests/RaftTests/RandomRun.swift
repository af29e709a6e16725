import Bytes

@testable import Raft

/// One seed: a phase of faults, then everything heals and must work.
struct RandomRun {
    let seed: UInt64
    /// One or several groups on the same nodes; the first one carries the pings.
    let groups: [Cluster]
    var generator: SeededGenerator
    private var nextValue = 0
    private(set) var isHealed = false
    /// One-way links that are cut: from * 16 + to.
    private var blocked: [Bool]
    var nextFault: Int64 = 0
    let faults: Faults

    /// How bad it gets; drawn from the seed.
    struct Faults {
        let dropPercent: UInt64
        let duplicatePercent: UInt64
        let delayMilliseconds: UInt64
        let syncDelayMilliseconds: UInt64
        /// Mean time between two larger faults.
        let pauseMilliseconds: UInt64
        /// Mean time between two snapshots of a node; 0 for none.
        var snapshotMilliseconds: UInt64 = 0
        /// Mean time that writing, sending or loading one takes.
        var snapshotDelayMilliseconds: UInt64 = 1
        /// Entries that compaction keeps, at most.
        var keptEntries: UInt64 = 1
        var losesData = false
        /// Mean time between two changes of members; 0 for none.
        var changeMilliseconds: UInt64 = 0

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

    /// - Parameter size: nodes without faults but those that the test makes itself; nil for a size
    ///   and faults drawn from the seed.
    init(
        seed: UInt64, size quiet: Int? = nil, founders: Int? = nil, huntsLeases: Bool = false,
        snapshots: Bool = false, members: Bool = false
    ) {
        self.seed = seed
        var generator = SeededGenerator(seed: seed)
        let sizes = members ? [4, 5, 5, 6, 7] : [1, 2, 3, 3, 3, 3, 4, 5]
        let size = quiet ?? sizes[Int(generator.below(UInt64(sizes.count)))]
        let inflight = generator.below(2) == 0 ? 4 << 20 : 1000
        let appendMax = generator.below(2) == 0 ? 60 * 1024 : 150
        let chunk = generator.below(2) == 0 ? 256 << 10 : 200
        let founders = members ? 1 + Int(generator.below(UInt64(size))) : founders
        let catchUp = Int64(members ? 200 + generator.below(1200) : 600_000)
        let configure = { (configuration: inout RaftConfiguration) in
            configuration.catchUpTimeout = .milliseconds(catchUp)
            configuration.inflightBytesMax = inflight
            configuration.appendBytesMax = appendMax
            configuration.logChunkBytes = chunk
            configuration.probeInterval = .milliseconds(900)
        }
        var groups = [Cluster(size, founders: founders, configure: configure)]
        for _ in 0..<(quiet == nil ? generator.below(3) : 0) {
            groups.append(
                Cluster(size, founders: founders, besides: groups[0], configure: configure))
        }
        self.groups = groups
        for (number, group) in groups.enumerated() {
            group.isTracing = false
            group.walkEvery = 97
            for node in group.nodes {
                node.seed = seed + UInt64(number) * 7919
                node.clockOffset = Int64(generator.below(1_000_000_000_000))
                // drift / promise is 10 %: two clocks may differ by that much in rate.
                let slow = Int64(generator.below(3)) - 1
                node.clockRate = slow * 45_000
                if huntsLeases { node.clockRate = node.id.raw == 1 ? -45_000 : 45_000 }
                node.disk.restoredTail = generator.below(2) == 0 ? .max : 3
                if members { node.disk.keepsBaseMembers = generator.below(2) == 0 }
                node.boot = 0
                group.start(node)
            }
        }
        blocked = Array(repeating: false, count: 16 * 16)
        var faults = quiet == nil ? Faults(&generator) : Faults()
        if snapshots {
            faults.snapshotMilliseconds = 20 + generator.below(300)
            faults.snapshotDelayMilliseconds =
                1 + generator.below(generator.below(2) == 0 ? 5 : 150)
            faults.keptEntries = 1 + generator.below(20)
            faults.losesData = size >= 3 && generator.below(2) == 0
        }
        if members {
            faults.changeMilliseconds = 30 + generator.below(250)
            // Every set of voters stays whole without one of them.
            faults.losesData = faults.losesData && founders! >= 3
        }
        self.faults = faults
        self.generator = generator
    }

    var summary: String {
        groups.map { group in
            "seed \(seed) nodes \(group.nodes.count) committed \(group.oracle.commit)"
                + " term \(group.nodes.map(\.core.term).max()!) \(group.statistics)"
        }.joined(separator: "\n")
    }

    // MARK: Faults

    mutating func safetyPhase(milliseconds: Int) {
        for _ in 0..<milliseconds {
            for node in groups[0].nodes where node.replica == nil && generator.below(150) == 0 {
                start(node.id)
            }
            if groups[0].time >= nextFault {
                let pause = 2 * generator.below(faults.pauseMilliseconds)
                nextFault = groups[0].time + Int64(pause) * 1_000_000
                breakSomething()
            }
            step()
        }
    }

    /// Time passes without new faults.
    mutating func pass(milliseconds: Int) {
        for _ in 0..<milliseconds { step() }
    }

    /// Cuts one direction between two nodes.
    mutating func cut(_ source: NodeID, _ target: NodeID) {
        blocked[Int(source.raw) * 16 + Int(target.raw)] = true
    }

    /// Makes the slow clock lead, cuts it off at a random moment, and heals.
    mutating func cutOffSlowLeader() {
        let group = groups[0]
        for _ in 0..<(500 + generator.below(100)) {
            step()
            for node in group.nodes where node.core.role == .leader && node.id.raw != 1 {
                transfer(group, from: node, to: NodeID(1))
            }
        }
        isolate(NodeID(1), incoming: generator.below(2) == 0, outgoing: true)
        for _ in 0..<700 { step() }
        unblock()
    }

    private mutating func breakSomething() {
        let group = groups[Int(generator.below(UInt64(groups.count)))]
        let any = group.nodes[Int(generator.below(UInt64(group.nodes.count)))].id
        let leader = group.nodes.last { $0.core.role == .leader }?.id ?? any
        let victim = generator.below(3) == 0 ? any : leader
        let until = group.time + Int64(generator.below(700)) * 1_000_000
        switch generator.below(14) {
        case 0, 1, 2: unblock()
        case 3: isolate(victim, incoming: true, outgoing: true)
        case 4: isolate(victim, incoming: true, outgoing: false)
        case 5: isolate(victim, incoming: false, outgoing: true)
        case 6:
            for position in blocked.indices { blocked[position] = generator.below(4) == 0 }
        case 7, 8: crash(victim)
        case 9: for node in group.nodes { crash(node.id) }
        case 10: for group in groups { group.node(victim).pausedUntil = until }
        case 11: for group in groups { group.node(victim).loopPausedUntil = until }
        case 12: crash(any)
        default: transfer(group, from: group.node(leader), to: nil)
        }
    }

    func transfer(_ group: Cluster, from node: Node, to target: NodeID?) {
        group.turn(node) { replica, now, liveness, effects in
            _ = replica.core.transferLeadership(
                to: target, now: now, liveness: liveness, effects: &effects)
        }
    }

    func start(_ id: NodeID) {
        for group in groups { group.start(group.node(id)) }
    }

    mutating func crash(_ id: NodeID) {
        for group in groups {
            let node = group.node(id)
            guard node.replica != nil else { continue }
            group.crash(node, keeping: Int(generator.below(UInt64(node.disk.pending.count + 1))))
            if faults.losesData, generator.below(3) == 0 { damage(node, in: group) }
        }
    }

    /// The newest snapshot of a node, or all, or the newest entries can not be read any more; the other
    /// nodes of the group still have theirs.
    private mutating func damage(_ node: Node, in group: Cluster) {
        let isAlone = group.nodes.allSatisfy {
            $0.id == node.id || !group.oracle.newestMembers.contains($0.id)
                || !$0.disk.lacksEntries && ($0.disk.base == 0 || $0.disk.usableSnapshot != nil)
        }
        guard isAlone else { return }
        if generator.below(2) == 0, !node.disk.entries.isEmpty {
            node.disk.lose(1 + Int(generator.below(UInt64(node.disk.entries.count))))
        }
        if generator.below(3) == 0 { return }
        if generator.below(2) == 0 {
            node.disk.snapshots = []
        } else if !node.disk.snapshots.isEmpty {
            node.disk.snapshots.removeLast()
        }
    }

    mutating func unblock() {
        for position in blocked.indices { blocked[position] = false }
    }

    mutating func isolate(_ id: NodeID, incoming: Bool, outgoing: Bool) {
        unblock()
        for peer in groups[0].nodes {
            if incoming { blocked[Int(peer.id.raw) * 16 + Int(id.raw)] = true }
            if outgoing { blocked[Int(id.raw) * 16 + Int(peer.id.raw)] = true }
        }
    }

    // MARK: One millisecond

    mutating func step() {
        for group in groups { group.time += 1_000_000 }
        for group in groups {
            scheduleNetwork(of: group)
            deliverDue(in: group)
            for node in group.nodes where node.replica != nil {
                if node.pausedUntil <= group.time { step(node, of: group) }
            }
            group.oracle.checkLeases(in: group)
        }
    }

    private mutating func scheduleNetwork(of group: Cluster) {
        var scheduled: [Cluster.Envelope] = []
        for var envelope in group.network {
            guard envelope.deliverAt == 0 else {
                scheduled.append(envelope)
                continue
            }
            let isCut = blocked[Int(envelope.from.raw) * 16 + Int(envelope.to.raw)]
            if !isHealed, isCut || generator.below(100) < faults.dropPercent { continue }
            let delay = isHealed ? 1 : generator.below(faults.delayMilliseconds)
            envelope.deliverAt = group.time + Int64(delay) * 1_000_000
            scheduled.append(envelope)
            if !isHealed, generator.below(100) < faults.duplicatePercent {
                envelope.deliverAt += Int64(generator.below(400)) * 1_000_000
                scheduled.append(envelope)
            }
        }
        group.network = scheduled
    }

    private func deliverDue(in group: Cluster) {
        let due = group.network.filter { $0.deliverAt <= group.time }
        group.network.removeAll { $0.deliverAt <= group.time }
        for var envelope in due {
            let node = group.node(envelope.to)
            let wakes =
                !envelope.isLiveness
                ? max(node.pausedUntil, node.loopPausedUntil) : node.pausedUntil
            if wakes > group.time {
                envelope.deliverAt = wakes
                group.network.append(envelope)
            } else {
                group.deliver(envelope)
            }
        }
    }

    private mutating func step(_ node: Node, of group: Cluster) {
        if group.companion == nil, group.time >= node.nextPing {
            node.nextPing = group.time + 75_000_000
            for peer in node.members where peer != node.id {
                group.sendPing(from: node, to: peer)
            }
        }
        if node.loopPausedUntil > group.time { return }
        let delay = isHealed ? 2 : faults.syncDelayMilliseconds
        if !node.disk.pending.isEmpty, generator.below(delay) == 0 {
            group.sync(node, count: 1 + Int(generator.below(UInt64(node.disk.pending.count))))
        }
        if node.replica!.core.nextDeadline <= node.clock(group.time) { group.tick(node) }
        if !node.fetches.isEmpty, generator.below(5) == 0 {
            group.answerFetches(node, failing: !isHealed && generator.below(4) == 0)
        }
        if faults.snapshotMilliseconds > 0 { workOnSnapshots(of: node, in: group) }
        if node.core.role == .leader { work(on: node, of: group) }
        if faults.changeMilliseconds > 0 { workOnMembers(of: node, in: group) }
    }

    mutating func isDue(_ mean: UInt64) -> Bool { generator.below(mean) == 0 }

    private mutating func workOnSnapshots(of node: Node, in group: Cluster) {
        let delay = isHealed ? 5 : faults.snapshotDelayMilliseconds
        if node.writing != nil {
            if isDue(delay) { group.finishSnapshot(node) }
        } else if isDue(faults.snapshotMilliseconds), !node.core.needsSnapshot,
            node.applied > node.disk.snapshots.last?.index ?? 0
        {
            group.beginSnapshot(node)
        }
        if isDue(faults.snapshotMilliseconds) {
            let kept = generator.below(faults.keptEntries)
            group.compact(node, upTo: node.applied - min(node.applied, kept))
        }
        if !node.received.isEmpty, isDue(delay) {
            let (snapshot, sender) = node.received.removeFirst()
            // The process may die between making it durable and everything else.
            group.install(node, snapshot, from: sender)
        }
        sendSnapshots(from: node, in: group)
    }

    /// What a leader's host does for followers that need a snapshot.
    private mutating func sendSnapshots(from node: Node, in group: Cluster) {
        for peer in node.wanted {
            let floor = node.replica!.core.snapshotFloor(of: peer)
            if node.disk.snapshots.last?.index ?? 0 < floor, node.applied >= floor {
                group.beginSnapshot(node)
                group.finishSnapshot(node)
            }
            node.transfers.removeAll { $0.peer == peer }
            node.transfers.append((peer, group.time + 400_000_000))
            guard let snapshot = node.disk.snapshots.last else { continue }
            group.network.append(
                Cluster.Envelope(from: node.id, to: peer, payload: .snapshot(snapshot)))
        }
        node.wanted = []
        for transfer in node.transfers where transfer.deadline <= group.time {
            group.turn(node) { replica, _, _, _ in
                replica.core.snapshotFailed(at: transfer.peer)
            }
        }
        node.transfers.removeAll { $0.deadline <= group.time }
    }

    private mutating func work(on leader: Node, of group: Cluster) {
        if generator.below(10) == 0 {
            nextValue += 1
            group.propose(leader, Array("value \(nextValue)".utf8))
        }
        if generator.below(20) == 0 { group.beginRead(leader) }
        if generator.below(30) == 0 {
            leader.replica!.core.evictLog(toBytes: 100, applied: leader.core.commit)
        }
        if !isHealed, generator.below(300) == 0, let peer = leader.members.last {
            leader.replica!.core.linkUp(peer)
        }
    }

    /// A run that met none of what it is about proves nothing.
    func checkCoverage() {
        guard groups[0].nodes.count > 1 else { return }
        for group in groups {
            precondition(group.statistics.snapshots > 10, "seed \(seed): few snapshots")
        }
    }

    // MARK: Healing

    /// Everything heals: there must be leaders soon, and all logs must become equal.
    mutating func livenessPhase() {
        isHealed = true
        unblock()
        for node in groups[0].nodes where node.replica == nil { start(node.id) }
        for group in groups {
            for node in group.nodes {
                node.pausedUntil = 0
                node.loopPausedUntil = 0
            }
        }
        for _ in 0..<2500 { step() }
        if faults.changeMilliseconds > 0 { awaitChanges() }
        let lasts = groups.map { proposeLast(to: $0) }
        for _ in 0..<2500 { step() }
        for (group, last) in zip(groups, lasts) {
            for node in group.nodes where group.oracle.newestMembers.contains(node.id) {
                precondition(
                    node.core.commit >= last,
                    "seed \(seed): \(node.id) did not catch up with \(last):"
                        + " \(group.nodes.map(\.core))")
            }
        }
    }

    private func proposeLast(to group: Cluster) -> LogIndex {
        let leaders = group.nodes.filter { $0.core.role == .leader }
        precondition(
            leaders.count == 1,
            "seed \(seed): no single leader after healing: \(group.nodes.map(\.core))")
        guard case .appended(let index) = group.propose(leaders[0], Array("last".utf8)) else {
            preconditionFailure("seed \(seed): the leader refuses")
        }
        return index
    }
}
