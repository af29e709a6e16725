internal import Bytes

/// Logs that part, disks that fail, groups of unequal pace: S6, S15, S17 and S19 of the list.
extension Scenario {
    static let logScenarios: [Scenario] = [
        Scenario(
            "many-conflicts",
            "a deposed leader with a hundred entries of its own comes back: the logs meet in a few rounds",
            options: slowNetwork, play: manyConflicts),
        Scenario(
            "later-conflicts",
            "a log with a hundred entries of a later term than the leader's: they meet in a few rounds",
            options: slowNetwork, play: laterConflicts),
        Scenario(
            "old-entries-unreadable",
            "reads of old entries fail again and again: none is ever taken for the end of the log",
            options: failingReads, play: unreadable),
        Scenario(
            "sync-fails", "a sync fails on the leader: its process ends, nothing is lost",
            play: syncFails),
        Scenario(
            "unequal-groups",
            "one log of many groups of unequal pace: rotation, and kills at any moment",
            options: { unequalGroups(12, walMaxSize: 96 << 10) }, play: unequal),
        Scenario(
            "unequal-groups-many", "the same with 128 groups in one log", isLong: true,
            options: { unequalGroups(128, walMaxSize: 128 << 10) }, play: unequal),
    ]

    private static func slowNetwork() -> SwarmOptions {
        var options = threeNodes()
        options.network.delay = .milliseconds(10) ... .milliseconds(12)
        return options
    }

    private static func failingReads() -> SwarmOptions {
        var options = threeNodes()
        options.logCacheBytes = 16 << 10
        options.disk.readFailure = 0.6
        return options
    }

    private static func unequalGroups(_ groups: Int, walMaxSize: Int) -> SwarmOptions {
        var options = threeNodes()
        options.groups = groups
        options.segmentBytes = 32 << 10
        options.walMaxSize = walMaxSize
        return options
    }

    private static func manyConflicts(_ stage: Stage) throws(ScenarioError) {
        for round in 1...3 {
            let old = try stage.waitForLeader()
            try stage.connect(1, to: old)
            try stage.call(1, ClientCommand("SET", "m", "0"))
            // Frames leave, and never arrive: it goes on leading until its quorum is gone.
            stage.isolate(old)
            let lost = try writeInVain(stage, 1, at: old)
            let new = try stage.waitForLeader(except: old)
            try stage.connect(2, to: new)
            for number in 0..<60 {
                try stage.call(2, ClientCommand("SET", "k\(number)", "kept"))
            }
            guard let wanted = stage.reading(new)?.commit else { throw .broken("no reading") }
            try stage.require(
                stage.reading(old)?.commit ?? 0 < wanted, "the old leader has it already")
            stage.met("entries that were in nobody else's log", times: lost)
            stage.rejoin(old)
            try stage.wait("the old leader to hear of the new one") {
                stage.reading(old)?.term == stage.reading(new)?.term
            }
            let began = stage.simulation.now
            try stage.wait("the logs to be equal") { stage.reading(old)?.applied ?? 0 >= wanted }
            // A round trip takes 20 to 24 ms: the search, the entries, the commit index.
            try stage.expect(
                stage.simulation.now - began < .milliseconds(250),
                "round \(round): the logs met after \((stage.simulation.now - began).milliseconds) ms"
            )
            stage.pass(.seconds(1))
        }
    }

    /// Sends writes to a leader that reaches nobody: entries that only it has. Returns how many.
    private static func writeInVain(
        _ stage: Stage, _ client: Int, at node: Int
    ) throws(ScenarioError) -> Int {
        let before = stage.reading(node)?.lastIndex ?? 0
        for number in 0..<100 {
            stage.simulation.clients[client].state = .ready
            stage.send(client, ClientCommand("SET", "v\(number)", "lost"))
            stage.pass(.milliseconds(2))
        }
        let written = Int((stage.reading(node)?.lastIndex ?? 0) - before)
        try stage.require(written > 50, "only \(written) entries that nobody else has")
        return written
    }

    /// The first leader has entries that the third node lacks; the next one, elected by that, has as many of
    /// its own term, and dies. The first leads again: where its log and the other's part only the other
    /// can tell in one step, since the terms there are later than its own.
    private static func laterConflicts(_ stage: Stage) throws(ScenarioError) {
        for _ in 1...3 {
            let first = try stage.waitForLeader()
            try stage.connect(1, to: first)
            try stage.call(1, ClientCommand("SET", "m", "0"))
            stage.pass(.milliseconds(100))
            stage.isolate(first)
            _ = try writeInVain(stage, 1, at: first)
            // Cut off in the moment in which it leads: its first entry reaches nobody.
            try stage.wait("another leader") { stage.leader(except: first) != nil }
            guard let next = stage.leader(except: first) else { throw .broken("no leader") }
            stage.isolate(next)
            try stage.connect(2, to: next)
            let written = try writeInVain(stage, 2, at: next)
            stage.kill(next)
            stage.unblock(from: first, to: 6 - first - next)
            stage.unblock(from: 6 - first - next, to: first)
            try stage.wait("the first one to lead again") {
                stage.reading(first)?.hasCommittedInTerm == true
            }
            guard let wanted = stage.reading(first)?.commit else { throw .broken("no reading") }
            stage.rejoin(next)
            stage.start(next)
            try stage.wait("the other one to hear of it") {
                stage.reading(next)?.term == stage.reading(first)?.term
            }
            let began = stage.simulation.now
            try stage.wait("the logs to be equal") { stage.reading(next)?.applied ?? 0 >= wanted }
            let took = stage.simulation.now - began
            try stage.expect(
                took < .milliseconds(400), "the logs met after \(took.milliseconds) ms")
            stage.met("entries of a later term than the leader's", times: written)
            stage.pass(.seconds(1))
        }
    }

    private static func unreadable(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let victim = stage.others(than: leader)[0]
        stage.kill(victim)
        try stage.connect(1, to: leader)
        for number in 0..<60 {
            try stage.call(
                1, ClientCommand("SET", "o\(number)", String(repeating: "o", count: 4000)))
        }
        guard let last = stage.reading(leader)?.applied else { throw .broken("no reading") }
        stage.start(victim)
        try stage.wait("the follower to catch up", within: .seconds(60)) {
            stage.reading(victim)?.applied ?? 0 >= last
        }
        stage.met("reads of old entries that failed", times: stage.simulation.counts[.readFailed])
    }

    private static func syncFails(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...8 {
            let leader = try stage.waitForLeader()
            let victim = round % 2 == 0 ? leader : stage.others(than: leader)[0]
            try stage.connect(1, to: stage.others(than: victim)[0])
            let life = simulation.nodes[victim].life
            simulation.nodes[victim].failsNextSync = true
            let reply = try stage.call(1, ClientCommand("SET", "s", "\(round)"))
            try stage.expect(reply == .simple("OK"), "round \(round): \(reply.summary)")
            try stage.wait("the next process") {
                simulation.nodes[victim].life > life && simulation.nodes[victim].isUp
            }
            let read = try stage.call(2, to: victim, ClientCommand("GET", "s"))
            try stage.expect(
                read == .bulk(Array("\(round)".utf8)), "round \(round): \(read.summary)")
            stage.pass(.milliseconds(500))
        }
        stage.met("syncs that failed", times: simulation.counts[.syncFailed])
    }

    /// One group is written to all the time, the others once in a while.
    private static func unequal(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        var lastSegments = simulation.nodes.map { $0.disk.segments.first ?? 0 }
        let untouched = stage.readings()[0]?.map(\.lastIndex) ?? []
        for round in 1...12 {
            try stage.connect(1, to: stage.nodes.first { simulation.nodes[$0].isUp } ?? 1)
            for number in 0..<12 {
                let value = String(repeating: "u", count: 2000)
                let key = number < 10 ? "{hot}\(number)" : "cold\(round):\(number)"
                let reply = try stage.call(1, ClientCommand("SET", key, value))
                try stage.expect(reply == .simple("OK"), "round \(round): \(reply.summary)")
            }
            // A third of the groups, others each time; some are cut short.
            stage.send(
                1, (0..<80).map { ClientCommand("SET", "rare\(round):\($0)", "\(round)") })
            let victim = simulation.faultRandom.integer(stage.nodes)
            stage.pass(simulation.faultRandom.interval(.microseconds(0) ... .milliseconds(4)))
            stage.kill(victim, powerCut: round % 3 != 0)
            stage.pass(.milliseconds(40))
            stage.start(victim)
            for node in stage.nodes {
                let first = simulation.nodes[node].disk.segments.first ?? 0
                if lastSegments[node] != 0, first > lastSegments[node] {
                    stage.met(
                        "segments given up and used again", times: Int(first - lastSegments[node]))
                }
                lastSegments[node] = first
            }
            stage.pass(.milliseconds(600))
        }
        stage.met("nodes that ended amid writes", times: 12)
        let touched = (1...simulation.options.groups).count {
            stage.readings()[0]?[$0].lastIndex ?? 0 > untouched[$0]
        }
        try stage.require(
            4 * touched > 3 * simulation.options.groups,
            "only \(touched) groups were written to")
        stage.met("groups in one log", times: touched)
        for round in stride(from: 1, through: 12, by: 5) {
            let length = try stage.call(
                2, to: try stage.waitForLeader(), ClientCommand("STRLEN", "cold\(round):11"))
            try stage.expect(length == .integer(2000), "cold\(round): \(length.summary)")
        }
    }
}
