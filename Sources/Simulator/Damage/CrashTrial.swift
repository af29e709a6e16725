internal import Bytes
internal import WAL

/// At what a process is when it is killed, or its machine goes down.
public enum CrashMoment: String, CaseIterable, Sendable {
    /// A snapshot is being written; one comes from a peer, or has come and is not loaded yet.
    case snapshot, install
    /// The record that cuts a group's log is on its way to the disk.
    case compaction
    /// A new segment's first batch is on its way to the disk.
    case rotation
    /// Started, and its first batch is not durable.
    case recovery
    /// A snapshot is becoming a state.
    case loading
    /// A damaged log is being cut; the peers are giving back what was lost.
    case repair, underRepair

    /// Whether a node without peers can be at that.
    var needsPeers: Bool { self == .install || self == .repair || self == .underRepair }
}

/// A small cluster under load, in which one node after the other ends at such a moment, by kill -9 or by
/// loss of power, and starts again.
public enum CrashTrial {
    public struct Result: Sendable {
        public var report: Report
        /// How many processes really ended at that.
        public var hits: [CrashMoment: Int] = [:]
    }

    public static func options(seed: UInt64) -> SwarmOptions {
        var random = SeededGenerator(seed: seed ^ 0xc4a5_4000)
        var options = DamageTrial.options(nodes: random.pick([1, 3, 3, 3]), seed: seed)
        options.disk.repairCut = 0
        options.disk.survival = random.pick([0, 0.5, 0.9])
        // Some snapshots of several pieces, so that they take a while.
        options.largeChance = 0.05
        options.largeBytesMax = 100_000
        return options
    }

    public static func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> Result {
        let simulation = Simulation(seed: seed, options: options(seed: seed), trace: trace)
        let stage = Stage(simulation)
        var hits: [CrashMoment: Int] = [:]
        do throws(ScenarioError) {
            try stage.boot()
            stage.releaseClients(1...simulation.clients.count - 1)
            var moments = CrashMoment.allCases.filter {
                simulation.options.nodes > 1 || !$0.needsPeers
            }
            moments.shuffle(using: &simulation.faultRandom)
            for moment in moments where simulation.foundSoFar.isEmpty {
                hits[moment] = try strike(stage, moment)
            }
            simulation.repairCut = 0
            if simulation.foundSoFar.isEmpty { try DamageTrial.settle(stage) }
        } catch {
            simulation.fail(error.isPrecondition ? "precondition" : "trial", error.text)
        }
        return Result(report: DamageTrial.finish(simulation), hits: hits)
    }

    /// Ends a node at that, up to three times in a row, and starts it again.
    /// - Returns: how often it did.
    private static func strike(_ stage: Stage, _ moment: CrashMoment) throws(ScenarioError) -> Int {
        let simulation = stage.simulation
        let victim = simulation.faultRandom.integer(simulation.nodeNumbers)
        try awaitHealth(stage)
        var hits = 0
        for _ in 1...simulation.faultRandom.integer(1...3) {
            let cuts = simulation.counts[.repairCut]
            prepare(stage, victim, moment)
            if moment == .repair {
                hits += simulation.counts[.repairCut] - cuts
                continue
            }
            let isHit = simulation.advance(within: .seconds(6)) {
                isAt(moment, simulation.nodes[victim]) && simulation.faultRandom.happens(0.3)
            }
            guard simulation.foundSoFar.isEmpty else { return hits }
            if isHit { hits += 1 }
            stage.kill(victim, powerCut: simulation.faultRandom.happens(0.5))
        }
        stage.pass(simulation.faultRandom.interval(.milliseconds(1) ... .milliseconds(300)))
        stage.start(victim)
        stage.pass(simulation.faultRandom.interval(.milliseconds(100) ... .milliseconds(600)))
        return hits
    }

    /// Brings the node to where the moment is near. It is up afterwards, unless it is cut short at once.
    private static func prepare(_ stage: Stage, _ victim: Int, _ moment: CrashMoment) {
        let simulation = stage.simulation
        let node = simulation.nodes[victim]
        switch moment {
        case .snapshot, .compaction, .rotation:
            stage.start(victim)
        case .recovery, .loading:
            if node.isUp { stage.kill(victim) }
            stage.start(victim)
        case .install:
            if node.isUp { stage.kill(victim) }
            // Until the others have cut their logs.
            stage.pass(.seconds(3))
            stage.start(victim)
        case .repair, .underRepair:
            simulation.repairCut = moment == .repair ? 1 : 0
            if node.isUp { stage.kill(victim) }
            // A second bit before the first is dealt with would be one fault too many.
            if node.damage == nil {
                _ = simulation.flip(
                    victim,
                    at: simulation.faultRandom.pick([.lastBatch, .vote, .entries, .batchHeader]))
            }
            stage.start(victim)
        }
    }

    private static func isAt(_ moment: CrashMoment, _ node: SimulatedNode) -> Bool {
        guard let process = node.process else { return false }
        return switch moment {
        case .snapshot: node.snapshots.hasPart
        case .install: node.snapshots.hasIncoming || process.isInstalling
        case .compaction: process.cutBatch > process.log.syncedBatch
        case .rotation: process.log.isOpening
        case .recovery: process.log.syncedBatch == 0
        case .loading: process.isLoading
        case .repair: false
        case .underRepair: process.isUnderRepair
        }
    }

    /// All are up and whole: the next misfortune meets one node only.
    private static func awaitHealth(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        simulation.repairCut = 0
        for node in stage.nodes { stage.start(node) }
        try stage.wait("all nodes to be whole", within: .seconds(20)) {
            for node in stage.nodes { simulation.considerWhole(node) }
            return stage.nodes.allSatisfy {
                let node = simulation.nodes[$0]
                return node.damage == nil && node.process?.isUnderRepair == false
                    && node.process?.hasStates == true
            }
        }
    }
}
