public import Bytes

/// What a run found and how much really happened in it.
public struct Report: Sendable {
    public let seed: UInt64
    public let options: String
    public var violations: [Violation] = []
    /// What the scenario is about, and how often it took place; empty for a random run.
    public var preconditions: [Precondition] = []
    /// What was demanded of the cluster when it was healed.
    public var progress = CoreProgress()
    /// Calls that were answered, rejected as not executed, and of unknown outcome.
    public var answered = 0
    public var rejected = 0
    public var unknown = 0
    /// Objects whose history was too hard to decide.
    public var undecided = 0
    public var faults = FaultCounts()
    public var events = 0
    public var simulated = Interval(nanoseconds: 0)
    /// Equal for two runs of one seed.
    public var traceHash: UInt64 = 0
    /// State hashes of two replicas compared at one index.
    public var comparisons = 0
    /// Elections won.
    public var leaderships = 0
    /// Snapshots that became durable, that became a state, and that came whole from a peer.
    public var snapshotsWritten = 0
    public var snapshotsLoaded = 0
    public var snapshotsInstalled = 0
    /// Flipped bits by what they were aimed at.
    public var flips: [DamagePlace: Int] = [:]
    /// The disasters that were asked for, whether they came about or not.
    public var disasters: [FaultOptions.Disaster] = []
    /// The other faults that were.
    public var asked: [Fault] = []
    /// The last lines of the nodes' diagnostic logs, when something was found. What led up to it is
    /// in the trace of a replay.
    public var nodeLines: [String] = []

    /// Something without which a scenario proves nothing.
    public struct Precondition: Equatable, Sendable {
        public var what: String
        public var times: Int
    }

    public init(seed: UInt64, options: String) {
        self.seed = seed
        self.options = options
    }

    /// Simulated time in milliseconds.
    public var simulatedMilliseconds: Int64 { simulated.milliseconds }

    public var isClean: Bool { violations.isEmpty }

    mutating func add(_ verdict: WorkloadVerdict) {
        violations += verdict.violations
        answered += verdict.answered
        rejected += verdict.rejected
        unknown += verdict.unknown
        undecided += verdict.undecided
    }

    /// `times what` of all preconditions.
    public var took: String {
        preconditions.map { "\($0.times) \($0.what)" }.joined(separator: ", ")
    }

    /// One line about the run.
    public var summary: String {
        "seed=\(seed) \(isClean ? "ok" : "FAILED") events=\(events) "
            + "simulated=\(simulated.milliseconds / 1000)s answered=\(answered) "
            + "rejected=\(rejected) unknown=\(unknown) undecided=\(undecided) "
            + "leaders=\(leaderships) hashes=\(comparisons) "
            + "snapshots=\(snapshotsWritten)/\(snapshotsLoaded)/\(snapshotsInstalled) "
            + "trace=\(String(traceHash, radix: 16))"
    }
}
