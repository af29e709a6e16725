internal import Bytes
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import RESP
internal import Raft

/// What waits longer than `request-timeout` gets an error that says what is known.
///
/// - `-CLUSTERDOWN`: it never left this node, or was only a read: certainly not executed, and it
///   never will be.
/// - `-UNCERTAIN`: it was sent to a leader, and no answer came. Nobody knows.
extension Engine {
    static let downError = "CLUSTERDOWN No leader answered in time, the command was not executed"
    static let uncertainError =
        "UNCERTAIN No leader answered in time, the command may have been executed"

    mutating func expireWaiting(now: ClockReading) {
        let limit = now.boot - node.configuration.requestTimeout
        for group in 0..<node.routes.count {
            while let oldest = node.routes[group].writes.oldestAwaited, oldest.queuedAt <= limit {
                let (item, neverSent) = node.routes[group].writes.giveUp()
                timeOut(
                    item.session, of: group, neverSent ? Self.downError : Self.uncertainError,
                    command: item.command, since: item.queuedAt, now: now)
            }
            while let item = node.routes[group].giveUpRead(queuedBefore: limit) {
                timeOut(
                    item.session, of: group, Self.downError, command: item.command,
                    since: item.queuedAt, now: now)
            }
            // Without its reference in the log, a large command is certainly not executed.
            node.routes[group].uploads.removeAll { upload in
                guard upload.isGivenUp || upload.progressAt <= limit else { return false }
                lateUploads.append((upload.session, upload.tableID, upload.isGivenUp))
                return true
            }
            for (session, command, isGivenUp) in lateUploads {
                timeOut(
                    session, of: group, isGivenUp ? Replica.givenUpError : Self.downError,
                    command: command, since: limit, now: now)
            }
            lateUploads.removeAll()
        }
        refuseBlocked(before: limit, now: now)
    }

    private mutating func timeOut(
        _ session: SessionID, of group: Int, _ error: String, command: UInt16, since: Instant,
        now: ClockReading
    ) {
        node.statistics.timedOutCommands += 1
        guard let index = sessions.index(of: session) else { return }
        if sessions[index].gather != nil {
            sessions[index].gather?.add(Array("-\(error)\r\n".utf8), of: group - 1)
        } else {
            node.commandStatistics.answered(
                command, node.commandStatistics.judge(error: error),
                since: sessions[index].startedAt.take() ?? since, now: now.boot)
            sessions[index].executing = []
            sessions[index].answer(error: error)
        }
        sessions.markFlushing(index)
        sessions.markReady(index)
    }

    /// Sessions that wait for room in a queue: those that waited too long are refused, the others
    /// try again when there is room.
    private mutating func refuseBlocked(before limit: Instant, now: ClockReading) {
        guard !node.blockedSessions.isEmpty, node.blockedRetryAt <= now.boot else { return }
        node.blockedRetryAt = now.boot + EngineLimits.blockedRetryInterval
        let blocked = node.blockedSessions
        node.blockedSessions.removeAll(keepingCapacity: true)
        for id in blocked {
            guard let index = sessions.index(of: id), let since = sessions[index].blockedSince
            else {
                continue
            }
            if since <= limit {
                sessions[index].blockedSince = nil
                sessions[index].refusal = Self.downError
                node.statistics.timedOutCommands += 1
            } else {
                node.blockedSessions.append(id)
            }
            sessions.markReady(index)
        }
    }

    // MARK: Commands that go to every group

    /// Begins a command whose parts go to all groups.
    mutating func beginGather(
        _ index: Int, _ spec: CommandSpec, merge: Gather.Merge, request: [[UInt8]], isWrite: Bool,
        now: ClockReading
    ) {
        let groups = node.dataGroups
        sessions[index].gather = Gather(merge: merge, tableID: UInt16(spec.id), groups: groups)
        sessions[index].startedAt = now.boot
        sessions[index].wait = .gather
        for group in 1...groups {
            enqueue(
                index, group, request, command: CommandStatistics.none, isWrite: isWrite, now: now)
        }
    }

    /// Queues a command that the engine itself composed, for one group.
    mutating func enqueue(
        _ index: Int, _ group: Int, _ arguments: [[UInt8]], command: UInt16, isWrite: Bool,
        now: ClockReading
    ) {
        let packed = PackedRequest(arguments)
        let request = packed.request
        let (database, session) = (sessions[index].database, sessions[index].id)
        let flags: LoggedCommand.Flags = sessions[index].resp == .three ? .resp3 : []
        if isWrite {
            _ = node.routes[group].writes.append(
                request, flags: flags, database: database, session: session, command: command,
                now: now.boot)
        } else {
            _ = node.routes[group].reads.append(
                request, flags: flags, database: database, session: session, command: command,
                now: now.boot)
        }
    }

    /// Queues a read that the engine routes itself to one group: SCAN.
    mutating func beginSingle(
        _ index: Int, _ command: UInt16, group: Int, request: [[UInt8]], now: ClockReading
    ) {
        sessions[index].wait = .reads(group)
        sessions[index].inFlight = 1
        enqueue(index, group, request, command: command, isWrite: false, now: now)
    }

    /// Answers a command whose parts are all there, or begins its second step.
    mutating func finishGather(_ index: Int, now: ClockReading) {
        guard let gather = sessions[index].gather, gather.remaining == 0 else { return }
        sessions[index].gather = nil
        sessions[index].wait = .nothing
        let merged = gather.merged()
        if gather.merge == .pick, merged.first != UInt8(ascii: "-") {
            pickKey(index, gather, now: now)
            return
        }
        if gather.merge == .firstFound, gather.isNothing, askForKey(index, gather, now: now) {
            return
        }
        let kind = node.writeReply(to: &sessions[index]) { $0.raw(merged.span) }
        countGathered(index, gather, kind, now: now)
        sessions.markFlushing(index)
    }

    private mutating func countGathered(
        _ index: Int, _ gather: Gather, _ kind: ReplyKind, now: ClockReading
    ) {
        node.commandStatistics.answered(
            gather.tableID, kind, since: sessions[index].startedAt.take() ?? now.boot,
            now: now.boot)
    }

    /// RANDOMKEY, second step: one group is asked, with a chance that goes by its number of keys. When
    /// all of them are dead, the others that have keys are asked one by one, each once.
    private mutating func pickKey(_ index: Int, _ gather: Gather, now: ClockReading) {
        let total = gather.total
        guard total > 0, let group = gather.group(holding: node.random.below(total)) else {
            let kind = node.writeReply(to: &sessions[index]) { $0.null() }
            countGathered(index, gather, kind, now: now)
            sessions.markFlushing(index)
            return
        }
        let isAsked = askForKey(index, Gather(findingIn: gather, first: group), now: now)
        invariant(isAsked, "keys in no group")
    }

    /// Asks the next group for a key; false when all were asked.
    private mutating func askForKey(_ index: Int, _ gather: Gather, now: ClockReading) -> Bool {
        var gather = gather
        guard let group = gather.nextCandidate() else { return false }
        sessions[index].gather = gather
        sessions[index].wait = .gather
        enqueue(
            index, group + 1, [Array("RANDOMKEY".utf8)], command: CommandStatistics.none,
            isWrite: false, now: now)
        return true
    }
}
