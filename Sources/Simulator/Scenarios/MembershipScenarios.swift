internal import Bytes

/// Genesis and the identity of directories.
extension Scenario {
    static let membershipScenarios: [Scenario] = [
        Scenario(
            "wiped-node", "a node that lost its directory neither votes nor serves, and says why",
            play: wiped),
        Scenario(
            "wiped-majority", "two wiped nodes do not found a second cluster", play: wipedMajority),
        Scenario(
            "interrupted-genesis", "the power goes at every moment of the first start",
            play: interruptedGenesis),
        Scenario(
            "late-member", "one member starts long after the others: nothing is founded without it",
            play: lateMember),
    ]

    private static func wipe(_ stage: Stage, _ node: Int) {
        stage.kill(node)
        stage.simulation.wipe(node)
    }

    private static func wiped(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        try stage.connect(1, to: leader)
        try stage.call(1, ClientCommand("SET", "m", "1"))
        wipe(stage, others[0])
        stage.start(others[0])
        stage.pass(.seconds(2))
        try stage.expect(
            stage.simulation.nodes[others[0]].lines.contains { $0.contains("mute reason=") },
            "the wiped node does not say why it is mute")
        stage.met("directories lost", times: stage.simulation.counts[.wipe])
        // With the third node gone, only the wiped one could make a majority.
        stage.kill(others[1])
        stage.pass(.seconds(3))
        let reply = try stage.call(2, to: leader, ClientCommand("SET", "m", "2"))
        try stage.expect(
            Outcome(of: reply) != .reply(reply),
            "a write was acknowledged with the help of a wiped node: \(reply.summary)")
        let served = try stage.call(3, to: others[0], ClientCommand("GET", "m"))
        try stage.expect(
            Outcome(of: served) != .reply(served) || served.isError,
            "a wiped node answered: \(served.summary)")
        stage.start(others[1])
        _ = try stage.waitForLeader()
        let read = try stage.call(1, to: leader, ClientCommand("GET", "m"))
        try stage.expect(
            read == .bulk([UInt8(ascii: "1")]) || read == .bulk([UInt8(ascii: "2")]),
            "after the third node is back: \(read.summary)")
        stage.simulation.absent.insert(others[0])
    }

    private static func wipedMajority(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        try stage.call(1, to: leader, ClientCommand("SET", "m", "1"))
        for node in others { wipe(stage, node) }
        stage.met("directories lost", times: stage.simulation.counts[.wipe])
        stage.kill(leader)
        for node in others { stage.start(node) }
        stage.pass(.seconds(5))
        for node in others {
            try stage.expect(
                stage.reading(node) == nil || stage.reading(node)?.isLeader == false,
                "wiped nodes founded a cluster of their own")
        }
        stage.start(leader)
        stage.pass(.seconds(3))
        for node in others {
            try stage.expect(
                stage.simulation.nodes[node].lines.contains { $0.contains("mute reason=") },
                "node \(node) does not say why it is mute")
        }
        try stage.expect(stage.leader() == nil, "a majority of wiped nodes elected a leader")
        stage.simulation.isBeyondRepair = true
    }

    /// A fresh cluster each round; the power goes everywhere or at one node after `round` steps.
    private static func interruptedGenesis(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...120 {
            for node in stage.nodes {
                if simulation.nodes[node].isUp { stage.kill(node) }
                simulation.wipe(node)
            }
            simulation.forgetReplicas()
            for node in stage.nodes { stage.start(node) }
            stage.pass(.microseconds(Int64(round) * 97))
            if round % 2 == 0 {
                for node in stage.nodes { stage.kill(node, powerCut: true) }
            } else {
                stage.kill(round % 3 + 1, powerCut: true)
            }
            stage.met("first starts cut short")
            stage.pass(.milliseconds(Int64(round % 7) * 100))
            for node in stage.nodes { stage.start(node) }
            do throws(ScenarioError) {
                try stage.wait("a leader of group 1", within: .seconds(10)) {
                    stage.leader() != nil
                        && stage.nodes.allSatisfy { stage.reading($0) != nil }
                }
            } catch {
                throw .broken("power cut after \(round * 97) us of the first start: \(error.text)")
            }
        }
        let reply = try stage.call(1, to: 1, ClientCommand("SET", "g", "1"))
        try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
    }

    private static func lateMember(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for node in stage.nodes {
            stage.kill(node)
            simulation.wipe(node)
        }
        simulation.forgetReplicas()
        stage.start(1)
        stage.start(2)
        stage.pass(.seconds(10))
        try stage.expect(stage.leader(of: 0) == nil, "founded without all members")
        stage.met("seconds without one member", times: 10)
        stage.start(3)
        _ = try stage.waitForLeader()
        let reply = try stage.call(1, to: 3, ClientCommand("SET", "g", "1"))
        try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
    }
}
