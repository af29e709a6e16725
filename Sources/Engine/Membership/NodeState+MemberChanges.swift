internal import Bytes
internal import Cluster
internal import Raft

/// Every node that stays is a voter of every group. Each group's leader compares the map with its group's
/// members, and changes them until they are the same: one change at a time, the next leader going on where
/// this one ended. Whoever has an older map may undo what another leader did; the newer map does it again.
///
/// A node that was removed from all groups is removed from the map by the leader of the system group.
extension NodeState {
    private static let checkInterval = Interval.milliseconds(100)
    private static let retryTime = Interval.milliseconds(500)
    /// A node without a link for so long is not waited for: by those who want another one removed, or as
    /// a learner that is to become a voter.
    private static let patience = Interval.seconds(3)
    private static let catchUpPatience = Interval.seconds(10)

    /// The end of a turn: nodes that join or leave, and the groups' members.
    mutating func considerNodes(now: ClockReading) {
        guard now.boot >= nodesCheckAt, isStarted else { return }
        nodesCheckAt = .distantFuture
        guard let map, expulsion == nil, replicas.count > 0, !isShuttingDown else { return }
        considerMeetings(map, now: now)
        var isPending = considerApplicants(map, now: now) || !meetings.isEmpty
        if lookForOthers(now: now) { isPending = true }
        for group in 0..<replicas.count where changeMembers(group, map, now: now) {
            isPending = true
        }
        if considerLeavers(map, now: now) { isPending = true }
        if considerVersion(map, now: now) { isPending = true }
        if isPending { nodesCheckAt = now.boot + Self.checkInterval }
    }

    /// The lower of two ids dials. But one that lost its directory knows of nobody, and who was removed is not
    /// dialed any more: who misses a lower one for long dials it, too. Whether any is missed.
    private mutating func lookForOthers(now: ClockReading) -> Bool {
        var isMissing = false
        for at in peers.indices
        where peers[at].id < id && !peers[at].isReplaced && links.index(to: peers[at].id) == nil {
            isMissing = true
            let since = max(peers[at].unlinkedSince, peers[at].lookedForAt)
            guard since + Self.patience <= now.boot else { continue }
            peers[at].lookedForAt = now.boot
            peers[at].dialAt = now.boot
        }
        return isMissing
    }

    /// Takes the next step towards the members that the map wants; false when there is none to take here.
    private mutating func changeMembers(
        _ group: Int, _ map: ClusterMap, now: ClockReading
    ) -> Bool {
        guard replicas[group].core.role == .leader else { return false }
        let members = replicas[group].core.members
        let wanted = wantedMembers(of: group, map)
        if !members.isChanging, members.voters == wanted, members.learners.isEmpty { return false }
        if let wish = members.wish {
            let isVain = wish.voters.contains {
                !wanted.contains($0)
                    || !members.voters.contains($0)
                        && isUnlinked($0, for: Self.catchUpPatience, now: now)
            }
            if isVain { replicas[group].giveUpChange(now: now.boot) }
            return true
        }
        guard !members.isChanging, replicas[group].changeRetryAt <= now.boot else { return true }
        let target = wanted.filter {
            $0 == id || members.voters.contains($0) || links.index(to: $0) != nil
        }
        // Who takes another one's place is about to come: one change instead of two.
        if target != wanted, now.boot < mapChangedAt + Self.patience { return true }
        guard !target.isEmpty, target != members.voters || !members.learners.isEmpty else {
            return true
        }
        do throws(ChangeRefusal) {
            try replicas[group].changeMembers(to: target, now: now.boot, liveness: liveness)
            let nodes = target.map { "\($0.raw)" }.joined(separator: ",")
            log(.notice, "members-change group=\(replicas[group].group) voters=\(nodes)")
        } catch {
            replicas[group].changeRetryAt = now.boot + Self.checkInterval
            guard error != .notReady, error != .transferring, error != .changing else {
                return true
            }
            replicas[group].changeRetryAt = now.boot + Self.retryTime
            noteFailure(group, "\(error)")
        }
        return true
    }

    private func isUnlinked(_ node: NodeID, for time: Interval, now: ClockReading) -> Bool {
        guard node != id, links.index(to: node) == nil else { return false }
        guard let at = peerIndex(node) else { return true }
        return peers[at].unlinkedSince + time <= now.boot
    }

    /// Removes those from the map that are in no group any more; whether any is leaving.
    private mutating func considerLeavers(_ map: ClusterMap, now: ClockReading) -> Bool {
        guard replicas[0].core.role == .leader else { return false }
        var isAnyLeaving = false
        for member in map.members where member.isLeaving {
            isAnyLeaving = true
            if !isInUse(NodeID(member.id), in: 0..<replicas.count) {
                proposeNodes(.remove(member.id), now: now)
            }
        }
        return isAnyLeaving
    }

    /// Who is to be a voter of a group: all nodes that stay. Who leaves is kept by the system group until all
    /// others have let go of it. By that it learns that it is to leave, and that a group that it leads is for
    /// it to change. The leader of the system group knows when it is itself; and what has become of the
    /// groups that have let go of it, it does not hear.
    private func wantedMembers(of group: Int, _ map: ClusterMap) -> [NodeID] {
        map.members.filter { member in
            let node = NodeID(member.id)
            return !member.isLeaving
                || group == 0 && node != id && replicas[0].core.members.voters.contains(node)
                    && isInUse(node, in: 1..<max(1, replicas.count))
        }.map { NodeID($0.id) }
    }

    private func isInUse(_ node: NodeID, in groups: Range<Int>) -> Bool {
        groups.contains {
            replicas[$0].core.committedMembers.contains(node)
                || replicas[$0].core.members.contains(node)
        }
    }

    /// A group's members are others than before, or a change of them is over.
    mutating func noteMembers(_ group: Int, now: ClockReading) {
        if replicas[group].effects.membersChanged {
            let members = replicas[group].core.members
            let nodes = members.voters.map { "\($0.raw)" }.joined(separator: ",")
            let learners = members.learners.map { "\($0.raw)" }.joined(separator: ",")
            log(
                .notice,
                "members group=\(replicas[group].group) voters=\(nodes) learners=\(learners) joint=\(members.isJoint) committed=\(members.since <= replicas[group].core.commit)"
            )
            nodesCheckAt = now.boot
        }
        if let outcome = replicas[group].effects.changeEnded {
            nodesCheckAt = now.boot
            switch outcome {
            case .completed: replicas[group].lastChangeFailure = ""
            case .failed(let failure):
                replicas[group].changeRetryAt = now.boot + Self.retryTime
                noteFailure(group, "\(failure)")
            }
        }
        if replicas[group].effects.removed {
            log(
                .warning,
                "removed group=\(replicas[group].group) reason=\"this node is no member of the group any more\""
            )
        }
        replicas[group].effects.membersChanged = false
        replicas[group].effects.changeEnded = nil
        replicas[group].effects.removed = false
    }

    private mutating func noteFailure(_ group: Int, _ text: String) {
        guard replicas[group].lastChangeFailure != text else { return }
        replicas[group].lastChangeFailure = text
        log(
            .warning,
            "members-change-failed group=\(replicas[group].group) reason=\"\(text)\" effect=\"tried again\""
        )
    }
}
