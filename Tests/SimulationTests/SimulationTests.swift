import Simulator
import Testing

/// Whole clusters from fixed seeds. A seed that once showed a bug stays in the list.
@Suite struct `Fixed seeds` {
    static let seeds: [UInt64] = Array(1...12)

    @Test(arguments: seeds)
    func `a run breaks no promise and ends the same when it is played twice`(seed: UInt64) {
        let report = Runner.run(seed: seed, twice: seed <= 4)
        #expect(report.isClean, "\(report.violations) \(report.options); replay: skein-sim \(seed)")
    }
}

@Suite struct `Named scenarios` {
    @Test(arguments: Scenario.all.map(\.name))
    func `the scenario takes place and nothing goes wrong`(name: String) throws {
        let scenario = try #require(Scenario.named(name))
        let report = Runner.run(scenario, seed: 1, twice: false)
        #expect(report.isClean, "\(report.violations); replay: skein-sim 1 --scenario \(name)")
    }

    @Test func `names are unique`() {
        let names = Scenario.all.map(\.name).sorted()
        for (one, other) in zip(names, names.dropFirst()) { #expect(one != other) }
    }
}
