internal import Bytes
internal import Cluster
internal import Commands
internal import Raft
internal import Snapshot
internal import Store

/// From a snapshot's bytes to a replica's state: at the start, and when a leader sent one.
extension NodeState {
    private static let tellInterval = Interval.seconds(1)

    /// Empties the replica and begins to fill it from a durable snapshot.
    mutating func beginLoading(
        _ stored: SnapshotBoard.Stored, into group: Int, isAtStart: Bool, now: ClockReading
    ) {
        abandonSnapshot(of: group, reason: "the state is replaced")
        abandonLoad(of: group)
        replicas[group].forgetState()
        replicas[group].load = SnapshotLoad(stored, isAtStart: isAtStart, now: now.boot)
        countLoads()
        snapshotCommands.append(.load(stored.id))
        snapshotCommands.append(.loadMore(stored.id))
        log(.notice, "snapshot-load id=\(stored.id) file=\(stored.fileBytes)")
    }

    mutating func snapshotLoaded(
        _ id: SnapshotID, _ bytes: SharedBytes, isLast: Bool, now: ClockReading
    ) {
        guard let group = group(loading: id), let load = replicas[group].load else { return }
        if !isLast { snapshotCommands.append(.loadMore(id)) }
        do throws(SnapshotContentError) {
            try load.loader.load(bytes.span, into: &replicas[group])
            load.loadedBytes += bytes.count
            if isLast, !load.loader.isComplete {
                throw SnapshotContentError("it ends in the middle")
            }
        } catch {
            snapshotCommands.append(.abandon(id))
            // Every checksum was right, so the file is what was written once: by another version.
            snapshotUnreadable(
                id, "\(id.fileName) makes no sense to this version: \(error.reason)",
                isLoad: true, now: now)
            return
        }
        if now.boot - load.toldAt >= Self.tellInterval {
            load.toldAt = now.boot
            log(.notice, "snapshot-loading id=\(id) bytes=\(load.loadedBytes)")
        }
        guard isLast else { return }
        replicas[group].load = nil
        countLoads()
        replicas[group].applied = id.index
        log(
            .notice,
            "snapshot-loaded id=\(id) bytes=\(load.loadedBytes) ms=\((now.boot - load.startedAt).milliseconds)"
        )
    }

    /// The snapshot is no good: an older one, or the peers, must help.
    mutating func loadFailed(_ id: SnapshotID, _ reason: String, now: ClockReading) {
        guard let group = group(loading: id), let load = replicas[group].load else { return }
        log(.warning, "snapshot-damaged id=\(id) reason=\"\(reason)\"")
        discard(id, group: group)
        loadAnother(than: load, "no snapshot of it can be read", into: group, now: now)
    }

    /// The system refused to read a snapshot: others must help in this process. The file stays as it
    /// is, since the next start may well be able to read it.
    mutating func snapshotUnreadable(
        _ id: SnapshotID, _ reason: String, isLoad: Bool, now: ClockReading
    ) {
        let group = Int(id.group.raw)
        guard group < replicas.count else { return }
        let load = replicas[group].load
        let isKnown = snapshots.groups[group].durable.contains { $0.id == id }
        guard isLoad ? load?.id == id : isKnown else { return }
        log(.warning, "snapshot-unreadable id=\(id) reason=\"\(reason)\"")
        snapshots.groups[group].durable.removeAll { $0.id == id }
        snapshots.groups[group].unread.append(id)
        if isLoad, let load {
            loadAnother(than: load, reason, into: group, now: now)
        } else {
            // Followers need one that can be read.
            snapshots.groups[group].isWanted = true
        }
    }

    /// The snapshot being loaded is of no use: an older one makes the state, or the log, or a peer.
    private mutating func loadAnother(
        than load: SnapshotLoad, _ reason: String, into group: Int, now: ClockReading
    ) {
        replicas[group].load = nil
        countLoads()
        replicas[group].forgetState()
        let first = replicas[group].core.log.firstIndex
        if let next = snapshots.groups[group].durable.first(where: { $0.id.index + 1 >= first }) {
            beginLoading(next, into: group, isAtStart: load.isAtStart, now: now)
        } else if first == 1 {
            // The whole log is there: it makes the state again from its first entry.
            log(.warning, "state-from-log group=\(replicas[group].group)")
        } else {
            lackState(group, reason, now: now)
        }
    }

    /// Neither snapshots nor the log make this replica's state: the peers must give it.
    mutating func lackState(_ group: Int, _ reason: String, now: ClockReading) {
        guard !peers.isEmpty else {
            let first = replicas[group].core.log.firstIndex
            let text =
                snapshots.groups[group].unread.contains { $0.index + 1 >= first }
                ? "the state of \(replicas[group].group) can not be loaded: \(reason). Nothing was removed: start the node again when its snapshots can be read"
                : "the state of \(replicas[group].group) is lost: \(reason), and the log begins at entry \(first). 'skein check' tells what is damaged"
            replicas[group].failure = text
            fail(text)
            return
        }
        replicas[group].requireSnapshot(now: now.boot)
        log(
            .warning,
            "state-lost group=\(replicas[group].group) reason=\"\(reason)\" effect=\"no vote until a peer has sent its snapshot\""
        )
    }

    /// The others have committed another history than this replica, which takes that one over
    /// (`RaftCore+Overtaking.swift`). Possible only with appendfsync relaxed, when too many machines lost
    /// unsynced writes at once.
    mutating func overtaken(_ group: Int, now: ClockReading) {
        abandonLoad(of: group)
        if let receiving = snapshots.groups[group].receiving {
            snapshots.groups[group].receiving = nil
            snapshotCommands.append(.abandon(receiving.id))
            if receiving.have == receiving.fileBytes {
                snapshotCommands.append(.remove(receiving.id))
            }
        }
        rebuild(
            group,
            "the cluster went on without entries that were committed here, because too many members lost unsynced writes",
            now: now)
    }

    /// Gives up a replica's state for a peer's. Snapshots of such a state are worth nothing, whenever it
    /// went wrong: they go before anything that is received from now on can become durable.
    mutating func rebuild(_ group: Int, _ reason: String, now: ClockReading) {
        let finished = snapshots.taking.flatMap {
            $0.group == group && $0.isFinished ? $0.id : nil
        }
        abandonSnapshot(of: group, reason: "the state is given up")
        // It may have become durable before it was abandoned.
        if let finished { snapshotCommands.append(.remove(finished)) }
        for stored in snapshots.groups[group].durable { discard(stored.id, group: group) }
        dropUnread(group)
        // What is being read of the log is of no use, and its place may soon hold something else.
        fetches.entries.removeAll { $0.group == group }
        replicas[group].isFetching = false
        replicas[group].forgetState()
        lackState(group, reason, now: now)
    }

    private mutating func abandonLoad(of group: Int) {
        guard let load = replicas[group].load else { return }
        snapshotCommands.append(.abandon(load.id))
        replicas[group].load = nil
        countLoads()
    }

    /// Forgets a snapshot that cannot be used, and removes its file.
    mutating func discard(_ id: SnapshotID, group: Int) {
        snapshots.groups[group].durable.removeAll { $0.id == id }
        snapshotCommands.append(.remove(id))
    }

    /// Removes what could not be read, and is of no use any more.
    mutating func dropUnread(_ group: Int, olderThan limit: SnapshotID? = nil) {
        for id in snapshots.groups[group].unread where limit.map({ id < $0 }) ?? true {
            snapshots.groups[group].unread.removeAll { $0 == id }
            snapshotCommands.append(.remove(id))
        }
    }

    private mutating func countLoads() {
        loadsAtStart = (0..<replicas.count).count { replicas[$0].load?.isAtStart == true }
    }

    private func group(loading id: SnapshotID) -> Int? {
        (0..<replicas.count).first { replicas[$0].load?.id == id }
    }

}

// At the start.
extension NodeState {
    /// What the directory's snapshots mean for a group whose log was found like this: all of them,
    /// newest first, and the one to begin with.
    mutating func snapshot(
        for group: GroupID, _ restored: inout RestoredGroup
    ) -> (
        stored: [SnapshotBoard.Stored], usable: SnapshotBoard.Stored?, isInherited: Bool
    ) {
        var stored: [SnapshotBoard.Stored] = []
        var isInherited = false
        for summary in listedSnapshots where summary.id.group == group {
            let cluster = Lineage(
                high: summary.header.clusterHigh, low: summary.header.clusterLow)
            let isOwn =
                cluster.high == map?.clusterID.high && cluster.low == map?.clusterID.low
            guard isOwn || lineage.contains(cluster) else {
                log(.warning, "snapshot-foreign id=\(summary.id)")
                continue
            }
            if stored.isEmpty { isInherited = !isOwn }
            stored.append(SnapshotBoard.Stored(id: summary.id, fileBytes: summary.fileBytes))
        }
        guard let newest = stored.first, newest.id.index + 1 >= restored.firstIndex else {
            if restored.firstIndex > 1,
                let record = memberRecords.last(where: { $0.group == group }),
                let members = members(encoded: record.encoded),
                // Otherwise the log has gone back since.
                members.since < restored.firstIndex
            {
                restored.members = members
            }
            return (stored, nil, isInherited)
        }
        restored.members = listedSnapshots.first { $0.id == newest.id }.flatMap {
            members(in: $0.header)
        }
        restored.snapshotIndex = newest.id.index
        restored.snapshotTerm = newest.id.term
        return (stored, newest, isInherited)
    }
}

// The members that a snapshot holds.
extension NodeState {
    /// nil: they had never changed.
    mutating func members(in header: SnapshotHeader) -> GroupMembers? {
        header.members.isEmpty ? nil : members(encoded: header.members)
    }

    private mutating func members(encoded bytes: [UInt8]) -> GroupMembers? {
        do throws(DecodeError) {
            return try GroupMembers(decoding: bytes.span)
        } catch {
            // Every checksum was right: another program wrote it.
            fail("the members of a group can not be read: \(error)")
            return nil
        }
    }
}

extension Replica {
    /// Empties everything that is state; a snapshot fills it again.
    mutating func forgetState() {
        if context.keyspace.isImaging { context.keyspace.abandonImage() }
        context.keyspace.reset()
        once = OnceTable()
        windows = ReplyWindows()
        assemblies = Assemblies()
        genesis = nil
        applied = 0
        loggedBytes = 0
    }
}
