internal import Bytes
internal import PeerProtocol
internal import Raft
internal import Snapshot

/// Snapshots on their way from a leader to followers that need what its log has let go of.
///
///     leader                                        follower
///       snapshotPiece, offset 0            ->         begins, or has a part of it from before
///                                          <-         snapshotProgress wants(offset)
///       pieces, a window of them           ->         handed to the host, in order
///                                          <-         wants(what the host has written)
///       the last piece                     ->         the host verifies the file and makes it durable;
///                                                     the core installs; the state is loaded
///                                          <-         installed
///
/// The pieces go in the link's lowest class, so they delay neither consensus nor clients. A link that
/// breaks ends the sending; when it is begun again the follower says what it has.
extension NodeState {
    /// A transfer about which the other side was silent for so long is given up.
    private static let silenceTime = Interval.seconds(30)

    // MARK: At the leader

    /// Begins to send the newest snapshot to a follower.
    mutating func beginSending(_ group: Int, to peer: NodeID, now: ClockReading) {
        snapshots.groups[group].sending.removeAll { $0.peer == peer }
        if let at = peerIndex(peer), peers[at].snapshotRetryAt > now.boot {
            // Its disk was too full for the last one.
            replicas[group].core.snapshotFailed(at: peer)
            return
        }
        let floor = replicas[group].core.snapshotFloor(of: peer)
        guard let stored = snapshots.groups[group].durable.first, stored.id.index >= floor else {
            // One that ends earlier would be written in vain, again and again.
            if replicas[group].applied >= floor { snapshots.groups[group].isWanted = true }
            replicas[group].core.snapshotFailed(at: peer)
            return
        }
        log(.notice, "snapshot-send id=\(stored.id) peer=\(name(of: peer))")
        var sending = SnapshotBoard.Sending(
            peer: peer, leaderTerm: replicas[group].core.term, id: stored.id,
            fileBytes: stored.fileBytes, heardAt: now.boot)
        sending.asked = min(limits.snapshotPieceBytes, stored.fileBytes)
        snapshotCommands.append(.read(stored.id, offset: 0, count: sending.asked))
        snapshots.groups[group].sending.append(sending)
    }

    /// Asks the host for the next pieces, as far as the window goes.
    private mutating func fillSnapshotWindow(_ group: Int, _ at: Int) {
        let sending = snapshots.groups[group].sending[at]
        guard sending.hasAnswered else { return }
        let end = min(
            sending.fileBytes, sending.acknowledged + limits.snapshotWindowBytes)
        var asked = sending.asked
        while asked < end {
            let count = min(limits.snapshotPieceBytes, sending.fileBytes - asked)
            snapshotCommands.append(.read(sending.id, offset: asked, count: count))
            asked += count
        }
        snapshots.groups[group].sending[at].asked = asked
    }

    /// The host has read a piece: it goes to all followers that wait for exactly this one.
    mutating func snapshotRead(
        _ id: SnapshotID, offset: Int, _ bytes: SharedBytes?, now: ClockReading
    ) {
        guard let group = group(of: id) else { return }
        guard let bytes else {
            for sending in snapshots.groups[group].sending where sending.id == id {
                replicas[group].core.snapshotFailed(at: sending.peer)
            }
            snapshots.groups[group].sending.removeAll { $0.id == id }
            return
        }
        for sending in snapshots.groups[group].sending where sending.id == id {
            guard let link = links.index(to: sending.peer), offset < sending.asked,
                offset >= sending.acknowledged
            else { continue }
            let header = SnapshotFrameHeader(
                group: UInt32(group), leaderTerm: sending.leaderTerm, index: id.index,
                term: id.term)
            links[link].pieces.open(.snapshotPiece)
            SnapshotPieceFrame.encode(
                header, fileBytes: sending.fileBytes, offset: offset, piece: bytes.span,
                into: &links[link].pieces.bytes)
            links[link].pieces.close()
            links.markFlushing(link)
        }
    }

    mutating func receiveSnapshotProgress(
        _ reader: inout ByteReader, from peer: NodeID, now: ClockReading
    ) throws(DecodeError) {
        let progress = try SnapshotProgressFrame(from: &reader)
        let group = Int(progress.header.group)
        guard group < replicas.count,
            let at = snapshots.groups[group].sending.firstIndex(where: { $0.peer == peer }),
            snapshots.groups[group].sending[at].id == id(of: progress.header),
            snapshots.groups[group].sending[at].leaderTerm == progress.header.leaderTerm
        else { return }
        snapshots.groups[group].sending[at].heardAt = now.boot
        switch progress.status {
        case .wants, .rewinds:
            guard let offset = Int(exactly: progress.offset),
                offset <= snapshots.groups[group].sending[at].fileBytes
            else { throw .invalid("snapshot offset") }
            let isFirst = !snapshots.groups[group].sending[at].hasAnswered
            snapshots.groups[group].sending[at].hasAnswered = true
            snapshots.groups[group].sending[at].acknowledged = offset
            if isFirst || progress.status == .rewinds
                || offset > snapshots.groups[group].sending[at].asked
            {
                snapshots.groups[group].sending[at].asked = offset
            }
            fillSnapshotWindow(group, at)
        case .installed:
            let id = snapshots.groups[group].sending.remove(at: at).id
            snapshots.sentCount += 1
            log(.notice, "snapshot-sent id=\(id) peer=\(name(of: peer))")
            replicas[group].snapshotInstalled(at: peer, index: progress.offset, now: now.boot)
        case .failed:
            snapshots.groups[group].sending.remove(at: at)
            replicas[group].core.snapshotFailed(at: peer)
            if let at = peerIndex(peer), peers[at].space != .ample {
                peers[at].snapshotRetryAt = now.boot + Self.snapshotRetryTime
            }
        }
    }

    /// Gives up what nobody answers for, or what another leadership began.
    mutating func checkTransfers(_ group: Int, now: ClockReading) {
        let term = replicas[group].core.term
        let leads = replicas[group].core.role == .leader
        if !leads { snapshots.groups[group].holder = nil }
        if let holder = snapshots.groups[group].holder, holder.node != id,
            links.index(to: holder.node) == nil
        {
            snapshots.groups[group].holder = nil
        }
        for sending in snapshots.groups[group].sending {
            let isMine = leads && sending.leaderTerm == term
            guard !isMine || sending.heardAt + Self.silenceTime <= now.boot else { continue }
            snapshots.groups[group].sending.removeAll { $0.peer == sending.peer }
            if isMine { replicas[group].core.snapshotFailed(at: sending.peer) }
        }
    }

    /// The link to a peer is gone: what was being sent to it begins again when it is back.
    mutating func stopSending(to peer: NodeID) {
        for group in snapshots.groups.indices {
            snapshots.groups[group].sending.removeAll { $0.peer == peer }
        }
    }

    // MARK: At the follower

    mutating func receiveSnapshotPiece(
        _ reader: inout ByteReader, from peer: NodeID, now: ClockReading
    ) throws(DecodeError) {
        let piece = try SnapshotPieceFrame(from: &reader)
        let group = Int(piece.header.group)
        guard group < replicas.count, let id = self.id(of: piece.header),
            replicas[group].core.leader == peer,
            replicas[group].core.term == piece.header.leaderTerm
        else { return }
        if !replicas[group].lacksState, replicas[group].core.commit >= id.index {
            tellInstalled(id, leaderTerm: piece.header.leaderTerm, group: group, to: peer)
            return
        }
        // It is here, and becomes the state already.
        if snapshots.groups[group].durable.contains(where: { $0.id == id }) { return }
        if let receiving = snapshots.groups[group].receiving,
            receiving.id != id || receiving.fileBytes != piece.fileBytes
        {
            snapshotCommands.append(.abandon(receiving.id))
            snapshots.groups[group].receiving = nil
        }
        if snapshots.groups[group].receiving == nil {
            log(.notice, "snapshot-receive id=\(id) bytes=\(piece.fileBytes)")
            snapshots.groups[group].receiving = SnapshotBoard.Receiving(
                id: id, from: peer, leaderTerm: piece.header.leaderTerm,
                fileBytes: piece.fileBytes)
        }
        snapshots.groups[group].receiving?.leaderTerm = piece.header.leaderTerm
        guard let have = snapshots.groups[group].receiving?.have, piece.offset == have else {
            // The first one tells that the leader begins anew: it hears where to go on. Others are
            // from before that, or from behind a piece that the host dropped.
            guard piece.offset == 0 else { return }
            let have = snapshots.groups[group].receiving?.have ?? 0
            tell(
                .wants, id, leaderTerm: piece.header.leaderTerm, group: group, to: peer,
                offset: have)
            return
        }
        let isLast = piece.offset + piece.bytes.count == piece.fileBytes
        snapshots.groups[group].receiving?.have += piece.bytes.count
        snapshots.groups[group].receiving?.underWay += 1
        snapshotCommands.append(
            .receive(
                id, offset: piece.offset, SharedBytes(ByteBuffer(copying: piece.bytes)),
                isLast: isLast))
    }

    /// The host has written what came so far.
    mutating func snapshotReceived(_ id: SnapshotID, upTo offset: Int) {
        guard let group = group(of: id), let receiving = snapshots.groups[group].receiving,
            receiving.id == id
        else { return }
        let underWay = max(0, receiving.underWay - 1)
        snapshots.groups[group].receiving?.underWay = underWay
        // The host dropped a piece, if it has less than it was given.
        let isBehind = underWay == 0 && offset < receiving.have
        if isBehind { snapshots.groups[group].receiving?.have = offset }
        tell(
            isBehind ? .rewinds : .wants, id, leaderTerm: receiving.leaderTerm, group: group,
            to: receiving.from,
            offset: offset)
    }

    mutating func receivingFailed(_ id: SnapshotID, _ reason: String, now: ClockReading) {
        guard let group = group(of: id), let receiving = snapshots.groups[group].receiving,
            receiving.id == id
        else { return }
        snapshots.groups[group].receiving = nil
        log(.warning, "snapshot-receive-failed id=\(id) reason=\"\(reason)\"")
        tell(.failed, id, leaderTerm: receiving.leaderTerm, group: group, to: receiving.from)
    }

    /// A leader's snapshot is whole and durable here: it becomes this replica's state.
    mutating func snapshotArrived(_ summary: SnapshotSummary, now: ClockReading) {
        let id = summary.id
        guard let group = group(of: id), let receiving = snapshots.groups[group].receiving,
            receiving.id == id
        else { return }
        snapshots.groups[group].receiving = nil
        let stored = SnapshotBoard.Stored(id: id, fileBytes: summary.fileBytes)
        keep(stored, group: group)
        let isNew = replicas[group].install(
            index: id.index, term: id.term, members: members(in: summary.header), now: now.boot,
            liveness: liveness)
        if isNew {
            snapshots.receivedCount += 1
            // Of this replica's state before, which may have been of another history.
            dropUnread(group)
            beginLoading(stored, into: group, isAtStart: false, now: now)
        }
        tellInstalled(id, leaderTerm: receiving.leaderTerm, group: group, to: receiving.from)
    }

    /// Whether it was new or not: the leader goes on behind what is committed here.
    private mutating func tellInstalled(
        _ id: SnapshotID, leaderTerm: Term, group: Int, to peer: NodeID
    ) {
        tell(
            .installed, id, leaderTerm: leaderTerm, group: group, to: peer,
            offset: Int(replicas[group].core.commit))
    }

    /// A file here turned out to be damaged, while it was received or read.
    mutating func snapshotDamaged(_ id: SnapshotID, _ reason: String, now: ClockReading) {
        guard let group = group(of: id) else { return }
        if snapshots.groups[group].receiving?.id == id {
            receivingFailed(id, reason, now: now)
            return
        }
        log(.warning, "snapshot-damaged id=\(id) reason=\"\(reason)\"")
        discard(id, group: group)
        snapshots.groups[group].isWanted = true
    }

    // MARK: Small things

    private func group(of id: SnapshotID) -> Int? {
        let group = Int(id.group.raw)
        return group < replicas.count ? group : nil
    }

    private func id(of header: SnapshotFrameHeader) -> SnapshotID? {
        guard Int(header.group) < replicas.count else { return nil }
        return SnapshotID(
            group: replicas[Int(header.group)].group, index: header.index, term: header.term)
    }

    private mutating func tell(
        _ status: SnapshotProgressFrame.Status, _ id: SnapshotID, leaderTerm: Term, group: Int,
        to peer: NodeID, offset: Int = 0
    ) {
        guard let link = links.index(to: peer) else { return }
        let header = SnapshotFrameHeader(
            group: UInt32(group), leaderTerm: leaderTerm, index: id.index, term: id.term)
        links[link].output.open(.snapshotProgress)
        SnapshotProgressFrame(header, status, offset: UInt64(offset))
            .encode(into: &links[link].output.bytes)
        links[link].output.close()
        links.markFlushing(link)
    }
}
