internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import Raft
internal import Snapshot
internal import Store
internal import WAL

/// Writing snapshots of this node's replicas, and letting go of the log that they stand for.
///
/// A group's snapshot is due when its log has grown by a third of `wal-max-size` since the last one,
/// or when the whole log is near its limit and the group holds its oldest part. One is written at a
/// time per node, and one per group: the leader says whose turn it is, so that a command never waits
/// for two of three replicas that are busy.
///
/// The log is cut to the snapshot *before* the newest: should the newest turn out to be damaged, the
/// older one and the log still make the state. A log that grew beyond its limit meanwhile is cut to the
/// newest, and what no log leads on from goes, too: disk is bounded by the data and two snapshots' time.
extension NodeState {
    /// How often the groups are looked at, and a leader is asked again for the turn.
    private static let checkInterval = Interval.milliseconds(100)
    private static let askInterval = Interval.seconds(1)
    /// A replica that has had the turn for so long is taken for stuck.
    private static let turnTime = Interval.seconds(600)
    private static let retryTime = Interval.seconds(30)

    /// The end of a turn: begins what is due, and goes on with what is being written.
    mutating func proceedSnapshots(now: ClockReading) {
        if now.boot >= snapshots.checkAt {
            snapshots.checkAt = now.boot + Self.checkInterval
            for group in 0..<replicas.count {
                considerSnapshot(group, now: now)
                considerCompaction(group)
                checkTransfers(group, now: now)
            }
        }
        writeSnapshot()
    }

    /// Whether the next turn has something to do for a snapshot.
    var hasSnapshotWork: Bool { snapshots.taking?.hasRoom ?? false }

    /// BGSAVE: all groups, as soon as it is their turn. False when that is under way already.
    mutating func saveAll() -> Bool {
        guard !snapshots.isBusy else { return false }
        for group in 0..<replicas.count {
            snapshots.groups[group].isWanted = true
            snapshots.groups[group].retryAt = Instant(nanoseconds: .min)
        }
        snapshots.checkAt = Instant(nanoseconds: .min)
        return true
    }

    // MARK: Beginning

    private func isDue(_ group: Int) -> Bool {
        let newest = snapshots.groups[group].newestIndex
        guard replicas[group].applied > newest else { return false }
        if replicas[group].loggedBytes >= configuration.walMaxSize / 3 { return true }
        if logSpace != .ample, wal.oldestHolder == replicas[group].group,
            newest == 0 || wal.firstIndex(of: replicas[group].group) > newest
        {
            // The log is as short as the snapshots let it be, and the disk is full: worth another,
            // if it frees some segments.
            let segment = WALLimits.segmentBytes(forLogOf: configuration.walMaxSize)
            return wal.bytesHeld(by: replicas[group].group) >= 2 * segment
        }
        return wal.heldBytes > configuration.walMaxSize / 4 * 3
            && wal.oldestHolder == replicas[group].group
    }

    private mutating func considerSnapshot(_ group: Int, now: ClockReading) {
        if !snapshots.groups[group].isWanted, isDue(group) {
            snapshots.groups[group].isWanted = true
        }
        guard snapshots.groups[group].isWanted, snapshots.taking == nil,
            now.boot >= snapshots.groups[group].retryAt, map != nil, muteReason == nil,
            replicas[group].load == nil, !replicas[group].lacksState, !isShuttingDown
        else { return }
        let newest = snapshots.groups[group].newestIndex
        guard replicas[group].applied > newest else {
            // Nothing has happened since the last one.
            endTurn(of: group)
            return
        }
        guard hasTurn(group, now: now) else { return }
        beginSnapshot(group, now: now)
    }

    /// Whether this replica may write now; asks its leader if it must.
    private mutating func hasTurn(_ group: Int, now: ClockReading) -> Bool {
        if peers.isEmpty || snapshots.groups[group].isGranted { return true }
        guard let leader = replicas[group].core.leader else { return false }
        if leader == id {
            guard snapshots.groups[group].holder == nil else { return false }
            snapshots.groups[group].holder = (id, now.boot)
            return true
        }
        if let askedAt = snapshots.groups[group].askedAt, askedAt + Self.askInterval > now.boot {
            return false
        }
        snapshots.groups[group].askedAt = now.boot
        sendSnapshotTurn(.ask, group: group, to: leader)
        return false
    }

    private mutating func beginSnapshot(_ group: Int, now: ClockReading) {
        let index = replicas[group].applied
        guard let term = replicas[group].core.log.term(at: index), let map,
            let members = replicas[group].core.members(asOf: index)
        else { return }
        let id = SnapshotID(group: replicas[group].group, index: index, term: term)
        let header = SnapshotHeader(
            id: id, clusterHigh: map.clusterID.high, clusterLow: map.clusterID.low,
            members: members.since == 0 ? [] : members.encoded)
        let image = ReplicaImage(of: &replicas[group])
        snapshots.taking = SnapshotBoard.Taking(id, group: group, image: image, now: now.boot)
        replicas[group].loggedBytes = 0
        snapshotCommands.append(.begin(header))
        log(.notice, "snapshot-begin id=\(id)")
    }

    /// Turns a slice of the image into chunks for the host; the more the group's log grew since the
    /// last slice, the larger it is: a log that outran its snapshots would have no bound.
    private mutating func writeSnapshot() {
        guard let taking = snapshots.taking else { return }
        let group = taking.group
        let grown = max(0, replicas[group].loggedBytes - taking.loggedBefore)
        taking.loggedBefore = replicas[group].loggedBytes
        var budget = min(
            max(limits.snapshotBytesPerTurn, EngineLimits.snapshotBytesPerLogged * grown),
            EngineLimits.snapshotBytesPerTurnMax)
        while budget > 0, taking.hasRoom {
            let before = taking.stream.count
            let slice = min(budget, SnapshotLimits.chunkBytes)
            let isOver = taking.image.proceed(
                &replicas[group].context.keyspace, into: &taking.stream, budget: slice)
            budget -= max(taking.stream.count - before, 1024)
            while taking.stream.count >= SnapshotLimits.chunkBytes {
                giveChunk(SnapshotLimits.chunkBytes, of: taking)
            }
            guard isOver else { continue }
            if !taking.stream.isEmpty { giveChunk(taking.stream.count, of: taking) }
            snapshotCommands.append(.finish(taking.id))
            taking.isFinished = true
        }
    }

    /// Whether the group's log has grown by more than half of what the snapshot under way has got
    /// through, and `wal-max-size` beside. Writes wait then, so that the log, which reaches back to the
    /// beginning of the snapshot before, is never longer than the data and twice `wal-max-size`,
    /// however slowly snapshots are written.
    func outrunsSnapshot(_ group: Int) -> Bool {
        guard let taking = snapshots.taking, taking.group == group else { return false }
        let written = taking.given * SnapshotLimits.chunkBytes
        return replicas[group].loggedBytes > configuration.walMaxSize + written / 2
    }

    private mutating func giveChunk(_ count: Int, of taking: SnapshotBoard.Taking) {
        let chunk = ByteBuffer(copying: taking.stream.readable.extracting(0..<count))
        taking.stream.consume(count)
        taking.given += 1
        snapshotCommands.append(.chunk(taking.id, SharedBytes(chunk)))
    }

    // MARK: Ending

    /// This replica's turn is over, or it wants none.
    private mutating func endTurn(of group: Int) {
        snapshots.groups[group].isWanted = false
        snapshots.groups[group].askedAt = nil
        if snapshots.groups[group].holder?.node == id { snapshots.groups[group].holder = nil }
        guard snapshots.groups[group].isGranted else { return }
        snapshots.groups[group].isGranted = false
        if let leader = replicas[group].core.leader, leader != id {
            sendSnapshotTurn(.done, group: group, to: leader)
        }
    }

    /// Gives the snapshot being written up; what the keyspace kept for it is freed.
    mutating func abandonSnapshot(of group: Int, reason: String) {
        guard let taking = snapshots.taking, taking.group == group else { return }
        if replicas[group].context.keyspace.isImaging {
            replicas[group].context.keyspace.abandonImage()
        }
        snapshots.taking = nil
        snapshotCommands.append(.abandon(taking.id))
        log(.notice, "snapshot-abandoned id=\(taking.id) reason=\"\(reason)\"")
        endTurn(of: group)
    }

    mutating func snapshotWritten(_ id: SnapshotID, chunks: Int) {
        guard let taking = snapshots.taking, taking.id == id else { return }
        taking.written = max(taking.written, chunks)
    }

    /// A snapshot is on disk: an own one, a leader's, or one that was given up when the host had all of it
    /// already. That one stands for no state of this replica, and must not be found by the next start.
    mutating func snapshotDurable(_ summary: SnapshotSummary, now: ClockReading) {
        let id = summary.id
        let group = Int(id.group.raw)
        guard group < replicas.count else { return }
        if snapshots.taking?.id == id {
            snapshotTaken(summary, now: now)
        } else if snapshots.groups[group].receiving?.id == id {
            snapshotArrived(summary, now: now)
        } else if !snapshots.groups[group].durable.contains(where: { $0.id == id }) {
            log(.notice, "snapshot-dropped id=\(id) reason=\"it was given up\"")
            snapshots.groups[group].unread.removeAll { $0 == id }
            snapshotCommands.append(.remove(id))
        }
    }

    /// An own snapshot is on disk.
    mutating func snapshotTaken(_ summary: SnapshotSummary, now: ClockReading) {
        guard let taking = snapshots.taking, taking.id == summary.id else { return }
        snapshots.taking = nil
        snapshots.hasFailed = false
        snapshots.lastSaved = now.wall / 1000
        snapshots.lastDuration = now.boot - taking.startedAt
        snapshots.writtenCount += 1
        log(
            .notice,
            "snapshot-durable id=\(summary.id) bytes=\(summary.rawBytes) file=\(summary.fileBytes) ms=\(snapshots.lastDuration.milliseconds) checksum=\(summary.rawChecksum)"
        )
        keep(
            SnapshotBoard.Stored(id: summary.id, fileBytes: summary.fileBytes),
            group: taking.group)
        endTurn(of: taking.group)
        considerCompaction(taking.group)
    }

    mutating func snapshotFailed(_ id: SnapshotID, _ reason: String, now: ClockReading) {
        guard let taking = snapshots.taking, taking.id == id else {
            receivingFailed(id, reason, now: now)
            return
        }
        let group = taking.group
        if replicas[group].context.keyspace.isImaging {
            replicas[group].context.keyspace.abandonImage()
        }
        snapshots.taking = nil
        snapshots.hasFailed = true
        log(.warning, "snapshot-failed id=\(id) reason=\"\(reason)\"")
        endTurn(of: group)
        snapshots.groups[group].retryAt = now.boot + Self.retryTime
    }

    /// Notes a durable snapshot; all but the two newest go.
    mutating func keep(_ stored: SnapshotBoard.Stored, group: Int) {
        // The new file took the place of one that could not be read.
        snapshots.groups[group].unread.removeAll { $0 == stored.id }
        snapshots.groups[group].durable.insert(stored, at: 0)
        snapshots.groups[group].durable.sort { $0.id > $1.id }
        while snapshots.groups[group].durable.count > 2 {
            let old = snapshots.groups[group].durable.removeLast()
            snapshotCommands.append(.remove(old.id))
        }
        if snapshots.groups[group].durable.count == 2 {
            dropUnread(group, olderThan: snapshots.groups[group].durable[1].id)
        }
    }

    // MARK: The log

    /// Lets go of the group's log as far as snapshots stand for it and no live follower needs it.
    mutating func considerCompaction(_ group: Int) {
        let durable = snapshots.groups[group].durable
        guard let newest = durable.first?.id, replicas[group].load == nil,
            !replicas[group].lacksState
        else { return }
        var target = durable.count > 1 ? durable[1].id.index : 0
        // A log beyond its limit is cut to the newest: the peers have what a damaged one would cost.
        let isLong = wal.heldBytes > configuration.walMaxSize
        let isIdle =
            wal.heldBytes > configuration.walMaxSize / 4 * 3
            && wal.oldestHolder == replicas[group].group
            && replicas[group].applied == newest.index
        // So is one that the disk has no room for.
        let isTight = logSpace != .ample
        if isLong || isIdle || isTight { target = newest.index }
        if replicas[group].core.role == .leader {
            for follower in replicas[group].core.followers
            where links.index(to: follower.id) != nil {
                if let sending = snapshots.groups[group].sending.first(where: {
                    $0.peer == follower.id
                }) {
                    // Else it would need another snapshot when it has this one, and so on; a long
                    // file takes its time, in which the log may become as long.
                    if wal.heldBytes < 2 * configuration.walMaxSize + sending.fileBytes {
                        target = min(target, sending.id.index)
                    }
                } else if !isLong, !isTight, follower.state == .replicate {
                    target = min(target, follower.match)
                }
            }
        }
        if isTight { dropUseless(group) }
        guard target >= replicas[group].core.log.firstIndex, target <= replicas[group].applied,
            target > 0
        else { return }
        replicas[group].core.compact(upTo: target)
        snapshots.groups[group].cutIndex = target
        log(
            .notice,
            "log-cut group=\(replicas[group].group) after=\(target) held=\(wal.heldBytes)")
        removeUseless(group)
    }

    /// Removes older snapshots that the log does not lead on from, unless a follower is being sent one.
    private mutating func removeUseless(_ group: Int) {
        let first = replicas[group].core.log.firstIndex
        while snapshots.groups[group].durable.count > 1,
            let oldest = snapshots.groups[group].durable.last, oldest.id.index + 1 < first,
            !snapshots.groups[group].sending.contains(where: { $0.id == oldest.id })
        {
            snapshots.groups[group].durable.removeLast()
            snapshotCommands.append(.remove(oldest.id))
        }
    }

    /// Removes older snapshots that the log does not reach any more: they could make no state.
    private mutating func dropUseless(_ group: Int) {
        let first = wal.firstIndex(of: replicas[group].group)
        for old in snapshots.groups[group].durable.dropFirst()
        where old.id.index + 1 < first
            && !snapshots.groups[group].sending.contains(where: { $0.id == old.id })
        {
            log(.notice, "snapshot-dropped id=\(old.id) reason=\"the disk is full\"")
            discard(old.id, group: group)
        }
        // The newest was read, or written, by this process.
        dropUnread(group)
    }

    /// The follower that is furthest behind this leader in the group that holds the log's oldest part.
    var slowestFollower: NodeID? {
        guard let holder = wal.oldestHolder,
            let group = (0..<replicas.count).first(where: { replicas[$0].group == holder })
        else { return nil }
        let followers = replicas[group].core.followers
        guard let last = followers.min(by: { $0.match < $1.match }),
            last.match < replicas[group].core.commit
        else { return nil }
        return last.id
    }

    // MARK: Whose turn it is

    private mutating func sendSnapshotTurn(_ turn: SnapshotTurn, group: Int, to peer: NodeID) {
        guard let link = links.index(to: peer) else { return }
        links[link].output.open(.snapshotTurn)
        links[link].output.bytes.append(varint: UInt64(group))
        links[link].output.bytes.append(turn.rawValue)
        links[link].output.close()
        links.markFlushing(link)
    }

    mutating func receiveSnapshotTurn(
        _ reader: inout ByteReader, group: Int, from peer: NodeID, now: ClockReading
    ) throws(DecodeError) {
        guard let turn = SnapshotTurn(rawValue: try reader.read()) else {
            throw .invalid("snapshot turn")
        }
        switch turn {
        case .ask:
            guard replicas[group].core.role == .leader else { return }
            if let holder = snapshots.groups[group].holder, holder.node != peer,
                holder.since + Self.turnTime > now.boot,
                holder.node == id || links.index(to: holder.node) != nil
            {
                return
            }
            snapshots.groups[group].holder = (peer, now.boot)
            sendSnapshotTurn(.grant, group: group, to: peer)
        case .grant:
            // Late: it has been given up meanwhile, or another leader is asked.
            guard snapshots.groups[group].isWanted, replicas[group].core.leader == peer else {
                sendSnapshotTurn(.done, group: group, to: peer)
                return
            }
            snapshots.groups[group].isGranted = true
            snapshots.checkAt = Instant(nanoseconds: .min)
        case .done:
            if snapshots.groups[group].holder?.node == peer {
                snapshots.groups[group].holder = nil
            }
        }
    }
}
