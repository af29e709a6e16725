import Bytes

@testable import Raft

/// What a run came by of changes of members.
struct MemberStatistics {
    var begun = 0
    var refused = 0
    var completed = 0
    var notCaughtUp = 0
    var cancelled = 0
    var withoutQuorum = 0
    /// Members in force that were cut off again.
    var rolledBack = 0
    /// Members that a snapshot brought.
    var installed = 0
    var jointRestarts = 0
    var jointElections = 0
    var jointReads = 0
    var jointLeases = 0
    /// Leaders that went on with what another one had begun: new voters that learn.
    var takenUp = 0
    var leadersRemoved = 0
    /// Replicas that learned of their removal, and those of them that came back without memory.
    var removed = 0
    var forgotten = 0
    /// Votes and pre-votes by who is no voter, or for who is no member, by the log of who votes.
    var learnerVotes = 0
    var strangerVotes = 0
    /// Learners whose logs may lack entries, of leaders that want them as voters.
    var distrustedLearners = 0
    /// Replicas without a state, of leaders that want them as voters.
    var needyLearners = 0

    /// Each figure with its name, for reports and sums.
    var all: [(name: String, count: Int)] {
        Mirror(reflecting: self).children.map { ($0.label ?? "", $0.value as? Int ?? 0) }
    }
}

extension Cluster {
    @discardableResult
    func changeMembers(_ node: Node, voters: [NodeID], learners: [NodeID]) -> ChangeRefusal? {
        var refusal: ChangeRefusal?
        turn(node) { replica, now, liveness, effects in
            do throws(ChangeRefusal) {
                try replica.core.proposeChange(
                    voters: voters, learners: learners, now: now, liveness: liveness,
                    effects: &effects)
            } catch {
                refusal = error
            }
        }
        if refusal == nil {
            statistics.members.begun += 1
        } else {
            statistics.members.refused += 1
        }
        return refusal
    }

    func giveUpChange(_ node: Node) {
        turn(node) { replica, now, _, effects in
            let isGivenUp = replica.core.giveUpChange(now: now, effects: &effects)
            note("  \(node.id) \(isGivenUp ? "gives up the change" : "has no change to give up")")
        }
    }

    /// What a turn's effects say of members.
    func noteMembers(_ node: Node, _ replica: Replica) {
        let members = replica.core.members
        if members != node.lastMembers {
            precondition(node.effects.membersChanged, "\(node.id) does not say who its members are")
            note("  \(node.id) \(describe(members))")
            if members.since < node.lastMembers.since { statistics.members.rolledBack += 1 }
            node.lastMembers = members
        }
        if let outcome = node.effects.changeEnded {
            note("  \(node.id) change \(describe(outcome))")
            node.changeEnded = outcome
            switch outcome {
            case .completed: statistics.members.completed += 1
            case .failed(.notCaughtUp): statistics.members.notCaughtUp += 1
            case .failed(.cancelled): statistics.members.cancelled += 1
            case .failed(.noQuorum): statistics.members.withoutQuorum += 1
            }
            if outcome == .completed, !members.contains(node.id) {
                statistics.members.leadersRemoved += 1
            }
        }
        if node.effects.removed {
            note("  \(node.id) is removed")
            statistics.members.removed += 1
            let history = replica.core.history
            let own = ([history.base] + history.changes).last {
                $0.contains(node.id) && $0 == oracle.members(asOf: $0.since)
            }
            precondition(
                oracle.memberEntries.contains {
                    $0.since > own?.since ?? 0 && !$0.contains(node.id)
                },
                "\(node.id) believes that it is removed")
        }
    }

    /// A vote is counted here when it is given.
    func noteVote(_ outbound: RaftOutbound, of replica: Replica) {
        switch outbound.message.body {
        case .voteReply(granted: true), .preVoteReply(_, granted: true): break
        default: return
        }
        let members = replica.core.members
        if !members.isVoter(replica.core.configuration.id) { statistics.members.learnerVotes += 1 }
        if !members.contains(outbound.to) { statistics.members.strangerVotes += 1 }
    }

    func noteElection(_ node: Node) {
        statistics.elections += 1
        if node.core.members.isJoint { statistics.members.jointElections += 1 }
        if node.core.members.wish != nil { statistics.members.takenUp += 1 }
    }
}

func describe(_ outcome: ChangeOutcome) -> String {
    switch outcome {
    case .completed: "completed"
    case .failed(.notCaughtUp(let nodes)): "failed: \(describe(nodes)) not caught up"
    case .failed(.noQuorum): "failed: no quorum"
    case .failed(.cancelled): "failed: cancelled"
    }
}
