internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import Raft
internal import WAL

/// How a node with an empty directory becomes a member of a cluster that exists.
///
///     member                                         newcomer: mute
///       CLUSTER MEET, or a known name answers
///       dials                              ->
///       hello                              <->         hello, id 0, identity of its directory
///       add: an entry of the system group
///       welcome(map)                       ->          finds its identity in the map, writes it down
///                                          <-          hello, with its id
///       learner, voter of every group
///
/// Nothing was promised or acknowledged before the map is on its disk, and everything after it is under
/// the id that it names. A newcomer that dies in between is the same again, or, with its directory lost,
/// another one.
extension NodeState {
    static let waitsToBeMet =
        "this node is not a member of a cluster yet: it waits for 'CLUSTER MEET host port' on a member"

    /// The map of a cluster that counts this node as a member.
    mutating func receiveWelcome(
        _ body: Span<UInt8>, link index: Int, now: ClockReading
    ) throws(DecodeError) {
        if let known = map {
            try receiveMap(body, known, now: now)
            return
        }
        guard joining == nil, membership == .empty, isStarted, bootstrapBatch == nil,
            let hello = links[index].applicant, hello.membership == .bound
        else { return }
        let map = try ClusterMap(decoding: body)
        guard map.clusterID == (hello.cluster0, hello.cluster1),
            let own = map.member(incarnation: incarnation.raw),
            own.name == configuration.nodeName, !own.isLeaving,
            versions.contains(map.clusterVersion)
        else { return }
        NodeRecord.bound(body.copied).write(to: &wal)
        joining = (map, wal.lastBatch + 1)
    }

    /// Tells a peer the map. Who was away may not know the system group's leader, which is the only one that
    /// could tell it by the log; and who has come since is a stranger to it.
    mutating func tellMap(_ index: Int) {
        guard let map, membership == .bound else { return }
        var bytes = ByteBuffer()
        map.encode(into: &bytes)
        links[index].output.open(.welcome)
        links[index].output.bytes.append(bytes.readable)
        links[index].output.close()
        links.markFlushing(index)
    }

    /// A peer's map: what it has applied, so what is committed. This node's log comes to it later.
    private mutating func receiveMap(
        _ body: Span<UInt8>, _ known: ClusterMap, now: ClockReading
    ) throws(DecodeError) {
        let told = try ClusterMap(decoding: body)
        guard isStarted, membership == .bound, muteReason == nil, expulsion == nil,
            told.clusterID == known.clusterID, told.isNewer(than: known)
        else { return }
        log(.notice, "map-told members=\(told.members.count) epoch=\(told.epoch)")
        changeNodes(to: told, body.copied, now: now)
        guard expulsion == nil else { return }
        // Whoever waited as a stranger begins anew: nothing that it sent meanwhile was taken.
        for index in links.openIndices where links[index].applicant?.membership == .bound {
            links.closeAfterFlush(index)
        }
    }

    /// The map is durable: this node is a member from now on.
    mutating func finishJoining(_ map: ClusterMap, now: ClockReading) {
        joining = nil
        guard let own = map.member(incarnation: incarnation.raw) else {
            invariantFailed("a node that joined without being named")
        }
        // Whoever was talked to under another id.
        for index in links.openIndices where links[index].peer != nil {
            links[index].peer = nil
            links.closeAfterFlush(index)
        }
        peers.removeAll()
        id = NodeID(own.id)
        liveness.join(as: id)
        self.map = map
        founded = map.founders.map { NodeID($0) }
        muteReason = nil
        membership = .bound
        arrangePeers(now: now)
        liveness.takePart(true)
        log(.notice, "joined node=\(own.id) name=\(own.name) members=\(map.members.count)")
        addReplica(
            GroupID.system, slots: nil,
            restored: startedOnEmptyDirectory ? RestoredGroup.fresh() : RestoredGroup(), now: now)
        adopt(map, now: now)
        for group in 0..<replicas.count {
            for peer in peers { replicas[group].core.linkDown(peer.id) }
        }
        for index in links.openIndices where !links[index].isClosing {
            sendHello(index)
            guard let hello = links[index].applicant else { continue }
            links[index].applicant = nil
            if admit(hello, link: index, now: now) { linkAdmitted(index, now: now) }
        }
    }

    // MARK: At the members

    /// Puts the cause of those forward that want to join over a link of this node, and welcomes those
    /// that have. Whether any is waiting.
    mutating func considerApplicants(_ map: ClusterMap, now: ClockReading) -> Bool {
        var isWaiting = false
        for index in links.openIndices where !links[index].isClosing && links[index].peer == nil {
            guard let hello = links[index].applicant else { continue }
            // One that has come while this node was away: see `receiveMap`.
            guard hello.membership != .bound else { continue }
            isWaiting = true
            if let member = map.member(incarnation: hello.incarnation.raw), !member.isLeaving {
                guard !links[index].isWelcomed else { continue }
                links[index].isWelcomed = true
                tellMap(index)
                continue
            }
            guard links[index].submittedAt + .seconds(1) <= now.boot else { continue }
            links[index].submittedAt = now.boot
            guard let new = newcomer(hello, over: index) else { continue }
            submit(.add(new, replacing: staying(named: hello.name)?.id.raw), now: now)
        }
        return isWaiting
    }

    /// One that was met is to be found where it was met; one whose name is known, where that was.
    private func newcomer(_ hello: Hello, over index: Int) -> NodeChange.Newcomer? {
        let meeting = meetings.first { $0.number == links[index].dialed }
        guard
            let place = meeting.map({ ($0.host, $0.peerPort) })
                ?? staying(named: hello.name).map({ ($0.host, UInt16(clamping: $0.port)) })
        else { return nil }
        return NodeChange.Newcomer(
            name: hello.name, host: place.0, peerPort: place.1, clientPort: hello.clientPort,
            incarnation: hello.incarnation.raw)
    }
}
