import ArgumentParser
import Glibc
import Simulator

/// `skein-sim`: runs the simulator from the command line. The first and the last line name seed and
/// commit; a failure prints the one command that replays it, also when the code under test stops
/// the process.
@main
struct SkeinSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein-sim",
        abstract: "Simulates clusters of nodes, their clients and their misfortunes from one seed.",
        discussion: """
            Without arguments one seed is drawn and played. With --minutes, seeds are played until
            the time is over. Exits with 1 when anything was found.
            """)

    @Argument(help: "The seed to play; drawn when not given.")
    var seed: UInt64?

    @Option(help: "Play seed after seed for so many minutes.")
    var minutes: Double?

    @Option(help: "Play so many seeds, one after the other.")
    var seeds: Int?

    @Option(help: "Play one named scenario, or 'all'.")
    var scenario: String?

    @Option(
        help: "Play the seeds with this appendfsync and with many power cuts.",
        transform: { (text: String) throws -> SyncMode in
            guard let mode = SyncMode(rawValue: text) else {
                throw ValidationError("appendfsync is always, everysec or no")
            }
            return mode
        })
    var appendfsync: SyncMode?

    @Option(
        help:
            "Flip bits at one kind of place in the files of one node, or at 'all' of them: 20 times each, or --seeds."
    )
    var damage: String?

    @Option(help: "Members of the cluster, for --damage; both 3 and 1 when not given.")
    var nodes: Int?

    @Option(help: "End processes at chosen moments (snapshot, rotation, recovery ...), so often.")
    var crashes: Int?

    @Option(
        help:
            "Explore every course of events of a small group from one situation, or from 'all' of them."
    )
    var explore: String?

    @Option(
        help: "How many actions deep, for --explore; each situation has its own when not given.")
    var depth: Int?

    @Option(help: "How many states of a situation at most, for --explore.")
    var states = 2_000_000

    @Flag(help: "List the scenarios.")
    var list = false

    @Flag(help: "Print a line per event.")
    var trace = false

    @Flag(help: "Play each seed only once, without comparing two runs.")
    var once = false

    @Flag(help: "End with the first seed, scenario or trial that fails.")
    var untilFailure = false

    func run() throws {
        if list {
            for scenario in Scenario.all { print("\(scenario.name)  \(scenario.summary)") }
            return
        }
        var session = Session(
            commit: Commit.current, seed: seed ?? UInt64.random(in: 1...999_999_999), once: once,
            trace: trace, appendfsync: appendfsync, untilFailure: untilFailure)
        session.announce()
        if let damage {
            let places = DamagePlace.allCases.filter { damage == "all" || "\($0)" == damage }
            guard !places.isEmpty else {
                let known = DamagePlace.allCases.map { "\($0)" }.joined(separator: ", ")
                throw ValidationError("damage is all, or one of \(known)")
            }
            session.playDamage(
                at: places, isWhole: damage == "all",
                count: seeds ?? (damage == "all" ? 20 : 1), nodes: nodes.map { [$0] } ?? [3, 1])
        } else if let crashes {
            session.playCrashes(count: crashes)
        } else if let explore {
            let known = Exploration.situations
            guard explore == "all" || known.contains(explore) else {
                let names = known.joined(separator: ", ")
                throw ValidationError("a situation is all, or one of \(names)")
            }
            session.explore(
                known.filter { explore == "all" || $0 == explore },
                depth: depth.map { .exactly($0) } ?? .standard, statesMax: states)
        } else if let scenario {
            try session.play(scenarios: scenario)
        } else {
            // A long run tells of everything that took place.
            if minutes != nil, appendfsync == nil {
                try session.play(scenarios: "all", isPart: true)
            }
            session.playSeeds(until: limit)
        }
        session.announce()
        if session.failures > 0 { throw ExitCode(1) }
    }

    private var limit: Session.Limit {
        if let minutes { return .time(minutes * 60) }
        return .count(seeds ?? 1)
    }
}

/// What one call of the program does, and its totals.
struct Session {
    enum Limit {
        case count(Int)
        /// Seconds.
        case time(Double)
    }

    let commit: String
    let firstSeed: UInt64
    let once: Bool
    let trace: Bool
    let appendfsync: SyncMode?
    let untilFailure: Bool
    private(set) var failures = 0
    private var seed: UInt64
    private var runs = 0
    /// How many of the runs were scenarios.
    private var scenarios = 0
    private var progress = CoreProgress()
    private var events = 0
    private var simulatedSeconds = 0.0
    private var answered = 0
    private var unknown = 0
    private var undecided = 0
    private var faults = FaultCounts()
    /// Runs that asked for a disaster.
    private var asked: [FaultOptions.Disaster: Int] = [:]
    private var askedFaults: [Fault: Int] = [:]
    private let started = Clock.seconds

    init(
        commit: String, seed: UInt64, once: Bool, trace: Bool, appendfsync: SyncMode?,
        untilFailure: Bool
    ) {
        self.commit = commit
        firstSeed = seed
        self.seed = seed
        self.once = once
        self.trace = trace
        self.appendfsync = appendfsync
        self.untilFailure = untilFailure
    }

    /// Nothing more is to be played.
    var isEnough: Bool { untilFailure && failures > 0 }

    /// The first and the last line.
    func announce() { print("skein-sim: seed=\(seed) commit=\(commit)") }

    mutating func playSeeds(until limit: Limit) {
        let first = seed
        while !isOver(limit), !isEnough {
            seed = first &+ UInt64(runs - scenarios)
            let mode = appendfsync
            let replay = "skein-sim \(seed)" + (mode.map { " --appendfsync \($0)" } ?? "")
            CrashNotice.prepare(
                "skein-sim: crashed; replay with: \(replay)\nskein-sim: seed=\(seed) commit=\(commit)\n"
            )
            let options = mode.map { SwarmOptions(seed: seed, appendfsync: $0) }
            let report = Runner.run(seed: seed, options: options, twice: !once, trace: sink)
            take(report, replay: replay)
        }
        printTotals()
    }

    private func isOver(_ limit: Limit) -> Bool {
        switch limit {
        case .count(let count): runs >= count
        case .time(let seconds): runs > scenarios && Clock.seconds - started > seconds
        }
    }

    /// - Parameter isPart: seeds follow, and the totals are of both.
    mutating func play(scenarios name: String, isPart: Bool = false) throws {
        let chosen = name == "all" ? Scenario.all : Scenario.all.filter { $0.name == name }
        guard !chosen.isEmpty else {
            throw ValidationError("no scenario is called \(name); --list shows them")
        }
        for scenario in chosen where !isEnough {
            let replay = "skein-sim \(seed) --scenario \(scenario.name)"
            CrashNotice.prepare(
                "skein-sim: crashed; replay with: \(replay)\nskein-sim: seed=\(seed) commit=\(commit)\n"
            )
            let report = Runner.run(scenario, seed: seed, twice: !once, trace: sink)
            print("scenario \(scenario.name): ", terminator: "")
            take(report, replay: replay)
        }
        if isPart {
            scenarios = runs
        } else {
            printTotals()
        }
    }

    var sink: ((String) -> Void)? {
        trace ? { print($0) } : nil
    }

    private mutating func take(_ report: Report, replay: String) {
        // Also into a pipe at once: it must be there when a later run stops the process.
        defer { fflush(nil) }
        runs += 1
        events += report.events
        simulatedSeconds += Double(report.simulatedMilliseconds) / 1000
        answered += report.answered
        unknown += report.unknown
        undecided += report.undecided
        faults.add(report.faults)
        progress.add(report.progress)
        for fault in report.asked { askedFaults[fault, default: 0] += 1 }
        for disaster in report.disasters { asked[disaster, default: 0] += 1 }
        print(report.summary)
        if !report.preconditions.isEmpty { print("  took place: \(report.took)") }
        guard !report.isClean else { return }
        failures += 1
        describe(report, replay: replay)
    }

    mutating func noteFailures(_ count: Int) { failures += count }

    /// What a trial has found.
    func tell(_ report: Report, replay: String) {
        print(report.summary)
        describe(report, replay: replay)
        fflush(nil)
    }

    private func describe(_ report: Report, replay: String) {
        print("  options: \(report.options)")
        for violation in report.violations.prefix(5) { print("  \(violation)") }
        for line in report.nodeLines { print("  | \(line)") }
        print("  replay with: \(replay)   (every event: --trace)")
    }

    private mutating func complain(_ what: String) {
        print("FAILED: \(what)")
        failures += 1
    }

    private mutating func printTotals() {
        let elapsed = max(0.001, Clock.seconds - started)
        print(
            "runs=\(runs) seeds=\(runs - scenarios) failures=\(failures) answered=\(answered) unknown=\(unknown) undecided=\(undecided)"
        )
        print("faults: \(faults.summary)")
        print("progress: \(progress.summary)")
        for disaster in FaultOptions.Disaster.allCases
        where asked[disaster, default: 0] >= 10 && disaster.faults.allSatisfy({ faults[$0] == 0 }) {
            complain("\(asked[disaster, default: 0]) runs asked for \(disaster), and none came")
        }
        // Some are rare: a read of old entries fails once in a hundred runs that ask for it.
        for fault in Fault.allCases
        where askedFaults[fault, default: 0] >= 100 && faults[fault] == 0 {
            complain("\(askedFaults[fault, default: 0]) runs asked for \(fault), and none came")
        }
        let hours = (simulatedSeconds / 36).rounded() / 100
        print(
            "simulated=\(hours) h events=\(events) events-per-second=\(Int(Double(events * (once ? 1 : 2)) / elapsed)) "
                + "faster-than-life=\(Int(simulatedSeconds * (once ? 1 : 2) / elapsed))x")
    }
}
