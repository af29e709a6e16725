internal import Bytes
internal import Engine

/// The log thread of a process, in time: writes, syncs, the background sync of `everysec`, and waiting
/// for room.
extension Simulation {
    func startSync(on node: SimulatedNode) {
        guard let process = node.process, !process.log.isWorking, process.log.hasWork else {
            return
        }
        if node.failsNextSync {
            // A failed sync is never tried again: the process ends.
            node.failsNextSync = false
            counts.add(.syncFailed)
            node.note("\(now) sync failed")
            crash(node.number, powerCut: false)
            scheduleRestart(node.number)
            return
        }
        let isFull = node.diskFullUntil > now
        let segments = node.disk.segments.count
        // A log thread takes all that waits for it. That it takes less, so that power cuts find more
        // moments, is a fault that ends like the others.
        let begun = process.log.begin(
            on: &node.disk,
            batchesMax: phase == .safety ? options.disk.batchesPerSyncMax : .max,
            mode: options.disk.mode,
            hasRoom: !isFull || node.segmentsLeft > 0,
            mayWrite: !(isFull && node.diskCopiesOnWrite))
        switch begun {
        case .nothing: break
        case .full: waitForRoom(process, on: node)
        case .work(let taken, let syncs):
            if node.waitsForRoom {
                node.waitsForRoom = false
                node.note("\(now) log-goes-on")
            }
            if isFull, node.disk.segments.count > segments {
                node.segmentsLeft -= 1
                if node.segmentsLeft == 0 { counts.add(.reserveUsed) }
            }
            tellSpace(process, on: node)
            process.syncStarted(now: node.clock.reading(at: now).boot)
            var latency = node.random.interval(options.disk.write)
            if syncs { latency = latency + node.random.interval(options.disk.sync) }
            let slow = Interval(nanoseconds: latency.nanoseconds * node.diskSlowness)
            trace.record(
                .wal, at: now, who: node.number, UInt64(taken), syncs ? 1 : 0, text: "sync begins")
            process.syncEndsAt = now + slow
            queue.schedule(
                .syncEnds(node: node.number, life: process.life), at: process.syncEndsAt)
        }
    }

    func syncEnded(on number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life), process.syncEndsAt == now else { return }
        let free = max(node.diskStalledUntil, node.pausedUntil, now)
        guard free == now else {
            process.syncEndsAt = free
            queue.schedule(.syncEnds(node: number, life: life), at: free)
            return
        }
        process.syncEndsAt = .never
        let progress = process.log.finish(on: &node.disk)
        // The first of them holds the record of the start, and every mode syncs it.
        node.isUnclean = true
        process.syncFinished(now: node.clock.reading(at: now).boot)
        report(progress, of: number, life: life)
        startSync(on: node)
    }

    private func report(_ progress: LogProgress, of number: Int, life: Int) {
        trace.record(
            .wal, at: now, who: number, progress.written, progress.synced,
            text: "written up to batch \(progress.written), synced up to \(progress.synced)")
        deliver(.logProgress(progress), to: number, life: life)
    }

    // The background sync

    func beginBackgroundSync(on number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life) else { return }
        schedule(.backgroundSyncBegins(node: number, life: life), after: .seconds(1))
        guard node.pausedUntil <= now, node.diskStalledUntil <= now,
            let batch = process.log.beginBackgroundSync(on: &node.disk)
        else { return }
        let latency = node.random.interval(options.disk.sync)
        schedule(
            .backgroundSyncEnds(node: number, life: life, upTo: batch),
            after: Interval(nanoseconds: latency.nanoseconds * node.diskSlowness))
    }

    func backgroundSyncEnded(on number: Int, life: Int, upTo batch: UInt64) {
        guard let process = process(number, life: life) else { return }
        report(process.log.endBackgroundSync(upTo: batch), of: number, life: life)
    }

    // A full disk

    /// The log thread tries again every second, and is not taken for stalled meanwhile.
    private func waitForRoom(_ process: SimulatedProcess, on node: SimulatedNode) {
        if !node.waitsForRoom {
            node.waitsForRoom = true
            counts.add(.waitedForRoom)
            node.note("\(now) log-disk-full")
            trace.record(.wal, at: now, who: node.number, text: "no room for the log")
        }
        process.syncFinished(now: node.clock.reading(at: now).boot)
        tellSpace(process, on: node)
    }

    /// Tells the process how much room there is, when that has changed; looks again every second while
    /// it is short.
    private func tellSpace(_ process: SimulatedProcess, on node: SimulatedNode) {
        if node.diskFullUntil <= now {
            node.segmentsLeft = SimulatedNode.segmentsAhead
        }
        // A snapshot may use the reserve, which is not counted in bytes here.
        node.snapshots.isFull = node.diskFullUntil > now && node.segmentsLeft == 0
        let space: LogSpace =
            node.waitsForRoom
            ? .full : node.segmentsLeft < SimulatedNode.segmentsAhead ? .low : .ample
        guard space != node.toldSpace else { return }
        if node.toldSpace == .ample {
            schedule(.roomIsLookedFor(node: node.number, life: process.life), after: .seconds(1))
        }
        node.toldSpace = space
        node.note("\(now) log-space \(space)")
        deliver(.logSpace(space), to: node.number, life: process.life)
    }

    func lookForRoom(on number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life), node.toldSpace != .ample else { return }
        schedule(.roomIsLookedFor(node: number, life: life), after: .seconds(1))
        if node.waitsForRoom { startSync(on: node) } else { tellSpace(process, on: node) }
    }

    /// The disk has no room but for the segment that is prepared and the reserve; with `copiesOnWrite`,
    /// not for any write.
    func fillDisk(of node: Int, for duration: Interval, copiesOnWrite: Bool) {
        counts.add(.diskFull)
        nodes[node].diskFullUntil = max(nodes[node].diskFullUntil, now + duration)
        nodes[node].diskCopiesOnWrite = copiesOnWrite
    }
}
