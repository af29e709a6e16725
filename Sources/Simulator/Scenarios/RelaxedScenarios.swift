internal import Bytes

/// `appendfsync everysec|no`: what a machine's end may take along, and what not.
extension Scenario {
    static let relaxedScenarios: [Scenario] = [
        Scenario(
            "relaxed-one-machine",
            "one machine loses what it acknowledged: it knows, catches up, and votes again",
            options: relaxed, play: oneMachine),
        Scenario(
            "relaxed-no-vote",
            "a node that lost a write does not help to elect one that never had it",
            options: relaxed, play: noVote),
        Scenario(
            "relaxed-gap-remembered",
            "a gap is remembered over the end of the process, by force or not", options: relaxed,
            play: gapRemembered),
        Scenario(
            "relaxed-everything-down",
            "all machines go down: writes may be lost, votes not, and the cluster comes back",
            options: relaxed, play: everythingDown),
        Scenario(
            "relaxed-everysec", "what a second has passed over survives all machines",
            options: everySecond, play: secondPassed),
        Scenario(
            "relaxed-map",
            "all machines go down when a node has come or gone: the cluster's map never goes back",
            options: relaxedWithSpares, play: mapIsKept),
        Scenario(
            "relaxed-leader-returns",
            "the leader's machine is back at once, and cannot lead: it is replaced all the same",
            options: relaxed, play: leaderReturns),
        Scenario(
            "relaxed-clean-stop", "what was acknowledged before clean stops survives all machines",
            options: relaxed, play: cleanStops),
    ]

    static func relaxed() -> SwarmOptions {
        var options = threeNodes()
        options.disk.mode = .no
        options.disk.survival = 0
        return options
    }

    private static func relaxedWithSpares() -> SwarmOptions {
        var options = relaxed()
        options.spares = 2
        return options
    }

    private static func everySecond() -> SwarmOptions {
        var options = relaxed()
        options.disk.mode = .everysec
        return options
    }

    private static func oneMachine(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        for round in 1...5 {
            try stage.set(round, at: leader)
            stage.pass(.milliseconds(50))
            let before = stage.simulation.counts[.tornSectors]
            stage.kill(others[0], powerCut: true)
            try stage.require(
                stage.simulation.counts[.tornSectors] > before, "nothing was lost with the machine")
            stage.start(others[0])
            try stage.expect(
                stage.lacksEntries(others[0]), "the node believes that it has everything")
            try stage.wait("the node to catch up", within: .seconds(5)) {
                !stage.lacksEntries(others[0])
            }
        }
        // Its vote is needed now.
        stage.kill(leader)
        let next = try stage.waitForLeader(except: leader)
        try stage.expect(5, at: next)
        stage.start(leader)
        stage.met(
            "machines that went down under unsynced writes",
            times: stage.simulation.counts[.unsyncedCut])
    }

    /// A write that only the leader and the victim have; then the victim's machine goes down, the
    /// leader's process ends, and the third node is all that is whole and there.
    private static func loseOneCopy(
        _ stage: Stage
    ) throws(ScenarioError) -> (leader: Int, victim: Int, third: Int) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        try stage.set(1, at: leader)
        stage.isolate(others[1])
        try stage.set(2, at: leader)
        stage.pass(.milliseconds(50))
        stage.kill(others[0], powerCut: true)
        stage.kill(leader)
        stage.rejoin(others[1])
        stage.start(others[0])
        return (leader, others[0], others[1])
    }

    private static func expectNoLeader(_ stage: Stage) throws(ScenarioError) {
        for _ in 0..<50 {
            stage.pass(.milliseconds(100))
            try stage.expect(stage.leader() == nil, "a node without the write was elected")
        }
    }

    private static func noVote(_ stage: Stage) throws(ScenarioError) {
        let nodes = try loseOneCopy(stage)
        try expectNoLeader(stage)
        stage.start(nodes.leader)
        let next = try stage.waitForLeader()
        try stage.expect(2, at: next)
        try stage.wait("the victim to catch up", within: .seconds(5)) {
            !stage.lacksEntries(nodes.victim)
        }
        try stage.require(
            stage.simulation.counts[.majorityLoss] == 0, "too many machines went down")
        stage.met(
            "machines that went down under unsynced writes",
            times: stage.simulation.counts[.unsyncedCut])
    }

    private static func gapRemembered(_ stage: Stage) throws(ScenarioError) {
        let nodes = try loseOneCopy(stage)
        stage.pass(.seconds(1))
        stage.kill(nodes.victim)
        stage.start(nodes.victim)
        try stage.expect(stage.lacksEntries(nodes.victim), "forgotten when the process was killed")
        stage.pass(.seconds(1))
        let life = stage.simulation.nodes[nodes.victim].life
        try stage.wait("a moment between turns") {
            stage.simulation.nodes[nodes.victim].process?.isTurning == false
        }
        stage.simulation.shutDown(nodes.victim)
        try stage.wait("the next process") {
            stage.simulation.nodes[nodes.victim].life > life
                && stage.simulation.nodes[nodes.victim].isUp
        }
        try stage.expect(
            stage.lacksEntries(nodes.victim), "forgotten when the process stopped cleanly")
        try expectNoLeader(stage)
        stage.start(nodes.leader)
        let next = try stage.waitForLeader()
        try stage.expect(2, at: next)
        try stage.wait("the victim to catch up", within: .seconds(5)) {
            !stage.lacksEntries(nodes.victim)
        }
        stage.pass(.milliseconds(100))
        stage.kill(nodes.victim)
        stage.start(nodes.victim)
        try stage.expect(!stage.lacksEntries(nodes.victim), "it had caught up, and forgot that")
        stage.met(
            "machines that went down under unsynced writes",
            times: stage.simulation.counts[.unsyncedCut])
    }

    private static func everythingDown(_ stage: Stage) throws(ScenarioError) {
        for round in 1...5 {
            let leader = try stage.waitForLeader()
            try stage.set(round, at: leader)
            for node in stage.nodes { stage.kill(node, powerCut: true) }
            stage.pass(.milliseconds(10))
            for node in stage.nodes {
                stage.start(node)
                if round % 2 == 0 { stage.pass(.milliseconds(700)) }
            }
            try stage.wait("all nodes to trust themselves") {
                stage.nodes.allSatisfy { !stage.lacksEntries($0) }
            }
            let next = try stage.waitForLeader()
            try stage.set(100 + round, at: next)
            try stage.expect(100 + round, at: next)
        }
        try stage.require(
            stage.simulation.counts[.majorityLoss] >= 5, "a majority was never down")
        stage.met("majorities down at once", times: stage.simulation.counts[.majorityLoss])
    }

    private static func secondPassed(_ stage: Stage) throws(ScenarioError) {
        for round in 1...5 {
            let leader = try stage.waitForLeader()
            try stage.set(round, at: leader)
            stage.pass(.milliseconds(1200))
            for node in stage.nodes { stage.kill(node, powerCut: true) }
            for node in stage.nodes { stage.start(node) }
            let next = try stage.waitForLeader()
            try stage.expect(round, at: next)
        }
        stage.met(
            "machines that went down under unsynced writes",
            times: stage.simulation.counts[.unsyncedCut])
    }

    /// The system group is synced in every mode; what it has committed is never overtaken.
    private static func mapIsKept(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        func members(_ node: Int) -> [Int] {
            (simulation.nodes[node].process?.memberIDs ?? []).sorted()
        }
        for round in 0..<6 {
            let leader = try stage.waitForLeader()
            let before = members(leader)
            if round % 2 == 0 {
                simulation.join()
            } else {
                simulation.remove(simulation.presentNodes.first { $0 != leader } ?? leader)
            }
            simulation.operatorActs()
            try stage.wait("a node to know of the change") {
                simulation.presentNodes.contains { ![[], before].contains(members($0)) }
            }
            let after = simulation.presentNodes.map(members).first { ![[], before].contains($0) }
            let nodes = stage.nodes.filter { simulation.nodes[$0].isUp }
            for node in nodes { stage.kill(node, powerCut: true) }
            for node in nodes { stage.start(node) }
            try stage.wait("all to know of it still", within: .seconds(20)) {
                simulation.presentNodes.allSatisfy { members($0) == after }
            }
            try finishOperations(stage)
            stage.met("changes of the map, known to a node when all machines went down")
        }
        try stage.require(
            simulation.counts[.majorityLoss] > 0, "no machine lost unsynced writes")
    }

    /// It answers pings as before, so that nobody misses it; but another process does.
    private static func leaderReturns(_ stage: Stage) throws(ScenarioError) {
        for round in 1...6 {
            let old = try stage.waitForLeader()
            try stage.set(round, at: old)
            stage.pass(.milliseconds(50))
            stage.kill(old, powerCut: true)
            stage.start(old)
            try stage.require(stage.lacksEntries(old), "nothing was lost with the machine")
            // It answers what is sent to the one before, too: that such a connection is not known.
            stage.simulation.network.tellBroken(now: stage.simulation.now)
            let began = stage.simulation.now
            let next = try stage.waitForLeader(except: old)
            let took = stage.simulation.now - began
            try stage.expect(
                took < .milliseconds(1200),
                "round \(round): \(took.milliseconds) ms without a leader")
            stage.met("leaders that were back before they were missed")
            try stage.expect(round, at: next)
            try stage.wait("the old leader to catch up", within: .seconds(5)) {
                !stage.lacksEntries(old)
            }
        }
    }

    private static func cleanStops(_ stage: Stage) throws(ScenarioError) {
        for round in 1...4 {
            let leader = try stage.waitForLeader()
            try stage.set(round, at: leader)
            let lives = stage.simulation.nodes.map(\.life)
            for node in stage.nodes {
                try stage.wait("a moment between turns") {
                    stage.simulation.nodes[node].process?.isTurning == false
                }
                stage.simulation.shutDown(node)
            }
            // The power goes at each machine when its process has stopped.
            var isDown = Set<Int>()
            try stage.wait("all to stop") {
                for node in stage.nodes
                where !stage.simulation.nodes[node].isUp && !isDown.contains(node) {
                    isDown.insert(node)
                    stage.simulation.crash(node, powerCut: true)
                }
                return isDown.count == 3
            }
            try stage.wait("all to start") {
                stage.nodes.allSatisfy {
                    stage.simulation.nodes[$0].isUp && stage.simulation.nodes[$0].life > lives[$0]
                }
            }
            try stage.expect(
                stage.nodes.allSatisfy { !stage.lacksEntries($0) }, "a clean stop counted as none")
            let next = try stage.waitForLeader()
            try stage.expect(round, at: next)
        }
        try stage.require(
            stage.simulation.counts[.unsyncedCut] == 0, "a stop was not clean")
        stage.met("processes that stopped cleanly", times: stage.simulation.counts[.restart])
    }
}

extension Stage {
    /// Whether a node knows that it may lack entries that it acknowledged.
    func lacksEntries(_ node: Int) -> Bool {
        simulation.nodes[node].process?.mayLackEntries ?? false
    }

    /// A write that must be acknowledged.
    func set(_ value: Int, at node: Int) throws(ScenarioError) {
        let reply = try call(1, to: node, ClientCommand("SET", "r", "\(value)"))
        try expect(reply == .simple("OK"), "SET: \(reply.summary)")
    }

    /// A read of what `set` has written.
    func expect(_ value: Int, at node: Int) throws(ScenarioError) {
        let reply = try call(1, to: node, ClientCommand("GET", "r"))
        try expect(
            reply == .bulk(Array("\(value)".utf8)),
            "acknowledged \(value), now it is \(reply.summary)")
    }
}
