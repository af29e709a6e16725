internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import Raft
internal import WAL

/// Who may talk to whom.
///
/// Both ends of a link send a hello first. A peer is admitted when it speaks the cluster's version, is one
/// of the members by name, and belongs to the same life of the cluster:
///
/// - both bound: same cluster id, and the peer's directory is one that the map names;
/// - otherwise: nobody is admitted to consensus whose directory did not take part in the bootstrap.
///
/// An empty directory whose name the map knows, or whose node was met, is an *applicant*: its link is kept,
/// it takes no part, and it is sent the map once that names it (`NodeState+Joining.swift`).
///
/// A directory that was rolled back to an older copy has forgotten what it promised since, and is refused for
/// ever (S21): see `SeenStart` and `Expulsion`.
///
/// The first vote. A node with an empty directory takes part only if *all* other members reported
/// empty directories, or one that takes part already has seen exactly this directory empty. It then
/// writes the identities of all these directories down before it does anything else. A directory that
/// was lost comes back with another identity, so it can not vote a second time in the same cluster;
/// one that only lost its power before it wrote anything down is still the same, and joins.
extension NodeState {
    /// This node as it presents itself.
    var hello: Hello {
        let me = configuration
        return Hello(
            name: me.nodeName, node: id.raw, incarnation: incarnation, boot: boot,
            membership: muteReason == nil ? membership : .mute, cluster0: map?.clusterID.high ?? 0,
            cluster1: map?.clusterID.low ?? 0, clientHost: me.bind[0].address,
            clientPort: UInt16(me.port), syncMode: me.syncMode, mayLackEntries: mayLackEntries,
            knownGaps: knownGaps, admitted: admitted, logSpace: logSpace.rawValue, process: process,
            earlierProcesses: earlierProcesses, versions: versions)
    }

    mutating func sendHello(_ index: Int) {
        links[index].output.open(.hello)
        let hello = hello
        hello.encode(into: &links[index].output.bytes)
        links[index].output.close()
        links.markFlushing(index)
    }

    /// What this node says of itself has changed: tells those that have admitted it.
    mutating func sendHelloAgain() {
        // Who has not heard of this start yet is told all of it when its record is durable.
        guard isStarted else { return }
        for index in links.openIndices where links[index].peer != nil { sendHello(index) }
    }

    /// Takes what an admitted peer says of itself now. Only what belongs to `mayLackEntries` and the
    /// room on its disk may have changed.
    mutating func renew(_ hello: Hello, of peer: NodeID) throws(DecodeError) {
        guard let at = peerIndex(peer), let known = peers[at].hello, known.boot == hello.boot,
            known.incarnation == hello.incarnation, known.node == hello.node
        else { throw .invalid("another hello") }
        let before = knownGaps
        peers[at].hello?.mayLackEntries = hello.mayLackEntries
        peers[at].hello?.knownGaps = hello.knownGaps
        peers[at].hello?.logSpace = hello.logSpace
        if knownGaps != before { sendHelloAgain() }
    }

    /// What is to become of a link, by the hello that came over it.
    private enum Verdict {
        case admit
        /// Its link is kept until it is known what becomes of it.
        case hold
        case refuse(String)
        case expel(Expulsion)
    }

    private func judge(_ hello: Hello, dialed: NodeID?) -> Verdict {
        if let reason = objection(toVersionsOf: hello) { return .refuse(reason) }
        guard hello.syncMode == configuration.syncMode else {
            return .refuse("appendfsync differs: it must be the same on all nodes")
        }
        if let map { return judge(hello, by: map, dialed: dialed) }
        // A node that waits to be met, or that lost its directory, can only be taken in.
        let isFounder = hello.admitted.contains(Admitted(node: id.raw, incarnation: incarnation))
        if membership == .empty, hello.membership == .bound, !isFounder { return .hold }
        if let reason = objection(to: hello, dialed: dialed) { return .refuse(reason) }
        return .admit
    }

    /// Between founders, before genesis.
    private func objection(to hello: Hello, dialed: NodeID?) -> String? {
        if configuration.join { return "it waits to be met by a member of a cluster" }
        guard let peer = members.first(where: { $0.name == hello.name }) else {
            return "there is no \(Self.printable(hello.name)) in initial-cluster"
        }
        if let dialed, dialed != peer.id {
            return
                "\(hello.name) answers at the address of \(name(of: dialed)): initial-cluster is wrong"
        }
        guard peer.id.raw == hello.node, peer.id != id else {
            return "\(hello.name) counts itself as member \(hello.node): initial-cluster differs"
        }
        if membership == .bootstrapping {
            let isAdmitted = admitted.contains {
                $0.node == hello.node && $0.incarnation == hello.incarnation
            }
            if !isAdmitted {
                return "\(hello.name) has another data directory than at the first start"
            }
        }
        return nil
    }

    /// By the map of the cluster that this node belongs to.
    private func judge(_ hello: Hello, by map: ClusterMap, dialed: NodeID?) -> Verdict {
        let name = Self.printable(hello.name)
        let isBound = hello.membership == .bound
        if isBound, map.clusterID != (hello.cluster0, hello.cluster1) {
            return .refuse("it belongs to another cluster")
        }
        guard let member = map.member(incarnation: hello.incarnation.raw) else {
            if isBound {
                // A younger one has the map in which it stands, and tells it.
                return hello.node <= map.lastNode ? .expel(.removed) : .hold
            }
            let isMet = dialed.map { $0.raw >= ClusterMap.reservedNodes } ?? false
            guard hello.membership != .bootstrapping, isMet || map.member(named: hello.name) != nil
            else {
                return .refuse(
                    "\(name) is not a member of this cluster: CLUSTER MEET makes it one")
            }
            if let reason = objection(toNamesake: hello, met: dialed) {
                return .refuse(reason)
            }
            return .hold
        }
        guard member.name == hello.name else {
            return .refuse("\(name) has the data directory of \(member.name)")
        }
        guard member.id != id.raw else { return .refuse("it is this node itself") }
        guard member.id == hello.node else {
            // It has not heard yet that it is one.
            return hello.membership == .empty || hello.membership == .mute
                ? .hold : .refuse("\(name) counts itself as member \(hello.node)")
        }
        if let dialed, dialed.raw != member.id, dialed.raw < ClusterMap.reservedNodes,
            map.member(dialed.raw)?.name != member.name
        {
            return .refuse("\(name) answers at the address of \(self.name(of: dialed))")
        }
        if let known = seen.first(where: { $0.node == hello.node }), known.isForgotten(by: hello) {
            return .expel(.rolledBack)
        }
        return .admit
    }

    /// An empty directory at a member's address is that member's, lost. At another address it may be anybody's
    /// who was left with the default name, and must not put an end to the member.
    private func objection(toNamesake hello: Hello, met dialed: NodeID?) -> String? {
        guard let meeting = meetings.first(where: { $0.number == dialed }),
            let known = staying(named: hello.name),
            (known.host, known.port) != (meeting.host, Int(meeting.peerPort))
        else { return nil }
        return
            "node-name \(Self.printable(hello.name)) is that of node \(known.id.raw) at \(known.host):\(known.port): start it with another name, or CLUSTER FORGET that node first"
    }

    /// Treats the hello on a link; false when the peer is not admitted, or not yet.
    mutating func admit(_ hello: Hello, link index: Int, now: ClockReading) -> Bool {
        switch judge(hello, dialed: links[index].dialed) {
        case .admit: break
        case .hold:
            links[index].applicant = hello
            nodesCheckAt = now.boot
            if map == nil { considerWaiting(hello) }
            return false
        case .refuse(let reason):
            noteMeeting(of: hello, over: index, refused: reason)
            refuse(index, reason: reason)
            let text = "peer-refused peer=\(Self.printable(hello.name)) reason=\"\(reason)\""
            if let at = peers.firstIndex(where: { $0.name == hello.name }) {
                noteRefusal(at, text)
            } else {
                log(.warning, text)
            }
            return false
        case .expel(let reason):
            log(
                .warning,
                "peer-expelled peer=\(Self.printable(hello.name)) node=\(hello.node) boot=\(hello.boot) reason=\"\(reason)\""
            )
            sayFarewell(index, reason)
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
        if let old = links.index(to: peer), old != index {
            links.closeAfterFlush(old)
        }
        noteStart(hello)
        let gaps = knownGaps
        peers[at].hello = hello
        peers[at].link = links[index].id
        links[index].peer = peer
        links[index].applicant = nil
        nodesCheckAt = now.boot
        if knownGaps != gaps { sendHelloAgain() }
        // A peer that refuses this node says so only now: its refusals are told once, its
        // connections not at all.
        if peers[at].lastRefusal.isEmpty {
            log(.notice, "peer-connected peer=\(hello.name) membership=\(hello.membership)")
        }
        if membership == .empty { considerBootstrap(now: now) }
        return true
    }

    mutating func refuse(_ index: Int, reason: String) {
        links[index].output.open(.refused)
        links[index].output.bytes.append(String(reason.prefix(1000)))
        links[index].output.close()
        links.closeAfterFlush(index)
    }

    /// Tells the node at the other end that it is no member any more.
    mutating func sayFarewell(_ index: Int, _ reason: Expulsion) {
        guard let map else { return }
        links[index].output.open(.farewell)
        Farewell(reason: reason, cluster0: map.clusterID.high, cluster1: map.clusterID.low)
            .encode(into: &links[index].output.bytes)
        links[index].output.close()
        links.closeAfterFlush(index)
    }

    /// A peer does not want this node: says why, once per reason.
    mutating func refused(by index: Int, reason: String) {
        // Whoever connects can say anything: only the word of a member counts.
        guard let who = links[index].peer ?? links[index].dialed, let at = peerIndex(who) else {
            return
        }
        let name = self.name(of: who)
        let reason = Self.printable(reason)
        noteRefusal(at, "refused-by-peer peer=\(name) reason=\"\(reason)\"")
        peers[at].backoff = PeerState.backoffMax
    }

    /// What a peer wrote, made fit for a line of the log.
    static func printable(_ text: String) -> String {
        let bytes = text.utf8.prefix(500).map {
            (0x20..<0x7F).contains($0) && $0 != 0x22 ? $0 : 0x3F
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A member speaks about groups: the two nodes have accepted each other.
    mutating func noteAcceptance(by at: Int) {
        peers[at].backoff = PeerState.backoffMin
        guard !peers[at].lastRefusal.isEmpty else { return }
        peers[at].lastRefusal = ""
        log(.notice, "peer-accepted peer=\(peers[at].name)")
    }

    mutating func noteRefusal(_ at: Int, _ text: String) {
        guard peers[at].lastRefusal != text else { return }
        peers[at].lastRefusal = text
        log(.warning, text)
    }

    mutating func becomeMute(_ reason: String) {
        guard muteReason == nil else { return }
        muteReason = reason
        liveness.takePart(false)
        log(.warning, "mute reason=\"\(reason)\"")
    }

    /// A member of an existing cluster does not know this directory.
    private mutating func considerWaiting(_ hello: Hello) {
        guard !configuration.join, !hello.admitted.isEmpty else { return }
        becomeMute(
            "this node's data directory is empty, but \(hello.name) already belongs to a cluster: it waits to be taken in under a new identity"
        )
    }

    /// Begins the first vote when all members' directories are empty.
    mutating func considerBootstrap(now: ClockReading) {
        guard membership == .empty, muteReason == nil, isStarted, bootstrapBatch == nil else {
            return
        }
        let me = Admitted(node: id.raw, incarnation: incarnation)
        let founders = peers.compactMap(\.hello).filter {
            $0.membership == .bootstrapping || $0.membership == .bound
        }
        if let founder = founders.first(where: { $0.admitted.contains(me) }) {
            admitted = founder.admitted
        } else if !founders.isEmpty {
            // Held, not admitted: another one is asked about this node.
            return
        } else {
            var found = [me]
            for peer in peers {
                guard let hello = peer.hello, hello.membership == .empty else { return }
                found.append(Admitted(node: peer.id.raw, incarnation: hello.incarnation))
            }
            admitted = found.sorted { $0.node < $1.node }
        }
        NodeRecord.bootstrap(admitted).write(to: &wal)
        bootstrapBatch = wal.lastBatch + 1
        log(.notice, "bootstrap members=\(admitted.count)")
    }
}
