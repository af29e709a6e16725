internal import Bytes
internal import WAL

/// Flipped bits on a node's disk that nothing has dealt with yet.
struct NodeDamage {
    struct Flipped {
        var flip: BitFlip
        /// What the byte is since then.
        var byte: UInt8?
        /// The node's process that ran then, or the last one before.
        var life: Int
    }

    var flips: [Flipped] = []
    /// What was committed in each group when its log was cut. Only of groups that are not whole again.
    var cut: [UInt32: UInt64] = [:]
}

/// Damage on disks, with its rules, watched from outside:
///
/// 1. never more than a minority of nodes is damaged, or lacks what damage has cost, at one time;
/// 2. a node with a damaged log starts, unless it is alone; one whose log is whole finds no damage;
/// 3. a group whose log was cut leads nothing before it is whole again;
/// 4. when it says so, it has everything that was committed when it was cut;
/// 5. in the end all nodes are whole.
extension Simulation {
    /// A bit flips on one node, after its process was killed or while it runs.
    func rot(_ wanted: Int, _ downtime: Interval) {
        for number in nodeNumbers { considerWhole(number) }
        let damaged = nodeNumbers.filter { nodes[$0].damage != nil }
        let isFree = damaged.count < (options.nodes - 1) / 2 && !absent.contains(wanted)
        guard isFree || !damaged.isEmpty else { return }
        let number = isFree || damaged.contains(wanted) ? wanted : faultRandom.pick(damaged)
        let node = nodes[number]
        let place = faultRandom.pick(DamagePlace.allCases)
        // While it is down: one bit at a time, so that what is beside the log tells of damage in it.
        let isWaiting = node.damage?.flips.contains { $0.life == node.life } ?? false
        guard options.nodes > 1, !isWaiting else { return }
        let keepsRunning = faultRandom.happens(0.25)
        if node.isUp, !keepsRunning { kill(number, powerCut: false, downtime) }
        _ = flip(number, at: place)
    }

    /// Flips a bit of a node at a drawn place.
    /// - Returns: whether there is such a place, and it may be damaged.
    @discardableResult
    func flip(_ number: Int, at place: DamagePlace) -> Bool {
        let node = nodes[number]
        guard let flip = node.aim(at: place, &faultRandom) else { return false }
        return apply(flip, to: number, place)
    }

    func apply(_ flip: BitFlip, to number: Int, _ place: DamagePlace) -> Bool {
        let node = nodes[number]
        // Without its copies a log can not be repaired: that would be two faults at once.
        if flip.isOfLog, options.nodes > 1, !node.disk.stateCopies.areTrusted { return false }
        node.disk.syncStateFiles()
        node.flip(flip)
        counts.add(.bitFlipped)
        flips[place, default: 0] += 1
        var damage = node.damage ?? NodeDamage()
        damage.flips.append(
            NodeDamage.Flipped(flip: flip, byte: node.byte(at: flip), life: node.life))
        node.damage = damage
        node.note("\(now) flipped \(flip) (\(place))")
        trace.record(.fault, at: now, who: number, UInt64(flip.offset), text: "flips \(flip)")
        return true
    }

    /// A start was cut off amid its repair: what it had to find is to be found by the next one.
    func noteUnmet(_ node: SimulatedNode) {
        guard let flips = node.damage?.flips else { return }
        for index in flips.indices where flips[index].life == node.life - 1 {
            node.damage?.flips[index].life = node.life
        }
    }

    /// A process was started.
    func noteFindings(of process: SimulatedProcess, on number: Int) {
        let node = nodes[number]
        counts.add(.snapshotDamaged, process.findings.damagedSnapshots)
        if node.damage == nil {
            let lacking = process.groupsWithoutState
            if !lacking.isEmpty {
                fail("damage", "node \(number) has no state of groups \(lacking), and no damage")
            }
        }
        guard let found = process.findings.damage else { return }
        guard node.damage != nil else {
            fail("damage", "node \(number) finds damage where there is none: \(found)")
            return
        }
        node.note(
            "\(now) \(process.findings.cutsLog ? "cuts its log" : "passes by damage"): \(found)")
        guard process.findings.cutsLog else {
            counts.add(.damagePassed)
            return
        }
        counts.add(.logCut)
        for group in process.groupsUnderRepair {
            node.damage?.cut[group] = checker.committed[group] ?? 0
        }
    }

    /// After a turn.
    func watchRepair(
        _ process: SimulatedProcess, of number: Int, _ readings: [ReplicaReading]
    ) {
        guard let cut = nodes[number].damage?.cut, !cut.isEmpty else { return }
        let underRepair = process.groupsUnderRepair
        for group in cut.keys.sorted() {
            let reading = readings.first { $0.group == group }
            if underRepair.contains(group) {
                if reading?.isLeader == true {
                    fail("repair", "node \(number) leads group \(group) before its log is whole")
                }
                continue
            }
            nodes[number].damage?.cut[group] = nil
            let wanted = cut[group] ?? 0
            let reached = reading?.lastIndex ?? 0
            guard reached < wanted else { continue }
            fail(
                "repair",
                "node \(number) trusts its log of group \(group) up to \(reached), but \(wanted) was committed when it was cut"
            )
        }
        if underRepair.isEmpty { counts.add(.repaired) }
    }

    /// Forgets a node's damage if nothing of it is left.
    func considerWhole(_ number: Int) {
        let node = nodes[number]
        guard var damage = node.damage, let process = node.process, process.hasStates,
            !process.isUnderRepair
        else { return }
        damage.flips.removeAll { !isLatent($0, on: node) }
        node.damage = damage.flips.isEmpty && damage.cut.isEmpty ? nil : damage
    }

    /// Whether something may come upon it yet. A start reads the whole log, and all headers and footers
    /// of snapshots; what it does not use then is not used any more.
    private func isLatent(_ flipped: NodeDamage.Flipped, on node: SimulatedNode) -> Bool {
        let isMet = node.life > flipped.life
        switch flipped.flip.file {
        case .segment, .mark: return !isMet
        case .stateCopy(let slot):
            return node.disk.stateCopies.files[slot] == .damaged || !isMet
        case .snapshot(let id):
            let isListed = !isMet || (node.process?.snapshotIDs.contains(id) ?? true)
            return isListed && node.byte(at: flipped.flip) == flipped.byte
        }
    }

    /// Whether a process may end so: it read back damage that nothing had found before.
    func isDamageMet(_ reason: String, on node: SimulatedNode) -> Bool {
        guard let damage = node.damage else { return false }
        return reason.hasPrefix("the log can not be read back: wal-")
            && damage.flips.contains { $0.flip.isOfLog && $0.life == node.life }
    }

    /// At the end: all nodes have everything back, by themselves.
    func demandRepair() {
        let areWhole = advance(within: options.healing) {
            presentNodes.allSatisfy {
                guard let process = nodes[$0].process else { return false }
                return !process.isUnderRepair && process.hasStates
            }
        }
        if !areWhole, foundSoFar.isEmpty {
            complainAboutLiveness("damage was not repaired")
        }
    }
}
