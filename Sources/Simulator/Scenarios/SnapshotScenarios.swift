internal import Bytes

/// Snapshots and the log that they stand for: S14 and S10 of the list.
extension Scenario {
    static let snapshotScenarios: [Scenario] = [
        Scenario(
            "snapshot-power-cuts",
            "the power goes everywhere while snapshots are written and logs cut behind them",
            options: smallLogs, play: snapshotPowerCuts),
        Scenario(
            "log-cut-undone",
            "the power goes before the record that cuts a log is durable: its segments are needed",
            options: batchByBatch, play: logCutUndone),
        Scenario(
            "behind-the-log",
            "a follower needs what is in no log any more, and nothing new is written",
            options: smallLogs, play: behindTheLog),
        Scenario(
            "snapshot-chase",
            "a follower with a slow disk is sent snapshots while the leader goes on cutting its log",
            options: smallLogs, play: snapshotChase),
        Scenario(
            "snapshot-replies",
            "a command is repeated to a node that has only a snapshot of its first execution",
            options: smallLogs, play: snapshotReplies),
        Scenario(
            "snapshot-conflict",
            "a deposed leader gets a snapshot that ends amid entries that only it has",
            options: smallLogs, play: snapshotConflict),
        Scenario(
            "snapshot-amid-campaign",
            "S14f: a snapshot becomes the state of a node that asks for votes by then",
            options: smallLogs, play: snapshotAmidCampaign),
    ]

    private static func smallLogs() -> SwarmOptions {
        var options = threeNodes()
        options.segmentBytes = 32 << 10
        options.walMaxSize = 96 << 10
        options.disk.survival = 0
        return options
    }

    private static func batchByBatch() -> SwarmOptions {
        var options = smallLogs()
        options.disk.batchesPerSyncMax = 1
        return options
    }

    private static let value = String(repeating: "s", count: 1500)

    private static func write(
        _ stage: Stage, _ count: Int, _ prefix: String, at node: Int
    ) throws(ScenarioError) {
        try stage.connect(1, to: node)
        for number in 0..<count {
            let reply = try stage.call(1, ClientCommand("SET", "\(prefix)\(number % 40)", value))
            try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
        }
    }

    private static func snapshotPowerCuts(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...10 {
            let leader = try stage.waitForLeader()
            try write(stage, 45, "r\(round % 4):", at: leader)
            let last = try stage.call(1, ClientCommand("SET", "last", "\(round)"))
            try stage.expect(last == .simple("OK"), "SET: \(last.summary)")
            // At a moment of a snapshot, or right after one became durable.
            let before = simulation.snapshotsDurable
            let isNear = simulation.advance(within: .seconds(1)) {
                simulation.snapshotsDurable > before
                    || round % 2 == 0
                        && stage.nodes.contains { simulation.nodes[$0].snapshots.hasPart }
            }
            if isNear { stage.met("power cuts at a snapshot") }
            stage.pass(.microseconds(Int64(round % 7) * 150))
            for node in stage.nodes { stage.kill(node, powerCut: true) }
            for node in stage.nodes { stage.start(node) }
            let next = try stage.waitForLeader()
            let read = try stage.call(2, to: next, ClientCommand("GET", "last"))
            try stage.expect(
                read == .bulk(Array("\(round)".utf8)), "round \(round): \(read.summary)")
        }
        stage.met("snapshots that a start loaded", times: simulation.snapshotsLoaded)
    }

    private static func logCutUndone(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...16 {
            let leader = try stage.waitForLeader()
            let victim = stage.others(than: leader)[round % 2]
            // Batches wait for its disk: some become durable between the cut and its record.
            simulation.nodes[victim].diskSlowness = 10
            let first = stage.reading(victim)?.firstIndex ?? 0
            var writes = 0
            while stage.reading(victim)?.firstIndex ?? 0 <= first {
                try write(stage, 2, "u\(writes % 40):", at: leader)
                writes += 1
                try stage.require(writes < 400, "round \(round): no log was cut")
            }
            stage.met("logs cut at a slow disk")
            stage.pass(.microseconds(Int64(round) * 400))
            stage.kill(victim, powerCut: true)
            simulation.nodes[victim].diskSlowness = 1
            stage.start(victim)
            try stage.expect(simulation.nodes[victim].isUp, "round \(round): it does not start")
            let wanted = stage.reading(leader)?.applied ?? 0
            try stage.wait("the victim to catch up") {
                stage.reading(victim)?.applied ?? 0 >= wanted
            }
        }
    }

    private static func behindTheLog(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...3 {
            let leader = try stage.waitForLeader()
            let victim = stage.others(than: leader)[round % 2]
            stage.kill(victim)
            let installed = simulation.snapshotsInstalled
            try write(stage, 220, "b\(round):", at: leader)
            stage.pass(.seconds(2))
            stage.start(victim)
            let wanted = stage.reading(leader)?.applied ?? 0
            // Nothing new is written meanwhile; only an election may add an entry.
            try stage.wait("the follower to have everything", within: .seconds(15)) {
                stage.reading(victim)?.applied ?? 0 >= wanted
            }
            stage.met(
                "snapshots that came from a peer", times: simulation.snapshotsInstalled - installed)
            let read = try stage.call(2, to: victim, ClientCommand("STRLEN", "b\(round):7"))
            try stage.expect(read == .integer(1500), "round \(round): \(read.summary)")
        }
    }

    private static func snapshotChase(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let leader = try stage.waitForLeader()
        let victim = stage.others(than: leader)[0]
        stage.kill(victim)
        try write(stage, 220, "c", at: leader)
        stage.start(victim)
        simulation.nodes[victim].diskSlowness = 40
        let installed = simulation.snapshotsInstalled
        let written = simulation.snapshotsDurable
        for burst in 0..<8 {
            try write(stage, 60, "c\(burst):", at: leader)
            stage.pass(.milliseconds(50))
        }
        let wanted = stage.reading(leader)?.applied ?? 0
        try stage.wait("the slow follower to catch up", within: .seconds(30)) {
            stage.reading(victim)?.applied ?? 0 >= wanted
        }
        stage.met(
            "snapshots installed at a slow disk", times: simulation.snapshotsInstalled - installed)
        stage.met("snapshots written meanwhile", times: simulation.snapshotsDurable - written)
    }

    /// An origin that was cut off sends again what was executed; meanwhile everybody else began from
    /// snapshots that were taken later.
    private static func snapshotReplies(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...3 {
            let leader = try stage.waitForLeader()
            let origin = stage.others(than: leader)[round % 2]
            let rest = stage.others(than: origin)
            // The origin hears nothing of what becomes of its command.
            for node in rest {
                simulation.network.stash(
                    kinds: [Stage.raftFrame, Stage.replyFrame], from: node, to: origin)
            }
            try stage.connect(2, to: origin)
            let before = stage.reading(leader)?.applied ?? 0
            stage.send(2, ClientCommand("INCR", "once"))
            try stage.wait("the command to be executed") {
                stage.reading(leader)?.applied ?? 0 > before
            }
            try stage.require(stage.replies(2).isEmpty, "the origin was answered")
            try write(stage, 200, "w\(round):", at: leader)
            stage.pass(.seconds(1))
            let loaded = simulation.snapshotsLoaded
            for node in rest { stage.kill(node) }
            for node in rest { stage.start(node) }
            try stage.wait("another leader") {
                rest.contains { stage.reading($0)?.isLeader == true }
            }
            stage.met("states from a snapshot", times: simulation.snapshotsLoaded - loaded)
            for node in rest { simulation.network.dropStash(from: node, to: origin) }
            let replies = try stage.awaitReplies(2, within: .seconds(15))
            try stage.expect(
                replies == [.integer(Int64(round))],
                "round \(round): the repeated command was answered by \(replies.map(\.summary))")
            stage.pass(.seconds(2))
        }
    }

    /// Nothing of a log that contradicts a snapshot may stay, also not what lies behind the snapshot's end.
    private static func snapshotConflict(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...3 {
            let old = try stage.waitForLeader()
            try stage.connect(1, to: old)
            try stage.call(1, ClientCommand("SET", "q", "0"))
            stage.isolate(old)
            let before = stage.reading(old)?.lastIndex ?? 0
            for number in 0..<130 {
                simulation.clients[1].state = .ready
                stage.send(1, ClientCommand("SET", "own\(number % 5)", "late"))
                stage.pass(.microseconds(1500))
            }
            let last = stage.reading(old)?.lastIndex ?? 0
            try stage.require(last > before + 100, "the old leader has few entries of its own")
            // Nothing of what the others send it before their logs are cut may reach it later.
            stage.kill(old)
            let new = try stage.waitForLeader(except: old)
            try stage.connect(2, to: new)
            let large = String(repeating: "q", count: 6000)
            for number in 0..<70 {
                let reply = try stage.call(2, ClientCommand("SET", "q\(number % 20)", large))
                try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
            }
            stage.pass(.seconds(1))
            guard let wanted = stage.reading(new)?.commit else { throw .broken("no reading") }
            try stage.require(wanted < last, "the others have as many entries")
            let installed = simulation.snapshotsInstalled
            stage.rejoin(old)
            stage.start(old)
            try stage.wait("the old leader to have what was committed", within: .seconds(15)) {
                stage.reading(old)?.applied ?? 0 >= wanted
            }
            stage.met(
                "snapshots amid entries of another term",
                times: simulation.snapshotsInstalled - installed)
            let read = try stage.call(3, to: old, ClientCommand("STRLEN", "q\(round)"))
            try stage.expect(read == .integer(6000), "round \(round): \(read.summary)")
            stage.pass(.seconds(1))
        }
    }

    private static func snapshotAmidCampaign(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 0..<24 {
            let leader = try stage.waitForLeader()
            let victim = stage.others(than: leader)[round % 2]
            let had = stage.reading(victim)?.applied ?? 0
            stage.kill(victim)
            try write(stage, 120, "f\(round):", at: leader)
            stage.start(victim)
            let mark = simulation.nodes[victim].lines.count
            func lines() -> ArraySlice<String> { simulation.nodes[victim].lines.dropFirst(mark) }
            func isSnapshotComing() -> Bool {
                lines().contains { $0.contains("snapshot-receive id=g1") }
            }
            let written = stage.reading(leader)?.commit ?? 0
            try stage.wait("a snapshot to come, or the log to do") {
                isSnapshotComing() || stage.reading(victim)?.applied ?? 0 >= written
            }
            // Sometimes the log still has all that was missed.
            guard isSnapshotComing() else { continue }
            stage.pass(.microseconds(Int64(round) * 25))
            // What has come is written when the node has been without a leader for long.
            simulation.nodes[victim].diskStalledUntil = simulation.now + .seconds(1)
            stage.pass(.milliseconds(2))
            stage.isolate(victim)
            stage.pass(.milliseconds(1500))
            let told = Array(lines())
            if let loaded = told.lastIndex(where: { $0.contains("snapshot-load id=g1") }),
                told[..<loaded].last(where: { $0.contains("role group=g1") })?
                    .contains("andidate") == true
            {
                stage.met("snapshots loaded by a candidate")
                try stage.expect(
                    stage.reading(victim)?.applied ?? 0 > had,
                    "round \(round): the snapshot was dropped")
            }
            stage.rejoin(victim)
            let wanted = stage.reading(leader)?.commit ?? 0
            try stage.wait("the node to have everything", within: .seconds(15)) {
                stage.reading(victim)?.applied ?? 0 >= wanted
            }
            let read = try stage.call(2, to: victim, ClientCommand("STRLEN", "f\(round):7"))
            try stage.expect(read == .integer(1500), "round \(round): \(read.summary)")
        }
    }
}
