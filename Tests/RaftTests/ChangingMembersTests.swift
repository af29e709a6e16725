import Bytes
import Foundation
import Testing

@testable import Raft

/// Groups whose members change all the time, under everything that the other random runs do; the oracle
/// watches. `SKEIN_SEEDS` as there.
@Suite struct ChangingMembersTests {
    /// One run after the other, so that what is too rare to be met by each seed is met by one of them.
    @Test func `nothing committed is lost while members change`() {
        var sums: [(name: String, count: Int)] = MemberStatistics().all
        for seed in RandomizedTests.seeds {
            for withSnapshots in [false, true] {
                var run = RandomRun(
                    seed: UInt64(seed) + 2_000_000, snapshots: withSnapshots, members: true)
                if RandomizedTests.wish != nil {
                    FileHandle.standardError.write(Data("seed \(seed) \(withSnapshots)\n".utf8))
                }
                run.safetyPhase(milliseconds: 5000)
                run.livenessPhase()
                if RandomizedTests.wish != nil { print(run.summary) }
                for group in run.groups {
                    for (at, figure) in group.statistics.members.all.enumerated() {
                        sums[at].count += figure.count
                    }
                }
            }
        }
        print("members: " + sums.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
        guard RandomizedTests.seeds.count >= 24 else { return }
        // Too rare for chance: members-catch-up.txt and members-votes.txt make them happen.
        let scripted = ["withoutQuorum", "learnerVotes", "strangerVotes"]
        for sum in sums where !scripted.contains(sum.name) {
            #expect(sum.count > 0, "no run met \(sum.name)")
        }
    }

    /// A leader whose clock is slow hands the group to voters whose clocks are fast, and is cut off.
    @Test(arguments: 0..<8)
    func `a lease ends before other voters elect, at the limit of the drift`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed), size: 5, founders: 3, huntsLeases: true)
        for _ in 0..<8 { run.replaceSlowLeader() }
        run.livenessPhase()
    }
}
