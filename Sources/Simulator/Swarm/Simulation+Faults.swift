internal import Bytes

/// The end of a disaster.
enum Relief {
    case unblock([(from: Int, to: Int)])
    case healDisk(Int)
    case healWall(Int)
}

/// Disasters, one at a time or on top of each other, and their end.
extension Simulation {
    /// One disaster now, and the next one later.
    func strike() {
        guard phase == .safety else { return }
        let mean = Double(options.faults.meanInterval.nanoseconds)
        let gap = Interval(nanoseconds: Int64(mean * (0.2 + 1.6 * faultRandom.fraction())))
        schedule(.disaster, after: gap)
        let disaster = faultRandom.pick(options.faults.disasters)
        let node = faultRandom.integer(nodeNumbers)
        let duration = faultRandom.interval(options.faults.duration)
        let downtime = faultRandom.interval(options.faults.downtime)
        trace.record(
            .fault, at: now, who: node, UInt64(duration.nanoseconds), text: "\(disaster)")
        switch disaster {
        case .breakLink: breakRandomLink()
        case .partition: partition(oneWay: false, duration)
        case .oneWayPartition: partition(oneWay: true, duration)
        case .isolateLeader:
            let leader = aLeader
            isolate(leader ?? node, duration, as: leader == nil ? .partition : .leaderIsolated)
        case .cutPair: cutPair(oneWay: false, duration)
        case .cutOneWay: cutPair(oneWay: true, duration)
        case .cutGraph: cutGraph(duration)
        case .clog: clogRandomDirection(duration)
        case .cutClient: cutRandomClient()
        case .pause: freeze(node, for: duration)
        case .pauseLeader:
            let leader = aLeader
            freeze(leader ?? node, for: duration, as: leader == nil ? .pause : .leaderPaused)
        case .loopStall: stallLoop(of: node, for: duration)
        case .wallJump: jumpWall(of: node, duration)
        case .clockRate: changeRate(of: node)
        case .diskStall: stallDisk(of: node, for: duration)
        case .slowDisk: slowDisk(of: node, duration)
        case .fullDisk:
            fillDisk(of: node, for: duration, copiesOnWrite: faultRandom.happens(0.3))
        case .bitRot: rot(node, downtime)
        case .syncFailure: nodes[node].failsNextSync = nodes[node].isUp
        case .kill: kill(node, powerCut: false, downtime)
        case .killLeader:
            let leader = aLeader
            kill(
                leader ?? node, powerCut: faultRandom.happens(0.5), downtime,
                as: leader == nil ? nil : .leaderKilled)
        case .powerCut: kill(node, powerCut: true, downtime)
        case .powerCutEverywhere: cutPowerEverywhere()
        case .shutdown: shutDown(node)
        case .join: join()
        case .forget: forget()
        case .wipe: loseDirectory(downtime)
        }
    }

    /// A node that leads some group now.
    var aLeader: Int? {
        let leaders = nodeNumbers.filter { number in
            nodes[number].process?.readings().contains(where: \.isLeader) ?? false
        }
        return leaders.isEmpty ? nil : faultRandom.pick(leaders)
    }

    // Network

    private func breakRandomLink() {
        let links = network.live.filter { network.connection($0)?.isPeerLink == true }
        guard !links.isEmpty else { return }
        counts.add(.linkBroken)
        network.breakConnection(faultRandom.pick(links), now: now, halfOpenChance: 0.2)
    }

    private func partition(oneWay: Bool, _ duration: Interval) {
        guard options.nodes > 1 else { return }
        var sides = nodeNumbers.map { _ in faultRandom.happens(0.5) }
        if Set(sides).count == 1 { sides[0].toggle() }
        var pairs: [(from: Int, to: Int)] = []
        for from in nodeNumbers {
            for to in nodeNumbers where sides[from - 1] != sides[to - 1] {
                if oneWay, sides[from - 1] { continue }
                pairs.append((from, to))
            }
        }
        counts.add(oneWay ? .oneWayPartition : .partition)
        block(pairs, for: duration)
    }

    private func cutPair(oneWay: Bool, _ duration: Interval) {
        guard options.nodes > 1 else { return }
        let from = faultRandom.integer(nodeNumbers)
        let to = faultRandom.pick(nodeNumbers.filter { $0 != from })
        counts.add(oneWay ? .oneWayCut : .pairCut)
        block(oneWay ? [(from, to)] : [(from, to), (to, from)], for: duration)
    }

    private func cutGraph(_ duration: Interval) {
        guard options.nodes > 1 else { return }
        let kind = faultRandom.pick(LinkGraph.Kind.allCases)
        let leader = aLeader ?? faultRandom.integer(nodeNumbers)
        let graph = LinkGraph(
            kind, nodes: Array(nodeNumbers), leader: leader, random: &faultRandom)
        guard !graph.cuts.isEmpty else { return }
        counts.add(.graphCut)
        block(graph.cuts, for: duration)
    }

    private func isolate(_ node: Int, _ duration: Interval, as fault: Fault) {
        guard options.nodes > 1 else { return }
        let others = nodeNumbers.filter { $0 != node }
        counts.add(fault)
        block(others.map { (node, $0) } + others.map { ($0, node) }, for: duration)
    }

    private func block(_ pairs: [(from: Int, to: Int)], for duration: Interval) {
        for pair in pairs { network.block(from: pair.from, to: pair.to) }
        schedule(.relief(.unblock(pairs)), after: duration)
    }

    private func clogRandomDirection(_ duration: Interval) {
        guard options.nodes > 1 else { return }
        let from = faultRandom.integer(nodeNumbers)
        let to = faultRandom.pick(nodeNumbers.filter { $0 != from })
        counts.add(.clog)
        network.clog(from: from, to: to, until: now + duration)
    }

    private func cutRandomClient() {
        let links = network.live.filter { network.connection($0)?.isPeerLink == false }
        guard !links.isEmpty else { return }
        counts.add(.clientCut)
        network.breakConnection(faultRandom.pick(links), now: now, halfOpenChance: 0.3)
    }

    // Processes and clocks

    /// The whole process stands still.
    func freeze(_ node: Int, for duration: Interval, as fault: Fault = .pause) {
        guard nodes[node].isUp else { return }
        counts.add(fault)
        nodes[node].pausedUntil = max(nodes[node].pausedUntil, now + duration)
    }

    /// Everything that was put off until the end of a pause that ended early is due now.
    func thawed(_ node: Int) {
        guard let process = nodes[node].process else { return }
        process.turnAt = nil
        if process.isTurning {
            process.turnEndsAt = now
            queue.schedule(.turnEnds(node: node, life: process.life), at: now)
        } else {
            wake(node, at: now)
        }
        process.pingAt = now
        queue.schedule(.livenessTimer(node: node, life: process.life), at: now)
        resume(node)
        if process.log.isWorking {
            process.syncEndsAt = now
            queue.schedule(.syncEnds(node: node, life: process.life), at: now)
        }
    }

    /// The loop thread stands still, the liveness thread goes on.
    func stallLoop(of node: Int, for duration: Interval) {
        guard nodes[node].isUp else { return }
        counts.add(.loopStall)
        nodes[node].loopStalledUntil = max(nodes[node].loopStalledUntil, now + duration)
    }

    private func jumpWall(of node: Int, _ duration: Interval) {
        counts.add(.wallJump)
        let milliseconds = Int64(faultRandom.integer(-100_000...100_000))
        nodes[node].clock.jumpWall(milliseconds: milliseconds)
        if faultRandom.happens(0.5) { schedule(.relief(.healWall(node)), after: duration) }
    }

    private func changeRate(of node: Int) {
        guard options.clockRatePPM > 0 else { return }
        counts.add(.clockRate)
        nodes[node].clock.setRate(
            ppm: Int64(faultRandom.integer(-options.clockRatePPM...options.clockRatePPM)), at: now)
    }

    /// Ends the process, and starts another one later.
    /// - Parameter fault: what is counted instead of the usual.
    func kill(_ node: Int, powerCut: Bool, _ downtime: Interval, as fault: Fault? = nil) {
        guard nodes[node].isUp else { return }
        counts.add(fault ?? (powerCut ? .powerCut : .processKilled))
        crash(node, powerCut: powerCut)
        nodes[node].restartAt = now + downtime
        schedule(.restart(node: node), after: downtime)
    }

    private func cutPowerEverywhere() {
        counts.add(.powerCutEverywhere)
        for node in nodeNumbers {
            if nodes[node].isUp {
                let downtime = faultRandom.interval(options.faults.downtime)
                kill(node, powerCut: true, downtime)
            } else {
                crash(node, powerCut: true)
            }
        }
    }

    /// Asks the process to hand over and end.
    func shutDown(_ node: Int) {
        if askToEnd(node) { counts.add(.shutdown) }
    }

    /// Asks the process to end, unless it is amid a turn; whether it was asked.
    @discardableResult
    func askToEnd(_ node: Int) -> Bool {
        guard let process = nodes[node].process, !process.isTurning else { return false }
        process.shutDown(now: nodes[node].clock.reading(at: now))
        wake(node, at: now)
        return true
    }

    func scheduleRestart(_ node: Int) {
        let downtime = faultRandom.interval(options.faults.downtime)
        nodes[node].restartAt = now + downtime
        schedule(.restart(node: node), after: downtime)
    }

    // Disks

    private func stallDisk(of node: Int, for duration: Interval) {
        counts.add(.diskStall)
        nodes[node].diskStalledUntil = max(nodes[node].diskStalledUntil, now + duration)
    }

    private func slowDisk(of node: Int, _ duration: Interval) {
        counts.add(.slowDisk)
        nodes[node].diskSlowness = Int64(faultRandom.integer(2...50))
        schedule(.relief(.healDisk(node)), after: duration)
    }

    // The end of it

    func relieve(_ relief: Relief) {
        switch relief {
        case .unblock(let pairs):
            // Then everything was healed, and whom a core is to do without stays cut off.
            guard phase == .safety else { return }
            for pair in pairs { network.unblock(from: pair.from, to: pair.to, now: now) }
            // Some connections did not survive the silence.
            for number in network.live {
                guard let connection = network.connection(number), connection.isPeerLink,
                    faultRandom.happens(0.4),
                    pairs.contains(where: {
                        connection.sides == [.node($0.from), .node($0.to)]
                            || connection.sides == [.node($0.to), .node($0.from)]
                    })
                else { continue }
                counts.add(.linkBroken)
                network.breakConnection(number, now: now, halfOpenChance: 0.2)
            }
        case .healDisk(let node): nodes[node].diskSlowness = 1
        case .healWall(let node): nodes[node].clock.healWall()
        }
    }

    /// All faults end: everything reaches everything, clocks are right, dead nodes start.
    func heal() {
        network.options.frames = FrameFaults()
        network.options.livenessLoss = 0
        network.options.spikeChance = 0
        for from in nodeNumbers {
            for to in nodeNumbers where to != from {
                network.unblock(from: from, to: to, now: now)
                network.slowDown(from: from, to: to, by: Interval(nanoseconds: 0))
            }
        }
        network.unclog(now: now)
        // A frame that was dropped would never have been dropped by TCP: what is left waiting for
        // one gets a new connection, as it would from a real break.
        for number in network.live where network.connection(number)?.isPeerLink == true {
            if !options.network.frames.isNone {
                network.breakConnection(number, now: now, halfOpenChance: 0)
            }
        }
        network.tellBroken(now: now)
        for number in nodeNumbers {
            let node = nodes[number]
            node.failsNextSync = false
            node.diskSlowness = 1
            node.diskFullUntil = .zero
            let stoodStill = node.loopFree(at: now) > now || node.diskStalledUntil > now
            node.diskStalledUntil = .zero
            node.pausedUntil = .zero
            node.loopStalledUntil = .zero
            node.clock.healWall()
            if node.process == nil {
                restart(number)
            } else if stoodStill {
                thawed(number)
            }
        }
    }
}
