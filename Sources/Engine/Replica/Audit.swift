internal import Bytes
internal import Cluster
internal import Commands
internal import PeerProtocol
internal import Raft
internal import Store

/// Payload of an entry of kind `audit`: `u8 version | first slot | slots`. Every replica takes a digest
/// of these slots at this very entry.
struct AuditPayload {
    var firstSlot: Int
    var slots: Int

    func encode(into bytes: inout ByteBuffer) {
        bytes.append(CommandPayload.version)
        bytes.append(varint: UInt64(firstSlot))
        bytes.append(varint: UInt64(slots))
    }

    init(firstSlot: Int, slots: Int) {
        self.firstSlot = firstSlot
        self.slots = slots
    }

    init(decoding payload: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(payload)
        try reader.expectVersion()
        firstSlot = try reader.readCount()
        slots = try reader.readCount()
        guard firstSlot + slots <= HashSlot.count, slots > 0 else { throw .invalid("slots") }
    }
}

extension Replica {
    /// A collection with more elements is taken by its size only, so that no audit takes long; its
    /// bytes are compared when a replica writes and another loads a snapshot.
    static let auditedElementsMax = 1000

    /// The digest of some slots, and with the first slot of all that is no key.
    func audit(_ payload: AuditPayload) -> UInt64 {
        var hash = StateHash(seed: UInt64(group.raw))
        hash.feed(context.keyspace.logTime)
        if payload.firstSlot == slots?.first.raw ?? 0 {
            windows.feed(into: &hash)
            assemblies.feed(into: &hash)
            once.feedSummary(into: &hash)
        }
        for slot in payload.firstSlot..<payload.firstSlot + payload.slots {
            hash.feed(
                context.keyspace.stateHash(slot: slot, elementsMax: Self.auditedElementsMax))
        }
        return hash.value
    }
}

/// What a leader has heard about the audits of one group.
struct AuditBoard {
    struct Pending {
        var index: LogIndex
        var digests: [(node: NodeID, digest: UInt64)] = []
    }

    /// Where the next slice begins.
    var nextSlot = 0
    var nextAt = Instant(nanoseconds: .min)
    /// What was applied when the pass under way began; nothing else since then, and the next pass
    /// would tell nothing new.
    var passBeganAt: LogIndex = 0
    /// Audit entries proposed in the pass.
    var entriesInPass: LogIndex = 0
    var isPassNeeded = true
    private var pending: [Pending] = []
    /// Audits in which all members agreed.
    private(set) var agreed = 0

    private static let pendingMax = 8

    /// Takes a digest; the nodes that a majority contradicts, once there is one.
    mutating func add(
        _ digest: UInt64, of node: NodeID, at index: LogIndex, members: Int
    ) -> [NodeID] {
        if !pending.contains(where: { $0.index == index }) {
            pending.append(Pending(index: index))
            if pending.count > Self.pendingMax { pending.removeFirst() }
        }
        guard let at = pending.firstIndex(where: { $0.index == index }),
            !pending[at].digests.contains(where: { $0.node == node })
        else { return [] }
        pending[at].digests.append((node, digest))
        let digests = pending[at].digests
        let majority = digests.first { one in
            digests.count { $0.digest == one.digest } > members / 2
        }
        guard let majority else { return [] }
        if digests.allSatisfy({ $0.digest == majority.digest }) {
            if digests.count == members {
                agreed += 1
                pending.remove(at: at)
            }
            return []
        }
        return digests.filter { $0.digest != majority.digest }.map(\.node)
    }

    /// Another leadership: what was asked is void.
    mutating func forget() { pending.removeAll() }
}

/// Comparing the replicas of a group while they work: the leader logs, now and then, that all take a
/// digest of some slots; each tells the leader, and one that a majority contradicts is stopped and built
/// anew from the others. What it finds is what no checksum can: a bit that flipped in memory, or two
/// versions of this program that execute a command differently.
extension NodeState {
    private static let auditInterval = Interval.seconds(1)
    /// Keys that one audit looks at, about.
    private static let auditKeys = 2000
    private static let auditSlotsMax = 2048

    /// The leader's next slice.
    mutating func considerAudit(_ group: Int, now: ClockReading) {
        guard peers.count > 0, replicas[group].core.role == .leader,
            replicas[group].core.committedInTerm, now.boot >= audits[group].nextAt,
            let slots = replicas[group].slots
        else { return }
        audits[group].nextAt = now.boot + Self.auditInterval
        let first = Int(slots.first.raw)
        let last = Int(slots.last.raw)
        if audits[group].nextSlot < first || audits[group].nextSlot > last {
            audits[group].nextSlot = first
        }
        if audits[group].nextSlot == first {
            let applied = replicas[group].applied
            // Nothing but audits since the pass before.
            guard
                applied > audits[group].passBeganAt + audits[group].entriesInPass
                    || audits[group].isPassNeeded
            else { return }
            audits[group].passBeganAt = applied
            audits[group].entriesInPass = 0
            audits[group].isPassNeeded = false
        }
        var keys = 0
        var end = audits[group].nextSlot
        while end <= last, end - audits[group].nextSlot < Self.auditSlotsMax,
            keys < Self.auditKeys
        {
            for database in 0..<Keyspace.databaseCount {
                keys += replicas[group].context.keyspace.keyCount(database, slot: end)
            }
            end += 1
        }
        let audit = AuditPayload(
            firstSlot: audits[group].nextSlot, slots: end - audits[group].nextSlot)
        var payload = ByteBuffer()
        audit.encode(into: &payload)
        guard propose(group, kind: .audit, payload: payload.readable, now: now) else { return }
        audits[group].entriesInPass += 1
        audits[group].nextSlot = end > last ? first : end
    }

    /// Tells the leader what this replica's audits came to.
    mutating func reportAudits(_ group: Int, now: ClockReading) {
        guard !replicas[group].auditDigests.isEmpty else { return }
        let digests = replicas[group].auditDigests
        replicas[group].auditDigests.removeAll(keepingCapacity: true)
        guard let leader = replicas[group].core.leader else { return }
        for (index, digest) in digests {
            if leader == id {
                judgeAudit(group, digest, of: id, at: index, now: now)
            } else if let link = links.index(to: leader) {
                links[link].output.open(.auditDigest)
                AuditDigestFrame(group: UInt32(group), index: index, digest: digest)
                    .encode(into: &links[link].output.bytes)
                links[link].output.close()
                links.markFlushing(link)
            }
        }
    }

    mutating func receiveAuditDigest(
        _ reader: inout ByteReader, from peer: NodeID, now: ClockReading
    ) throws(DecodeError) {
        let frame = try AuditDigestFrame(from: &reader)
        let group = Int(frame.group)
        guard group < replicas.count, replicas[group].core.role == .leader else { return }
        judgeAudit(group, frame.digest, of: peer, at: frame.index, now: now)
    }

    private mutating func judgeAudit(
        _ group: Int, _ digest: UInt64, of node: NodeID, at index: LogIndex, now: ClockReading
    ) {
        let contradicted = audits[group].add(digest, of: node, at: index, members: memberCount)
        for node in contradicted {
            log(
                .warning,
                "state-diverged group=\(replicas[group].group) index=\(index) node=\(name(of: node))"
            )
            if node == id {
                diverged(group, at: index, now: now)
            } else if let link = links.index(to: node) {
                links[link].output.open(.diverged)
                links[link].output.bytes.append(varint: UInt64(group))
                links[link].output.bytes.append(varint: index)
                links[link].output.close()
                links.markFlushing(link)
            }
        }
    }

    /// This replica's state is not the majority's: it is given up, and built anew from a peer's.
    mutating func diverged(_ group: Int, at index: LogIndex, now: ClockReading) {
        guard !replicas[group].lacksState, replicas[group].load == nil else { return }
        if replicas[group].core.role == .leader {
            // Whoever takes over says so again, and then it is a follower's affair.
            replicas[group].handOver(now: now.boot, liveness: liveness)
            return
        }
        rebuild(group, "it differs from the majority's at entry \(index)", now: now)
    }
}
