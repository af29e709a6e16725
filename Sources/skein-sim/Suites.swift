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
            for place in places where !(untilFailure && suite.failures > 0) {
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
        while suite.total < count, seed < firstSeed &+ UInt64(count),
            !(untilFailure && !suite.failures.isEmpty)
        {
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

    /// Explores situations of a small group.
    mutating func explore(
        _ situations: [String], depth: Exploration.Depth, statesMax: Int
    ) {
        var table = ExplorationTable()
        print(ExplorationTable.heading)
        for name in situations {
            CrashNotice.prepare(
                "skein-sim: crashed; replay with: skein-sim --explore \(name)\nskein-sim: commit=\(commit)\n"
            )
            let began = Clock.seconds
            guard let result = Exploration.run(name, depth: depth, statesMax: statesMax) else {
                continue
            }
            print(table.line(of: result, seconds: Clock.seconds - began))
            fflush(nil)
            guard let violation = result.violation else { continue }
            noteFailures(1)
            print("  exploration: \(violation)")
            for line in result.path { print("  | \(line)") }
            print("  replay with: skein-sim --explore \(name) --depth \(result.path.count)")
            if untilFailure { return }
        }
        print("came about: \(table.summary)")
        if situations.count > 1 { demand(table.missing) }
    }

    private mutating func demand(_ missing: [String]) {
        guard !missing.isEmpty else { return }
        print("FAILED: asked for and never happened: \(missing.joined(separator: ", "))")
        noteFailures(1)
    }
}

/// What several explorations came to.
struct ExplorationTable {
    private var counts = [Int](repeating: 0, count: Occurrence.allCases.count)

    static let heading = "situation            depth   states    actions  seconds"

    /// The line of one, which is added.
    mutating func line(of result: Exploration.Result, seconds: Double) -> String {
        for kind in Occurrence.allCases {
            counts[kind.rawValue] += result.occurrences[kind.rawValue]
        }
        func column(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.utf8.count)) + text
        }
        let depth =
            result.reached == result.depth ? "\(result.depth)" : "\(result.reached)/\(result.depth)"
        let name = result.situation + column("", 19 - result.situation.utf8.count)
        return name + column(depth, 7) + column("\(result.states)", 9)
            + column("\(result.steps)", 11) + column("\(Int(seconds))", 9) + "  " + result.summary
    }

    /// How many states each kind of occurrence led to.
    var summary: String {
        Occurrence.allCases.map { "\($0)=\(counts[$0.rawValue])" }.joined(separator: " ")
    }

    /// What never came about.
    var missing: [String] {
        Occurrence.allCases.filter { counts[$0.rawValue] == 0 }.map { "\($0)" }
    }
}
