internal import Bytes
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
internal import WAL

/// From the queues of this node, as origin, to the leaders of the groups.
extension NodeState {
    /// Sends what is unsent to the leader of a group: into its next entry when this node leads,
    /// otherwise over the link. Called at the end of a turn.
    mutating func route(_ group: Int, now: ClockReading) {
        let leader = replicas[group].core.leader
        let term = replicas[group].core.term
        routes[group].address(leader, term: term, now: now.boot)
        guard isStarted, muteReason == nil else { return }
        if let retryAt = routes[group].retryAt {
            guard retryAt <= now.boot else { return }
            routes[group].retryAt = nil
        }
        finishUploads(group, now: now)
        guard !routes[group].isIdle, let target = routes[group].target else { return }
        restartWhenStuck(group, now: now)
        if target.node == id {
            routeHere(group, now: now)
            return
        }
        takeReads(group, .nearReads)
        if let link = links.index(to: target.node) {
            forward(group, over: link, target: target, now: now)
        }
    }

    /// Whether commands came in behind the turn's routing that could leave at once: nothing else may
    /// happen for long that makes a next turn.
    func hasUnrouted(now: ClockReading) -> Bool {
        guard isStarted, muteReason == nil else { return false }
        for group in 0..<routes.count where routes[group].retryAt == nil {
            guard let target = routes[group].target, routes[group].hasUnsent else { continue }
            if target.node == id {
                guard replicas[group].core.role == .leader else { continue }
                if routes[group].reads.unsent > 0 || routes[group].nearReads.unsent > 0 {
                    return true
                }
                if outrunsSnapshot(group) { continue }
                let isHeldBack =
                    !routes[group].hasUnsentPieces
                    && mayHoldBack(bytes: routes[group].writes.unsentBytes, now: now)
                if !isHeldBack { return true }
            } else if let link = links.index(to: target.node) {
                if links[link].client.bytes.count < PeerLimits.clientWindowBytes * 2,
                    routes[group].hasUnsentCommands
                {
                    return true
                }
                if links[link].pieces.bytes.count < PeerLimits.bulkWindowBytes,
                    routes[group].hasUnsentPieces
                {
                    return true
                }
            }
        }
        return false
    }

    /// An answer that does not come on an open link is asked for again.
    private mutating func restartWhenStuck(_ group: Int, now: ClockReading) {
        let patience =
            configuration.electionTimeout + configuration.electionTimeout
            + configuration.electionTimeout
        func isStuck(_ queue: borrowing CommandQueue) -> Bool {
            queue.sent > 0 && queue.progressAt + patience < now.boot
        }
        let isUploadStuck = routes[group].uploads.contains {
            $0.isStuck(since: now.boot - patience)
        }
        // This node's own replica loses nothing between queue and log.
        if routes[group].target?.node == id { return }
        if isStuck(routes[group].writes) || isStuck(routes[group].reads)
            || isStuck(routes[group].nearReads) || isUploadStuck
        {
            statistics.routesRestarted += 1
            routes[group].restart(now: now.boot)
        }
    }

    /// Uploads whose pieces are all applied take their place in the order.
    private mutating func finishUploads(_ group: Int, now: ClockReading) {
        var at = 0
        while at < routes[group].uploads.count {
            guard routes[group].uploads[at].isComplete else {
                at += 1
                continue
            }
            let upload = routes[group].uploads.remove(at: at)
            guard upload.session != .none else { continue }
            _ = routes[group].writes.append(
                LargeReference(command: upload.number, length: UInt64(upload.command.count)),
                flags: upload.flags, database: upload.database, session: upload.session,
                command: upload.tableID, now: now.boot)
            uploadsFinished.append(upload.session)
        }
    }

    // MARK: This node leads

    private mutating func routeHere(_ group: Int, now: ClockReading) {
        guard replicas[group].core.role == .leader else { return }
        let queuedAt = routes[group].writes.oldestUnsent?.queuedAt
        var isRefused = false
        let isTooFast = outrunsSnapshot(group)
        let holdsBack =
            isTooFast || mayHoldBack(bytes: routes[group].writes.unsentBytes, now: now)
        while routes[group].writes.unsent > 0, !isRefused, !holdsBack {
            var run = scratch.take()
            _ = routes[group].writes.takeRun(
                origin: origin, limit: limits.batchBytes, into: &run)
            isRefused = !addProposal(group, run: run.readable, queuedAt: queuedAt, now: now)
            run.removeAll(keepingCapacityUpTo: 1 << 20)
            scratch = run
        }
        for at in routes[group].uploads.indices where !isRefused && !isTooFast {
            while !isRefused, let piece = routes[group].uploads[at].nextPiece() {
                var payload = scratch.take()
                let upload = routes[group].uploads[at]
                let command = upload.command
                FragmentPayload.encode(
                    time: now.wall, origin: origin, command: upload.number,
                    offset: UInt64(piece.lowerBound), piece: command.span.extracting(piece),
                    into: &payload)
                isRefused = !propose(group, kind: .fragment, payload: payload.readable, now: now)
                payload.removeAll(keepingCapacityUpTo: 1 << 20)
                scratch = payload
                if !isRefused { routes[group].uploads[at].advance(past: piece, now: now.boot) }
            }
        }
        if isRefused {
            routes[group].restart(now: now.boot)
            routes[group].retryAt = now.boot + .milliseconds(5)
            return
        }
        takeReads(group, .reads)
        takeReads(group, .nearReads)
    }

    /// Takes the unsent reads of a queue to the backlog of this node's own replica.
    private mutating func takeReads(_ group: Int, _ queue: Replica.QueueKind) {
        var run = scratch.take()
        while routes[group].takeReads(
            queue, origin: origin, limit: limits.batchBytes, into: &run)
        {
            _ = addReads(group, run: run.readable, queue: queue)
            run.removeAll(keepingCapacityUpTo: 1 << 20)
        }
        scratch = run
    }

    /// Whether commands wait until the log's write under way is over. They could not be written earlier
    /// anyway, and become one entry, one frame and one acknowledgement together: a third of the turns
    /// and messages at 50 unpipelined clients. They wait for one write, not for an idle log, and not for
    /// long: a majority without this node's disk is enough.
    func mayHoldBack(bytes: Int, now: ClockReading) -> Bool {
        wal.lastBatch > writtenBatch && !logHasMoved && bytes < EngineLimits.heldBackBytesMax
            && now.boot < sealedAt + EngineLimits.heldBackTime && !isShuttingDown
    }

    /// Whether commands of a group are held back now.
    func holdsBack(_ group: Int) -> Bool {
        replicas[group].core.role == .leader && wal.lastBatch > writtenBatch
            && (routes[group].writes.unsent > 0 || !replicas[group].proposals.isEmpty)
    }

    /// Adds the reads of a run to the backlog of a group that this node leads. False when the run
    /// can not be read.
    mutating func addReads(_ group: Int, run: Span<UInt8>, queue: Replica.QueueKind) -> Bool {
        var reader = ByteReader(run)
        do throws(DecodeError) {
            let header = try RunHeader(from: &reader)
            for offset in 0..<header.count {
                let command = try LoggedCommand(from: &reader)
                replicas[group].backlog.append(
                    command, sequence: header.first + UInt64(offset), origin: header.origin,
                    queue: queue)
            }
            return true
        } catch {
            return false
        }
    }

    /// Adds a run to the group's next entry; false when the leader can not take it now.
    mutating func addProposal(
        _ group: Int, run: Span<UInt8>, queuedAt: Instant?, now: ClockReading
    ) -> Bool {
        if replicas[group].refusesProposals { return false }
        let held = replicas[group].proposals.count
        if held > 0, held + run.count > limits.batchBytes {
            guard flushProposals(group, mayHoldBack: false, now: now) else { return false }
        }
        if replicas[group].proposalsQueuedAt == nil {
            replicas[group].proposalsQueuedAt = queuedAt ?? now.boot
        }
        guard let reason = growthRefusal else {
            replicas[group].proposals.append(run)
            return true
        }
        do throws(DecodeError) {
            let marked = try refusingGrowth(run, reason: reason, group: group)
            replicas[group].proposals.append(marked.readable)
        } catch {
            invariantFailed("a checked run can not be read: \(error)")
        }
        return true
    }

    /// Makes an entry of the collected runs; false when the core refused it. What was refused is
    /// certainly not executed, and nothing behind it is taken in this turn: order is kept.
    mutating func flushProposals(
        _ group: Int, mayHoldBack isAllowed: Bool = true, now: ClockReading
    ) -> Bool {
        guard !replicas[group].proposals.isEmpty else { return true }
        if isAllowed, mayHoldBack(bytes: replicas[group].proposals.count, now: now) { return true }
        var payload = ByteBuffer()
        swap(&payload, &replicas[group].payloadBuffer)
        CommandPayload.appendHeader(time: now.wall, seed: random.next(), to: &payload)
        var runs = ByteBuffer()
        swap(&runs, &replicas[group].proposals)
        payload.append(runs.readable)
        runs.removeAll(keepingCapacityUpTo: 1 << 20)
        swap(&runs, &replicas[group].proposals)
        let isTaken = propose(group, kind: .commands, payload: payload.readable, now: now)
        payload.removeAll(keepingCapacityUpTo: 1 << 20)
        swap(&payload, &replicas[group].payloadBuffer)
        replicas[group].proposalsQueuedAt = nil
        if !isTaken { refuseProposals(group, now: now) }
        return isTaken
    }

    /// Tells all origins to send again what they sent in this turn.
    private mutating func refuseProposals(_ group: Int, now: ClockReading) {
        replicas[group].refusesProposals = true
        if routes[group].target?.node == id {
            routes[group].restart(now: now.boot)
            routes[group].retryAt = now.boot + .milliseconds(5)
        }
        for at in peers.indices { peers[at].inbound[group].writes.spoil() }
        for at in peers.indices {
            guard let link = links.index(to: peers[at].id) else { continue }
            sendForwardRefused(
                link, group: group, term: replicas[group].core.term,
                stream: peers[at].inbound[group].writes.current)
        }
    }

    @discardableResult
    mutating func propose(
        _ group: Int, kind: EntryKind, payload: Span<UInt8>, now: ClockReading
    ) -> Bool {
        let proposal = replicas[group].propose(
            kind: kind, payload: payload, now: now.boot, liveness: liveness)
        guard case .appended(let index) = proposal else { return false }
        replicas[group].timeline.proposed(
            index, queuedAt: replicas[group].proposalsQueuedAt ?? now.boot, now: now.boot)
        return true
    }

    // MARK: Another node leads

    private mutating func forward(
        _ group: Int, over link: Int, target: Route.Target, now: ClockReading
    ) {
        links[link].closeReplies()
        let room = PeerLimits.clientWindowBytes * 2
        while links[link].client.bytes.count < room, routes[group].writes.unsent > 0 {
            let header = ForwardHeader(
                group: UInt32(group), term: target.term, stream: routes[group].writes.stream,
                position: routes[group].writes.position)
            links[link].client.open(.forward)
            header.encode(into: &links[link].client.bytes)
            _ = routes[group].writes.takeRun(
                origin: origin, limit: limits.batchBytes, into: &links[link].client.bytes)
            links[link].client.close()
        }
        while links[link].client.bytes.count < room, routes[group].reads.unsent > 0 {
            let header = ForwardHeader(
                group: UInt32(group), term: target.term, stream: routes[group].reads.stream,
                position: routes[group].reads.position)
            links[link].client.open(.forwardRead)
            header.encode(into: &links[link].client.bytes)
            _ = routes[group].reads.takeRun(
                origin: origin, limit: limits.batchBytes, into: &links[link].client.bytes)
            links[link].client.close()
        }
        for at in routes[group].uploads.indices {
            while links[link].pieces.bytes.count < PeerLimits.bulkWindowBytes,
                let piece = routes[group].uploads[at].nextPiece()
            {
                let upload = routes[group].uploads[at]
                links[link].pieces.open(.fragment)
                links[link].pieces.bytes.append(varint: UInt64(group))
                links[link].pieces.bytes.append(varint: target.term)
                FragmentHeader(command: upload.number, offset: UInt64(piece.lowerBound))
                    .encode(into: &links[link].pieces.bytes)
                links[link].pieces.bytes.append(upload.command.span.extracting(piece))
                links[link].pieces.close()
                routes[group].uploads[at].advance(past: piece, now: now.boot)
            }
        }
        links.markFlushing(link)
    }

    mutating func sendForwardRefused(_ link: Int, group: Int, term: Term, stream: UInt64) {
        links[link].closeReplies()
        links[link].client.open(.forwardRefused)
        links[link].client.bytes.append(varint: UInt64(group))
        links[link].client.bytes.append(varint: term)
        links[link].client.bytes.append(varint: stream)
        links[link].client.close()
        links.markFlushing(link)
    }
}
