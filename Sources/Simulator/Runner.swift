/// Runs seeds and scenarios, twice where asked, and says where two runs of one seed part.
public enum Runner {
    /// Plays a seed; with `twice`, a second time to compare the end states. A difference means that
    /// something in the code under test does not follow from the seed.
    ///
    /// - Parameter options: instead of those that the seed draws.
    public static func run(
        seed: UInt64, options: SwarmOptions? = nil, twice: Bool, trace: ((String) -> Void)? = nil
    ) -> Report {
        let first = Simulation(seed: seed, options: options, trace: trace).run()
        guard twice else { return first }
        return compare(first, Simulation(seed: seed, options: options).run())
    }

    /// Plays a scenario, likewise.
    public static func run(
        _ scenario: Scenario, seed: UInt64, twice: Bool, trace: ((String) -> Void)? = nil
    ) -> Report {
        let first = scenario.run(seed: seed, trace: trace)
        guard twice else { return first }
        return compare(first, scenario.run(seed: seed))
    }

    private static func compare(_ first: Report, _ second: Report) -> Report {
        guard first.traceHash != second.traceHash || first.events != second.events else {
            return first
        }
        var report = first
        report.violations.append(
            Violation(
                "determinism",
                "two runs of one seed ended differently: \(first.events) events, trace "
                    + "\(String(first.traceHash, radix: 16)); \(second.events) events, trace "
                    + String(second.traceHash, radix: 16)))
        return report
    }
}
