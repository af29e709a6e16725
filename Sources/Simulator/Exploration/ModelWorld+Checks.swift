internal import Bytes
internal import Raft

/// What must hold in every state of a small model:
///
/// 1. At most one node leads in a term, and nobody votes twice in one.
/// 2. What is committed never changes, was committed by an entry of the leader's own term, and is durable
///    on a majority of every set of voters that decided.
/// 3. What a message says is durable when it leaves: a vote, a candidacy with its log, an acknowledgement.
/// 4. While a leader holds the lease nobody leads in a later term, and it knows all that is committed.
/// 5. A read that a round confirmed sees all that was committed when it began.
/// 6. Nobody votes for another, nor campaigns, while bound by a promise.
/// 7. Who becomes a voter has the entry that said so first; two sets of voters that decide together both
///    have the entry that made them.
/// 8. The effects of a turn tell all that changed in it, and who stops leading tells its followers.
/// 9. Who is elected has all that was committed.
/// 10. The members that a snapshot would hold are those of its index.
extension ModelWorld {
    func checkTurn(of node: ModelNode, before: ModelBefore) {
        if walks { node.core.checkInvariants() }
        if before.boot == node.boot {
            if node.core.term < before.term {
                history.fail("\(node.id) went back to an older term")
            }
            if node.core.commit < before.commit { history.fail("\(node.id) took a commit back") }
        }
        if node.core.role == .leader, history.leads(node.id, in: node.core.term) {
            occurred.insert(.election)
            checkCompleteness(of: node)
            if node.core.electionReason == .transfer { occurred.insert(.handOver) }
        }
        if node.core.members.isJoint { occurred.insert(.jointInForce) }
        checkCommit(of: node, before: before)
        checkPromise(of: node, before: before)
        checkRead(of: node)
        checkMembers(of: node, before: before)
    }

    /// Before the effects are taken: each has its reason in what changed, and each change its effect.
    func checkEffects(of node: ModelNode, before: ModelBefore) {
        func demand(_ told: Bool, _ what: String) {
            if !told { history.fail("\(node.id) does not tell \(what)") }
        }
        let (role, term, effects) = (node.core.role, node.core.term, node.effects)
        let leadsOn = before.role == .leader && role == .leader && before.term == term
        if role != before.role || term != before.term {
            demand(effects.roleChanged, "that its role or term changed")
        }
        if before.role == .leader, role != .leader {
            for peer in before.members.all where peer != node.id {
                let isTold = effects.messages.contains {
                    $0.to == peer && $0.message.body == .steppedDown(led: before.term)
                }
                demand(isTold, "\(peer) that it leads no more")
            }
        }
        if node.core.leader != before.leader {
            demand(effects.leaderChanged, "that it knows another leader")
        }
        if node.core.commit != before.commit {
            demand(effects.commitAdvanced, "that more is committed")
        }
        if node.core.confirmedReadRound > before.confirmedReadRound {
            demand(effects.readRoundConfirmed, "that a read round was confirmed")
        }
        if leadsOn, before.isTransferring, !node.core.isTransferring {
            occurred.insert(.handOverFailed)
            demand(effects.transferFailed, "that it gave up handing over")
        }
        let committed = node.core.committedMembers
        if node.core.members != before.members || committed != before.committedMembers {
            demand(effects.membersChanged, "that the members are others")
        }
        if leadsOn, committed != before.committedMembers, !committed.isChanging,
            node.core.log.term(at: committed.since) == term
        {
            demand(effects.changeEnded != nil, "how a change of members ended")
        }
        if node.core.isRemoved, !before.isRemoved {
            occurred.insert(.removed)
            demand(effects.removed, "that it is no member any more")
        }
    }

    private func checkCompleteness(of node: ModelNode) {
        for (position, term) in history.committed.enumerated()
        where node.core.log.term(at: LogIndex(position + 1)) != term {
            history.fail(
                "\(node.id) leads in term \(node.core.term) without entry \(position + 1)")
        }
    }

    private func checkMembers(of node: ModelNode, before: ModelBefore) {
        if let asked = node.core.members(asOf: node.core.commit),
            asked != node.core.committedMembers
        {
            history.fail("a snapshot of \(node.id) would hold members that are not committed")
        }
        if node.core.committedMembers.since > node.core.commit {
            history.fail("\(node.id) takes members for committed that are not")
        }
        guard node.core.role == .leader, before.role == .leader, node.core.term == before.term
        else { return }
        let (was, members) = (before.members, node.core.members)
        // Whoever leads appends one step at a time: what it was before is committed.
        if members.since > was.since, was.since > node.core.commit {
            history.fail("\(node.id) changes the members before their last change is committed")
        }
        if members.isJoint, !was.isJoint {
            for voter in members.voters where !was.voters.contains(voter) {
                occurred.insert(.promoted)
                if self.node(Int(voter.raw)).disk.entries.count < Int(was.since) {
                    history.fail("\(voter) becomes a voter without entry \(was.since)")
                }
            }
        }
        guard was.isJoint, was.since > before.commit, was.since <= node.core.commit else { return }
        for voters in [was.voters, was.outgoing] {
            let holders = voters.count { isDurable(Int(was.since), on: self.node(Int($0.raw))) }
            if holders <= voters.count / 2 {
                history.fail("the joint members of entry \(was.since) are durable on \(holders)")
            }
        }
    }

    private func checkCommit(of node: ModelNode, before: ModelBefore) {
        let isNew = node.core.commit > history.committed.count
        if isNew { occurred.insert(.committed) }
        for index in 0..<node.core.commit where index < node.core.log.lastIndex {
            guard let term = node.core.log.term(at: index + 1) else { continue }
            history.commits(term, at: Int(index) + 1, on: node.id)
        }
        guard isNew else { return }
        if node.core.role == .leader, history.committed.last != node.core.term {
            history.fail(
                "\(node.id) committed an entry of term \(history.committed.last ?? 0) by counting")
        }
        // By those in force when it was counted. What is committed may bring others into force, who count
        // what is behind it; a majority of the new voters is part of every majority of both sets.
        let isBehind = before.members.isJoint && before.members.since < history.committed.count
        let members = before.role == .leader && !isBehind ? before.members : node.core.members
        for voters in [members.voters, members.outgoing]
        where !voters.isEmpty && node.core.role == .leader {
            let holders = voters.count { voter in
                isDurable(history.committed.count, on: self.node(Int(voter.raw)))
            }
            if holders <= voters.count / 2 {
                history.fail(
                    "entry \(history.committed.count) is committed and durable on \(holders)")
            }
        }
    }

    private func isDurable(_ index: Int, on node: ModelNode) -> Bool {
        node.disk.term(at: index) == history.committed[index - 1]
    }

    private func checkRead(of node: ModelNode) {
        guard let read = node.read else { return }
        guard node.core.role == .leader, node.core.term == read.term else {
            node.read = nil
            occurred.insert(.readDropped)
            return
        }
        guard node.core.confirmedReadRound >= read.round else { return }
        node.read = nil
        occurred.insert(.readConfirmed)
        if node.core.commit < read.mustSee {
            history.fail(
                "\(node.id) reads as of \(node.core.commit), \(read.mustSee) was committed")
        }
    }

    /// After every action, of all nodes: time may have passed.
    func checkEverywhere() {
        for node in nodes where node.core.role == .leader {
            for other in nodes where other.core.role == .leader && other.core.term > node.core.term
            {
                occurred.insert(.twoLeaders)
            }
            guard node.core.holdsLease(now: now(node), liveness: node.liveness) else { continue }
            occurred.insert(.leaseHeld)
            for other in nodes where other !== node {
                if other.core.role == .candidate || other.core.role == .preCandidate {
                    occurred.insert(.leaseChallenged)
                }
                if other.core.role == .leader, other.core.term > node.core.term {
                    history.fail("\(node.id) holds the lease while \(other.id) leads")
                }
            }
            if node.core.commit < history.committed.count {
                history.fail("\(node.id) holds the lease and lacks what is committed")
            }
        }
        guard !situation.changesMembers else { return }
        for index in history.committed.indices {
            let holders = nodes.count { isDurable(index + 1, on: $0) }
            if holders <= situation.nodes / 2 {
                history.fail("entry \(index + 1) is committed and durable on \(holders) only")
            }
        }
    }

    // MARK: Messages

    /// A message leaves: is what it says durable?
    func checkLeaving(_ message: RaftMessage, of node: ModelNode, to: NodeID) {
        let disk = node.disk
        switch message.body {
        case .voteReply(let isGranted):
            occurred.insert(isGranted ? .voteGiven : .voteRefused)
            guard isGranted else { return }
            history.votes(node.id, for: to, in: message.term)
            let isKept = disk.term > message.term || disk.term == message.term && disk.vote == to
            if !isKept {
                history.fail("the vote of \(node.id) for \(to) leaves before it is durable")
            }
        case .vote(let lastIndex, let lastTerm, _):
            history.votes(node.id, for: node.id, in: message.term)
            let isKept =
                disk.term > message.term || disk.term == message.term && disk.vote == node.id
            if !isKept || lastIndex > 0 && disk.term(at: Int(lastIndex)) != lastTerm {
                history.fail("\(node.id) asks for votes by what is not durable")
            }
        case .appendReply(let reply):
            if reply.rejected {
                occurred.insert(.appendRefused)
                return
            }
            if disk.term < message.term { history.fail("\(node.id) speaks in a term not durable") }
            if reply.index > disk.entries.count {
                history.fail(
                    "\(node.id) acknowledges \(reply.index), durable is \(disk.entries.count)")
            }
            noteQuoted(reply.followEpoch, by: node, to: Int(to.raw), term: message.term)
        default: break
        }
    }

    // MARK: Promises

    private func noteQuoted(_ epoch: UInt64, by node: ModelNode, to leader: Int, term: Term) {
        guard epoch != 0 else { return }
        node.quoted = ModelNode.Quoted(
            leader: leader, leaderBoot: self.node(leader).boot, term: term, epoch: epoch)
    }

    /// A message that lets its receiver go from what it promised (L3).
    func noteFreedom(of node: ModelNode, by message: RaftMessage, from sender: Int) {
        guard let quoted = node.quoted, message.term >= quoted.term else { return }
        switch message.body {
        case .append where message.term > quoted.term: node.quoted?.isFree = true
        case .vote(_, _, transfer: true): node.quoted?.isFree = true
        case .timeoutNow, .steppedDown, .preVote, .vote, .probeReply:
            if sender == quoted.leader { node.quoted?.isFree = true }
        default: break
        }
    }

    private func checkPromise(of node: ModelNode, before: ModelBefore) {
        guard let quoted = node.quoted, !quoted.isFree, node.core.term > quoted.term,
            node.core.term > before.term || node.core.vote != nil,
            let vote = node.core.vote, vote != NodeID(UInt16(quoted.leader)),
            self.node(quoted.leader).boot == quoted.leaderBoot
        else { return }
        let isBound = node.promises.contains {
            $0.to == quoted.leader && $0.epoch == quoted.epoch && $0.until > now(node)
        }
        if isBound {
            history.fail(
                "\(node.id) votes for \(vote) in term \(node.core.term), bound to n\(quoted.leader)"
            )
        }
        node.quoted?.isFree = true
    }
}
