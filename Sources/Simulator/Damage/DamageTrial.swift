internal import Bytes
internal import WAL

/// One flipped bit on one node of a small cluster under load, at a chosen kind of place: the node is
/// killed, the bit flips, it starts again, the load goes on, and in the end all are compared.
///
/// On a single node: it refuses to start, with a text that says where and what to do; or the bit is in
/// nobody's way.
public enum DamageTrial {
    /// How a flip ended.
    public enum Ending: String, CaseIterable, Sendable {
        /// The log was cut and what was lost came from the peers.
        case repaired
        /// Snapshots stood for it; or a snapshot was put aside for another, or for the log.
        case passed
        /// It was where nothing is read, or was written over.
        case harmless
        /// A single node did not start.
        case refused
    }

    public struct Result: Sendable {
        public var report: Report
        /// Nil when something was found, or there was no such place.
        public var ending: Ending?
    }

    public static func options(nodes: Int, seed: UInt64) -> SwarmOptions {
        var random = SeededGenerator(seed: seed ^ 0xda3a_9e00)
        var options = SwarmOptions()
        options.nodes = nodes
        options.groups = random.integer(1...2)
        options.clients = 4
        options.client.pipelineMax = 4
        options.client.think = .milliseconds(0) ... .milliseconds(20)
        options.workloads = [.register, .list, .counter]
        options.faults = FaultOptions()
        options.readLease = random.happens(0.5)
        // Small, so that snapshots are written, files used again, and old entries read back.
        options.segmentBytes = random.pick([16 << 10, 32 << 10])
        options.walMaxSize = random.pick([64 << 10, 128 << 10])
        options.logCacheBytes = random.pick([16 << 10, 64 << 20])
        options.disk.repairCut = random.pick([0, 0.5])
        return options
    }

    /// - Parameter nodes: 1, or a cluster.
    public static func run(
        at place: DamagePlace, nodes: Int = 3, seed: UInt64, trace: ((String) -> Void)? = nil
    ) -> Result {
        let simulation = Simulation(
            seed: seed, options: options(nodes: nodes, seed: seed), trace: trace)
        let stage = Stage(simulation)
        var ending: Ending?
        do throws(ScenarioError) {
            try stage.boot()
            stage.releaseClients(1...simulation.clients.count - 1)
            let victim = try damage(stage, at: place)
            ending = try see(stage, victim)
            if ending != .refused { try settle(stage) }
        } catch {
            simulation.fail(error.isPrecondition ? "precondition" : "trial", error.text)
        }
        let report = finish(simulation, isJudged: ending != .refused)
        return Result(report: report, ending: report.isClean ? ending : nil)
    }

    /// Where it ended early, the histories have no end that could be judged.
    static func finish(_ simulation: Simulation, isJudged: Bool = true) -> Report {
        let found = simulation.foundSoFar
        var report = simulation.finish()
        if !found.isEmpty || !isJudged { report.violations = found }
        return report
    }

    /// Kills a node under load at a moment when its files have such a place, and flips a bit there.
    private static func damage(_ stage: Stage, at place: DamagePlace) throws(ScenarioError) -> Int {
        let simulation = stage.simulation
        var victim = 1
        for attempt in 0..<40 {
            if attempt % 4 < 2 {
                victim = simulation.faultRandom.integer(simulation.nodeNumbers)
                stage.pass(
                    simulation.faultRandom.interval(.milliseconds(300) ... .milliseconds(2500)))
            } else {
                // What is written by a start is soon given up.
                stage.pass(simulation.faultRandom.interval(.milliseconds(5) ... .milliseconds(300)))
            }
            stage.kill(victim)
            if simulation.flip(victim, at: place) { return victim }
            stage.start(victim)
        }
        throw .precondition("no node has a place of the kind \(place)")
    }

    private static func see(_ stage: Stage, _ victim: Int) throws(ScenarioError) -> Ending {
        let simulation = stage.simulation
        let isSingle = simulation.options.nodes == 1
        stage.pass(simulation.faultRandom.interval(.milliseconds(1) ... .milliseconds(800)))
        let before = simulation.counts
        if isSingle { simulation.expectsRefusal = victim }
        stage.start(victim)
        if isSingle, let refusal = refusal(of: victim, in: simulation) {
            try stage.expect(
                refusal.contains("wal-") || refusal.contains(".snap"),
                "the refusal does not say where: \(refusal)")
            return .refused
        }
        // A start that was cut short comes again by itself.
        let isUp = simulation.advance(within: .seconds(30)) { simulation.nodes[victim].isUp }
        try stage.expect(isUp, "the node does not start")
        stage.pass(simulation.faultRandom.interval(.milliseconds(300) ... .milliseconds(1500)))
        if isSingle, let refusal = refusal(of: victim, in: simulation) {
            try stage.expect(refusal.contains("lost"), "a strange end: \(refusal)")
            return .refused
        }
        if simulation.counts[.logCut] > before[.logCut] { return .repaired }
        let passed = [Fault.damagePassed, .snapshotDamaged].contains {
            simulation.counts[$0] > before[$0]
        }
        return passed ? .passed : .harmless
    }

    private static func refusal(of node: Int, in simulation: Simulation) -> String? {
        guard !simulation.nodes[node].isUp else { return nil }
        return simulation.nodes[node].refusal
    }

    /// All ends well, and on the disks nothing is left that keeps a node from starting.
    static func settle(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        simulation.expectsRefusal = nil
        guard simulation.foundSoFar.isEmpty else { return }
        simulation.healAndSettle()
        guard simulation.foundSoFar.isEmpty else { return }
        for number in simulation.nodeNumbers {
            let report = WALCheck.check(DiskSource(disk: simulation.nodes[number].disk))
            if let refusal = report.refusal {
                throw .broken("node \(number) would not start again: \(refusal)")
            }
        }
        try stage.expect(
            simulation.counts[.logCut] == 0 || simulation.counts[.repaired] > 0,
            "a log was cut and never whole again")
    }
}
