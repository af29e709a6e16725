internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import Raft

/// The cluster's nodes, as the system group's map names them: who this node talks to, and where.
///
/// Nodes come and go in three steps, each an entry of the system group (`NodeChange`), and the groups'
/// members follow (`NodeState+MemberChanges.swift`):
///
///     add ------> a member of the map ------> learner, then voter of every group
///     leave ----> marked ------> removed from every group ------> remove
///                                (the system group last)
///
/// Peers tell each other the map at every new link, too: who was away may not know the system group's leader.
///
/// A number is given to one node only, ever. So nothing that is known of a node, a promise or a vote, can
/// be taken for another one's.
extension NodeState {
    /// The members of a map; where `initial-cluster` names a founder, the operator's word counts. Who came
    /// later is where it was met, also under a founder's name.
    static func members(of map: ClusterMap, _ configuration: Configuration) -> [Member] {
        map.members.map { member in
            var found = Member(
                id: NodeID(member.id), name: member.name, host: member.host,
                port: Int(member.peerPort), isLeaving: member.isLeaving)
            if map.founders.contains(member.id),
                let named = configuration.initialCluster.first(where: { $0.name == member.name })
            {
                (found.host, found.port) = (named.host, named.port)
            }
            return found
        }
    }

    /// The node of a name that is not about to leave.
    func staying(named name: String) -> Member? {
        members.last { $0.name == name && !$0.isLeaving }
    }

    /// The system group's map is a newer one.
    mutating func changeNodes(to next: ClusterMap, _ encoded: [UInt8], now: ClockReading) {
        guard let own = next.member(incarnation: incarnation.raw) else {
            expel(.removed, now: now)
            return
        }
        if own.isLeaving, map?.member(own.id)?.isLeaving == false {
            log(.warning, "leaving node=\(own.id) reason=\"it is being removed from the cluster\"")
        }
        for member in next.members where map?.member(member.id) == nil {
            log(
                .notice,
                "node-added node=\(member.id) name=\(member.name) addr=\(member.host):\(member.peerPort)"
            )
        }
        for member in map?.members ?? [] where next.member(member.id) == nil {
            log(.notice, "node-removed node=\(member.id) name=\(member.name)")
        }
        let isRaised = map.map { $0.clusterVersion != next.clusterVersion } ?? false
        if isRaised { versionRises(to: next) }
        map = next
        if isRaised { partWithOthersVersions() }
        mapChangedAt = now.boot
        nodesCheckAt = now.boot
        NodeRecord.bound(encoded).write(to: &wal)
        arrangePeers(now: now)
    }

    /// Knows the peers that the map names, or `initial-cluster` before there is one, and no others.
    mutating func arrangePeers(now: ClockReading) {
        if let map { members = Self.members(of: map, configuration) }
        for at in peers.indices.reversed()
        where !members.contains(where: { $0.id == peers[at].id }) {
            dismiss(at, now: now)
        }
        for member in members where member.id != id {
            let isReplaced =
                member.isLeaving
                && members.contains {
                    $0.name == member.name && $0.id != member.id && !$0.isLeaving
                }
            if let at = peerIndex(member.id) {
                (peers[at].host, peers[at].port) = (member.host, member.port)
                peers[at].isReplaced = isReplaced
                if isReplaced { peers[at].dialAt = nil }
                continue
            }
            var peer = PeerState(
                id: member.id, name: member.name, host: member.host, port: member.port,
                now: now.boot)
            peer.isReplaced = isReplaced
            for _ in 0..<replicas.count { peer.inbound.append(InboundStreams()) }
            if id < member.id, !isReplaced {
                // Not at once if the link is there over which it came.
                peer.dialAt = hasApplicant(member.id) ? now.boot + .seconds(1) : now.boot
            }
            peers.append(peer)
            for group in 0..<replicas.count { replicas[group].core.linkDown(member.id) }
        }
        peers.sort { $0.id < $1.id }
        liveness.setPeers(peers.map(\.id))
        arePeersNew = true
    }

    private func hasApplicant(_ node: NodeID) -> Bool {
        let incarnation = map?.member(node.raw)?.incarnation
        return links.openIndices.contains {
            links[$0].applicant?.incarnation.raw == incarnation && incarnation != nil
        }
    }

    /// A node is no member any more: it is told, if it can be, and forgotten.
    private mutating func dismiss(_ at: Int, now: ClockReading) {
        let peer = peers[at].id
        if let link = links.index(to: peer) { sayFarewell(link, .removed) }
        stopSending(to: peer)
        for group in 0..<replicas.count { replicas[group].core.linkDown(peer) }
        for group in 0..<routes.count where routes[group].target?.node == peer {
            routes[group].restart(now: now.boot)
        }
        liveness.linkDown(to: peer, now: now.boot)
        peers.remove(at: at)
    }

    // MARK: No member any more

    /// A member says that this node is none. Only the word of a member of its own cluster counts.
    mutating func receiveFarewell(_ farewell: Farewell, link index: Int, now: ClockReading) {
        guard let peer = links[index].peer, isOwnCluster(of: farewell, from: peer) else { return }
        expel(farewell.reason, now: now)
    }

    /// A directory without a map may be an older copy, of before the cluster was founded. It belongs to the
    /// cluster whose founders name it.
    private func isOwnCluster(of farewell: Farewell, from peer: NodeID) -> Bool {
        if let map { return map.clusterID == (farewell.cluster0, farewell.cluster1) }
        guard let hello = peerIndex(peer).flatMap({ peers[$0].hello }), hello.membership == .bound,
            (hello.cluster0, hello.cluster1) == (farewell.cluster0, farewell.cluster1)
        else { return false }
        return hello.admitted.contains(Admitted(node: id.raw, incarnation: incarnation))
    }

    /// This node takes part in nothing any more, also after a restart.
    mutating func expel(_ reason: Expulsion, now: ClockReading) {
        guard expulsion == nil else { return }
        expulsion = reason
        bootstrapBatch = nil
        NodeRecord.expelled(reason).write(to: &wal)
        becomeMute(reason.reason)
        for group in 0..<replicas.count { replicas[group].mute(now: now.boot) }
        for at in peers.indices { peers[at].dialAt = nil }
        for index in links.openIndices {
            links.closeAfterFlush(index)
        }
        meetings.removeAll()
    }
}

extension Expulsion {
    /// For clients and the log.
    var reason: String {
        switch self {
        case .removed:
            "this node was removed from the cluster; to use it again, empty its data directory and start it with 'join yes'"
        case .rolledBack:
            "this node's data directory is an older copy of what it was: what it promised since is forgotten; empty it, and the node is taken in under a new identity"
        }
    }
}
