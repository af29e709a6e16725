internal import Bytes
internal import Raft

/// What situations are prepared with: actions without a budget.
extension ModelWorld {
    func wait(_ interval: Interval) { time += interval.nanoseconds }

    /// Everything arrives and is written, until nothing is left to do.
    func settle(among members: [Int]? = nil) {
        let members = members ?? Array(numbers)
        for _ in 0..<400 {
            let next = actions().first { action in
                switch action {
                case .deliver(let from, let to, _): members.contains(from) && members.contains(to)
                case .sync(let node): members.contains(node)
                default: false
                }
            }
            guard let next else { return }
            perform(next)
        }
        invariantFailed("a small model does not come to rest")
    }

    /// Pings, and the answer arrives.
    func exchange(_ from: Int, _ to: Int) {
        perform(.ping(from, to))
        deliverAll(from: to, to: from)
    }

    /// All that is on its way from one node to another arrives.
    func deliverAll(from: Int, to: Int) {
        while flightCount(from: from, to: to) > 0 {
            perform(.deliver(from: from, to: to, position: 0))
        }
    }

    /// A node that hears of no leader asks for pre-votes; what it says is on its way.
    func stand(_ number: Int) {
        for _ in 0..<8 where node(number).core.role == .follower {
            if node(number).core.nextDeadline > now(node(number)) { wait(.milliseconds(100)) }
            perform(.tick(number))
        }
        invariant(
            node(number).core.role == .preCandidate, "\(situation.name): n\(number) is content")
    }

    /// A node campaigns, and wins by the votes of some; `tellsOthers`: and replicates to them.
    func elect(_ number: Int, by voters: [Int], tellsOthers: Bool = true) {
        for _ in 0..<8 where !node(number).core.isLeader {
            if node(number).core.nextDeadline > now(node(number)) { wait(.milliseconds(300)) }
            perform(.tick(number))
            for _ in 0..<6 where !node(number).core.isLeader {
                for member in voters + [number] {
                    while !node(member).disk.pending.isEmpty { perform(.sync(member)) }
                }
                for voter in voters {
                    deliverAll(from: number, to: voter)
                    while !node(voter).disk.pending.isEmpty { perform(.sync(voter)) }
                    guard !node(number).core.isLeader else { break }
                    deliverAll(from: voter, to: number)
                }
            }
        }
        invariant(node(number).core.isLeader, "\(situation.name): n\(number) is not elected")
        if tellsOthers { settle(among: voters + [number]) }
    }

    /// From the beginning: a node leads, and holds the lease of all.
    func lead(_ number: Int, commits: Bool = true) {
        wait(.milliseconds(460))
        let others = situation.voters.map { Int($0.raw) }.filter { $0 != number }
        elect(number, by: others, tellsOthers: commits)
        guard commits else { return }
        for other in others { exchange(number, other) }
        for other in others { exchange(other, number) }
        settle()
    }

    /// A node leads, and another one has not heard of it for so long that it looks for a leader.
    func leadUnheard(_ number: Int, by other: Int) {
        lead(number)
        wait(.milliseconds(450))
        perform(.tick(other))
        drop()
    }
}
