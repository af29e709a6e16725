/// The whole of the damage trials, place by place, and what came of them.
public struct DamageSuite: Sendable {
    /// What became of the flips at one place.
    public struct Row: Sendable {
        public var place: DamagePlace
        public var nodes: Int
        public var flips = 0
        public var endings: [DamageTrial.Ending: Int] = [:]
        public var failures: [Report] = []

        public func count(_ ending: DamageTrial.Ending) -> Int { endings[ending] ?? 0 }
    }

    public private(set) var rows: [Row] = []
    public private(set) var faults = FaultCounts()
    public private(set) var snapshotsWritten = 0
    public private(set) var snapshotsLoaded = 0
    public private(set) var snapshotsInstalled = 0

    /// Faults that must have come about in a whole run, or it has shown nothing.
    public static let asked: [Fault] = [
        .bitFlipped, .logCut, .repairCut, .repaired, .damagePassed, .snapshotDamaged,
    ]

    public init() {}

    /// Flips `count` bits at a place, each in a cluster of its own.
    ///
    /// - Parameter report: called after each trial.
    public mutating func run(
        _ place: DamagePlace, nodes: Int = 3, count: Int, from seed: UInt64,
        trace: ((String) -> Void)? = nil,
        report: (UInt64, DamageTrial.Result) -> Void = { _, _ in }
    ) {
        var row = Row(place: place, nodes: nodes)
        for number in 0..<count {
            let seed = seed &+ UInt64(number)
            let result = DamageTrial.run(at: place, nodes: nodes, seed: seed, trace: trace)
            row.flips += result.report.flips[place] ?? 0
            if let ending = result.ending { row.endings[ending, default: 0] += 1 }
            if !result.report.isClean { row.failures.append(result.report) }
            faults.add(result.report.faults)
            snapshotsWritten += result.report.snapshotsWritten
            snapshotsLoaded += result.report.snapshotsLoaded
            snapshotsInstalled += result.report.snapshotsInstalled
            report(seed, result)
        }
        rows.append(row)
    }

    public var failures: Int { rows.reduce(0) { $0 + $1.failures.count } }

    /// What was asked for and never happened.
    public var missing: [String] {
        Self.asked.filter { faults[$0] == 0 }.map { "\($0)" }
            + rows.filter { $0.flips == 0 }.map { "a flip at \($0.place)" }
    }

    /// The first line of the table.
    public static var heading: String {
        line(
            "place", "nodes",
            ["flips"] + DamageTrial.Ending.allCases.map(\.rawValue) + ["failed"])
    }

    /// The table's line of the place that was played last.
    public var lastLine: String {
        guard let row = rows.last else { return "" }
        let counts =
            [row.flips] + DamageTrial.Ending.allCases.map { row.count($0) }
            + [row.failures.count]
        return Self.line("\(row.place)", "\(row.nodes)", counts.map { "\($0)" })
    }

    private static func line(_ name: String, _ nodes: String, _ cells: [String]) -> String {
        func pad(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return name + String(repeating: " ", count: max(1, 16 - name.count)) + pad(nodes, 5)
            + cells.map { pad($0, 10) }.joined()
    }
}
