internal import Bytes
internal import Raft

/// What a small model remembers of its past, to judge its present.
struct ModelHistory {
    private(set) var violation: String?
    /// The term of every entry that was ever committed; the first is entry 1.
    private(set) var committed: [Term] = []
    private var leaders: [(term: Term, node: NodeID)] = []
    private var votes: [(term: Term, voter: NodeID, candidate: NodeID)] = []

    mutating func fail(_ text: String) { violation = violation ?? text }

    /// Notes who leads; whether that is news.
    mutating func leads(_ node: NodeID, in term: Term) -> Bool {
        for known in leaders where known.term == term {
            if known.node != node { fail("\(known.node) and \(node) both lead in term \(term)") }
            return false
        }
        leaders.append((term, node))
        return true
    }

    mutating func votes(_ voter: NodeID, for candidate: NodeID, in term: Term) {
        for known in votes where known.term == term && known.voter == voter {
            if known.candidate != candidate {
                fail("\(voter) votes for \(known.candidate) and \(candidate) in term \(term)")
            }
            return
        }
        votes.append((term, voter, candidate))
    }

    mutating func commits(_ term: Term, at index: Int, on node: NodeID) {
        if index > committed.count {
            committed.append(term)
        } else if committed[index - 1] != term {
            fail(
                "entry \(index) was committed in term \(committed[index - 1]), on \(node) it is of \(term)"
            )
        }
    }

    func encodeState(into buffer: inout ByteBuffer) {
        for term in committed { buffer.append(littleEndian: term) }
        buffer.append(littleEndian: leaders.count)
        for known in leaders.sorted(by: { $0.term < $1.term }) {
            buffer.append(littleEndian: known.term)
            buffer.append(littleEndian: known.node.raw)
        }
        let sorted = votes.sorted { ($0.term, $0.voter) < ($1.term, $1.voter) }
        for known in sorted {
            buffer.append(littleEndian: known.term)
            buffer.append(littleEndian: known.voter.raw)
            buffer.append(littleEndian: known.candidate.raw)
        }
    }
}

/// What is compared with what a turn leaves.
struct ModelBefore {
    let role: RaftRole
    let term: Term
    let commit: LogIndex
    let boot: UInt64
    let leader: NodeID?
    let confirmedReadRound: UInt64
    let isTransferring: Bool
    let members: GroupMembers
    let committedMembers: GroupMembers
    let isRemoved: Bool

    init(_ node: ModelNode) {
        role = node.core.role
        term = node.core.term
        commit = node.core.commit
        boot = node.boot
        leader = node.core.leader
        confirmedReadRound = node.core.confirmedReadRound
        isTransferring = node.core.isTransferring
        members = node.core.members
        committedMembers = node.core.committedMembers
        isRemoved = node.core.isRemoved
    }
}
