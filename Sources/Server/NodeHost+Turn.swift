internal import Bytes
internal import Engine
internal import Raft
internal import UV

/// The end of a turn, right before the loop sleeps: everything that the turn gathered leaves, once.
/// (Flushing inside the read callbacks instead cost 30 % of unpipelined throughput.)
///
/// The order matters: the log first, because its disk is slowest and works in parallel to the rest;
/// then the peers, whose disks work in parallel too; the clients last.
extension NodeHost {
    func endTurn() {
        let now = SystemClock.reading()
        loop.resumeReads()
        liveness.stampLoop(now: now.boot)
        // Work left over from the turn before is done here, where reads may still be answered.
        if engine.hasMoreWork || now.boot >= engine.nextDeadline { engine.tick(now: now) }
        // Read anew: the leases that this turn's reads relied on must hold after the last of them.
        engine.endTurn(now: SystemClock.reading())
        carryOut()
        // Flushing may have made work: a limit was passed, a session can go on.
        let isWorkLeft = engine.hasMoreWork || !engine.outbox.sessionsToClose.isEmpty
        let end = bootInstant()
        let used = threadTime()
        engine.turnEnded(at: end, used: used - threadTimeBefore)
        threadTimeBefore = used
        turn.sleep(until: engine.nextDeadline, now: end, hasMoreWork: isWorkLeft)
    }

    private func carryOut() {
        tellLines()
        if let batch = engine.outbox.batch.take() { logLink.write(batch) }
        readLog()
        carryOutSnapshots()
        carryOutLinks()
        if let pause = engine.outbox.sleep.take() { SystemClock.sleep(pause) }
        carryOutSessions()
        if let reason = engine.outbox.exit { stop(reason) }
    }

    private func tellLines() {
        guard !engine.outbox.lines.isEmpty else { return }
        let lines = engine.outbox.lines
        engine.outbox.lines = []
        for line in lines { say(line.level, line.text) }
    }

    private func readLog() {
        guard !engine.outbox.logReads.isEmpty else { return }
        let requests = engine.outbox.logReads
        engine.outbox.logReads = []
        for request in requests { logLink.read(request) }
    }

    private func carryOutSnapshots() {
        if !engine.outbox.segmentsReleased.isEmpty {
            logLink.release(engine.outbox.segmentsReleased)
            engine.outbox.segmentsReleased = []
        }
        guard !engine.outbox.snapshotCommands.isEmpty else { return }
        let commands = engine.outbox.snapshotCommands
        engine.outbox.snapshotCommands = []
        for command in commands { snapshotLink.carryOut(command) }
    }

    private func carryOutLinks() {
        if engine.outbox.arePeersNew {
            engine.outbox.arePeersNew = false
            tellPeers()
        }
        let dials = engine.outbox.dials
        engine.outbox.dials = []
        for dial in dials { links.dial(dial) }
        swap(&engine.outbox.linksToFlush, &spare.links)
        for link in spare.links { links.flush(link) }
        spare.links.removeAll(keepingCapacity: true)
        swap(&engine.outbox.linksToClose, &spare.links)
        for link in spare.links { links.close(link) }
        spare.links.removeAll(keepingCapacity: true)
    }

    /// The lists are swapped out, not copied: carrying one out may fill the next turn's.
    private func carryOutSessions() {
        swap(&engine.outbox.sessionsToFlush, &spare.sessions)
        for session in spare.sessions { clients.flush(session) }
        spare.sessions.removeAll(keepingCapacity: true)
        swap(&engine.outbox.sessionsToPause, &spare.sessions)
        for session in spare.sessions { clients.setPaused(session, true) }
        spare.sessions.removeAll(keepingCapacity: true)
        swap(&engine.outbox.sessionsToResume, &spare.sessions)
        for session in spare.sessions { clients.setPaused(session, false) }
        spare.sessions.removeAll(keepingCapacity: true)
        swap(&engine.outbox.sessionsToDrop, &spare.sessions)
        for session in spare.sessions { clients.lost(session) }
        spare.sessions.removeAll(keepingCapacity: true)
        swap(&engine.outbox.sessionsToClose, &spare.sessions)
        for session in spare.sessions { clients.close(session) }
        spare.sessions.removeAll(keepingCapacity: true)
    }

    /// Arrays that change places with the outbox's, so that a turn allocates none.
    struct SpareLists {
        var links: [LinkID] = []
        var sessions: [SessionID] = []
    }
}
