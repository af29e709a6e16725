/// Many crash trials, and how often each moment was hit.
public struct CrashSuite: Sendable {
    public private(set) var hits: [CrashMoment: Int] = [:]
    public private(set) var failures: [Report] = []
    public private(set) var faults = FaultCounts()

    public init() {}

    /// Plays one trial.
    public mutating func run(
        seed: UInt64, trace: ((String) -> Void)? = nil
    ) -> CrashTrial.Result {
        let result = CrashTrial.run(seed: seed, trace: trace)
        for moment in CrashMoment.allCases { hits[moment, default: 0] += result.hits[moment] ?? 0 }
        if !result.report.isClean { failures.append(result.report) }
        faults.add(result.report.faults)
        return result
    }

    public var total: Int { CrashMoment.allCases.reduce(0) { $0 + (hits[$1] ?? 0) } }

    /// Moments at which no process ever ended.
    public var missing: [CrashMoment] { CrashMoment.allCases.filter { hits[$0] ?? 0 == 0 } }

    /// `moment=count` of all.
    public var summary: String {
        CrashMoment.allCases.map { "\($0)=\(hits[$0] ?? 0)" }.joined(separator: " ")
    }
}
