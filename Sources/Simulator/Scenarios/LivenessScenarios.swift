internal import Bytes

/// Progress: S12, S13 and S17 of the anchors.
extension Scenario {
    static let livenessScenarios: [Scenario] = [
        Scenario(
            "bridge", "two nodes that can not see each other, joined by a third: progress goes on",
            play: bridge),
        Scenario(
            "one-way", "the leader hears nobody, or nobody hears it: another one takes over",
            play: oneWay),
        Scenario(
            "stalled-disk", "the leader's disk hangs: another node leads, writes go on",
            play: stalledDisk),
        Scenario(
            "busy-loop", "a loop that is busy for less than busy-limit costs no election",
            play: busyLoop),
        Scenario(
            "clean-shutdown", "a leader that is asked to stop hands over: clients see no error",
            play: cleanShutdown),
        Scenario(
            "failover-time", "a dead leader is replaced within twice the election timeout",
            play: failoverTime),
        Scenario(
            "preferred-leader", "the preferred member gets the leadership back, without an error",
            options: preferring, play: preferredLeader),
    ]

    /// Writes through every node in turn; each must answer with OK within `bound`.
    private static func writesGoThrough(
        _ stage: Stage, nodes: [Int], within bound: Interval
    ) throws(ScenarioError) {
        for node in nodes {
            try stage.connect(1, to: node)
            let reply = try stage.call(1, ClientCommand("SET", "s", "\(node)"), within: bound)
            try stage.expect(reply == .simple("OK"), "SET at node \(node): \(reply.summary)")
        }
    }

    private static func bridge(_ stage: Stage) throws(ScenarioError) {
        for round in 0..<6 {
            let leader = try stage.waitForLeader()
            let others = stage.others(than: leader)
            // The leader loses one neighbour, or is the bridge, or the two others lose each other.
            let (a, b) = [(leader, others[0]), (leader, others[1]), (others[0], others[1])][
                round % 3]
            stage.block(from: a, to: b)
            stage.block(from: b, to: a)
            stage.pass(.seconds(3))
            let bridge = stage.nodes.first { $0 != a && $0 != b } ?? 1
            try writesGoThrough(stage, nodes: [bridge], within: .seconds(1))
            stage.met("writes over a bridge")
            let term = stage.reading(bridge)?.term ?? 0
            stage.pass(.seconds(3))
            try stage.expect(
                (stage.reading(bridge)?.term ?? 0) <= term + 1, "the terms run away over a bridge")
            stage.unblock(from: a, to: b)
            stage.unblock(from: b, to: a)
            stage.pass(.seconds(2))
        }
    }

    private static func oneWay(_ stage: Stage) throws(ScenarioError) {
        for round in 0..<4 {
            let old = try stage.waitForLeader()
            let others = stage.others(than: old)
            for other in others {
                if round % 2 == 0 {
                    stage.block(from: other, to: old)
                } else {
                    stage.block(from: old, to: other)
                }
            }
            let began = stage.simulation.now
            try stage.wait("another leader") { stage.leader(except: old) != nil }
            stage.met("leaders replaced because of a one-way cut")
            // One that nobody answers says so when it gives up; nobody has to find out.
            let took = stage.simulation.now - began
            try stage.expect(
                took < .milliseconds(1500),
                "round \(round): \(took.milliseconds) ms without a leader that is heard")
            try writesGoThrough(stage, nodes: others, within: .seconds(1))
            stage.rejoin(old)
            stage.pass(.seconds(2))
            try writesGoThrough(stage, nodes: [old], within: .seconds(1))
        }
    }

    private static func stalledDisk(_ stage: Stage) throws(ScenarioError) {
        let old = try stage.waitForLeader()
        let began = stage.simulation.now
        stage.simulation.nodes[old].diskStalledUntil = began + .seconds(60)
        // Something to sync, so that the stall is met.
        try stage.connect(2, to: stage.others(than: old)[0])
        stage.send(2, ClientCommand("SET", "k", "1"))
        // `disk-stall-limit`, and an election.
        let bound = Interval.seconds(6)
        try stage.wait("another leader", within: bound) { stage.leader(except: old) != nil }
        stage.met("leaders replaced because of a disk that hung")
        try writesGoThrough(stage, nodes: stage.others(than: old), within: .seconds(1))
        let replies = try stage.awaitReplies(2, within: .seconds(1))
        let took = stage.simulation.now - began
        try stage.expect(
            replies == [.simple("OK")] && took < bound,
            "the write amid it: \(replies.map(\.summary)) after \(took.milliseconds) ms")
    }

    private static func busyLoop(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let term = stage.reading(leader)?.term
        stage.simulation.stallLoop(of: leader, for: .seconds(5))
        stage.pass(.seconds(6))
        try stage.expect(
            stage.reading(leader)?.term == term && stage.reading(leader)?.isLeader == true,
            "a busy loop cost an election")
        stage.met("loops that stood still", times: stage.simulation.counts[.loopStall])
        try writesGoThrough(stage, nodes: Array(stage.nodes), within: .seconds(1))
    }

    private static func cleanShutdown(_ stage: Stage) throws(ScenarioError) {
        for round in 1...6 {
            let leader = try stage.waitForLeader()
            let origin = stage.others(than: leader)[round % 2]
            try stage.connect(1, to: origin)
            var sent = 0
            var slowest = Interval(nanoseconds: 0)
            try stage.wait("the leader to be between two turns") {
                stage.simulation.nodes[leader].process?.isTurning == false
            }
            stage.simulation.shutDown(leader)
            let started = stage.simulation.now
            while stage.simulation.now - started < .seconds(1) {
                let before = stage.simulation.now
                let reply = try stage.call(1, ClientCommand("SET", "c", "\(sent)"))
                try stage.expect(reply == .simple("OK"), "round \(round): \(reply.summary)")
                slowest = max(slowest, stage.simulation.now - before)
                sent += 1
            }
            try stage.expect(
                slowest < .milliseconds(400), "a hand-over took \(slowest.milliseconds) ms")
            try stage.require(
                !stage.simulation.nodes[leader].isUp
                    || stage.simulation.nodes[leader].life > 1, "the node did not stop")
            stage.met("writes during a hand-over", times: sent)
            if !stage.simulation.nodes[leader].isUp { stage.start(leader) }
            stage.pass(.seconds(2))
        }
    }

    private static func preferring() -> SwarmOptions {
        var options = threeNodes()
        options.priorities = [100, 200, 0]
        return options
    }

    private static func preferredLeader(_ stage: Stage) throws(ScenarioError) {
        try stage.wait("the preferred member to lead", within: .seconds(30)) { stage.leader() == 2 }
        let term = stage.reading(2)?.term
        stage.pass(.seconds(12))
        try stage.expect(
            stage.leader() == 2 && stage.reading(2)?.term == term,
            "leadership left the preferred member")
        stage.kill(2)
        _ = try stage.waitForLeader(except: 2)
        stage.start(2)
        // Written to all the time, it hands over all the same, and nothing fails.
        try stage.connect(1, to: 3)
        let started = stage.simulation.now
        while stage.leader() != 2, stage.simulation.now - started < .seconds(40) {
            let reply = try stage.call(1, ClientCommand("SET", "p", "again"))
            try stage.expect(reply == .simple("OK"), reply.summary)
            stage.pass(.milliseconds(50))
        }
        try stage.expect(stage.leader() == 2, "the preferred member did not get it back")
        stage.met("leaderships handed to the preferred member", times: 2)
    }

    private static func failoverTime(_ stage: Stage) throws(ScenarioError) {
        for round in 1...10 {
            let leader = try stage.waitForLeader()
            let origin = stage.others(than: leader)[round % 2]
            try stage.connect(1, to: origin)
            try stage.call(1, ClientCommand("SET", "f", "0"))
            stage.kill(leader)
            stage.met("leaders killed")
            let before = stage.simulation.now
            let reply = try stage.call(1, ClientCommand("SET", "f", "1"))
            let took = stage.simulation.now - before
            try stage.expect(reply == .simple("OK"), "round \(round): \(reply.summary)")
            try stage.expect(
                took < .milliseconds(800), "round \(round): the write took \(took.milliseconds) ms")
            stage.start(leader)
            stage.pass(.seconds(2))
        }
    }
}
