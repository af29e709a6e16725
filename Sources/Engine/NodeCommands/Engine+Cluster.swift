internal import Bytes
internal import Cluster
internal import PeerProtocol
internal import RESP
internal import Raft

/// CLUSTER, and the commands of our own about the nodes.
extension Engine {
    mutating func cluster(
        _ index: Int, _ request: NodeRequest, _ name: String, now: ClockReading
    ) -> NodeCommandStep? {
        switch name {
        case "cluster|info":
            let text = ClusterReport.info(node)
            return reply(index) { $0.verbatim(Array(text.utf8).span) }
        case "cluster|nodes":
            let text = ClusterReport.nodes(node, now: now)
            return reply(index) { $0.verbatim(Array(text.utf8).span) }
        case "cluster|slots":
            let shards = ClusterReport.shards(node)
            return reply(index) { ClusterReport.writeSlots(shards, to: &$0) }
        case "cluster|shards":
            let shards = ClusterReport.shards(node)
            return reply(index) { ClusterReport.writeShards(shards, to: &$0) }
        case "cluster|myid":
            let id = ClusterReport.id(of: node.incarnation.raw, node.id.raw, node.map)
            return reply(index) { $0.bulk(id) }
        case "cluster|keyslot":
            let key = request.arguments[2]
            let slot = HashSlot.of(key: key.span)
            return reply(index) { $0.integer(Int64(slot.raw)) }
        case "cluster|meet": return meet(index, request, now: now)
        case "cluster|forget": return forget(index, request, now: now)
        case "skein.nodes":
            let nodes = ClusterReport.nodeList(node)
            return reply(index) { ClusterReport.write(nodes, to: &$0) }
        case "skein.transfer": return transfer(index, request, now: now)
        default:
            return reply(index) {
                NodeReplies.help(
                    [
                        "CLUSTER <subcommand>:", "FORGET <node-id>", "INFO", "KEYSLOT <key>",
                        "MEET <host> <port> [<cluster-port>]", "MYID", "NODES", "SHARDS", "SLOTS",
                    ], to: &$0)
            }
        }
    }

    /// `CLUSTER MEET host port [cluster-port]`: the node that listens there joins this one's cluster. As in
    /// Redis, OK means that it is being looked for; CLUSTER NODES tells what becomes of it.
    private mutating func meet(
        _ index: Int, _ request: NodeRequest, now: ClockReading
    ) -> NodeCommandStep? {
        guard request.count <= 5 else {
            return reply(index, "ERR wrong number of arguments for 'cluster|meet' command")
        }
        let host = request.text(2)
        guard let port = request.integer(3), (1...65535).contains(port) else {
            return reply(index, "ERR Invalid base port specified: \(request.shown(3))")
        }
        let peerPort = request.count == 5 ? request.integer(4) : port + 10_000
        guard let peerPort, (1...65535).contains(peerPort) else {
            return reply(
                index,
                request.count == 5
                    ? "ERR Invalid bus port specified: \(request.shown(4))"
                    : "ERR Invalid bus port: port + 10000 is none, name it")
        }
        guard !host.isEmpty, host.utf8.count <= ClusterMap.nameBytesMax,
            host.utf8.allSatisfy({ (0x21..<0x7F).contains($0) })
        else { return reply(index, "ERR Invalid node address specified: \(request.shown(2))") }
        if let reason = node.whyNoMember { return reply(index, "CLUSTERDOWN \(reason)") }
        return reply(
            index,
            node.meet(
                host: host, clientPort: UInt16(port), peerPort: UInt16(peerPort), now: now))
    }

    /// `CLUSTER FORGET node-id`: OK when it is logged that the node is to leave; it does so by itself then.
    private mutating func forget(
        _ index: Int, _ request: NodeRequest, now: ClockReading
    ) -> NodeCommandStep? {
        if let refusal = refusal(index) { return reply(index, refusal) }
        guard let map = node.map else { return reply(index, "CLUSTERDOWN there is no cluster") }
        let isRepeated = sessions[index].blockedSince != nil
        guard let member = ClusterReport.member(request.text(2), in: map) else {
            return isRepeated
                ? reply(index) { $0.ok() }
                : reply(index, "ERR Unknown node \(request.shown(2))")
        }
        if member.isLeaving { return reply(index) { $0.ok() } }
        guard map.staying.count > 1 else {
            return reply(index, "ERR The only node of a cluster can not be removed")
        }
        node.submit(.leave(member.id), now: now)
        node.block(&sessions[index], now: now)
        return nil
    }

    /// `SKEIN.TRANSFER group node-id`: OK when the node leads the group.
    private mutating func transfer(
        _ index: Int, _ request: NodeRequest, now: ClockReading
    ) -> NodeCommandStep? {
        if let refusal = refusal(index) { return reply(index, refusal) }
        guard let map = node.map else { return reply(index, "CLUSTERDOWN there is no cluster") }
        guard let number = request.integer(1), number >= 0, number < node.replicas.count else {
            return reply(index, "ERR Unknown group \(request.shown(1))")
        }
        guard let member = ClusterReport.member(request.text(2), in: map) else {
            return reply(index, "ERR Unknown node \(request.shown(2))")
        }
        let (group, target) = (Int(number), NodeID(member.id))
        if node.replicas[group].core.leader == target { return reply(index) { $0.ok() } }
        guard node.replicas[group].core.members.isVoter(target) else {
            return reply(index, "ERR The node is no voter of the group")
        }
        node.requestTransfer(group, to: target, now: now)
        node.block(&sessions[index], now: now)
        return nil
    }

    /// Why a command of an operator can not be carried out here.
    private mutating func refusal(_ index: Int) -> String? {
        if let reason = node.whyNoMember { return "CLUSTERDOWN \(reason)" }
        guard let reason = sessions[index].refusal else { return nil }
        sessions[index].refusal = nil
        return reason
    }
}

extension NodeState {
    /// nil: this node is a member of a cluster.
    var whyNoMember: String? {
        if let muteReason { return muteReason }
        return map == nil ? "the cluster is not founded yet" : nil
    }
}
