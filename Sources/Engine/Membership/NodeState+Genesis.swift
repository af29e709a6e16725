internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
internal import Snapshot
internal import Store
internal import WAL

/// From an empty directory to a cluster: the system group's first entry says what must be equal
/// everywhere, and the data groups come into being where it is applied.
extension NodeState {
    /// The bootstrap record is durable: the system group may vote.
    mutating func beginSystemGroup(now: ClockReading) {
        membership = .bootstrapping
        bootstrapBatch = nil
        liveness.takePart(true)
        addReplica(GroupID.system, slots: nil, restored: .fresh(), now: now)
    }

    /// Proposes genesis when this node leads the system group and there is none yet.
    mutating func considerGenesis(now: ClockReading) {
        guard map == nil, replicas.count > 0, replicas[0].genesis == nil,
            replicas[0].core.role == .leader, replicas[0].core.committedInTerm,
            replicas[0].applied == replicas[0].core.commit,
            replicas[0].core.commit == replicas[0].core.lastIndex
        else { return }
        var founders: [ClusterMap.Member] = []
        var version = versions.upperBound
        for member in members {
            guard let incarnation = admitted.first(where: { $0.node == member.id.raw })?.incarnation
            else { invariantFailed("a member without an identity") }
            let hello = peers.first { $0.id == member.id }?.hello
            if member.id != id {
                // One that has spoken to an earlier start only is not waited for: it may be gone.
                version = min(version, hello?.version ?? versions.lowerBound)
            }
            founders.append(
                ClusterMap.Member(
                    id: member.id.raw, name: member.name, host: member.host,
                    peerPort: UInt16(member.port),
                    clientPort: member.id == id
                        ? UInt16(configuration.port) : hello?.clientPort ?? 0,
                    incarnation: incarnation.raw))
        }
        let ranges = SlotRange.even(groups: configuration.initialGroups)
        let groups = ranges.enumerated().map {
            ClusterMap.Group(id: UInt32($0.offset + 1), slots: $0.element)
        }
        do throws(DecodeError) {
            let map = try ClusterMap(
                clusterID: (random.next(), random.next()),
                hashSeed: SipHash(key0: random.next(), key1: random.next()),
                clusterVersion: version, members: founders, groups: groups)
            var payload = ByteBuffer()
            map.encode(into: &payload)
            propose(0, kind: .genesis, payload: payload.readable, now: now)
        } catch {
            fail("genesis can not be made: \(error)")
        }
    }

    /// The system group's map is another one than was looked at last: genesis was applied, which is
    /// written down, and the data groups begin; or nodes came or went.
    mutating func considerAdoption(now: ClockReading) {
        guard replicas.count > 0, replicas[0].mapVersion != mapSeen else { return }
        mapSeen = replicas[0].mapVersion
        guard let genesis = replicas[0].genesis else { return }
        do throws(DecodeError) {
            let map = try ClusterMap(decoding: genesis.span)
            if let known = self.map {
                // A replay goes through what was before; so does one of a log from before a recovery.
                guard map.clusterID == known.clusterID, map.isNewer(than: known) else {
                    return
                }
                changeNodes(to: map, genesis, now: now)
                return
            }
            guard map.member(id.raw)?.incarnation == incarnation.raw else {
                fail("genesis names another data directory for this node")
                return
            }
            NodeRecord.bound(genesis).write(to: &wal)
            adopt(map, now: now)
            // Later changes may have been applied together with genesis: others may be members by now.
            if map.epoch > 0 { arrangePeers(now: now) }
            // They were admitted before there was a map, and may not be again for long.
            for at in peers.indices {
                if let hello = peers[at].hello { noteStart(hello) }
            }
            log(.notice, "genesis groups=\(map.groups.count) members=\(map.members.count)")
        } catch {
            fail("genesis can not be read: \(error)")
        }
    }

    /// Takes the map and makes the replicas that it gives to this node.
    mutating func adopt(_ map: ClusterMap, now: ClockReading) {
        self.map = map
        membership = .bound
        for group in map.groups {
            let groupID = GroupID(group.id)
            let restored =
                recovered.first { $0.group == groupID }?.restored()
                ?? (startedOnEmptyDirectory ? RestoredGroup.fresh() : RestoredGroup())
            addReplica(groupID, slots: group.slots, restored: restored, now: now)
        }
    }

    mutating func addReplica(
        _ group: GroupID, slots: SlotRange?, restored: consuming RestoredGroup, now: ClockReading
    ) {
        invariant(Int(group.raw) == replicas.count, "groups are not numbered in order")
        var raft = RaftConfiguration(id: id, group: group, members: founded)
        raft.electionTimeout = configuration.electionTimeout
        raft.retransmitTimeout = configuration.electionTimeout
        raft.readLease = configuration.readLease
        limits.apply(to: &raft)
        var restored = restored
        let found = snapshot(for: group, &restored)
        let firstIndex = restored.firstIndex
        raft.restartSilence = restartSilence
        // The system group's entries are synced in every mode (`appendToLog`).
        raft.mayLoseEntries = configuration.syncMode != 0 && group != .system
        let core = RaftCore(raft, restored: restored, seed: random.next(), now: now.boot)
        let seed = map?.hashSeed ?? SipHash(key0: 0, key1: 0)
        let keyspace = Keyspace(
            ranges: slots.map { [$0] } ?? [], hash: seed, limits: EncodingLimits())
        let index = replicas.count
        replicas.append(
            Replica(
                group: group, slots: slots, core: core, onceKey: seed,
                context: CommandContext(keyspace: keyspace)))
        if mayLackEntries {
            // For ever, until `considerTrust` ends it.
            replicas[index].core.silence(until: now.boot + .seconds(1_000_000_000))
        }
        if mayLackEntries || distrustedGroups.contains(group) {
            replicas[index].distrustLog(now: now.boot)
        }
        routes.append(Route())
        snapshots.groups.append(SnapshotBoard.Group())
        audits.append(AuditBoard())
        snapshots.groups[index].durable = found.stored
        // A peer would not take a snapshot of another cluster.
        snapshots.groups[index].isWanted = found.isInherited
        if let usable = found.usable {
            beginLoading(usable, into: index, isAtStart: true, now: now)
        } else if firstIndex > 1 {
            lackState(index, "no snapshot of it was found", now: now)
        }
        for at in peers.indices { peers[at].inbound.append(InboundStreams()) }
    }
}
