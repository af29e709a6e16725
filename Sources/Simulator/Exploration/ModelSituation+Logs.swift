internal import Bytes
internal import Raft

/// Situations in which logs differ, or voters do: who is elected then, what a leader makes of a log that
/// parted from its own, and who decides while one set of voters becomes another.
extension ModelSituation {
    static let ofLogsAndVoters: [ModelSituation] = [
        splitVote, shorterLog, parted, undone, exchanged,
    ]

    /// Two nodes are about to ask the third one for its vote, in one term.
    private static var splitVote: ModelSituation {
        var situation = ModelSituation(
            name: "split-vote", summary: "two candidates of one term ask the same voter")
        situation.restarting = [3]
        situation.budget = ModelBudget(restarts: 1, duplicates: 1)
        situation.depth = (5, 10)
        situation.prepare = { world in
            world.wait(.milliseconds(460))
            for number in [1, 2] { world.stand(number) }
            for number in [1, 2] {
                world.deliverAll(from: number, to: 3)
                world.deliverAll(from: 3, to: number)
            }
        }
        return situation
    }

    /// Node 3 lacks an entry that nodes 1 and 2 have committed, and asks for votes.
    private static var shorterLog: ModelSituation {
        var situation = ModelSituation(
            name: "shorter-log", summary: "a node without a committed entry campaigns")
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(passes: 1)
        situation.step = .milliseconds(460)
        situation.depth = (6, 10)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.propose(1))
            world.settle(among: [1, 2])
            world.drop()
            world.wait(.milliseconds(460))
            world.stand(3)
        }
        return situation
    }

    /// Node 1 led in term 1 and has three entries that nobody else has. Node 2 led in term 2, node 3 leads
    /// in term 3: where node 1's log ends, theirs hold other entries, of term 2, which are committed.
    private static var parted: ModelSituation {
        var situation = ModelSituation(
            name: "parted", summary: "a leader meets a log that parted from its own two terms ago")
        situation.disksAreQuick = [1, 2, 3]
        situation.restarting = [1]
        situation.budget = ModelBudget(restarts: 1, duplicates: 1, proposals: 1, reads: 1)
        situation.depth = (5, 8)
        situation.prepare = { world in
            world.lead(1)
            for _ in 0..<3 { world.perform(.propose(1)) }
            world.drop()
            world.wait(.milliseconds(460))
            world.elect(2, by: [3])
            for _ in 0..<2 { world.perform(.propose(2)) }
            world.settle(among: [2, 3])
            world.drop()
            world.wait(.milliseconds(460))
            world.elect(3, by: [2])
        }
        return situation
    }

    /// Node 1 has begun to remove node 3, which nobody else knows; node 2 was elected without that.
    private static var undone: ModelSituation {
        var situation = ModelSituation(
            name: "undone", summary: "a change of members is cut off with the entry that began it")
        situation.changesMembers = true
        situation.disksAreQuick = [1, 2, 3]
        situation.restarting = [1]
        situation.budget = ModelBudget(restarts: 1, proposals: 1)
        situation.depth = (5, 9)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.remove(3, by: 1))
            world.drop()
            world.wait(.milliseconds(460))
            world.elect(2, by: [3])
        }
        return situation
    }

    /// Nodes 4 and 5 take the places of 2 and 3: both sets of voters have but node 1 in common, so a
    /// majority of one says nothing about the other.
    private static var exchanged: ModelSituation {
        var situation = ModelSituation(
            name: "exchanged", summary: "two of three voters are exchanged at once")
        situation.nodes = 5
        situation.votersAtFirst = 3
        situation.ratesPPM = [0, 0, 0, 0, 0]
        situation.changesMembers = true
        situation.disksAreQuick = [1, 2, 3, 4, 5]
        situation.budget = ModelBudget(proposals: 1)
        situation.depth = (4, 7)
        situation.prepare = { world in
            world.lead(1)
            for other in [4, 5] {
                world.exchange(1, other)
                world.exchange(other, 1)
            }
            world.perform(.become([1, 4, 5], by: 1))
            for _ in 0..<4 where !world.node(1).core.members.isJoint {
                for other in [2, 4, 5] {
                    world.deliverAll(from: 1, to: other)
                    world.deliverAll(from: other, to: 1)
                }
                world.wait(.milliseconds(40))
                world.perform(.tick(1))
            }
            invariant(world.node(1).core.members.isJoint, "exchanged: nobody catches up")
        }
        return situation
    }
}
