public import Bytes
internal import Engine

/// Everything that differs between runs, drawn from the seed: a run uses a few options at their
/// extremes rather than all at their average (swarm testing, Groce et al. 2012).
public struct SwarmOptions: Sendable {
    /// Founders of the cluster.
    public var nodes = 3
    /// Further machines, that wait to be met.
    public var spares = 0
    public var groups = 1
    public var clients = 4
    public var readLease = true
    /// Followers answer reads themselves.
    public var followerReads = false

    public var network = NetworkOptions()
    public var disk = DiskOptions()
    public var client = ClientOptions()
    public var faults = FaultOptions()

    /// How long faults go on, and how long the cluster then has to be whole again.
    public var safety = Interval.seconds(20)
    public var healing = Interval.seconds(20)

    /// `election-timeout`, which is also the promise of pair liveness.
    public var electionTimeout = Interval.milliseconds(300)
    public var heartbeat = Interval.milliseconds(75)
    public var requestTimeout = Interval.seconds(5)
    /// `queue-wait-limit`: so short in some runs that commands are refused for it.
    public var queueWaitLimit = Interval.milliseconds(300)
    /// `raft-log-cache`: small, so that entries are read back from the disk.
    public var logCacheBytes = 64 << 20
    public var segmentBytes = 1 << 20
    /// `wal-max-size`: small in some runs, so that snapshots are written and logs cut.
    public var walMaxSize = 1 << 30
    /// `once-max-size` and `once-timeout`: small in some runs, so that sessions are let go.
    public var onceMaxSize = 32 << 20
    public var onceTimeout = Interval.milliseconds(3_600_000)

    /// `maxmemory`: so small in some runs that commands are refused for it. 0: none.
    public var maxMemory = 0
    /// Limits within the engine, small in some runs, so that what happens at them happens often.
    var limits = NodeLimits()
    /// Some nodes begin with an older program, and are upgraded.
    public var mixesVersions = false

    /// Boot clocks run fast or slow by at most this. Two clocks may differ in rate by drift / promise
    /// (a tenth) before leases are unsafe, so each may be off by less than half of that.
    public var clockRatePPM = 0
    /// `leader-priority` of each node, from the first; none: all as usual.
    public var priorities: [Int] = []
    /// Wall clocks differ by up to this many milliseconds.
    public var wallOffset = 0

    /// Frames can be told apart and set aside, though no chance is given to do so.
    public var interposes = false

    /// How long a turn takes.
    public var turn: ClosedRange<Interval> = .microseconds(5) ... .microseconds(100)

    public var workloads: [WorkloadKind] = [.register, .list, .counter]
    /// Chance that a register's value is large, and how large.
    public var largeChance = 0.0
    public var largeBytesMax = 1

    public init() {}

    /// Draws the options of a run.
    public init(seed: UInt64) {
        var random = SeededGenerator(seed: seed ^ 0x0b71_0b71)
        nodes = random.pick([1, 3, 3, 3, 3, 5])
        groups = random.pick([1, 1, 2, 3, 4])
        clients = random.integer(2...8)
        readLease = random.happens(0.6)
        electionTimeout = random.pick([.milliseconds(150), .milliseconds(300), .seconds(1)])
        heartbeat = Interval(nanoseconds: electionTimeout.nanoseconds / 4)
        requestTimeout = random.pick([.seconds(1), .seconds(3), .seconds(5)])
        logCacheBytes = random.pick([16 << 10, 256 << 10, 64 << 20])
        segmentBytes = random.pick([32 << 10, 64 << 10, 256 << 10])
        walMaxSize = random.pick([64 << 10, 128 << 10, 256 << 10, 1 << 30])
        clockRatePPM = random.pick([0, 200, 5000, 40_000])
        wallOffset = random.pick([0, 500, 60_000])
        if random.happens(0.2) { turn = .microseconds(5) ... .milliseconds(20) }
        safety = .seconds(Int64(random.integer(8...25)))
        drawNetwork(&random)
        disk = DiskOptions(&random)
        // A vote is four syncs one after the other: of the log and the copy of the small state, at the
        // candidate and then at a voter. No timeout below that elects anybody.
        let vote = Interval(nanoseconds: 4 * disk.sync.upperBound.nanoseconds)
        if electionTimeout < vote {
            electionTimeout = .milliseconds(300)
            heartbeat = Interval(nanoseconds: electionTimeout.nanoseconds / 4)
        }
        drawClients(&random)
        faults = FaultOptions(&random, nodes: nodes)
        // Drawn last: what came earlier in the life of the simulator is as it was.
        if random.happens(0.3) { disk.mode = random.pick([.everysec, .no]) }
        if random.happens(0.3), !faults.disasters.isEmpty { faults.disasters.append(.fullDisk) }
        followerReads = random.happens(0.35)
        if random.happens(0.4), nodes > 1, disk.mode == .always, !faults.disasters.isEmpty {
            faults.disasters.append(.bitRot)
            disk.repairCut = random.pick([0, 0.3])
        }
        if random.happens(0.5) {
            workloads.append(.once)
            onceMaxSize = random.pick([32 << 20, 4 << 10, 16 << 10])
            onceTimeout = random.pick([.seconds(3600), .seconds(3600), .seconds(2)])
        }
        if random.happens(0.3) {
            queueWaitLimit = random.pick([.milliseconds(1), .milliseconds(20)])
        }
        if random.happens(0.3), nodes > 1 {
            priorities = (0..<nodes).map { _ in random.pick([0, 100, 100, 500]) }
        }
        if random.happens(0.4), disk.mode == .always, !faults.disasters.isEmpty,
            !faults.disasters.contains(.bitRot)
        {
            spares = random.pick([1, 2, 2])
            faults.disasters += [.join, .forget, .wipe]
            // Often enough that something is under way most of the time.
            if random.happens(0.5) { faults.disasters += [.join, .forget, .wipe] }
        }
        // A generator of their own: what comes later here leaves the rest as it is.
        var later = SeededGenerator(seed: seed ^ 0x5eed_5eed)
        drawLimits(&later)
        drawNodes(&later)
        mixesVersions = later.happens(0.3)
        drawCuts(&later)
    }

    /// Links that are cut in part: a pair of nodes, one direction, any graph.
    private mutating func drawCuts(_ random: inout SeededGenerator) {
        guard nodes > 2, !faults.disasters.isEmpty else { return }
        for disaster in [FaultOptions.Disaster.cutPair, .cutOneWay, .cutGraph]
        where random.happens(0.3) {
            faults.disasters.append(disaster)
        }
    }

    /// Sizes that are rarer than those drawn before: even ones, and up to seven.
    private mutating func drawNodes(_ random: inout SeededGenerator) {
        guard random.happens(0.3) else { return }
        nodes = random.pick([2, 4, 5, 6, 7])
        if !priorities.isEmpty { priorities = (0..<nodes).map { _ in random.pick([0, 100, 500]) } }
        // A minority of one or two is nobody.
        if nodes < 3 { faults.disasters.removeAll { $0 == .bitRot } }
    }

    private mutating func drawLimits(_ random: inout SeededGenerator) {
        if random.happens(0.15) {
            requestTimeout = random.pick([.milliseconds(100), .milliseconds(400)])
        }
        if random.happens(0.15) { segmentBytes = random.pick([4 << 10, 8 << 10]) }
        if random.happens(0.1) { maxMemory = random.pick([2000, 20_000]) }
        guard random.happens(0.5) else { return }
        func draw(_ limit: WritableKeyPath<NodeLimits, Int>, _ sizes: [Int]) {
            if random.happens(0.35) { limits[keyPath: limit] = random.pick(sizes) }
        }
        draw(\.batchBytes, [1, 200, 4000])
        draw(\.inlineCommandBytes, [60, 1000])
        draw(\.fragmentBytes, largeChance > 0 ? [2000, 9000] : [20, 300])
        draw(\.fragmentWindowBytes, [1, 5000, 100_000])
        draw(\.queueBytes, [1, 1000, 20_000])
        draw(\.sessionInFlight, [1, 2, 8])
        draw(\.sessionBytesPerTurn, [1, 300])
        draw(\.applyBytesPerTurn, [1, 200, 4000])
        draw(\.applyReadBytes, [1, 2000])
        draw(\.snapshotPieceBytes, [200, 3000])
        draw(\.snapshotWindowBytes, [1, 2000, 50_000])
        draw(\.snapshotBytesPerTurn, [1, 500])
        draw(\.appendBytes, [1, 500, 5000])
        draw(\.inflightBytes, [1, 2000, 100_000])
        draw(\.uncommittedBytes, [1, 2000, 100_000])
        draw(\.logChunkBytes, [300, 4000])
    }

    /// What must come about in some of the runs that ask for it, beside the disasters.
    public var asked: [Fault] {
        var asked: [Fault] = []
        func ask(_ fault: Fault, if isAsked: Bool) { if isAsked { asked.append(fault) } }
        let isCluster = nodes > 1
        ask(.delayed, if: isCluster && network.spikeChance > 0)
        ask(.livenessDropped, if: isCluster && network.livenessLoss > 0)
        ask(.livenessDuplicated, if: isCluster && network.livenessDuplicate > 0)
        ask(.frameDropped, if: isCluster && network.frames.drop > 0)
        ask(.frameDuplicated, if: isCluster && network.frames.duplicate > 0)
        ask(.frameReordered, if: isCluster && network.frames.reorder > 0)
        ask(.readFailed, if: disk.readFailure > 0)
        ask(.memoryRefused, if: maxMemory > 0)
        ask(.healedCore, if: nodes > 2)
        ask(.upgraded, if: mixesVersions)
        ask(.versionsMixed, if: mixesVersions && isCluster)
        ask(.versionRaised, if: mixesVersions)
        return asked
    }

    func priority(of node: Int) -> Int {
        node <= priorities.count ? priorities[node - 1] : 100
    }

    /// The options of a seed, but with another `appendfsync`, and with machines that go down often.
    public init(seed: UInt64, appendfsync mode: SyncMode) {
        self.init(seed: seed)
        disk.mode = mode
        // A directory may be lost only where a majority of the others has all of it.
        spares = 0
        faults.disasters.removeAll { [.join, .forget, .wipe].contains($0) }
        // As where it is drawn: a log that was cut and two that lack what was not synced are more than five
        // nodes survive.
        if mode != .always { faults.disasters.removeAll { $0 == .bitRot } }
        for disaster in [
            FaultOptions.Disaster.powerCut, .powerCutEverywhere, .kill, .isolateLeader,
        ]
        where !faults.disasters.contains(disaster) {
            faults.disasters.append(disaster)
        }
    }

    private mutating func drawNetwork(_ random: inout SeededGenerator) {
        network.delay = random.pick([
            .microseconds(20) ... .microseconds(200),
            .microseconds(100) ... .milliseconds(3),
            .milliseconds(1) ... .milliseconds(20),
        ])
        if random.happens(0.4) { network.spikeChance = 0.01 }
        if random.happens(0.4) { network.livenessLoss = random.pick([0.01, 0.1, 0.3]) }
        if random.happens(0.3) { network.livenessDuplicate = 0.05 }
        if random.happens(0.35) {
            network.frames = FrameFaults(
                drop: random.pick([0, 0.002, 0.02]), duplicate: random.pick([0, 0.01, 0.1]),
                reorder: random.pick([0, 0.01, 0.1]))
        }
        network.splitChance = random.pick([0, 0.05, 0.5])
        network.windowBytes = random.pick([8 << 10, 256 << 10])
    }

    private mutating func drawClients(_ random: inout SeededGenerator) {
        client.pipelineMax = random.pick([1, 1, 4, 16])
        client.think = random.pick([
            .milliseconds(0) ... .milliseconds(5), .milliseconds(0) ... .milliseconds(50),
        ])
        client.hangUpChance = random.pick([0, 0, 0.01])
        client.moveChance = random.pick([0, 0.02, 0.2])
        workloads = WorkloadKind.drawnFirst.filter { _ in random.happens(0.6) }
        if workloads.isEmpty { workloads = [.register, .list] }
        if random.happens(0.25) {
            largeChance = 0.03
            largeBytesMax = random.pick([10_000, 100_000, 400_000])
        }
    }

    /// One line that tells the runs apart.
    public var summary: String {
        "nodes=\(nodes)+\(spares) groups=\(groups) clients=\(clients) appendfsync=\(disk.mode.rawValue) lease=\(readLease ? "yes" : "no") "
            + "near=\(followerReads ? "yes" : "no") "
            + (priorities.isEmpty
                ? "" : "priorities=\(priorities.map { "\($0)" }.joined(separator: ",")) ")
            + (mixesVersions ? "versions=mixed " : "")
            + (maxMemory > 0 ? "maxmemory=\(maxMemory) " : "")
            + (limits == NodeLimits() ? "" : "limits=\(limits.summary) ")
            + "request=\(requestTimeout.milliseconds)ms election=\(electionTimeout.milliseconds)ms pipeline=\(client.pipelineMax) "
            + "queue=\(queueWaitLimit.milliseconds)ms once=\(onceMaxSize),\(onceTimeout.milliseconds)ms "
            + "cache=\(logCacheBytes) wal=\(walMaxSize) segment=\(segmentBytes) ppm=\(clockRatePPM) "
            + "workloads=\(workloads.map { "\($0)" }.joined(separator: ",")) "
            + "faults=\(faults.summary)"
    }
}

/// The workloads that a run may mix.
public enum WorkloadKind: CaseIterable, Sendable {
    case register, expiry, list, counter, multiKey, churn, once

    /// Those that a seed draws before everything that came later.
    static let drawnFirst: [WorkloadKind] = [
        .register, .expiry, .list, .counter, .multiKey, .churn,
    ]

    /// Makes the workload for a run with `options`.
    public func make(_ options: SwarmOptions) -> any Workload {
        switch self {
        case .register:
            RegisterWorkload(
                keys: 4, largeChance: options.largeChance, largeBytesMax: options.largeBytesMax)
        case .expiry: RegisterWorkload(keys: 3, expiring: true)
        case .list: ListWorkload(keys: 4)
        case .counter: CounterWorkload(keys: 4)
        case .multiKey: MultiKeyWorkload(keys: 3)
        case .churn: ChurnWorkload(keys: 5)
        case .once: OnceWorkload(keys: 4)
        }
    }
}
