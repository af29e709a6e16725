internal import Bytes

/// A named course of events that once was, or might be, a bug: played by hand on a small cluster,
/// with a check that what it is about really happened.
public struct Scenario: Sendable {
    public let name: String
    /// One sentence for `--list`.
    public let summary: String
    /// It takes some seconds of a processor, and a minute without optimisation: tests leave it to `skein-sim`.
    public let isLong: Bool
    let options: @Sendable () -> SwarmOptions
    let play: @Sendable (Stage) throws(ScenarioError) -> Void

    init(
        _ name: String, _ summary: String, isLong: Bool = false,
        options: @escaping @Sendable () -> SwarmOptions = Scenario.threeNodes,
        play: @escaping @Sendable (Stage) throws(ScenarioError) -> Void
    ) {
        self.name = name
        self.summary = summary
        self.isLong = isLong
        self.options = options
        self.play = play
    }

    /// All scenarios, in the order in which they are listed and run.
    public static let all: [Scenario] =
        readScenarios + leaseScenarios + forwardingScenarios + largeAnswerScenarios
        + durabilityScenarios + snapshotScenarios + membershipScenarios + rolledBackScenarios
        + livenessScenarios + electionScenarios + logScenarios + relaxedScenarios
        + overtakingScenarios + turnScenarios + clockScenarios + graphScenarios

    public static func named(_ name: String) -> Scenario? { all.first { $0.name == name } }

    /// Plays the scenario; a check that failed or a precondition that did not come about is a
    /// violation in the report.
    public func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> Report {
        let simulation = Simulation(seed: seed, options: options(), trace: trace)
        let stage = Stage(simulation)
        do throws(ScenarioError) {
            try stage.boot()
            try play(stage)
            stage.dismissClients()
            for precondition in simulation.met where precondition.times == 0 {
                throw ScenarioError.precondition("there were no \(precondition.what)")
            }
            if simulation.met.isEmpty { throw ScenarioError.precondition("it counts nothing") }
            if simulation.foundSoFar.isEmpty { simulation.healAndSettle() }
        } catch {
            simulation.fail(error.isPrecondition ? "precondition" : "scenario", error.text)
        }
        return simulation.finish()
    }

    /// Three quiet nodes, one group; clients are driven by hand.
    static func threeNodes() -> SwarmOptions {
        var options = SwarmOptions()
        options.clients = 6
        options.workloads = [.register, .list, .counter]
        options.faults = FaultOptions()
        options.interposes = true
        options.client.patience = .seconds(60)
        // Recovery reads a segment to its end: small ones keep the many restarts quick.
        options.segmentBytes = 64 << 10
        return options
    }

    static func threeNodes(lease: Bool) -> SwarmOptions {
        var options = threeNodes()
        options.readLease = lease
        return options
    }
}

/// Why a scenario ended early.
struct ScenarioError: Error {
    let text: String
    /// What the scenario is about did not happen, so it proved nothing.
    let isPrecondition: Bool

    static func precondition(_ text: String) -> ScenarioError {
        ScenarioError(text: text, isPrecondition: true)
    }

    static func broken(_ text: String) -> ScenarioError {
        ScenarioError(text: text, isPrecondition: false)
    }
}
