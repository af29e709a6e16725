/// The table at the end of a run.
struct Report {
    private let campaign: Campaign
    private let totals: FleetBoard.Totals
    private let verdict: FleetBoard.Verdict
    private let complaints: [String]

    init(
        _ campaign: Campaign, _ totals: FleetBoard.Totals, _ verdict: FleetBoard.Verdict,
        _ complaints: [String]
    ) {
        self.campaign = campaign
        self.totals = totals
        self.verdict = verdict
        self.complaints = complaints
    }

    /// Prints it; whether nothing is wrong.
    func tell() -> Bool {
        print("fault            times   leaderless s   silence s   new terms")
        for fault in Fault.allCases {
            guard let account = campaign.accounts[fault] else { continue }
            print(
                pad(fault.rawValue, 14, left: true), pad("\(account.times)", 7),
                pad(account.leaderless.hundredths, 14), pad(account.silence.hundredths, 11),
                pad("\(account.terms)", 11))
        }
        print("(the worst of each kind; a fault that came beside another one shares its figures)")
        let times = campaign.accounts.values.reduce(0) { $0 + $1.times }
        print(
            "faults=\(times) of which before all had recovered=\(campaign.impatientRounds) "
                + "operations=\(totals.answered) refused=\(totals.rejected) "
                + "ambiguous=\(totals.unknown) undecided=\(verdict.undecided)")
        if totals.stalls > 0 {
            print(
                "the machine stood still \(totals.stalls) times, \(totals.stalledSeconds.tenths) s in all: "
                    + "no wait was counted over that")
        }
        for line in verdict.objects { print("  \(line)") }
        let findings = campaign.findings + verdict.violations + complaints
        for finding in findings.prefix(20) { print("FOUND: \(finding)") }
        print("verdict: \(findings.isEmpty ? "nothing found" : "\(findings.count) findings")")
        return findings.isEmpty
    }

    private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return left ? text + blanks : blanks + text
    }
}

extension Double {
    fileprivate var hundredths: String {
        let whole = Int((self * 100).rounded())
        return "\(whole / 100).\(whole % 100 < 10 ? "0" : "")\(whole % 100)"
    }
}
