internal import Raft

/// What can happen next in a small model.
enum ModelAction: Hashable {
    /// Time passes, by one step of the situation.
    case pass
    /// A node looks at what is due. A node that does not is frozen.
    case tick(Int)
    /// A node pings another one, which answers at once; the answer is on its way.
    case ping(Int, Int)
    /// A message arrives: the one at `position` of those on their way from one node to another.
    case deliver(from: Int, to: Int, position: Int)
    /// A message arrives, and will arrive once more.
    case duplicate(from: Int, to: Int, position: Int)
    /// The disk of a node finishes its oldest operation.
    case sync(Int)
    /// The process of a node ends and another one starts. `keeping`: all that was handed to the disk is
    /// there; otherwise only what was reported as durable.
    case restart(Int, keeping: Bool)
    case propose(Int)
    /// A client reads at a node that leads.
    case read(Int)
    case transfer(Int)
    /// A leader is asked to go on without a node.
    case remove(Int, by: Int)
    /// A leader is asked to take a node in as a voter.
    case add(Int, by: Int)
    /// A leader is asked to go on with these voters.
    case become([Int], by: Int)
}

extension ModelAction: CustomStringConvertible {
    var description: String {
        switch self {
        case .pass: "time passes"
        case .tick(let node): "n\(node) looks at the clock"
        case .ping(let from, let to): "n\(from) pings n\(to)"
        case .deliver(let from, let to, let position): "n\(to) gets #\(position) of n\(from)"
        case .duplicate(let from, let to, let position):
            "n\(to) gets #\(position) of n\(from), and will once more"
        case .sync(let node): "n\(node)'s disk writes"
        case .restart(let node, let keeping):
            "n\(node) restarts with \(keeping ? "all that it wrote" : "what was durable")"
        case .propose(let node): "n\(node) proposes"
        case .read(let node): "n\(node) is read"
        case .transfer(let node): "n\(node) hands over"
        case .remove(let node, let by): "n\(by) removes n\(node)"
        case .add(let node, let by): "n\(by) takes n\(node) in"
        case .become(let nodes, let by): "n\(by) goes on with \(nodes)"
        }
    }
}

/// How often each kind of action may still be taken: what bounds a model beside its depth.
struct ModelBudget: Equatable {
    var passes = 0
    var pings = 0
    var restarts = 0
    var duplicates = 0
    var proposals = 0
    var reads = 0
    var transfers = 0
    var removals = 0

    /// Takes an action off; false when there is nothing left for it.
    mutating func take(_ action: ModelAction) -> Bool {
        switch action {
        case .pass: Self.take(&passes)
        case .ping: Self.take(&pings)
        case .restart: Self.take(&restarts)
        case .duplicate: Self.take(&duplicates)
        case .propose: Self.take(&proposals)
        case .read: Self.take(&reads)
        case .transfer: Self.take(&transfers)
        case .remove: Self.take(&removals)
        case .tick, .deliver, .sync, .add, .become: true
        }
    }

    private static func take(_ count: inout Int) -> Bool {
        guard count > 0 else { return false }
        count -= 1
        return true
    }

    var all: [Int] {
        [passes, pings, restarts, duplicates, proposals, reads, transfers, removals]
    }
}

/// What an exploration must have come by; one that met none of a kind proves nothing about it.
public enum Occurrence: Int, CaseIterable, Sendable {
    /// A leader was elected; by the wish of the one before; two nodes lead, each in a term of its own.
    case election, handOver, twoLeaders
    /// A leader gave up handing over.
    case handOverFailed
    /// A leader holds the lease, and meanwhile another node asks for votes or pre-votes.
    case leaseHeld, leaseChallenged
    /// A vote was given; a request for one was refused.
    case voteGiven, voteRefused
    /// A process ended: with writes that were lost, or bound by a promise.
    case writesLost, granterRestarted
    /// An entry was committed, cut off, or refused because of the one before it.
    case committed, truncated, appendRefused
    /// A read by a round was confirmed; it ended with the leadership.
    case readConfirmed, readDropped
    /// A message of a term that is over arrived; one arrived twice.
    case oldMessage, duplicated
    /// A change of members began; two sets of voters decided together; it was over.
    case changeBegun, jointInForce, changeEnded
    /// A learner became a voter; a replica noticed that it is no member any more.
    case promoted, removed
}
