internal import Bytes

/// `appendfsync everysec|no`: a node that kept what the others lost takes over their history.
extension Scenario {
    static let overtakingScenarios: [Scenario] = [
        Scenario(
            "relaxed-contradiction",
            "a node that applied what the others lost gives that up, and takes over what they have",
            options: relaxed, play: contradiction),
        Scenario(
            "relaxed-contradicted-snapshot",
            "so does a node whose log begins behind what the others lost",
            options: smallLogs, play: contradictedSnapshot),
        Scenario(
            "relaxed-contradicted-beyond",
            "and one whose log begins behind all that the others have",
            options: smallLogs, play: contradictedBeyond),
        Scenario(
            "relaxed-contradicted-killed",
            "so does a node that is killed again and again while it takes over what the others have",
            options: smallLogs, play: contradictedKilled),
    ]

    private static func smallLogs() -> SwarmOptions {
        var options = relaxed()
        options.segmentBytes = 32 << 10
        options.walMaxSize = 96 << 10
        return options
    }

    private static func contradiction(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        for value in 1...20 { try stage.set(value, at: leader) }
        let next = try beginAnew(stage, without: leader)
        for value in 101...105 { try stage.set(value, at: next) }
        let lost = Lost(third: leader, start: 1, leader: next)
        try stage.require(try takeOver(stage, lost, 105), "nothing was overtaken")
        stage.met("states overtaken by another history")
    }

    private static func contradictedSnapshot(_ stage: Stage) throws(ScenarioError) {
        try untilOvertaken(stage) { lost throws(ScenarioError) in
            var value = 1000
            while last(stage, lost.leader) < lost.start + 5 {
                value += 1
                try stage.set(value, at: lost.leader)
            }
            return try takeOver(stage, lost, value)
        }
    }

    private static func contradictedBeyond(_ stage: Stage) throws(ScenarioError) {
        try untilOvertaken(stage) { lost throws(ScenarioError) in
            try stage.set(1000, at: lost.leader)
            let isBeyond = last(stage, lost.leader) + 1 < lost.start
            let isOvertaken = try takeOver(stage, lost, 1000)
            // It is as good as any again.
            stage.kill(lost.leader)
            let next = try stage.waitForLeader(except: lost.leader)
            try stage.expect(1000, at: next)
            stage.start(lost.leader)
            return isBeyond && isOvertaken
        }
    }

    private static func contradictedKilled(_ stage: Stage) throws(ScenarioError) {
        try untilOvertaken(stage) { lost throws(ScenarioError) in
            try stage.set(1000, at: lost.leader)
            let before = stage.simulation.counts[.contradicted]
            stage.rejoin(lost.third)
            for round in 0..<5 {
                _ = stage.simulation.advance(within: .seconds(1)) {
                    stage.simulation.counts[.contradicted] > before
                }
                stage.kill(lost.third)
                stage.start(lost.third)
                let pause = Int64(stage.simulation.random.below(400))
                if round % 2 == 1 { stage.pass(.milliseconds(pause)) }
            }
            try follow(stage, lost)
            try stage.expect(1000, at: lost.third)
            return stage.simulation.counts[.contradicted] > before
        }
    }

    /// What a majority has lost.
    private struct Lost {
        /// The node that has it.
        var third: Int
        /// Where its log begins.
        var start: UInt64
        /// Who leads the others.
        var leader: Int
    }

    private static func last(_ stage: Stage, _ node: Int) -> UInt64 {
        stage.reading(node)?.lastIndex ?? 0
    }

    /// Cuts the leader's log behind a snapshot, and lets the others lose what is before that; again and
    /// again until `play` says that the leader was overtaken. Logs are synced now and then in all modes,
    /// and a snapshot can come before the leader notices anything.
    private static func untilOvertaken(
        _ stage: Stage, _ play: (Lost) throws(ScenarioError) -> Bool
    ) throws(ScenarioError) {
        for round in 1...50 {
            let leader = try stage.waitForLeader()
            try stage.set(round, at: leader)
            try writeUntilCut(stage, leader)
            let start = stage.reading(leader)?.firstIndex ?? 0
            let lost = Lost(
                third: leader, start: start, leader: try beginAnew(stage, without: leader))
            if last(stage, lost.leader) + 5 < start, try play(lost) {
                stage.met("states overtaken by another history")
                return
            }
            stage.rejoin(leader)
            try follow(stage, lost)
            try stage.wait("all to be as good as any") {
                stage.nodes.allSatisfy {
                    !stage.lacksEntries($0)
                        && stage.simulation.nodes[$0].process?.hasStates ?? false
                }
            }
        }
        try stage.require(false, "the others always had what the log begins with")
    }

    /// Writes until the leader's log begins a good deal behind those of the others.
    private static func writeUntilCut(_ stage: Stage, _ leader: Int) throws(ScenarioError) {
        let value = String(repeating: "v", count: 300)
        func start(_ node: Int) -> UInt64 { stage.reading(node)?.firstIndex ?? 0 }
        for number in 0..<5000 {
            let command = ClientCommand("SET", "pad\(number % 20)", value)
            let reply = try stage.call(1, to: leader, command)
            try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
            let others = stage.others(than: leader)
            if others.allSatisfy({ start(leader) > start($0) + 10 }) { return }
        }
        try stage.require(false, "the leader's log was never cut before those of the others")
    }

    /// The machines of the others go down, and they go on with what is left to them, without the leader.
    /// - Returns: who leads them.
    private static func beginAnew(
        _ stage: Stage, without leader: Int
    ) throws(ScenarioError) -> Int {
        let simulation = stage.simulation
        let others = stage.others(than: leader)
        stage.isolate(leader)
        for node in others { stage.kill(node, powerCut: true) }
        // The two hear that the third is there, but nothing of its log, and give up waiting.
        for node in others {
            simulation.network.stash(kinds: [Stage.raftFrame], from: leader, to: node)
            simulation.network.stash(kinds: [Stage.raftFrame], from: node, to: leader)
            stage.start(node)
        }
        stage.rejoin(leader)
        try stage.wait("the two to give up waiting") {
            others.allSatisfy { !stage.lacksEntries($0) }
        }
        stage.isolate(leader)
        for node in others {
            simulation.network.dropStash(from: leader, to: node)
            simulation.network.dropStash(from: node, to: leader)
        }
        return try stage.waitForLeader(except: leader)
    }

    /// The node that was away takes over what the others have by now, without being started again. False
    /// if it could do so without giving anything up: by a snapshot of later entries than it had.
    private static func takeOver(
        _ stage: Stage, _ lost: Lost, _ value: Int
    ) throws(ScenarioError) -> Bool {
        let simulation = stage.simulation
        let life = simulation.nodes[lost.third].life
        let before = simulation.counts[.contradicted]
        let installed = simulation.snapshotsInstalled
        stage.rejoin(lost.third)
        try follow(stage, lost)
        try stage.expect(value, at: lost.third)
        stage.pass(.seconds(3))
        try stage.expect(simulation.nodes[lost.third].life == life, "it was started again")
        let times = simulation.counts[.contradicted] - before
        try stage.expect(times <= 1, "it gave up its state \(times) times")
        let snapshots = simulation.snapshotsInstalled - installed
        // One of each group; a second, when the leader's log was cut behind the first meanwhile.
        try stage.expect(snapshots <= 3, "it was sent \(snapshots) snapshots")
        return times == 1
    }

    private static func follow(_ stage: Stage, _ lost: Lost) throws(ScenarioError) {
        try stage.wait("the third to follow", within: .seconds(20)) {
            let mine = stage.reading(lost.third)
            let theirs = stage.reading(stage.leader() ?? lost.leader)
            return mine != nil && mine?.applied == theirs?.applied
                && mine?.appliedTerm == theirs?.appliedTerm
        }
    }
}
