internal import Bytes
internal import Cluster
internal import PeerProtocol
internal import Raft

/// A node that CLUSTER MEET named, on its way to being a member.
struct Meeting {
    /// Stands for the id that it does not have yet.
    let number: NodeID
    let host: String
    let clientPort: UInt16
    let peerPort: UInt16
    var dialAt: Instant?
    let until: Instant
}

/// What operators ask of the cluster's nodes. Any node takes it; the leader of the system group makes an
/// entry of it.
extension NodeState {
    /// Begins to look for a node at an address; the error, or nil.
    mutating func meet(
        host: String, clientPort: UInt16, peerPort: UInt16, now: ClockReading
    ) -> String? {
        meetings.removeAll { $0.host == host && $0.peerPort == peerPort }
        guard meetings.count < EngineLimits.meetingsMax else {
            return "ERR Too many nodes are being met already"
        }
        var number = ClusterMap.reservedNodes
        while meetings.contains(where: { $0.number.raw == number })
            || links.openIndices.contains(where: { links[$0].dialed?.raw == number })
        {
            number += 1
        }
        meetings.append(
            Meeting(
                number: NodeID(number), host: host, clientPort: clientPort, peerPort: peerPort,
                dialAt: now.boot, until: now.boot + EngineLimits.meetingTime))
        nodesCheckAt = now.boot
        log(.notice, "meet addr=\(host):\(peerPort)")
        return nil
    }

    mutating func dialMeetings(into outbox: inout Outbox, now: ClockReading) {
        for at in meetings.indices {
            guard let dialAt = meetings[at].dialAt, dialAt <= now.boot, !isShuttingDown else {
                continue
            }
            meetings[at].dialAt = nil
            outbox.dials.append(
                Dial(
                    peer: meetings[at].number, host: meetings[at].host,
                    port: Int(meetings[at].peerPort)))
        }
    }

    /// An attempt to reach one failed, or its link is gone.
    mutating func meetingLost(_ number: NodeID, now: ClockReading) {
        guard let at = meetings.firstIndex(where: { $0.number == number }) else { return }
        meetings[at].dialAt = now.boot + PeerState.backoffMax
        nodesCheckAt = now.boot
    }

    /// Who was met can not join.
    mutating func noteMeeting(of hello: Hello, over index: Int, refused reason: String) {
        guard let at = meetings.firstIndex(where: { $0.number == links[index].dialed }) else {
            return
        }
        log(
            .warning,
            "meet-failed addr=\(meetings[at].host):\(meetings[at].peerPort) name=\(Self.printable(hello.name)) reason=\"\(reason)\""
        )
        meetings.remove(at: at)
    }

    /// Ends the meetings of those that are members, and of those that were not to be reached.
    mutating func considerMeetings(_ map: ClusterMap, now: ClockReading) {
        guard !meetings.isEmpty else { return }
        var ended: [NodeID] = []
        for meeting in meetings {
            let isLinked = links.openIndices.contains {
                links[$0].dialed == meeting.number && links[$0].peer != nil
            }
            let isMember = map.members.contains {
                $0.host == meeting.host && $0.peerPort == meeting.peerPort && !$0.isLeaving
                    && links.index(to: NodeID($0.id)) != nil
            }
            if isLinked || isMember { ended.append(meeting.number) }
        }
        meetings.removeAll { ended.contains($0.number) }
        for meeting in meetings where meeting.until <= now.boot {
            log(
                .warning,
                "meet-failed addr=\(meeting.host):\(meeting.peerPort) reason=\"no node that could join has answered there\""
            )
        }
        meetings.removeAll { $0.until <= now.boot }
    }

    // MARK: To the leader

    /// Brings a change to the leader of the system group; the caller repeats it until it sees it done.
    mutating func submit(_ change: NodeChange, now: ClockReading) {
        guard map?.applying(change) != nil, replicas.count > 0 else { return }
        if replicas[0].core.role == .leader {
            proposeNodes(change, now: now)
            return
        }
        guard let index = requestFrame(.changeNodes, group: 0) else { return }
        change.encode(into: &links[index].output.bytes)
        links[index].output.close()
        links.markFlushing(index)
    }

    /// Asks a group's leader to hand over to a node.
    mutating func requestTransfer(_ group: Int, to node: NodeID, now: ClockReading) {
        if replicas[group].core.role == .leader {
            _ = replicas[group].handOver(to: node, now: now.boot, liveness: liveness)
            return
        }
        guard let index = requestFrame(.transfer, group: group) else { return }
        links[index].output.bytes.append(littleEndian: node.raw)
        links[index].output.close()
        links.markFlushing(index)
    }

    /// Opens a frame on the link to a group's leader; nil while none is known.
    private mutating func requestFrame(_ request: OperatorRequest, group: Int) -> Int? {
        guard let leader = replicas[group].core.leader, let index = links.index(to: leader) else {
            return nil
        }
        links[index].output.open(.request)
        links[index].output.bytes.append(varint: UInt64(group))
        links[index].output.bytes.append(request.rawValue)
        return index
    }

    mutating func receiveRequest(
        _ reader: inout ByteReader, group: Int, now: ClockReading
    ) throws(DecodeError) {
        guard let request = OperatorRequest(rawValue: try reader.read()) else {
            throw .invalid("request")
        }
        switch request {
        case .changeNodes:
            let rest = reader.remaining
            let change = try NodeChange(decoding: try reader.readBytes(rest))
            if group == 0 { proposeNodes(change, now: now) }
        case .transfer:
            let node = NodeID(try reader.read())
            guard replicas[group].core.role == .leader else { return }
            _ = replicas[group].handOver(to: node, now: now.boot, liveness: liveness)
        }
    }

    /// Makes an entry of a change, one at a time.
    mutating func proposeNodes(_ change: NodeChange, now: ClockReading) {
        guard let map, map.applying(change) != nil, replicas[0].core.role == .leader,
            replicas[0].core.committedInTerm, nodesProposed <= replicas[0].applied
        else { return }
        if case .add(let new, let replaced?) = change {
            let node = NodeID(replaced)
            // A name that somebody answers to is not free.
            guard node != id, links.index(to: node) == nil,
                !liveness.isUp(node, now: now.boot)
            else {
                if let at = peerIndex(node) {
                    noteRefusal(
                        at,
                        "name-taken name=\(Self.printable(new.name)) node=\(replaced) reason=\"another directory of that name wants to join, and this one is in use\""
                    )
                }
                return
            }
        }
        var payload = ByteBuffer()
        change.encode(into: &payload)
        if propose(0, kind: .nodes, payload: payload.readable, now: now) {
            nodesProposed = replicas[0].core.lastIndex
        }
    }
}
