internal import Bytes
internal import Engine
internal import Snapshot

/// Processes on nodes: turns, the log thread, pair liveness.
extension Simulation {
    /// The process on a node, when it is the one that an event was meant for.
    func process(_ number: Int, life: Int) -> SimulatedProcess? {
        guard let process = nodes[number].process, process.life == life else { return nil }
        return process
    }

    // Start and end

    /// Starts the process on a node from what its disk holds.
    func restart(_ number: Int) {
        let node = nodes[number]
        guard node.process == nil else { return }
        node.restartAt = nil
        considerUpgrade(number)
        node.life += 1
        node.lastExit = nil
        if node.life > 1 { counts.add(.restart) }
        let reading = node.clock.reading(at: now)
        do {
            node.process = try SimulatedProcess.start(
                on: node, options: options,
                repairCut: phase == .safety ? repairCut : 0, now: reading)
        } catch is SimulatedProcess.RepairCut {
            counts.add(.repairCut)
            noteUnmet(node)
            scheduleRestart(number)
            return
        } catch {
            node.refusal = "\(error)"
            if expectsRefusal == number { return }
            fail("recovery", "node \(number) does not start: \(error)")
            return
        }
        trace.record(.phase, at: now, who: number, UInt64(node.life), text: "process starts")
        if let process = node.process {
            noteStart(process, on: number)
            noteFindings(of: process, on: number)
        }
        wake(number, at: now)
        if options.disk.mode == .everysec {
            schedule(.backgroundSyncBegins(node: number, life: node.life), after: .seconds(1))
        }
        schedule(.livenessTimer(node: number, life: node.life), after: .milliseconds(0))
    }

    /// The process ends at once. `powerCut`: the machine too, and what was not synced.
    func crash(_ number: Int, powerCut: Bool) {
        let node = nodes[number]
        if let process = node.process {
            node.wasEnding = process.isEnding
            node.process = nil
            network.processDied(.node(number), silently: powerCut, now: now)
        }
        if powerCut {
            // A damaged log is told from a torn one by what is beside it: both at once is one fault
            // more than a node is to survive.
            if node.damage != nil { node.disk.syncStateFiles() }
            let dirty = node.disk.dirtySectors
            let lost =
                node.disk.powerCut(
                    survival: options.disk.survival, keepsMark: node.damage != nil,
                    random: &node.random)
                + node.snapshots.powerCut()
            if lost > 0 { counts.add(.tornSectors, lost) }
            trace.record(
                .fault, at: now, who: number, UInt64(lost), UInt64(dirty), text: "power cut")
            notePowerCut(number)
            node.clock.reboot(
                at: now, bootOffset: .milliseconds(Int64(node.random.integer(1...100_000))))
        } else {
            trace.record(.fault, at: now, who: number, text: "killed")
        }
        node.pausedUntil = .zero
        node.loopStalledUntil = .zero
        node.waitsForRoom = false
        node.toldSpace = .ample
        node.heldLiveness = []
    }

    /// The node loses its directory.
    func wipe(_ number: Int) {
        counts.add(.wipe)
        nodes[number].disk = VirtualDisk()
        nodes[number].snapshots = VirtualSnapshots()
        nodes[number].isUnclean = false
        nodes[number].gap = nil
        nodes[number].damage = nil
    }

    /// A new cluster begins: what the replicas of the old one had says nothing about it.
    func forgetReplicas() {
        checker = ReplicaChecker()
    }

    // Turns

    /// Makes sure that the node's loop runs at `moment` or earlier.
    func wake(_ number: Int, at moment: Moment) {
        guard let process = nodes[number].process, !process.isTurning else { return }
        let due = nodes[number].loopFree(at: max(moment, now))
        if let planned = process.turnAt, planned <= due { return }
        guard due < .never else { return }
        process.turnAt = due
        queue.schedule(.turnBegins(node: number, life: process.life), at: due)
    }

    /// Something reached the process; its loop wakes up.
    func deliver(_ inbound: Inbound, to number: Int, life: Int) {
        guard let process = process(number, life: life) else { return }
        process.inbox.append(inbound)
        wake(number, at: now)
    }

    func beginTurn(of number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life), !process.isTurning,
            process.turnAt == now
        else { return }
        process.turnAt = nil
        guard node.loopFree(at: now) == now else {
            wake(number, at: now)
            return
        }
        trace.record(.turn, at: now, who: number, UInt64(process.inbox.count), text: "begins")
        process.beginTurn(now: node.clock.reading(at: now))
        process.turnEndsAt = now + node.random.interval(options.turn)
        queue.schedule(.turnEnds(node: number, life: life), at: process.turnEndsAt)
    }

    func endTurn(of number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life), process.isTurning,
            process.turnEndsAt == now
        else { return }
        let free = node.loopFree(at: now)
        guard free == now else {
            process.turnEndsAt = free
            queue.schedule(.turnEnds(node: number, life: life), at: free)
            return
        }
        let outbound = process.endTurn(now: node.clock.reading(at: now))
        inspect(process, on: node)
        carryOut(outbound, of: process, on: node)
    }

    private func carryOut(
        _ outbound: Outbound, of process: SimulatedProcess, on node: SimulatedNode
    ) {
        for line in outbound.lines {
            node.note("\(now) \(line)")
            if line.contains("snapshot-damaged") { counts.add(.snapshotDamaged) }
            if line.contains("state-lost") {
                counts.add(.stateLost)
                if line.contains("the cluster went on without") { noteOvertaken(node.number, line) }
            }
            if line.contains("snapshot-receive ") { process.isInstalling = true }
            if line.contains("snapshot-loaded ") { process.isInstalling = false }
            if line.contains("log-cut"), let batch = outbound.batches.last {
                process.cutBatch = batch.number
            }
            trace.record(.log, at: now, who: node.number, text: line)
        }
        for batch in outbound.batches { process.log.add(batch) }
        process.log.release(outbound.segmentsReleased, on: &node.disk)
        startSnapshotStep(on: node)
        startSync(on: node)
        logReads += outbound.reads.count
        for wish in outbound.reads {
            let delay = node.random.interval(options.disk.read)
            schedule(.logRead(node: node.number, life: process.life, wish), after: delay)
        }
        for (id, machine) in outbound.dials {
            invariant(nodeNumbers.contains(machine), "a dial to nowhere")
            let connection = network.dial(
                from: .node(node.number), life: process.life, to: .node(machine),
                isPeerLink: true, now: now)
            process.dialing[connection] = id
        }
        for (connection, bytes) in outbound.output {
            send(bytes, over: connection, from: node.number)
        }
        for connection in outbound.closes {
            network.close(connection, by: end(of: connection, at: node.number), now: now)
        }
        for connection in outbound.pauses {
            network.setReading(
                false, connection, at: end(of: connection, at: node.number), now: now)
        }
        for connection in outbound.resumes {
            network.setReading(
                true, connection, at: end(of: connection, at: node.number), now: now)
        }
        if let sleep = outbound.sleep { node.loopStalledUntil = now + sleep }
        if let exit = outbound.exit {
            ended(node, exit)
            return
        }
        if outbound.hasMoreWork || !process.inbox.isEmpty {
            wake(node.number, at: now)
        } else {
            // An idle loop turns all the same, as in the server, so that its stamp stays young.
            let due = node.clock.moment(of: outbound.nextDeadline, notBefore: now)
            wake(node.number, at: min(due, now + .milliseconds(500)))
        }
    }

    private func ended(_ node: SimulatedNode, _ exit: Outbound.Exit) {
        node.lastExit = exit
        node.note("\(now) exit \(exit)")
        if exit == .orderly {
            node.process?.log.stop(on: &node.disk, hasRoom: node.diskFullUntil <= now)
        }
        crash(node.number, powerCut: false)
        switch exit {
        case .orderly:
            if node.gap == nil { node.isUnclean = false }
            scheduleRestart(node.number)
        case .fatal(let reason) where expectsRefusal == node.number:
            node.refusal = reason
        case .fatal(let reason) where isDamageMet(reason, on: node):
            counts.add(.damageMet)
            scheduleRestart(node.number)
        case .fatal(let reason):
            fail("fatal exit", "node \(node.number): \(reason)")
        }
    }

    func send(_ bytes: [UInt8], over connection: Int, from number: Int) {
        trace.mix(bytes: bytes.span)
        let towards = 1 - end(of: connection, at: number)
        trace.record(
            .flush, at: now, who: number, UInt64(connection), UInt64(bytes.count),
            text: "\(bytes.count) bytes on \(connection)")
        network.send(bytes, over: connection, towards: towards, now: now)
        reportQueued(connection, at: number)
    }

    /// Which side of a connection a node is. A client's connection is accepted by the node.
    func end(of connection: Int, at number: Int) -> ConnectionEnd {
        network.connection(connection)?.sides[0] == .node(number) ? 0 : 1
    }

    /// Tells the process how much of what it sent still waits, when that has changed.
    func reportQueued(_ connection: Int, at number: Int) {
        guard let process = nodes[number].process else { return }
        let unsent = network.unsentBytes(connection, towards: 1 - end(of: connection, at: number))
        guard process.queued[connection, default: 0] != unsent else { return }
        process.queued[connection] = unsent == 0 ? nil : unsent
        deliver(
            .outputQueued(connection: connection, bytes: unsent), to: number, life: process.life)
    }

    // Old entries

    func answer(_ wish: LogReadWish, on number: Int, life: Int) {
        let node = nodes[number]
        guard process(number, life: life) != nil else { return }
        if phase == .safety, node.random.happens(options.disk.readFailure) {
            counts.add(.readFailed)
            deliver(.logRead(id: wish.id, bytes: nil), to: number, life: life)
            return
        }
        let bytes = node.disk.read(wish.segment, offset: wish.offset, count: wish.count)
        deliver(.logRead(id: wish.id, bytes: bytes), to: number, life: life)
    }

    // The snapshot thread

    func startSnapshotStep(on node: SimulatedNode) {
        guard let process = node.process, process.snapshots.begin() else { return }
        let latency = node.random.interval(options.disk.write)
        let slow = Interval(nanoseconds: latency.nanoseconds * node.diskSlowness)
        schedule(.snapshotStep(node: node.number, life: process.life), after: slow)
    }

    func snapshotStepped(on number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life) else { return }
        let free = max(node.diskStalledUntil, node.pausedUntil, now)
        guard free == now else {
            queue.schedule(.snapshotStep(node: number, life: life), at: free)
            return
        }
        let (events, isReceived) = process.snapshots.finish()
        for event in events {
            switch event {
            case .durable(let summary):
                trace.record(.wal, at: now, who: number, summary.id.index, text: "\(summary.id)")
                checker.snapshot(summary, node: number, at: now)
                snapshotsDurable += 1
                if isReceived { snapshotsInstalled += 1 }
            case .loaded(let id, _, isLast: true):
                trace.record(.wal, at: now, who: number, id.index, text: "\(id) loaded")
                snapshotsLoaded += 1
            default: break
            }
            deliver(.snapshot(event), to: number, life: life)
        }
        startSnapshotStep(on: node)
    }

    // Pair liveness

    /// The liveness thread of a node: every heartbeat a ping to every peer.
    func sendPings(from number: Int, life: Int) {
        let node = nodes[number]
        guard let process = process(number, life: life), process.pingAt <= now else { return }
        guard node.pausedUntil <= now else {
            process.pingAt = node.pausedUntil
            queue.schedule(.livenessTimer(node: number, life: life), at: node.pausedUntil)
            return
        }
        for peer in nodeNumbers where peer != number && nodes[peer].raftID != 0 {
            if let ping = process.ping(
                to: nodes[peer].raftID, now: node.clock.reading(at: now).boot)
            {
                network.sendLiveness(from: number, to: peer, bytes: ping, now: now)
            }
        }
        process.pingAt = now + options.heartbeat
        schedule(.livenessTimer(node: number, life: life), after: options.heartbeat)
    }

    func receiveLiveness(_ bytes: [UInt8], from source: Int, to number: Int) {
        let node = nodes[number]
        guard let process = node.process else { return }
        guard node.pausedUntil <= now else {
            // The socket keeps it until the process goes on.
            if node.heldLiveness.isEmpty {
                queue.schedule(.resume(node: number), at: node.pausedUntil)
            }
            node.heldLiveness.append((source, bytes))
            return
        }
        let answer = process.receiveLiveness(bytes, now: node.clock.reading(at: now).boot)
        trace.record(.live, at: now, who: number, UInt64(source), UInt64(bytes.count))
        if let answer {
            network.sendLiveness(from: number, to: source, bytes: answer, now: now)
        }
    }

    /// The process goes on after a pause: it reads what its sockets kept.
    func resume(_ number: Int) {
        let node = nodes[number]
        guard !node.heldLiveness.isEmpty else { return }
        guard node.pausedUntil <= now else {
            queue.schedule(.resume(node: number), at: node.pausedUntil)
            return
        }
        let held = node.heldLiveness
        node.heldLiveness = []
        for (source, bytes) in held { receiveLiveness(bytes, from: source, to: number) }
    }

    // What the checkers look at

    func inspect(_ process: SimulatedProcess, on node: SimulatedNode) {
        process.turns += 1
        if process.isMember { node.raftID = process.nodeID }
        // Where there are hundreds of groups a look at all of them costs more than the turn.
        guard process.turns % (1 + options.groups / 32) == 0 || phase == .settling else { return }
        let hashesNow = process.turns % hashEvery == 0 || phase == .settling
        let readings = process.readings()
        // The walk over all of the logs in memory takes long where they are long: then less often.
        let entries = readings.reduce(0) {
            $0 + Int($1.lastIndex - min($1.firstIndex, $1.lastIndex))
        }
        process.checkInvariants(walksLogs: process.turns % (1 + entries / 256) == 0)
        watchGap(process, of: node.number, readings)
        watchRepair(process, of: node.number, readings)
        watchVersions(process, of: node.number)
        for reading in readings {
            if reading.isLeader {
                checker.leads(
                    node: node.number, group: reading.group, term: reading.term, at: now)
            }
            checker.progress(
                node: node.number, life: node.life, group: reading.group, term: reading.term,
                commit: reading.commit, at: now)
            trace.record(
                .role, at: now, who: node.number, reading.term << 20 ^ reading.applied,
                reading.commit << 20 ^ reading.lastIndex,
                text:
                    "g\(reading.group) \(reading.isLeader ? "leads" : "follows") t\(reading.term) "
                    + "commit \(reading.commit) applied \(reading.applied) last \(reading.lastIndex)"
            )
            if hashesNow { compareState(of: process, reading, node: node.number) }
        }
    }

    func compareState(of process: SimulatedProcess, _ reading: ReplicaReading, node: Int) {
        guard process.hashedUpTo[reading.group] != reading.applied,
            let hash = process.stateHash(reading.group)
        else { return }
        process.hashedUpTo[reading.group] = reading.applied
        checker.state(
            node: node, group: reading.group, applied: reading.applied, term: reading.appliedTerm,
            hash: hash, at: now)
    }

    /// Whether all nodes are up and all replicas of each group have applied the same index.
    var replicasAgree: Bool {
        guard let one = presentNodes.first, let first = nodes[one].process?.readings(),
            !first.isEmpty
        else { return false }
        return presentNodes.allSatisfy { number in
            guard let readings = nodes[number].process?.readings() else { return false }
            return readings.map(\.applied) == first.map(\.applied)
                && readings.allSatisfy { $0.applied == $0.lastIndex }
        }
    }

    /// The last comparison: every replica of every group, at one index.
    func compareReplicas() {
        guard replicasAgree else {
            complainAboutLiveness("the replicas did not come to the same index")
            return
        }
        for number in presentNodes {
            guard let process = nodes[number].process else { continue }
            for reading in process.readings() {
                process.hashedUpTo[reading.group] = nil
                compareState(of: process, reading, node: number)
            }
        }
    }

    func complainAboutLiveness(_ what: String) {
        var lines = [what]
        for number in nodeNumbers {
            guard let process = nodes[number].process else {
                lines.append("  n\(number) is down")
                continue
            }
            for reading in process.readings() {
                lines.append(
                    "  n\(number) g\(reading.group) \(reading.isLeader ? "leads" : "follows") "
                        + "t\(reading.term) commit \(reading.commit) applied \(reading.applied) "
                        + "last \(reading.lastIndex) \(process.followers(of: reading.group))")
            }
        }
        for client in clients where client.state != .retired {
            let oldest = client.inFlight.first
            lines.append(
                "  client \(client.number) \(client.state) at n\(client.node), "
                    + "\(client.inFlight.count) in flight"
                    + (oldest.map { ", oldest \($0.summary) since \($0.sent)" } ?? ""))
        }
        fail("liveness", lines.joined(separator: "\n"))
    }
}
