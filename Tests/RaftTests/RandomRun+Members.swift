import Bytes

@testable import Raft

/// Changes of members, in the middle of everything else.
extension RandomRun {
    /// What a host does about members, once a millisecond.
    mutating func workOnMembers(of node: Node, in group: Cluster) {
        if node.core.isRemoved, generator.below(40) == 0 { leave(node, group) }
        noteLearners(of: node, in: group)
        guard !isHealed, node.core.role == .leader, isDue(faults.changeMilliseconds) else { return }
        if generator.below(8) == 0 { return group.giveUpChange(node) }
        let members = node.core.members
        let least = faults.losesData ? 3 : 1
        var voters = members.voters
        switch generator.below(4) {
        case 0: voters.removeAll { $0 == node.id }
        case 1: voters.append(draw(group.nodes).id)
        case 2: voters.removeAll { $0 == draw(group.nodes).id }
        default: voters = []
        }
        while voters.count < least || generator.below(3) == 0 {
            let voter = draw(group.nodes).id
            if !voters.contains(voter) { voters.append(voter) }
            if voters.count == group.nodes.count { break }
        }
        let learners = group.nodes.map(\.id).filter { _ in generator.below(4) == 0 }
        let refusal = group.changeMembers(node, voters: voters, learners: learners)
        guard refusal == nil else { return }
        // Something goes wrong while it is under way.
        switch generator.below(6) {
        case 0, 1:
            nextFault = min(nextFault, group.time + Int64(generator.below(80)) * 1_000_000)
        case 2:
            // Nobody hears of it.
            isolate(node.id, incoming: generator.below(2) == 0, outgoing: true)
            nextFault = group.time + Int64(400 + generator.below(800)) * 1_000_000
        case 3, 4:
            // Somebody else does not.
            isolate(draw(group.nodes).id, incoming: true, outgoing: true)
            nextFault = group.time + Int64(100 + generator.below(1000)) * 1_000_000
        default: break
        }
    }

    private mutating func draw(_ nodes: [Node]) -> Node {
        nodes[Int(generator.below(UInt64(nodes.count)))]
    }

    /// The replica knows that it is no member any more: it is forgotten, and may be asked to come back; or its
    /// process restarts with all that it had; or nothing happens.
    private mutating func leave(_ node: Node, _ group: Cluster) {
        switch generator.below(4) {
        case 0:
            guard let removal = node.replica?.core.removal else { return }
            for group in groups {
                let node = group.node(node.id)
                guard node.replica != nil else { return }
                group.crash(node, keeping: .max)
            }
            node.disk = Disk(forgetting: node.disk, removal)
            group.statistics.members.forgotten += 1
            start(node.id)
        case 1 where !isHealed: crash(node.id)
        default: break
        }
    }

    private func noteLearners(of leader: Node, in group: Cluster) {
        guard let replica = leader.replica, let wish = replica.core.members.wish else { return }
        for follower in replica.core.progress
        where wish.voters.contains(follower.id) && !replica.core.members.isVoter(follower.id) {
            if follower.recovery?.isOver == false {
                group.statistics.members.distrustedLearners += 1
            }
            if follower.state == .snapshot { group.statistics.members.needyLearners += 1 }
        }
    }

    /// What is under way ends, one way or the other.
    mutating func awaitChanges() {
        for _ in 0..<4000 {
            let isOver = groups.allSatisfy { group in
                !group.oracle.newestMembers.isChanging
                    && group.nodes.filter { $0.core.role == .leader }.allSatisfy {
                        $0.core.members == group.oracle.newestMembers
                    }
            }
            if isOver { return }
            step()
        }
        preconditionFailure(
            "seed \(seed): a change does not end: \(groups.map { $0.nodes.map(\.core) })")
    }

    // MARK: Leases

    /// Makes node 1, whose clock is slow, lead three; lets it hand the group to others in the middle of
    /// which it is cut off, and heals.
    mutating func replaceSlowLeader() {
        let group = groups[0]
        let founders = [1, 2, 3].map { NodeID(UInt16($0)) }
        let others = [2 + generator.below(2), 4, 5].map { NodeID(UInt16($0)) }
        settle(group, voters: founders)
        for _ in 0..<2000 {
            step()
            let leader = group.nodes.first { $0.core.role == .leader }
            if leader?.id == NodeID(1) { break }
            if let leader { transfer(group, from: leader, to: NodeID(1)) }
        }
        for _ in 0..<(300 + generator.below(100)) { step() }
        group.changeMembers(group[1], voters: others, learners: [])
        for _ in 0..<generator.below(60) { step() }
        isolate(NodeID(1), incoming: generator.below(2) == 0, outgoing: true)
        for _ in 0..<900 { step() }
        unblock()
    }

    private mutating func settle(_ group: Cluster, voters: [NodeID]) {
        for _ in 0..<6000 {
            step()
            guard let leader = group.nodes.last(where: { $0.core.role == .leader }),
                group.time % 50_000_000 == 0
            else { continue }
            if group.oracle.newestMembers.voters == voters, !leader.core.members.isChanging {
                return
            }
            group.changeMembers(leader, voters: voters, learners: [])
        }
        preconditionFailure("seed \(seed): \(voters) do not become the members")
    }
}
