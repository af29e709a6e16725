internal import Bytes

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
        let begun = process.log.begin(
            on: &node.disk, batchesMax: options.disk.batchesPerSyncMax, mode: options.disk.mode,
            hasRoom: !isFull, mayWrite: !(isFull && node.diskCopiesOnWrite))
        switch begun {
        case .nothing: break
        case .full: waitForRoom(process, on: node)
        case .work(let taken, let syncs):
            if node.waitsForRoom {
                node.waitsForRoom = false
                node.note("\(now) log-disk-has-room")
            }
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
        schedule(.roomIsLookedFor(node: node.number, life: process.life), after: .seconds(1))
    }

    func lookForRoom(on number: Int, life: Int) {
        guard process(number, life: life) != nil, nodes[number].waitsForRoom else { return }
        startSync(on: nodes[number])
    }

    /// The disk has no room for a new segment; with `copiesOnWrite`, not for any write.
    func fillDisk(of node: Int, for duration: Interval, copiesOnWrite: Bool) {
        counts.add(.diskFull)
        nodes[node].diskFullUntil = max(nodes[node].diskFullUntil, now + duration)
        nodes[node].diskCopiesOnWrite = copiesOnWrite
    }
}
