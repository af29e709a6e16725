internal import Bytes

/// Genesis and the identity of directories.
extension Scenario {
    static let membershipScenarios: [Scenario] = [
        Scenario(
            "wiped-node",
            "a node that lost its directory neither votes nor serves until it is taken in anew",
            play: wiped),
        Scenario(
            "members-change-while-leaders-die",
            "S11: nodes join and leave, and the leader dies at every step of it",
            options: withSpares, play: changeUnderElections),
        Scenario(
            "relaxed-members",
            "no appendfsync loses a change of members, also when all machines go down",
            options: relaxedWithSpares, play: relaxedMembers),
        Scenario(
            "wiped-majority", "two wiped nodes do not found a second cluster", play: wipedMajority),
        Scenario(
            "interrupted-genesis", "the power goes at every moment of the first start",
            play: interruptedGenesis),
        Scenario(
            "late-member", "one member starts long after the others: nothing is founded without it",
            play: lateMember),
    ]

    static func wipe(_ stage: Stage, _ node: Int) {
        stage.kill(node)
        stage.simulation.wipe(node)
    }

    private static func wiped(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        try stage.connect(1, to: leader)
        try stage.call(1, ClientCommand("SET", "m", "1"))
        // With the third node gone, only the wiped one could make a majority.
        stage.kill(others[1])
        wipe(stage, others[0])
        stage.start(others[0])
        stage.pass(.seconds(3))
        try stage.expect(
            stage.simulation.nodes[others[0]].lines.contains { $0.contains("mute reason=") },
            "the wiped node does not say why it is mute")
        stage.met("directories lost", times: stage.simulation.counts[.wipe])
        let reply = try stage.call(2, to: leader, ClientCommand("SET", "m", "2"))
        try stage.expect(
            Outcome(of: reply) != .reply(reply),
            "a write was acknowledged with the help of a wiped node: \(reply.summary)")
        let served = try stage.call(3, to: others[0], ClientCommand("GET", "m"))
        try stage.expect(
            Outcome(of: served) != .reply(served) || served.isError,
            "a wiped node answered: \(served.summary)")
        // The third one makes a majority that can take it in.
        stage.start(others[1])
        try stage.wait("the wiped node to be a member again", within: .seconds(20)) {
            stage.simulation.nodes[others[0]].process?.isMember == true
                && stage.nodes.allSatisfy {
                    stage.simulation.nodes[$0].process?.voters(of: 1)?.contains(4) == true
                }
        }
        let read = try stage.call(1, to: others[0], ClientCommand("GET", "m"))
        try stage.expect(
            read == .bulk([UInt8(ascii: "1")]) || read == .bulk([UInt8(ascii: "2")]),
            "after the third node is back: \(read.summary)")
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

    private static func withSpares() -> SwarmOptions {
        var options = threeNodes()
        options.spares = 2
        return options
    }

    /// The operator's wish comes about; the simulation is told of what is present.
    static func finishOperations(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let deadline = simulation.now + .seconds(60)
        while !simulation.operations.areOver {
            simulation.operatorActs()
            stage.pass(.milliseconds(500))
            try stage.expect(simulation.now < deadline, "never over: \(simulation.operations)")
        }
    }

    /// The leader of the data group dies `delay` after a node was met or forgotten, for many delays.
    private static func changeUnderElections(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let before = simulation.counts
        for round in 0..<12 {
            let leader = try stage.waitForLeader()
            try stage.call(1, to: leader, ClientCommand("INCR", "rounds"))
            if round % 2 == 0 {
                simulation.join()
            } else {
                // The leader itself, now and then.
                let present = simulation.presentNodes
                simulation.remove(
                    round % 4 == 1 ? leader : present.first { $0 != leader } ?? leader)
            }
            simulation.operatorActs()
            stage.pass(.microseconds(Int64(round) * 1700 + 300))
            let victim = stage.leader() ?? leader
            stage.kill(victim, powerCut: round % 3 == 0)
            stage.pass(.milliseconds(Int64(round % 5) * 150))
            stage.start(victim)
            try finishOperations(stage)
        }
        try stage.require(
            simulation.counts[.joined] - before[.joined] >= 5
                && simulation.counts[.forgotten] - before[.forgotten] >= 5,
            "too few joined and left")
        stage.met("nodes joined", times: simulation.counts[.joined] - before[.joined])
        stage.met("nodes left", times: simulation.counts[.forgotten] - before[.forgotten])
        let leader = try stage.waitForLeader()
        let read = try stage.call(1, to: leader, ClientCommand("GET", "rounds"))
        try stage.expect(
            read == .bulk(Array("12".utf8)), "a count was lost or doubled: \(read.summary)")
    }

    private static func relaxedWithSpares() -> SwarmOptions {
        var options = withSpares()
        options.disk.mode = .no
        options.disk.survival = 0
        return options
    }

    /// Nothing is synced but what must be. A node joins, or leaves; at once all power goes. What all knew to
    /// be the members before are the members after.
    private static func relaxedMembers(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...4 {
            _ = try stage.waitForLeader()
            if round <= 2 {
                simulation.join()
            } else {
                simulation.remove(simulation.presentNodes.first { stage.leader() != $0 } ?? 1)
            }
            try finishOperations(stage)
            var members: [[Int]] = []
            try stage.wait("the members to be settled", within: .seconds(10)) {
                let present = simulation.presentNodes.compactMap { simulation.nodes[$0].process }
                members = present.map { $0.memberIDs.sorted() }
                return Set(members).count == 1
                    && present.allSatisfy { process in
                        !process.isChanging
                            && process.electorates().allSatisfy { $0 == members[0] }
                    }
            }
            let present = simulation.presentNodes
            for node in present { stage.kill(node, powerCut: true) }
            for node in present { stage.start(node) }
            try stage.wait("all to trust themselves and to be led") {
                stage.leader() != nil
                    && present.allSatisfy {
                        simulation.nodes[$0].process?.mayLackEntries == false
                    }
            }
            for node in present {
                guard let process = simulation.nodes[node].process else { continue }
                try stage.expect(
                    process.memberIDs.sorted() == members[0]
                        && process.electorates().allSatisfy { $0 == members[0] },
                    "round \(round): \(members[0]) were members, node \(node) knows \(process.memberIDs) and votes with \(process.electorates())"
                )
            }
            stage.met("changes of members before all power went")
        }
    }
}
