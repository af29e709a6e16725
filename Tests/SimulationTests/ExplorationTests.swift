import Simulator
import Testing

/// The beginnings of what `skein-sim --explore all` explores.
@Suite struct `Small models` {
    static let depth = 3

    @Test(arguments: Exploration.situations)
    func `no course of events breaks a promise`(situation: String) throws {
        let result = try #require(Exploration.run(situation, depth: .exactly(Self.depth)))
        let path = result.path.joined(separator: "; ")
        #expect(result.violation == nil, "\(result.violation ?? ""): \(path)")
        #expect(result.reached == Self.depth)
        #expect(result.states > 30, "hardly anything can happen: \(result.states) states")
    }

    @Test func `what is explored contains what it is about`() throws {
        let lease = try #require(Exploration.run("lease", depth: .quick, statesMax: 300))
        #expect(lease.occurrences[Occurrence.leaseHeld.rawValue] > 0)
        #expect(lease.occurrences[Occurrence.leaseChallenged.rawValue] > 0)
        let transfer = try #require(Exploration.run("transfer", depth: .quick, statesMax: 600))
        #expect(transfer.occurrences[Occurrence.handOver.rawValue] > 0)
    }

    @Test func `the same is explored each time`() throws {
        let one = try #require(Exploration.run("removal", depth: .exactly(3)))
        let other = try #require(Exploration.run("removal", depth: .exactly(3)))
        #expect(one.states == other.states && one.steps == other.steps)
        #expect(one.reached == 3)
    }
}
