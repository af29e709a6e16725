internal import Bytes
internal import Raft

/// Where an exploration begins, and what may happen from there: a course of events that leads to something
/// delicate, and a budget for everything that is not forced.
struct ModelSituation: Sendable {
    let name: String
    let summary: String
    var nodes = 3
    var readLease = true
    /// Length of one `pass`.
    var step = Interval.milliseconds(75)
    /// How fast each node's clock runs, in parts per million.
    var ratesPPM: [Int64] = [0, 0, 0]
    /// Nodes whose disk writes at once.
    var disksAreQuick: Set<Int> = []
    /// Nodes that may restart.
    var restarting: Set<Int> = []
    var pings: [(from: Int, to: Int)] = []
    var changesMembers = false
    /// The first so many nodes are the voters at first; all when nil.
    var votersAtFirst: Int?
    var budget = ModelBudget()
    /// Depths for which the situation is meant: quick ones for tests, and by default.
    var depth = (quick: 5, standard: 9)
    /// Leads to where the exploration begins.
    var prepare: @Sendable (ModelWorld) -> Void = { _ in }

    var members: [NodeID] { (1...nodes).map { NodeID(UInt16($0)) } }
    var voters: [NodeID] { Array(members.prefix(votersAtFirst ?? nodes)) }

    func configuration(of id: NodeID) -> RaftConfiguration {
        var configuration = RaftConfiguration(id: id, group: GroupID(1), members: voters)
        configuration.readLease = readLease
        // One entry an append: what could come apart on a link comes apart here.
        configuration.appendBytesMax = 1
        return configuration
    }
}

extension ModelSituation {
    static let all: [ModelSituation] =
        [
            election, transfer, lostTransfer, lease, latePromise, unquoted, restartedGranter,
            ledAgain, reads, unwritten, olderTerm, replaced, removal, settling, addition,
        ] + ofLogsAndVoters

    /// Nobody leads, everybody may campaign, disks are slow, processes end.
    private static var election: ModelSituation {
        var situation = ModelSituation(
            name: "election", summary: "a first election with slow disks and restarts")
        situation.restarting = [1, 2]
        situation.budget = ModelBudget(passes: 1, restarts: 1, duplicates: 1)
        situation.depth = (6, 11)
        situation.prepare = { world in world.wait(.milliseconds(460)) }
        return situation
    }

    /// A leader with a lease hands over.
    private static var transfer: ModelSituation {
        var situation = ModelSituation(
            name: "transfer", summary: "a leader with a lease hands over while writes come in")
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(passes: 1, pings: 1, proposals: 1, transfers: 1)
        situation.pings = [(1, 2)]
        situation.depth = (6, 11)
        situation.prepare = { world in world.lead(1) }
        return situation
    }

    /// A leader hands over, and its successor never hears of that.
    private static var lostTransfer: ModelSituation {
        var situation = ModelSituation(
            name: "lost-transfer", summary: "a leader waits for a successor that never campaigns")
        situation.disksAreQuick = [1, 2, 3]
        situation.step = .milliseconds(150)
        situation.budget = ModelBudget(passes: 2, pings: 2, proposals: 1, transfers: 1)
        situation.pings = [(1, 2), (1, 3)]
        situation.depth = (5, 8)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.transfer(1))
            world.drop()
            world.wait(.milliseconds(150))
            world.exchange(1, 2)
            world.exchange(1, 3)
        }
        return situation
    }

    /// Node 3 has not heard of the leader for long, node 2 has: it is bound for as long as it promised, by a
    /// clock that is fast, to a leader whose clock is slow.
    private static var lease: ModelSituation {
        var situation = ModelSituation(
            name: "lease", summary: "a lease near its end, clocks as different as they may be")
        situation.disksAreQuick = [1, 2, 3]
        situation.ratesPPM = [-38_000, 40_000, 0]
        situation.budget = ModelBudget(passes: 4, pings: 1, proposals: 0)
        situation.pings = [(1, 2)]
        situation.depth = (7, 13)
        situation.prepare = { world in
            world.leadUnheard(1, by: 3)
            world.exchange(1, 2)
        }
        return situation
    }

    /// As before, but a promise is on its way for long: it counts from when it was asked for.
    private static var latePromise: ModelSituation {
        var situation = lease.named("late-promise", "a promise comes when it has almost run out")
        situation.ratesPPM = [-38_000, 40_000, 0]
        situation.budget = ModelBudget(passes: 2, pings: 1)
        situation.pings = [(1, 2)]
        situation.depth = (6, 9)
        situation.prepare = { world in
            world.leadUnheard(1, by: 3)
            world.perform(.ping(1, 2))
            world.wait(.milliseconds(225))
        }
        return situation
    }

    /// Node 2 promises what its node owes node 1, and does not know that node 1 leads this group.
    private static var unquoted: ModelSituation {
        var situation = ModelSituation(
            name: "unquoted", summary: "a node promises and does not follow")
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(passes: 1, proposals: 1)
        situation.depth = (6, 9)
        situation.prepare = { world in
            world.wait(.milliseconds(460))
            world.elect(1, by: [3])
            world.drop()
            world.wait(.milliseconds(460))
            world.perform(.ping(1, 2))
        }
        return situation
    }

    /// As `lease`, but the one that is bound restarts.
    private static var restartedGranter: ModelSituation {
        var situation = lease.named(
            "restarted-granter", "a node restarts while it is bound by a promise")
        situation.ratesPPM = [0, 0, 0]
        situation.restarting = [2]
        situation.budget = ModelBudget(passes: 2, restarts: 1)
        situation.depth = (7, 12)
        return situation
    }

    /// Node 1's next process leads. Node 2 knows the one before: the append and the first ping of the next
    /// one come in any order, while its disk is slow. Node 3's promise to node 1 has run out.
    private static var ledAgain: ModelSituation {
        var situation = ModelSituation(
            name: "led-again", summary: "a node leads again after a restart, and meets its past")
        situation.disksAreQuick = [1, 3]
        situation.budget = ModelBudget(passes: 1, pings: 1)
        situation.pings = [(1, 2)]
        situation.depth = (7, 9)
        situation.prepare = { world in
            world.lead(1)
            world.drop()
            world.perform(.restart(1, keeping: true))
            world.wait(.milliseconds(920))
            world.elect(1, by: [3])
            world.exchange(1, 3)
            world.wait(.milliseconds(420))
        }
        return situation
    }

    /// Without leases: node 1 has asked for a round that was not answered yet when node 2 was elected and
    /// wrote; the answers, and node 1's next read, come after that.
    private static var reads: ModelSituation {
        var situation = ModelSituation(
            name: "reads", summary: "a deposed leader is read, with answers of an earlier round")
        situation.readLease = false
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(duplicates: 1, proposals: 1, reads: 2)
        situation.depth = (4, 8)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.read(1))
            world.deliverAll(from: 1, to: 2)
            world.perform(.propose(1))
            world.deliverAll(from: 1, to: 3)
            world.wait(.milliseconds(460))
            world.elect(3, by: [2])
        }
        return situation
    }

    /// Two entries on their way, disks are slow, everybody may restart.
    private static var unwritten: ModelSituation {
        var situation = ModelSituation(
            name: "unwritten", summary: "entries that not every disk has, and restarts")
        situation.restarting = [1, 2]
        situation.budget = ModelBudget(restarts: 2, duplicates: 1, proposals: 2)
        situation.depth = (5, 9)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.propose(1))
        }
        return situation
    }

    /// Figure 8 of the paper: node 1 leads again, with an entry of its first term that only it has; node 2
    /// has one of a later term.
    private static var olderTerm: ModelSituation {
        var situation = ModelSituation(
            name: "older-term", summary: "a leader has an entry of an older term to replicate")
        situation.disksAreQuick = [1, 2]
        situation.restarting = [3]
        situation.budget = ModelBudget(passes: 1, restarts: 1)
        situation.step = .milliseconds(460)
        situation.depth = (5, 10)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.propose(1))
            world.drop()
            world.wait(.milliseconds(460))
            world.elect(2, by: [3], tellsOthers: false)
            world.drop()
            world.wait(.milliseconds(460))
            world.perform(.restart(1, keeping: true))
            world.wait(.milliseconds(920))
            world.elect(1, by: [3], tellsOthers: false)
        }
        return situation
    }

    /// Node 3 has entries of node 1 under way to its disk that node 2, which leads now, replaces.
    private static var replaced: ModelSituation {
        var situation = ModelSituation(
            name: "replaced", summary: "entries are replaced while the disk still writes them")
        situation.disksAreQuick = [2]
        situation.restarting = [3]
        situation.budget = ModelBudget(restarts: 1, duplicates: 1, proposals: 1)
        situation.depth = (5, 10)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.propose(1))
            world.perform(.propose(1))
            world.deliverAll(from: 1, to: 3)
            world.drop()
            // Its own disk was as slow: it starts without them.
            world.perform(.restart(1, keeping: false))
            world.wait(.milliseconds(920))
            world.elect(2, by: [1], tellsOthers: false)
        }
        return situation
    }

    /// Members change: any node, also the leader, is removed.
    private static var removal: ModelSituation {
        var situation = ModelSituation(
            name: "removal", summary: "a node is removed, right after an election or later")
        situation.changesMembers = true
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(passes: 1, proposals: 1, removals: 1)
        situation.depth = (6, 10)
        situation.prepare = { world in
            world.lead(1, commits: false)
            world.exchange(1, 2)
            world.exchange(2, 1)
            world.exchange(1, 3)
            world.exchange(3, 1)
        }
        return situation
    }

    /// A node is removed: both sets of voters have agreed, and what ends the change is on its way.
    private static var settling: ModelSituation {
        var situation = ModelSituation(
            name: "settling",
            summary: "a change of members ends, and who is none any more hears of it")
        situation.changesMembers = true
        situation.disksAreQuick = [1, 2, 3]
        situation.budget = ModelBudget(passes: 1, proposals: 1)
        situation.depth = (6, 10)
        situation.prepare = { world in
            world.lead(1)
            world.perform(.remove(3, by: 1))
            world.deliverAll(from: 1, to: 2)
            world.deliverAll(from: 2, to: 1)
        }
        return situation
    }

    /// Node 4 joins: it has all but the entry that makes it a learner, which nobody else has yet.
    private static var addition: ModelSituation {
        var situation = ModelSituation(
            name: "addition", summary: "a node that learns is to become a voter")
        situation.nodes = 4
        situation.votersAtFirst = 3
        situation.ratesPPM = [0, 0, 0, 0]
        situation.changesMembers = true
        situation.disksAreQuick = [1, 2, 3, 4]
        situation.budget = ModelBudget(passes: 1, proposals: 1, transfers: 1)
        situation.depth = (6, 9)
        situation.prepare = { world in
            world.lead(1)
            world.exchange(1, 4)
            // Who is not heard of is neither made a voter nor handed anything.
            world.exchange(4, 1)
            world.perform(.add(4, by: 1))
            let last = world.node(1).core.lastIndex
            for _ in 0..<8 where world.node(4).core.lastIndex + 1 < last {
                world.deliverAll(from: 1, to: 4)
                world.deliverAll(from: 4, to: 1)
            }
        }
        return situation
    }

    private func named(_ name: String, _ summary: String) -> ModelSituation {
        var other = ModelSituation(name: name, summary: summary)
        other.step = step
        other.disksAreQuick = disksAreQuick
        other.prepare = prepare
        return other
    }
}
