internal import Bytes

/// Directories that were rolled back to an older copy: what they promised since is forgotten.
extension Scenario {
    static let rolledBackScenarios: [Scenario] = [
        Scenario(
            "rolled-back-directory",
            "S21: a directory that was rolled back to an older copy is fenced", play: rolledBack),
        Scenario(
            "rolled-back-apart",
            "S21: an older copy is fenced also when it was started unseen before it meets anybody",
            play: rolledBackApart),
        Scenario(
            "rolled-back-to-empty",
            "S21: a copy from before the cluster was founded is fenced though no link is younger",
            play: rolledBackToEmpty),
    ]

    private static func rolledBack(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let leader = try stage.waitForLeader()
        let node = stage.others(than: leader)[0]
        let third = stage.others(than: leader)[1]
        stage.kill(node)
        let copy = simulation.nodes[node].disk
        stage.start(node)
        try stage.call(1, to: leader, ClientCommand("SET", "r", "1"))
        stage.pass(.seconds(1))
        // What was acknowledged by it must not be outvoted by what it was before.
        stage.isolate(third)
        try stage.call(1, to: leader, ClientCommand("SET", "r", "2"))
        stage.kill(node)
        simulation.nodes[node].disk = copy
        stage.start(node)
        stage.pass(.milliseconds(300))
        try expectFenced(stage, node)
        stage.met("older copies of a directory")
        stage.rejoin(third)
        stage.kill(leader)
        stage.pass(.seconds(3))
        try stage.expect(
            stage.leader(except: leader) == nil, "a rolled back directory elected a leader")
        try finishRolledBack(stage, node, leader: leader, third: third)
    }

    /// The copy's own starts have brought its count beyond what the members know of.
    private static func rolledBackApart(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let leader = try stage.waitForLeader()
        let node = stage.others(than: leader)[0]
        let third = stage.others(than: leader)[1]
        // Starts that nobody sees are no offence by themselves.
        stage.kill(node)
        startApart(stage, node, times: 3)
        stage.start(node)
        try stage.wait("the node to be led again") {
            stage.reading(node).map { $0.applied == stage.reading(leader)?.applied } ?? false
        }
        try stage.expect(
            simulation.nodes[node].process?.muteReason == nil,
            "a node is fenced that has forgotten nothing")
        stage.met("starts that nobody saw and no copy made", times: 3)

        stage.kill(node)
        let copy = simulation.nodes[node].disk
        stage.start(node)
        try stage.call(1, to: leader, ClientCommand("SET", "r", "1"))
        stage.pass(.seconds(1))
        stage.isolate(third)
        try stage.call(1, to: leader, ClientCommand("SET", "r", "2"))
        stage.kill(node)
        simulation.nodes[node].disk = copy
        startApart(stage, node, times: 3)
        stage.met("starts of an older copy that nobody saw", times: 3)
        // The two that are left are a majority, and neither has the second write.
        stage.kill(leader)
        stage.rejoin(third)
        stage.start(node)
        stage.pass(.seconds(3))
        try stage.expect(
            stage.leader(except: leader) == nil, "a rolled back directory elected a leader")
        try expectFenced(stage, node)
        try finishRolledBack(stage, node, leader: leader, third: third)
    }

    /// The copy knows who it is and nothing else, like one that lost its power before the first vote.
    private static func rolledBackToEmpty(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for node in stage.nodes {
            stage.kill(node)
            simulation.wipe(node)
        }
        simulation.forgetReplicas()
        var copies: [VirtualDisk] = []
        for node in stage.nodes {
            startApart(stage, node, times: 1)
            copies.append(simulation.nodes[node].disk)
        }
        for node in stage.nodes { stage.start(node) }
        let leader = try stage.waitForLeader()
        let node = stage.others(than: leader)[0]
        let third = stage.others(than: leader)[1]
        try stage.call(1, to: leader, ClientCommand("SET", "r", "1"))
        stage.pass(.seconds(1))
        stage.isolate(third)
        try stage.call(1, to: leader, ClientCommand("SET", "r", "2"))
        stage.kill(node)
        simulation.nodes[node].disk = copies[node - stage.nodes.lowerBound]
        stage.met("copies from before the cluster was founded")
        stage.kill(leader)
        stage.rejoin(third)
        stage.start(node)
        stage.pass(.seconds(3))
        try stage.expect(
            stage.leader(except: leader) == nil, "a rolled back directory elected a leader")
        try expectFenced(stage, node)
        try finishRolledBack(stage, node, leader: leader, third: third)
    }

    /// Starts a node that is down so often where it reaches nobody; it is down afterwards.
    private static func startApart(_ stage: Stage, _ node: Int, times: Int) {
        for _ in 0..<times {
            stage.isolate(node)
            stage.start(node)
            stage.pass(.milliseconds(300))
            stage.kill(node)
        }
        stage.rejoin(node)
    }

    private static func expectFenced(_ stage: Stage, _ node: Int) throws(ScenarioError) {
        try stage.expect(
            stage.simulation.nodes[node].process?.muteReason?.contains("older copy") == true,
            "the rolled back directory is not fenced")
    }

    /// With the leader back nothing is lost; and the node, emptied, is taken in again.
    private static func finishRolledBack(
        _ stage: Stage, _ node: Int, leader: Int, third: Int
    ) throws(ScenarioError) {
        stage.start(leader)
        _ = try stage.waitForLeader()
        let read = try stage.call(1, to: third, ClientCommand("GET", "r"))
        try stage.expect(read == .bulk([UInt8(ascii: "2")]), "lost: \(read.summary)")
        wipe(stage, node)
        stage.start(node)
        try stage.wait("the node to be taken in", within: .seconds(20)) {
            stage.simulation.nodes[node].process?.isMember == true
        }
    }
}
