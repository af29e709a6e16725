internal import Bytes

/// What a machine's unclean end left behind when `appendfsync` was relaxed: a log that may lack what
/// the node has acknowledged.
struct LogGap {
    /// What was committed in each group when the machine went down.
    var committed: [UInt32: UInt64]
    /// So many machines were down or behind at once that acknowledged writes may be lost.
    var isOfMajority = false
}

/// The rules of the relaxed modes, watched from outside:
///
/// 1. a node knows at its start that its machine went down under unsynced writes, unless it was about to
///    stop: its record of that may have come to the disk, and then all that it acknowledged did, since
///    that was written before, or synced;
/// 2. it leads nothing until it trusts itself again;
/// 3. it does so only when it has everything that was committed when it went down, or when a majority
///    is in the same state;
/// 4. only then, and only what was acknowledged before, may be lost: the workloads begin anew.
extension Simulation {
    private var isRelaxed: Bool { options.disk.mode != .always }

    /// A machine went down, or a node says at its start that one had.
    func noteGap(_ number: Int) {
        let node = nodes[number]
        var committed = checker.committed
        if let before = node.gap {
            committed.merge(before.committed) { max($0, $1) }
        }
        node.gap = LogGap(committed: committed, isOfMajority: node.gap?.isOfMajority ?? false)
        counts.add(.unsyncedCut)
        let gaps = nodeNumbers.filter { nodes[$0].gap != nil }
        guard options.nodes - gaps.count < options.nodes / 2 + 1 else { return }
        counts.add(.majorityLoss)
        trace.record(
            .fault, at: now, who: number, UInt64(gaps.count), text: "a majority lost power")
        for gap in gaps { nodes[gap].gap?.isOfMajority = true }
        checker.mayLose()
        for workload in workloads { workload.beginAnew() }
    }

    /// A machine went down, with or without a process on it.
    func notePowerCut(_ number: Int) {
        nodes[number].machine += 1
        if isRelaxed, nodes[number].isUnclean { noteGap(number) }
    }

    /// A process was started.
    func noteStart(_ process: SimulatedProcess, on number: Int) {
        let node = nodes[number]
        if node.gap != nil, !process.mayLackEntries {
            if !node.wasEnding {
                fail("gap", "node \(number) does not know that its machine went down")
            }
            node.gap = nil
        }
        // It had caught up, but died before it wrote that down.
        if node.gap == nil, process.mayLackEntries { noteGap(number) }
    }

    /// After a turn.
    func watchGap(_ process: SimulatedProcess, of number: Int, _ readings: [ReplicaReading]) {
        guard let gap = nodes[number].gap else { return }
        if process.mayLackEntries {
            for reading in readings where reading.isLeader {
                fail("gap", "node \(number) leads group \(reading.group) before it has caught up")
            }
            return
        }
        nodes[number].gap = nil
        guard !gap.isOfMajority, !checker.hasLost else { return }
        for group in gap.committed.keys.sorted() {
            let reached = readings.first { $0.group == group }?.commit ?? 0
            let wanted = gap.committed[group] ?? 0
            guard reached < wanted else { continue }
            fail(
                "gap",
                "node \(number) trusts its log of group \(group) up to \(reached), but \(wanted) was committed when its machine went down"
            )
        }
    }

    /// A replica's state was overtaken by another history, says its node in `line`.
    func noteOvertaken(_ number: Int, _ line: String) {
        counts.add(.contradicted)
        guard checker.hasLost,
            let group = line.split(separator: " ").first(where: { $0.hasPrefix("group=g") }),
            let group = UInt32(group.dropFirst("group=g".count)), group > 0
        else {
            fail("gap", "node \(number) gives up a state that nothing was lost of: \(line)")
            return
        }
        checker.overtaken(node: number, life: nodes[number].life, group: group)
    }
}
