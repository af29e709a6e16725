import Foundation

/// The members, their disks and the firewall between them.
final class Cluster {
    let members: [Member]
    var firewall: Firewall?
    /// Set while a link is to be cut and healed in turns.
    var flapping: Set<Firewall.Cut> = []

    /// - Parameter diskMegabytes: the size of each member's file system; nil: none of their own.
    init(
        _ count: Int, basePort: Int, in root: URL, server: String, directives: [String],
        diskMegabytes: Int?, firewall: Firewall?
    ) throws {
        self.firewall = firewall
        members = try (1...count).map {
            try Member(
                $0, of: count, basePort: basePort, in: root, server: server,
                directives: directives, diskMegabytes: diskMegabytes)
        }
    }

    deinit {
        for member in members { member.remove() }
        firewall?.remove()
    }

    /// Numbers of all members.
    var numbers: [Int] { members.map(\.number) }

    subscript(number: Int) -> Member { members[number - 1] }

    func start() throws { for member in members { try member.start() } }

    /// Members that ended though nobody asked them to.
    var lost: [Member] { members.filter { $0.isWanted && !$0.isRunning } }

    /// What became wrong by itself, as the members' logs and processes tell.
    var complaints: [String] {
        members.flatMap { member in member.complaints.map { "\(member.name): \($0)" } }
            + lost.map { "\($0.name) has ended by itself" }
    }

    // MARK: Faults

    /// Does it to a member; `others` are those that nothing is done to now, at least three.
    func begin(_ fault: Fault, on victim: Int, others: [Int], partner: Int) throws {
        let member = self[victim]
        switch fault {
        case .kill: member.kill()
        case .shutdown:
            guard member.terminate() else {
                throw CommandFailed(command: "SIGTERM \(member.name)", output: "it does not end")
            }
        case .pause: member.pause()
        case .partition: try cut(others.flatMap { both(victim, $0) })
        case .mute:
            try cut(numbers.filter { $0 != victim }.map { Firewall.Cut(from: victim, to: $0) })
        case .deaf:
            try cut(numbers.filter { $0 != victim }.map { Firewall.Cut(from: $0, to: victim) })
        case .oneWay: try cut([Firewall.Cut(from: victim, to: partner)])
        case .pair: try cut(both(victim, partner))
        case .flapping: flapping.formUnion(both(victim, partner))
        case .ring: try cut(ring)
        case .fullDisk: try member.disk?.fill()
        case .stalledDisk: try member.disk?.freeze()
        case .killAll: for member in members { member.kill() }
        }
    }

    /// Ends all faults.
    func heal() throws {
        flapping = []
        try firewall?.heal()
        for member in members {
            member.disk?.thaw()
            member.disk?.free()
            member.resume()
            // One that ended by itself stays down: that is a finding.
            if !member.isWanted { try member.start() }
        }
    }

    /// Passes the time; links that flap do so meanwhile.
    func hold(for seconds: Double) throws {
        guard !flapping.isEmpty else { return TrueTime.pause(seconds) }
        let lasting = firewall?.cuts ?? []
        let end = TrueTime.now.seconds + seconds
        while TrueTime.now.seconds < end {
            try firewall?.add(flapping)
            TrueTime.pause(0.15)
            try firewall?.heal()
            try firewall?.add(lasting)
            TrueTime.pause(0.1)
        }
    }

    private func cut(_ cuts: [Firewall.Cut]) throws { try firewall?.add(cuts) }

    private func both(_ one: Int, _ other: Int) -> [Firewall.Cut] {
        [Firewall.Cut(from: one, to: other), Firewall.Cut(from: other, to: one)]
    }

    private var ring: [Firewall.Cut] {
        numbers.flatMap { one in
            numbers.filter { other in
                let distance = abs(one - other)
                return distance > 1 && distance < numbers.count - 1
            }.map { Firewall.Cut(from: one, to: $0) }
        }
    }
}
