internal import Bytes
internal import Cluster
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft

/// What CLUSTER tells about nodes and slots, as this node knows it.
///
/// Every node holds every key. So that clients that look for the owner of a slot go to where it is led:
/// a *master* is a node that leads groups, with their slots; any other is the *slave* of the one that
/// leads the first group. A node's public id is 40 hexadecimal digits, as clients expect: the identity of
/// its directory, half of the cluster's id, and its number.
enum ClusterReport {
    static func id(of incarnation: UInt64, _ number: UInt16, _ map: ClusterMap?) -> String {
        hex(incarnation, 16) + hex(map?.clusterID.high ?? 0, 16) + hex(UInt64(number), 8)
    }

    static func id(of member: ClusterMap.Member, _ map: ClusterMap) -> String {
        id(of: member.incarnation, member.id, map)
    }

    private static func hex(_ value: UInt64, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }

    /// The member that an operator means: by public id or by number.
    static func member(_ text: String, in map: ClusterMap) -> ClusterMap.Member? {
        if let number = UInt16(text) { return map.member(number) }
        return map.members.first { id(of: $0, map) == text.lowercased() }
    }

    /// Where clients reach a member.
    private static func clientPort(_ member: ClusterMap.Member, _ node: borrowing NodeState) -> Int
    {
        if member.id == node.id.raw { return node.configuration.port }
        let hello = node.peerIndex(NodeID(member.id)).flatMap { node.peers[$0].hello }
        return Int(hello?.clientPort ?? member.clientPort)
    }

    private static func isLinked(_ member: ClusterMap.Member, _ node: borrowing NodeState) -> Bool {
        member.id == node.id.raw || node.links.index(to: NodeID(member.id)) != nil
    }

    private static func leader(of group: Int, _ node: borrowing NodeState) -> UInt16? {
        group < node.replicas.count ? node.replicas[group].core.leader?.raw : nil
    }

    // MARK: CLUSTER NODES

    static func nodes(_ node: borrowing NodeState, now: ClockReading) -> String {
        guard let map = node.map else {
            let own = id(of: node.incarnation.raw, node.id.raw, nil)
            let me = node.configuration
            return
                "\(own) \(me.bind[0].address):\(me.port)@\(me.peerPort) myself,master,noaddr - 0 0 0 connected\n"
        }
        var text = ""
        for member in map.members {
            var slots = ""
            for (at, group) in map.groups.enumerated()
            where leader(of: at + 1, node) == member.id {
                slots += " \(group.slots.first.raw)-\(group.slots.last.raw)"
            }
            let main = leader(of: 1, node).flatMap { map.member($0) }
            var flags = member.id == node.id.raw ? "myself," : ""
            let isMaster = !slots.isEmpty || main == nil || main?.id == member.id
            flags += isMaster ? "master" : "slave"
            let isUp = isLinked(member, node)
            if !isUp { flags += ",fail?" }
            let master = isMaster ? "-" : main.map { id(of: $0, map) } ?? "-"
            let heard = node.liveness.lastHeard(from: NodeID(member.id))
            let pong = heard.map { now.wall - (now.boot - $0).milliseconds } ?? 0
            text +=
                "\(id(of: member, map)) \(member.host):\(clientPort(member, node))@\(member.peerPort) \(flags) \(master) 0 \(member.id == node.id.raw ? 0 : pong) \(map.epoch) \(isUp ? "connected" : "disconnected")\(slots)\n"
        }
        for meeting in node.meetings {
            let unknown = hex(UInt64(meeting.number.raw), 40)
            text +=
                "\(unknown) \(meeting.host):\(meeting.clientPort)@\(meeting.peerPort) handshake - 0 0 0 disconnected\n"
        }
        return text
    }

    // MARK: CLUSTER INFO

    static func info(_ node: borrowing NodeState) -> String {
        var slots = 0
        var masters: [UInt16] = []
        for (at, group) in (node.map?.groups ?? []).enumerated() {
            guard let leader = leader(of: at + 1, node) else { continue }
            slots += group.slots.count
            if !masters.contains(leader) { masters.append(leader) }
        }
        let groups = node.map?.groups.count ?? 0
        let leaderless = (0..<groups).count { leader(of: $0 + 1, node) == nil }
        let assigned = node.map == nil ? 0 : HashSlot.count
        let epoch = node.map?.epoch ?? 0
        return [
            "cluster_state:\(slots == HashSlot.count && node.muteReason == nil ? "ok" : "fail")",
            "cluster_slots_assigned:\(assigned)", "cluster_slots_ok:\(slots)",
            "cluster_slots_pfail:0", "cluster_slots_fail:\(assigned - slots)",
            "cluster_known_nodes:\(max(1, node.map?.members.count ?? 0))",
            "cluster_size:\(masters.count)", "cluster_current_epoch:\(epoch)",
            "cluster_my_epoch:\(epoch)", "cluster_raft_groups:\(groups)",
            "cluster_raft_groups_without_leader:\(leaderless)", "",
        ].joined(separator: "\r\n")
    }

    // MARK: CLUSTER SLOTS and SHARDS

    /// A group's slots, and the nodes that hold them, its leader first.
    struct Shard {
        var slots: SlotRange
        var nodes: [Place]
    }

    struct Place {
        var id: String
        var host: String
        var port: Int
        var isLeader: Bool
        var isUp: Bool
        var applied: LogIndex
    }

    static func shards(_ node: borrowing NodeState) -> [Shard] {
        guard let map = node.map else { return [] }
        var shards: [Shard] = []
        for (at, group) in map.groups.enumerated() {
            guard at + 1 < node.replicas.count, let leader = leader(of: at + 1, node) else {
                continue
            }
            var places: [Place] = []
            for member in map.members
            where node.replicas[at + 1].core.members.isVoter(NodeID(member.id)) {
                let place = Place(
                    id: id(of: member, map), host: member.host, port: clientPort(member, node),
                    isLeader: member.id == leader, isUp: isLinked(member, node),
                    applied: node.replicas[at + 1].applied)
                places.insert(place, at: member.id == leader ? 0 : places.count)
            }
            shards.append(Shard(slots: group.slots, nodes: places))
        }
        return shards
    }

    static func writeSlots(_ shards: [Shard], to reply: inout ReplyWriter) {
        reply.array(shards.count)
        for shard in shards {
            // Whoever asks for the slots connects to whom it is told.
            let nodes = shard.nodes.filter { $0.isUp || $0.isLeader }
            reply.array(2 + nodes.count)
            reply.integer(Int64(shard.slots.first.raw))
            reply.integer(Int64(shard.slots.last.raw))
            for node in nodes {
                reply.array(4)
                reply.bulk(node.host)
                reply.integer(Int64(node.port))
                reply.bulk(node.id)
                reply.emptyArray()
            }
        }
    }

    static func writeShards(_ shards: [Shard], to reply: inout ReplyWriter) {
        reply.array(shards.count)
        for shard in shards {
            reply.map(2)
            reply.bulk("slots")
            reply.array(2)
            reply.integer(Int64(shard.slots.first.raw))
            reply.integer(Int64(shard.slots.last.raw))
            reply.bulk("nodes")
            reply.array(shard.nodes.count)
            for node in shard.nodes {
                reply.map(7)
                for (name, value) in [
                    ("id", node.id), ("ip", node.host), ("endpoint", node.host),
                    ("role", node.isLeader ? "master" : "replica"),
                    ("health", node.isUp ? "online" : "fail"),
                ] {
                    reply.bulk(name)
                    reply.bulk(value)
                }
                reply.bulk("port")
                reply.integer(Int64(node.port))
                reply.bulk("replication-offset")
                reply.integer(Int64(clamping: node.applied))
            }
        }
    }

    // MARK: SKEIN.NODES

    struct Line {
        var texts: [(name: String, value: String)]
        var numbers: [(name: String, value: Int)]
    }

    static func nodeList(_ node: borrowing NodeState) -> [Line] {
        var lines: [Line] = []
        for member in node.map?.members ?? [] {
            let raft = NodeID(member.id)
            let groups = node.replicas.count
            var (voting, leading, known) = (0, 0, 0)
            for group in 0..<groups {
                let members = node.replicas[group].core.committedMembers
                if members.contains(raft) { known += 1 }
                if members.voters.contains(raft), !members.isChanging { voting += 1 }
                if node.replicas[group].core.leader == raft { leading += 1 }
            }
            let state =
                member.isLeaving
                ? "leaving" : voting == groups ? "member" : known > 0 ? "catching-up" : "joining"
            lines.append(
                Line(
                    texts: [
                        ("id", id(of: member, node.map!)), ("name", member.name),
                        ("host", member.host), ("state", state),
                        (
                            "link",
                            member.id == node.id.raw
                                ? "myself" : isLinked(member, node) ? "up" : "down"
                        ),
                    ],
                    numbers: [
                        ("number", Int(member.id)), ("port", clientPort(member, node)),
                        ("cluster-port", Int(member.peerPort)), ("groups", groups),
                        ("voting", voting), ("leading", leading),
                    ]))
        }
        for meeting in node.meetings {
            lines.append(
                Line(
                    texts: [
                        ("id", "-"), ("name", "-"), ("host", meeting.host), ("state", "met"),
                        ("link", "down"),
                    ],
                    numbers: [
                        ("number", 0), ("port", Int(meeting.clientPort)),
                        ("cluster-port", Int(meeting.peerPort)), ("groups", 0), ("voting", 0),
                        ("leading", 0),
                    ]))
        }
        return lines
    }

    static func write(_ lines: [Line], to reply: inout ReplyWriter) {
        reply.array(lines.count)
        for line in lines {
            reply.map(line.texts.count + line.numbers.count)
            for (name, value) in line.texts {
                reply.bulk(name)
                reply.bulk(value)
            }
            for (name, value) in line.numbers {
                reply.bulk(name)
                reply.integer(Int64(value))
            }
        }
    }
}
