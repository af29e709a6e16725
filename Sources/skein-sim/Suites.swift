import Glibc
import Simulator

// The directed suites: what they do, trial by trial, and their tables. Each says at the end whether
// everything that was asked for really happened.

extension Session {
    /// Flips bits at one kind of place, or at all of them.
    mutating func playDamage(at places: [DamagePlace], isWhole: Bool, count: Int, nodes: [Int]) {
        var suite = DamageSuite()
        let (commit, first) = (commit, firstSeed)
        print(DamageSuite.heading)
        for nodes in nodes {
            for place in places {
                let times = place == .anywhere && isWhole ? 10 * count : count
                let replay =
                    "skein-sim \(first) --damage \(place) --seeds \(times) --nodes \(nodes)"
                CrashNotice.prepare(
                    "skein-sim: crashed; replay with: \(replay)\nskein-sim: seed=\(first) commit=\(commit)\n"
                )
                suite.run(place, nodes: nodes, count: times, from: first, trace: sink) {
                    seed, result in
                    guard !result.report.isClean else { return }
                    tell(
                        result.report,
                        replay: "skein-sim \(seed) --damage \(place) --nodes \(nodes)")
                }
                print(suite.lastLine)
                fflush(nil)
            }
        }
        print("faults: \(suite.faults.summary)")
        print(
            "snapshots: written=\(suite.snapshotsWritten) loaded=\(suite.snapshotsLoaded) installed=\(suite.snapshotsInstalled)"
        )
        noteFailures(suite.failures)
        if isWhole { demand(suite.missing) }
    }

    /// Ends processes at chosen moments.
    mutating func playCrashes(count: Int) {
        var suite = CrashSuite()
        var seed = firstSeed
        while suite.total < count, seed < firstSeed &+ UInt64(count) {
            CrashNotice.prepare(
                "skein-sim: crashed; replay with: skein-sim \(seed) --crashes 1\nskein-sim: seed=\(seed) commit=\(commit)\n"
            )
            let result = suite.run(seed: seed, trace: sink)
            if !result.report.isClean {
                tell(result.report, replay: "skein-sim \(seed) --crashes 1")
            }
            seed += 1
        }
        print("crashes=\(suite.total) runs=\(seed - firstSeed) failures=\(suite.failures.count)")
        print("moments: \(suite.summary)")
        print("faults: \(suite.faults.summary)")
        noteFailures(suite.failures.count)
        if count > 1 { demand(suite.missing.map { "a crash at \($0)" }) }
    }

    private mutating func demand(_ missing: [String]) {
        guard !missing.isEmpty else { return }
        print("FAILED: asked for and never happened: \(missing.joined(separator: ", "))")
        noteFailures(1)
    }
}
