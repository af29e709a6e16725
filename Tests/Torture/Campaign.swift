import Bytes
import Simulator

/// Faults, one after the other and two at a time, with what they cost the clients.
///
/// Whatever is done at a time is done to at most two of five members (`ring` and `kill-all` aside), so three
/// members that reach each other are always there, and the clients' waits have limits.
struct Campaign {
    /// What became of one kind of fault.
    struct Account {
        var times = 0
        var silence = 0.0
        var leaderless = 0.0
        var terms: UInt64 = 0
    }

    private let cluster: Cluster
    private let board: FleetBoard
    private let available: [Fault]
    private let patience: Double
    private var random: SeededGenerator
    private(set) var accounts: [Fault: Account] = [:]
    private(set) var findings: [String] = []
    private(set) var impatientRounds = 0
    /// Whether what was done last has not been recovered from yet, as far as anybody waited for it.
    private var isUnsettled = false

    /// How long members may take until all have applied the same again, in seconds.
    private static let recoveryLimit = 30.0
    /// New terms that one fault may cost.
    private static let termsMax: UInt64 = 6

    init(
        _ cluster: Cluster, _ board: FleetBoard, available: [Fault], patience: Double, seed: UInt64
    ) {
        self.cluster = cluster
        self.board = board
        self.available = available
        self.patience = patience
        random = SeededGenerator(seed: seed ^ 0x5EED)
    }

    /// Plays for so many seconds; stops early at a finding.
    mutating func play(seconds: Double) throws {
        let end = TrueTime.now.seconds + seconds
        // Each kind once, then by chance.
        var due = available
        while TrueTime.now.seconds < end, findings.isEmpty {
            if let next = due.popLast() {
                try play([next])
            } else if random.below(10) < 3 {
                try play([draw(beside: true), draw(beside: true)])
            } else {
                try play([draw(beside: false)])
            }
        }
    }

    private mutating func draw(beside another: Bool) -> Fault {
        let candidates = available.filter { !another || !$0.isAlone }
        var left = Int(random.below(UInt64(candidates.reduce(0) { $0 + $1.weight })))
        for candidate in candidates {
            left -= candidate.weight
            if left < 0 { return candidate }
        }
        return candidates[0]
    }

    /// Faults at the same time, a victim each; the first one's is the leader every other time.
    private mutating func play(_ faults: [Fault]) throws {
        var numbers = cluster.numbers
        var victims: [Int] = []
        if random.below(2) == 0, let leader = board.leader { victims.append(leader) }
        numbers.removeAll { victims.contains($0) }
        while victims.count < faults.count {
            victims.append(numbers.remove(at: Int(random.below(UInt64(numbers.count)))))
        }
        let partner = numbers[Int(random.below(UInt64(numbers.count)))]
        let told = zip(faults, victims).map { "\($0.rawValue) n\($1)" }.joined(separator: ", ")
        _ = board.takeWaits()
        for (fault, victim) in zip(faults, victims) {
            try cluster.begin(fault, on: victim, others: numbers, partner: partner)
        }
        try cluster.hold(for: 0.3 + Double(random.below(4500)) / 1000)
        try cluster.heal()
        // Now and then the next one comes before the victims have recovered: then nothing is promised
        // about waits, all the more about the data.
        if random.below(8) == 0 {
            impatientRounds += 1
            isUnsettled = true
            TrueTime.pause(Double(random.below(400)) / 1000)
            for fault in faults { accounts[fault, default: Account()].times += 1 }
            return
        }
        judge(faults, told: told)
        TrueTime.pause(0.2 + Double(random.below(1000)) / 1000)
    }

    private mutating func judge(_ faults: [Fault], told: String) {
        let isLevel = TrueTime.eventually(within: Self.recoveryLimit * patience) { self.isLevel }
        let waits = board.takeWaits()
        let wasUnsettled = isUnsettled
        isUnsettled = false
        for fault in faults {
            var account = accounts[fault] ?? Account()
            account.times += 1
            accounts[fault] = account
            if wasUnsettled { continue }
            account.silence = max(account.silence, waits.silence)
            account.leaderless = max(account.leaderless, waits.leaderless)
            account.terms = max(account.terms, waits.terms)
            accounts[fault] = account
        }
        if !isLevel { findings.append("\(told): the members do not come level again") }
        for member in cluster.lost { findings.append("\(told): \(member.name) ended by itself") }
        if wasUnsettled { return }
        // Judged by the most patient of those that came together.
        let limits = faults.map(\.limit)
        if !limits.contains(nil), let limit = limits.compactMap({ $0 }).max() {
            let most = limit * patience
            if waits.leaderless > most {
                findings.append("\(told): \(waits.leaderless.tenths) s without a leader")
            }
            if waits.silence > most {
                findings.append("\(told): \(waits.silence.tenths) s without an answer")
            }
        }
        if waits.terms > Self.termsMax {
            findings.append("\(told): \(waits.terms) new terms")
        }
    }

    /// Whether all members were heard of just now, one leads, and all have applied nearly the same: calls go
    /// on, so they are never quite equal.
    private var isLevel: Bool {
        let sightings = board.sightings
        let now = TrueTime.now.seconds
        guard sightings.allSatisfy({ now - ($0.heard?.seconds ?? -9) < 0.5 }),
            let term = sightings.map(\.term).max(), sightings.allSatisfy({ $0.term == term }),
            sightings.contains(where: \.leads)
        else { return false }
        let applied = sightings.map(\.applied)
        return applied.max()! - applied.min()! < 200
    }
}

extension Double {
    var tenths: String { "\((self * 10).rounded() / 10)" }
}
