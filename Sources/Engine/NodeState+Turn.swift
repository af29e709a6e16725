internal import Bytes
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft
internal import Store
internal import WAL

/// The node's part of a turn: the log's completions, time, and what leaves at the end.
extension NodeState {
    /// A log that was idle for so long says by itself up to where it is durable.
    private static let idleMarkAfter = Interval.seconds(1)

    // MARK: Log

    mutating func logDurable(written batch: UInt64, synced: UInt64, now: ClockReading) {
        wal.durable(upTo: synced)
        releasedSegments.append(contentsOf: wal.takeReleased())
        writtenBatch = batch
        logHasMoved = true
        if !isStarted, batch >= startBatch {
            isStarted = true
            if membership != .empty, muteReason == nil { liveness.takePart(true) }
            nodesCheckAt = now.boot
            for index in links.openIndices { sendHello(index) }
            considerBootstrap(now: now)
        }
        for (group, ticket) in tickets.takeDurable(upTo: batch) {
            replicas[group].durable(upTo: ticket, now: now.boot, liveness: liveness)
        }
        if let bootstrapBatch, batch >= bootstrapBatch { beginSystemGroup(now: now) }
        if let joining, batch >= joining.batch { finishJoining(joining.map, now: now) }
    }

    /// Gives fetched records to the one who wanted them; a request when more must be read first.
    mutating func logRead(
        _ id: LogReadID, bytes: Span<UInt8>?, now: ClockReading
    ) -> LogReadRequest? {
        guard let at = fetches.entries.firstIndex(where: { $0.id == id }) else { return nil }
        guard let bytes, wal.isCurrent(fetches.entries[at].disk) else {
            finishFetch(fetches.entries.remove(at: at), succeeded: false, now: now)
            return nil
        }
        do throws(WALError) {
            switch try fetches.entries[at].disk.take(
                bytes, into: &fetches.entries[at].records.bytes)
            {
            case .more:
                let read = fetches.entries[at].disk.read
                return LogReadRequest(id: id, position: read.position, count: read.count)
            case .finished:
                finishFetch(fetches.entries.remove(at: at), succeeded: true, now: now)
            }
        } catch {
            fail("the log can not be read back: \(error)")
        }
        return nil
    }

    private mutating func finishFetch(_ entry: FetchTable.Entry, succeeded: Bool, now: ClockReading)
    {
        let group = entry.group
        switch entry.fetch.purpose {
        case .apply:
            replicas[group].isFetching = false
            guard succeeded else {
                // A snapshot has come in between: what was wanted is part of it.
                if entry.fetch.from < replicas[group].core.log.firstIndex { return }
                fail("committed entries of \(replicas[group].group) can not be read back")
                return
            }
            let bytes = entry.records.bytes.take()
            var records = EntryRecords(bytes.readable)
            do throws(DecodeError) {
                while let view = try records.next() { replicas[group].applyFetched(view) }
            } catch {
                fail("committed entries of \(replicas[group].group) are damaged: \(error)")
            }
        case .follower:
            guard succeeded else {
                replicas[group].core.fetchFailed(entry.fetch, now: now.boot)
                return
            }
            let bytes = entry.records.bytes.take()
            do throws(DecodeError) {
                try replicas[group].core.fetched(
                    entry.fetch, records: bytes.readable, now: now.boot)
            } catch {
                fail("entries of \(replicas[group].group) in the log are damaged: \(error)")
            }
        }
    }

    // MARK: Time

    mutating func tick(now: ClockReading) {
        closeStrangers(now: now)
        for group in 0..<replicas.count where replicas[group].core.nextDeadline <= now.boot {
            replicas[group].tick(now: now.boot, liveness: liveness)
        }
    }

    /// When something is due that no event announces.
    func nextDeadline(now: ClockReading) -> Instant {
        var deadline = Instant.distantFuture
        for group in 0..<replicas.count {
            deadline = min(deadline, replicas[group].core.nextDeadline)
            if let retryAt = routes[group].retryAt { deadline = min(deadline, retryAt) }
            if !routes[group].isIdle {
                deadline = min(deadline, now.boot + configuration.electionTimeout)
            }
            if let oldest = routes[group].oldestAwaited {
                deadline = min(deadline, oldest + configuration.requestTimeout)
            }
            if holdsBack(group) {
                deadline = min(deadline, sealedAt + EngineLimits.heldBackTime)
            }
            if replicas[group].core.role == .leader,
                let due = replicas[group].context.keyspace.nextExpiry
            {
                let wait = max(1, min(due - now.wall, 60_000))
                deadline = min(deadline, now.boot + .milliseconds(wait))
            }
        }
        for at in peers.indices where !isShuttingDown {
            if let dialAt = peers[at].dialAt { deadline = min(deadline, dialAt) }
        }
        if prefersPeer { deadline = min(deadline, peerWatchAt) }
        if wal.needsIdleMark { deadline = min(deadline, sealedAt + Self.idleMarkAfter) }
        if let openedAt = links.oldestStranger {
            deadline = min(deadline, openedAt + EngineLimits.helloTime)
        }
        if replicas.count > 0, map != nil { deadline = min(deadline, snapshots.checkAt) }
        if isStarted { deadline = min(deadline, nodesCheckAt) }
        if !blockedSessions.isEmpty { deadline = min(deadline, blockedRetryAt) }
        if let shutdownDeadline { deadline = min(deadline, shutdownDeadline) }
        return deadline
    }

    mutating func shutdown(now: ClockReading) {
        guard !isShuttingDown else { return }
        isShuttingDown = true
        shutdownDeadline = now.boot + .seconds(1)
        log(.notice, "shutdown")
        for group in 0..<replicas.count where replicas[group].core.role == .leader {
            replicas[group].handOver(now: now.boot, liveness: liveness)
        }
    }

    // MARK: After events

    /// Carries out what a group's events led to: applies, answers, drops what a lost leadership
    /// left behind.
    mutating func settle(_ group: Int, sessions: inout SessionTable, now: ClockReading) {
        if replicas[group].effects.overtaken {
            replicas[group].effects.overtaken = false
            overtaken(group, now: now)
        }
        if replicas[group].effects.roleChanged { roleChanged(group, now: now) }
        if replicas[group].effects.leaderChanged {
            let leader = replicas[group].core.leader.map { name(of: $0) } ?? "none"
            log(
                .notice,
                "leader group=\(replicas[group].group) term=\(replicas[group].core.term) leader=\(leader)"
            )
            // The index that the last leader told may be of a time entry that died with it.
            if replicas[group].core.role != .leader { replicas[group].backlog.forgetRounds() }
        }
        if replicas[group].effects.commitAdvanced {
            replicas[group].timeline.committed(upTo: replicas[group].core.commit, now: now.boot)
        }
        noteMembers(group, now: now)
        replicas[group].effects.roleChanged = false
        replicas[group].effects.leaderChanged = false
        replicas[group].effects.commitAdvanced = false
        let before = replicas[group].applied
        if let missing = replicas[group].applyCommitted(&applyAllowance) {
            replicas[group].fetchCommitted(from: missing, maxBytes: limits.applyReadBytes)
        }
        if replicas[group].applied > before {
            replicas[group].timeline.applied(upTo: replicas[group].applied, now: now.boot)
        }
        if let failure = replicas[group].failure { fail(failure) }
        reportAudits(group, now: now)
        replicas[group].core.evictLog(
            toBytes: configuration.raftLogCache / replicas.count, applied: replicas[group].applied)
        serveBacklog(group, now: now)
        distribute(group, sessions: &sessions, now: now)
    }

    private mutating func roleChanged(_ group: Int, now: ClockReading) {
        statistics.elections += 1
        nodesCheckAt = now.boot
        replicas[group].backlog.removeAll()
        replicas[group].indexRequests.removeAll()
        replicas[group].readIndex.isTimeWanted = false
        audits[group].forget()
        replicas[group].timeline.forget()
        replicas[group].timeProposed = 0
        replicas[group].expiryIndex = 0
        replicas[group].onceLimitsIndex = 0
        log(
            .notice,
            "role group=\(replicas[group].group) role=\(replicas[group].core.role) term=\(replicas[group].core.term) reason=\(replicas[group].core.electionReason.rawValue)"
        )
    }

    /// Answers reads whose round is confirmed; proposes a time entry when one met a past-due key.
    private mutating func serveBacklog(_ group: Int, now: ClockReading) {
        answerIndexRequests(group, now: now)
        replicas[group].hasMoreToServe = false
        guard let next = replicas[group].backlog.first else { return }
        // It goes on when some of what waits to be sent is out.
        if let link = link(to: next.origin), links[link].isFullOfAnswers { return }
        guard replicas[group].core.role == .leader else {
            serveNearReads(group)
            return
        }
        let awaited = replicas[group].serveBacklog(
            confirmed: replicas[group].core.confirmedReadRound, clock: now.wall,
            decoder: &decoder, random: &random)
        if let awaited { proposeTime(group, upTo: awaited, now: now) }
    }

    /// Proposes an entry that moves the log's time up to `time`, unless that is done or one that does
    /// is under way. False when the core refused it.
    @discardableResult
    mutating func proposeTime(_ group: Int, upTo time: Int64, now: ClockReading) -> Bool {
        let logTime = replicas[group].context.keyspace.logTime
        guard max(replicas[group].timeProposed, logTime) < time else { return true }
        var payload = ByteBuffer()
        TimePayload(time: time).encode(into: &payload)
        guard propose(group, kind: .time, payload: payload.readable, now: now) else { return false }
        replicas[group].timeProposed = time
        return true
    }

    /// Takes answers to the sessions of this node, and, as leader, to the other origins.
    private mutating func distribute(
        _ group: Int, sessions: inout SessionTable, now: ClockReading
    ) {
        guard !replicas[group].answers.isEmpty || !replicas[group].appliedPieces.isEmpty else {
            return
        }
        let isLeader = replicas[group].core.role == .leader
        var bytes = replicas[group].context.reply.bytes.take()
        for at in replicas[group].answers.indices {
            let answer = replicas[group].answers[at]
            let reply = bytes.readable.extracting(answer.start..<answer.start + answer.count)
            let status: ReplyStatus =
                switch answer.status {
                case .complete: .complete
                case .evicted: .evicted
                case .moved: .moved
                }
            if answer.origin == origin {
                deliver(
                    group, answer.queue, sequence: answer.sequence, status: status,
                    reply: reply, &sessions, now: now)
                continue
            }
            commandStatistics.stepForOthers()
            if isLeader, let link = self.link(to: answer.origin) {
                links[link].reply(
                    answer.queue == .writes ? .reply : .readReply, group: UInt32(group),
                    sequence: answer.sequence, status: status, bytes: reply)
                links.markFlushing(link)
            }
        }
        for piece in replicas[group].appliedPieces {
            if piece.origin == origin {
                fragmentApplied(group, command: piece.command, upTo: piece.upTo, now: now)
            } else if isLeader, let link = self.link(to: piece.origin) {
                links[link].closeReplies()
                links[link].client.open(.fragmentApplied)
                links[link].client.bytes.append(varint: UInt64(group))
                FragmentHeader(command: piece.command, offset: piece.upTo)
                    .encode(into: &links[link].client.bytes)
                links[link].client.close()
                links.markFlushing(link)
            }
        }
        bytes.removeAll()
        swap(&bytes, &replicas[group].context.reply.bytes)
        replicas[group].removeAnswers()
    }

    /// The link to the process that is an origin; nil when it is gone. A later start of the same node
    /// counts its commands anew, and must not take an old answer for its own.
    private func link(to origin: Origin) -> Int? {
        let node = NodeID(origin.node)
        guard let at = peerIndex(node), peers[at].hello?.boot == origin.boot else { return nil }
        return links.index(to: node)
    }

    // MARK: End of the turn

    /// Whether all leases that the turn's reads relied on hold now. Replies for peers are released,
    /// or dropped and their origins told to ask again.
    mutating func confirmLeases(now: ClockReading) -> Bool {
        var holds = true
        for group in 0..<replicas.count where replicas[group].usedLease {
            replicas[group].usedLease = false
            if !replicas[group].core.holdsLease(now: now.boot, liveness: liveness) { holds = false }
        }
        for index in 0..<links.slotCount where !links[index].provisional.isEmpty {
            releaseProvisional(index, holds: holds)
        }
        return holds
    }

    private mutating func releaseProvisional(_ index: Int, holds: Bool) {
        let replies = links[index].provisional
        let bytes = links[index].provisionalBytes.take()
        links[index].provisional.removeAll(keepingCapacity: true)
        var start = 0
        var refused: [UInt32] = []
        for reply in replies {
            if holds {
                links[index].reply(
                    .readReply, group: reply.group, sequence: reply.sequence, status: .complete,
                    bytes: bytes.readable.extracting(start..<start + reply.count))
            } else if !refused.contains(reply.group) {
                refused.append(reply.group)
            }
            start += reply.count
        }
        links.markFlushing(index)
        guard let peer = links[index].peer, let at = peerIndex(peer) else { return }
        for group in refused {
            statistics.leaseReadsTakenBack += 1
            sendForwardRefused(
                index, group: Int(group), term: replicas[Int(group)].core.term,
                stream: peers[at].inbound[Int(group)].reads.current)
        }
    }

    mutating func endTurn(now: ClockReading) {
        considerGenesis(now: now)
        considerTrust(now: now)
        considerRepaired()
        considerSpace(now: now)
        considerNodes(now: now)
        checkGrowth(now: now)
        for group in 0..<replicas.count {
            route(group, now: now)
            if replicas[group].core.role == .leader {
                considerOnceLimits(group, now: now)
                _ = flushProposals(group, now: now)
                proposeExpiry(group, now: now)
                considerAudit(group, now: now)
                confirmIndexRequests(group, now: now)
                beginReadRound(group)
            } else {
                askForIndex(group)
                replicas[group].proposals.removeAll(keepingCapacityUpTo: 1 << 20)
                replicas[group].proposalsQueuedAt = nil
            }
            replicas[group].refusesProposals = false
            replicas[group].endTurn(now: now.boot, liveness: liveness)
            collect(group, now: now)
        }
        reclaim()
        watchPeers(now: now)
        proceedSnapshots(now: now)
        if isShuttingDown, membership == .bound || membership == .bootstrapping {
            considerExit(now: now)
        }
    }

    /// Frees what FLUSHALL, UNLINK and the like left behind, a slice per turn.
    private mutating func reclaim() {
        hasGarbage = false
        for group in 0..<replicas.count where replicas[group].context.keyspace.hasGarbage {
            if replicas[group].context.keyspace.reclaim(budget: EngineLimits.reclaimPerTurn) {
                hasGarbage = true
            }
        }
    }

    /// All reads that arrived in this turn share one round; it begins now, after their arrival.
    private mutating func beginReadRound(_ group: Int) {
        guard replicas[group].backlog.waiting > 0, replicas[group].core.committedInTerm else {
            return
        }
        let round = replicas[group].core.beginReadRound()
        replicas[group].backlog.assign(round: round, index: replicas[group].core.commit)
    }

    /// Due keys are deleted by entries, a bounded number each.
    private mutating func proposeExpiry(_ group: Int, now: ClockReading) {
        guard replicas[group].group != .system, replicas[group].core.committedInTerm,
            replicas[group].expiryIndex <= replicas[group].applied,
            let due = replicas[group].context.keyspace.nextExpiry, due <= now.wall
        else { return }
        var payload = ByteBuffer()
        ExpirePayload(time: now.wall, atMost: EngineLimits.expirePerEntry).encode(into: &payload)
        if propose(group, kind: .expire, payload: payload.readable, now: now) {
            replicas[group].expiryIndex = replicas[group].core.lastIndex
        }
    }

    /// Takes a group's operations into the log batch and its messages into the links' output.
    private mutating func collect(_ group: Int, now: ClockReading) {
        let groupID = replicas[group].group
        var ticket: IOTicket?
        for at in replicas[group].effects.io.indices {
            let operation = replicas[group].effects.io[at]
            ticket = operation.ticket
            switch operation.io {
            case .hardState(let term, let vote):
                wal.hardState(group: groupID, term: term, vote: vote)
            case .truncate(let from):
                wal.truncate(group: groupID, from: from)
            case .append(let range):
                appendToLog(group, range)
                // Genesis and membership: no mode may lose them.
                let members = replicas[group].core.members.since
                if groupID == .system || range.contains(members) { wal.requireSync() }
            case .start(let index, let term, let keepingRest):
                let board = snapshots.groups[group]
                invariant(
                    index <= max(board.newestIndex, board.cutIndex),
                    "the log of \(groupID) is cut at \(index), beyond its snapshots")
                snapshots.groups[group].cutIndex = 0
                wal.start(
                    group: groupID, after: index, term: term, keepingRest: keepingRest)
                if let members = replicas[group].core.members(asOf: index), members.since > 0 {
                    NodeRecord.members(group: groupID.raw, members.encoded).write(to: &wal)
                }
            }
        }
        if let ticket { tickets.add(batch: wal.lastBatch + 1, group: group, ticket: ticket) }
        for at in replicas[group].effects.messages.indices {
            send(replicas[group].effects.messages[at], of: group)
        }
        for fetch in replicas[group].effects.fetches { begin(fetch, of: group, now: now) }
        for peer in replicas[group].effects.snapshotsWanted {
            beginSending(group, to: peer, now: now)
        }
        replicas[group].effects.snapshotsWanted.removeAll(keepingCapacity: true)
        replicas[group].effects.io.removeAll(keepingCapacity: true)
        replicas[group].effects.messages.removeAll(keepingCapacity: true)
        replicas[group].effects.fetches.removeAll(keepingCapacity: true)
    }

    private mutating func appendToLog(_ group: Int, _ range: ClosedRange<LogIndex>) {
        var records = scratch.take()
        var first = range.lowerBound
        while first <= range.upperBound {
            records.removeAll()
            guard
                let last = replicas[group].core.log.copyRecords(
                    from: first, upTo: range.upperBound, maxBytes: 1 << 20, into: &records)
            else { invariantFailed("an entry to be written is not in memory") }
            wal.entries(
                group: replicas[group].group, records: records.readable, first: first, last: last)
            first = last + 1
        }
        records.removeAll(keepingCapacityUpTo: 1 << 20)
        scratch = records
    }

    private mutating func send(_ outbound: RaftOutbound, of group: Int) {
        guard let link = links.index(to: outbound.to) else { return }
        links[link].output.open(.raft)
        links[link].output.bytes.append(varint: UInt64(group))
        outbound.message.encode(into: &links[link].output.bytes)
        if outbound.entries != nil {
            var bytes = links[link].output.bytes.take()
            replicas[group].core.copyRecords(of: outbound, into: &bytes)
            links[link].output.bytes = bytes
        }
        links[link].output.close()
        links.markFlushing(link)
    }

    private mutating func begin(_ fetch: LogFetch, of group: Int, now: ClockReading) {
        guard
            let disk = wal.fetch(
                group: replicas[group].group, from: fetch.from, upTo: fetch.upTo,
                maxBytes: fetch.maxBytes)
        else {
            if case .follower = fetch.purpose {
                // The log was cut meanwhile; the core will want a snapshot for it.
                replicas[group].core.fetchFailed(fetch, now: now.boot)
                return
            }
            fail(
                "entries \(fetch.from)...\(fetch.upTo) of \(replicas[group].group) are not in the log"
            )
            return
        }
        pendingReads.append(fetches.add(group: group, fetch: fetch, disk: disk))
    }

    private mutating func considerExit(now: ClockReading) {
        let leads = (0..<replicas.count).contains { replicas[$0].core.role == .leader }
        let isAlone = peers.isEmpty
        let isOver = shutdownDeadline.map { $0 <= now.boot } ?? false
        guard !leads || isAlone || isOver else { return }
        if stopBatch == nil {
            let record = mayLackEntries ? bootRecord : stopRecord
            record.write(to: &wal)
            stopBatch = wal.lastBatch + 1
        }
        // What is acknowledged behind the record must not be lost unnoticed.
        wal.requireSync()
        if isOver || wal.durableBatch >= stopBatch ?? 0 { mayExit = true }
    }

    /// Fills the outbox.
    mutating func flush(into outbox: inout Outbox, now: ClockReading) {
        logHasMoved = false
        outbox.batch = wal.seal()
        if outbox.batch == nil, wal.needsIdleMark, sealedAt + Self.idleMarkAfter <= now.boot {
            outbox.batch = wal.sealIdleMark()
        }
        if outbox.batch != nil {
            statistics.logBatches += 1
            sealedAt = now.boot
        }
        outbox.snapshotCommands.append(contentsOf: snapshotCommands)
        snapshotCommands.removeAll(keepingCapacity: true)
        outbox.segmentsReleased.append(contentsOf: releasedSegments)
        releasedSegments.removeAll(keepingCapacity: true)
        outbox.logReads.append(contentsOf: pendingReads)
        pendingReads.removeAll(keepingCapacity: true)
        for at in peers.indices {
            guard let dialAt = peers[at].dialAt, dialAt <= now.boot, !isShuttingDown else {
                continue
            }
            peers[at].dialAt = nil
            guard peers[at].link == nil else { continue }
            outbox.dials.append(
                Dial(peer: peers[at].id, host: peers[at].host, port: peers[at].port))
        }
        dialMeetings(into: &outbox, now: now)
        outbox.arePeersNew = outbox.arePeersNew || arePeersNew
        arePeersNew = false
        for id in links.flushing {
            guard let index = links.index(of: id) else { continue }
            links[index].isFlushing = false
            links[index].fillWindow()
            if !links[index].output.bytes.isEmpty { outbox.linksToFlush.append(id) }
            if links[index].isClosing { outbox.linksToClose.append(id) }
        }
        links.flushing.removeAll(keepingCapacity: true)
        for group in 0..<replicas.count { replicas[group].timeline.flushed(now: now.boot) }
        if !lines.isEmpty {
            outbox.lines.append(contentsOf: lines)
            lines.removeAll(keepingCapacity: true)
        }
        if let fatal {
            outbox.exit = .fatal(fatal)
        } else if isShuttingDown, mayExit || membership == .empty {
            outbox.exit = .shutdown
        }
    }
}
