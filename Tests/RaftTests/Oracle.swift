import Bytes

@testable import Raft

/// What must hold in the whole cluster, whatever happens to it.
struct Oracle {
    /// Who led in which term.
    private var leaders: [Term: NodeID] = [:]
    /// Records of all entries that any node ever knew as committed; index 1 first.
    private(set) var committed: [[UInt8]] = []
    /// The state after each of them; the empty one first.
    private var states = [Node.emptyState]
    /// The members that the group began with, and those of all committed entries, ascending.
    var members = GroupMembers(voters: [])
    var memberEntries: [GroupMembers] = []
    /// How far each node's committed prefix was compared, per boot.
    private var checked: [NodeID: (boot: UInt64, index: LogIndex)] = [:]

    /// The newest index that any node knows as committed.
    var commit: LogIndex { LogIndex(committed.count) }

    mutating func check(_ node: Node, in cluster: Cluster) {
        guard let replica = node.replica else { return }
        checkCommitted(node, replica, in: cluster)
        if replica.core.role == .leader {
            let term = replica.core.term
            let known = leaders[term]
            precondition(known == nil || known == node.id, "two leaders in term \(term)")
            if known == nil {
                leaders[term] = node.id
                checkHoldsCommitted(replica)
                checkVotes(for: node, replica, in: cluster)
            }
        }
        checkLease(node, replica, in: cluster)
    }

    /// A node's committed prefix never contradicts another's, also across restarts.
    private mutating func checkCommitted(_ node: Node, _ replica: Replica, in cluster: Cluster) {
        var from = checked[node.id] ?? (node.boot, 0)
        if from.boot != node.boot { from = (node.boot, 0) }
        // What a snapshot holds is compared as a state.
        from.index = max(from.index, replica.core.log.firstIndex - 1)
        guard replica.core.commit > from.index else { return }
        let isNew = replica.core.commit > commit
        for index in (from.index + 1)...replica.core.commit {
            let record = Self.record(at: index, of: node, replica)
            if index <= commit {
                precondition(
                    record == committed[Int(index) - 1], "committed entry \(index) differs")
            } else {
                precondition(index == commit + 1)
                committed.append(record)
                noteMembers(record)
                states.append(Node.state(states[states.count - 1], applying: record))
            }
        }
        checked[node.id] = (node.boot, replica.core.commit)
        if isNew { checkDurable(node, replica, in: cluster) }
    }

    private static func record(at index: LogIndex, of node: Node, _ replica: Replica) -> [UInt8] {
        recordInMemory(replica.core, at: index) ?? node.disk.entry(at: index)!.record
    }

    func term(of index: LogIndex) -> Term { Self.term(of: committed[Int(index) - 1]) }

    func state(after index: LogIndex) -> UInt64 { states[Int(index)] }

    /// A state machine, however it came there, is what the committed entries make of it.
    func checkState(_ node: Node) {
        precondition(
            node.state == states[Int(node.applied)],
            "\(node.id) has another state after entry \(node.applied)")
    }

    /// Leader completeness (paper, 5.4.3).
    private func checkHoldsCommitted(_ replica: Replica) {
        precondition(replica.core.lastIndex >= commit, "a leader without committed entries")
        for index in max(1, replica.core.log.firstIndex - 1)..<(commit + 1) {
            precondition(
                replica.core.log.term(at: index) == Self.term(of: committed[Int(index) - 1]),
                "a leader with another entry than the committed one at \(index)")
        }
    }

    private static func term(of record: [UInt8]) -> Term {
        record.span.littleEndian(at: 16)
    }

    /// Whoever holds a lease knows all that is committed anywhere.
    private func checkLease(_ node: Node, _ replica: Replica, in cluster: Cluster) {
        let now = node.clock(cluster.time)
        guard replica.core.holdsLease(now: now, liveness: node.liveness) else { return }
        cluster.statistics.leaseReads += 1
        if replica.core.members.isJoint { cluster.statistics.members.jointLeases += 1 }
        precondition(replica.core.commit >= commit, "a stale read by lease at \(node.id)")
    }

    /// All leases at this moment, for the randomized test: time alone makes a lease end or not.
    func checkLeases(in cluster: Cluster) {
        for node in cluster.nodes {
            if let replica = node.replica { checkLease(node, replica, in: cluster) }
        }
    }
}
