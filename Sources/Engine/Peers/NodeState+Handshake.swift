internal import Configuration
internal import WAL
internal import Bytes
internal import Cluster
internal import PeerProtocol
internal import Raft

/// Who may talk to whom.
///
/// Both ends of a link send a hello first. A peer is admitted when it speaks the same version, is one
/// of the members by name, and belongs to the same life of the cluster:
///
/// - both bound: same cluster id, and the peer's directory is the one that genesis names;
/// - otherwise: nobody is admitted to consensus whose directory did not take part in the bootstrap.
///
/// The first vote. A node with an empty directory takes part only if *all* other members reported
/// empty directories (or are bootstrapping together with exactly this directory). It then writes the
/// identities of all these directories down before it does anything else. A directory that was lost
/// comes back with another identity, so it can not vote a second time in the same cluster.
extension NodeState {
    /// This node as it presents itself.
    var hello: Hello {
        let me = configuration
        return Hello(
            name: me.nodeName, node: id.raw, incarnation: incarnation, boot: boot,
            membership: muteReason == nil ? membership : .mute, cluster0: map?.clusterID.high ?? 0,
            cluster1: map?.clusterID.low ?? 0, clientHost: me.bind[0].address,
            clientPort: UInt16(me.port), syncMode: me.syncMode, mayLackEntries: mayLackEntries,
            admitted: admitted)
    }

    mutating func sendHello(_ index: Int) {
        links[index].output.open(.hello)
        let hello = hello
        hello.encode(into: &links[index].output.bytes)
        links[index].output.close()
        links.markFlushing(index)
    }

    /// Judges a hello; nil admits the peer, otherwise the reason goes to both logs.
    private func objection(to hello: Hello) -> String? {
        guard hello.version == Hello.currentVersion else {
            return "it speaks version \(hello.version) of the peer protocol, this node version \(Hello.currentVersion)"
        }
        guard let peer = members.first(where: { $0.name == hello.name }) else {
            return "there is no \(hello.name) in initial-cluster"
        }
        guard peer.id.raw == hello.node, peer.id != id else {
            return "\(hello.name) counts itself as member \(hello.node): initial-cluster differs"
        }
        guard hello.syncMode == configuration.syncMode else {
            return "appendfsync differs: it must be the same on all nodes"
        }
        if let map, hello.membership == .bound,
            map.clusterID != (hello.cluster0, hello.cluster1)
        {
            return "it belongs to another cluster"
        }
        if let map {
            guard let member = map.member(named: hello.name) else {
                return "\(hello.name) is not a member of this cluster"
            }
            if member.incarnation != hello.incarnation.raw {
                return "\(hello.name) is known with another data directory; one that lost its directory must be replaced under a new identity"
            }
        } else if membership == .bootstrapping {
            let isAdmitted = admitted.contains {
                $0.node == hello.node && $0.incarnation == hello.incarnation
            }
            if !isAdmitted {
                return "\(hello.name) has another data directory than at the first start"
            }
        }
        return nil
    }

    /// Treats the hello on a link; false when the link is to be closed.
    mutating func admit(_ hello: Hello, link index: Int, now: ClockReading) -> Bool {
        if let reason = objection(to: hello) {
            refuse(index, reason: reason)
            if let at = peers.firstIndex(where: { $0.name == hello.name }) {
                noteRefusal(at, "peer-refused peer=\(hello.name) reason=\"\(reason)\"")
            } else {
                log(.warning, "peer-refused peer=\(hello.name) reason=\"\(reason)\"")
            }
            return false
        }
        let peer = NodeID(hello.node)
        guard let at = peerIndex(peer) else { invariantFailed("an admitted peer is no member") }
        if let known = peers[at].hello, known.boot > hello.boot,
            known.incarnation == hello.incarnation
        {
            refuse(index, reason: "a later start of \(hello.name) was seen already")
            return false
        }
        if let old = links.index(to: peer), old != index { links[old].isClosing = true }
        peers[at].hello = hello
        peers[at].link = links[index].id
        peers[at].backoff = PeerState.backoffMin
        peers[at].lastRefusal = ""
        links[index].peer = peer
        log(.notice, "peer-connected peer=\(hello.name) membership=\(hello.membership)")
        if membership == .empty { considerBootstrap(now: now) }
        return true
    }

    private mutating func refuse(_ index: Int, reason: String) {
        links[index].output.open(.refused)
        links[index].output.bytes.append(String(reason.prefix(1000)))
        links[index].output.close()
        links[index].isClosing = true
        links.markFlushing(index)
    }

    /// A peer does not want this node: says why, once per reason.
    mutating func refused(by index: Int, reason: String) {
        let who = links[index].peer ?? links[index].dialed
        let name = who.map { self.name(of: $0) } ?? "unknown"
        if let who, let at = peerIndex(who) {
            noteRefusal(at, "refused-by-peer peer=\(name) reason=\"\(reason)\"")
        } else {
            log(.warning, "refused-by-peer peer=\(name) reason=\"\(reason)\"")
        }
        if membership == .empty {
            becomeMute("this node's data directory is empty, but the cluster exists: \(name) says that \(reason)")
        }
    }

    private mutating func noteRefusal(_ at: Int, _ text: String) {
        guard peers[at].lastRefusal != text else { return }
        peers[at].lastRefusal = text
        log(.warning, text)
    }

    mutating func becomeMute(_ reason: String) {
        guard muteReason == nil else { return }
        muteReason = reason
        log(.warning, "mute reason=\"\(reason)\"")
    }

    /// Begins the first vote when all members' directories are empty.
    mutating func considerBootstrap(now: ClockReading) {
        guard membership == .empty, muteReason == nil, isStarted, bootstrapBatch == nil else { return }
        for peer in peers {
            guard let hello = peer.hello else { return }
            switch hello.membership {
            case .empty:
                continue
            case .bootstrapping
            where hello.admitted.contains(Admitted(node: id.raw, incarnation: incarnation)):
                continue
            case .bootstrapping, .bound:
                becomeMute(
                    "this node's data directory is empty, but \(peer.name) already belongs to a cluster; a node that lost its directory must be replaced under a new identity"
                )
                return
            case .mute:
                return
            }
        }
        admitted = [Admitted(node: id.raw, incarnation: incarnation)]
        for peer in peers {
            guard let hello = peer.hello else { invariantFailed("bootstrap without a hello") }
            admitted.append(Admitted(node: peer.id.raw, incarnation: hello.incarnation))
        }
        admitted.sort { $0.node < $1.node }
        let record = NodeRecord.bootstrap(admitted).encode()
        wal.identity(record.readable)
        bootstrapBatch = wal.lastBatch + 1
        log(.notice, "bootstrap members=\(admitted.count)")
    }
}
