import Bytes

@testable import Raft

/// What must hold of members, whatever happens to them.
extension Oracle {
    /// The newest that are committed.
    var newestMembers: GroupMembers { memberEntries.last ?? members }

    func members(asOf index: LogIndex) -> GroupMembers {
        memberEntries.last { $0.since <= index } ?? members
    }

    /// What a replica gives its snapshot.
    func check(_ told: GroupMembers, asOf index: LogIndex) {
        precondition(told == members(asOf: index), "other members as of entry \(index)")
    }

    /// Those who follow each other decide by a common set of voters.
    mutating func noteMembers(_ record: [UInt8]) {
        var walk = EntryRecords(record.span)
        guard let entry = try? walk.next(), let next = try? GroupMembers(entry: entry) else {
            return
        }
        let before = newestMembers
        precondition(
            !before.isJoint && next.isJoint
                ? next.outgoing == before.voters : !next.isJoint && next.voters == before.voters,
            "a step from \(before) to \(next)")
        precondition(next.isJoint || next.wish == nil || !before.isChanging, "two changes at once")
        memberEntries.append(next)
    }

    /// Whoever is elected has the durable votes of a majority of each of its sets of voters.
    func checkVotes(for node: Node, _ replica: Replica, in cluster: Cluster) {
        let term = replica.core.term
        expectMajority(of: [replica.core.members], "voted for \(node.id) in term \(term)") {
            let disk = cluster.node($0).disk
            return disk.term > term || disk.term == term && disk.vote == node.id
        }
    }

    /// What a leader commits is durable at a majority of each of its sets of voters.
    func checkDurable(_ node: Node, _ replica: Replica, in cluster: Cluster) {
        // Entries that were acknowledged and are lost may have counted.
        guard replica.core.role == .leader, !cluster.nodes.contains(where: \.disk.lacksEntries)
        else { return }
        let term = self.term(of: commit)
        // What comes into force at the end of a turn may not have been when the turn committed.
        expectMajority(
            of: [node.membersBefore, replica.core.members],
            "has entry \(commit) that \(node.id) committed"
        ) {
            let disk = cluster.node($0).disk
            return disk.base >= commit || disk.entry(at: commit)?.term == term
        }
    }

    private func expectMajority(
        of candidates: [GroupMembers], _ what: String, _ holds: (NodeID) -> Bool
    ) {
        let isThere = candidates.contains { members in
            [members.voters, members.outgoing].allSatisfy {
                $0.isEmpty || $0.filter(holds).count > $0.count / 2
            }
        }
        precondition(
            isThere, "no majority of \(candidates.map { describe($0) }) \(what)")
    }
}
