internal import Bytes

/// Elections amid power cuts, cut links and idle groups: S8, S12, S13 and S16 of the list.
extension Scenario {
    static let electionScenarios: [Scenario] = [
        Scenario(
            "election-power-cuts",
            "the power goes at every moment of an election: nobody votes twice", options: slowDisks,
            play: electionPowerCuts),
        Scenario(
            "cut-off-node-returns",
            "a node that was cut off for long comes back, and costs no election", play: nodeReturns),
        Scenario(
            "behind-in-its-term",
            "the one node that can be elected has missed a term, and must hear of it from a refusal",
            play: behindInTerm),
        Scenario(
            "all-graphs",
            "every directed graph of links between three nodes: a connected majority goes on",
            play: allGraphs),
        Scenario(
            "idle-groups",
            "hundreds of groups sleep, wake all at once, are read, and lose their leader",
            isLong: true, options: manyGroups, play: idleGroups),
    ]

    private static func slowDisks() -> SwarmOptions {
        var options = threeNodes()
        options.disk.sync = .milliseconds(1) ... .milliseconds(3)
        options.disk.survival = 0.3
        return options
    }

    private static func manyGroups() -> SwarmOptions {
        var options = threeNodes()
        options.groups = 256
        options.clients = idleClients + 2
        return options
    }

    /// Any two nodes lose power again and again while they elect, each time a little later.
    private static func electionPowerCuts(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...25 {
            let leader = try stage.waitForLeader()
            let term = stage.reading(leader)?.term ?? 0
            stage.kill(leader, powerCut: round % 2 == 0)
            // Its followers campaign some time after its last ping; then cuts, dense in time.
            _ = simulation.advance(within: .seconds(2)) {
                stage.nodes.contains { stage.reading($0)?.term ?? 0 > term }
            }
            stage.pass(.microseconds(Int64(round % 20) * 300))
            let isOpen = stage.leader(except: leader) == nil
            for other in stage.others(than: leader) { stage.kill(other, powerCut: true) }
            if isOpen { stage.met("elections cut short") }
            for node in stage.nodes.shuffled(using: &simulation.faultRandom) {
                stage.start(node)
                stage.pass(.milliseconds(Int64(round % 5) * 60))
            }
            _ = try stage.waitForLeader()
        }
        let reply = try stage.call(1, to: try stage.waitForLeader(), ClientCommand("SET", "v", "1"))
        try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
    }

    private static func nodeReturns(_ stage: Stage) throws(ScenarioError) {
        for round in 0..<6 {
            let leader = try stage.waitForLeader()
            let term = stage.reading(leader)?.term
            let other = stage.others(than: leader)[round % 2]
            let asked = stage.simulation.nodes[other].lines.count { $0.contains("preCandidate") }
            stage.isolate(other)
            // Also across a restart, which forgets that there is a leader.
            if round >= 3 {
                stage.kill(other)
                stage.start(other)
            }
            stage.pass(.seconds(4))
            let nowAsked = stage.simulation.nodes[other].lines.count { $0.contains("preCandidate") }
            if nowAsked > asked { stage.met("nodes that asked for votes in vain") }
            stage.rejoin(other)
            stage.pass(.seconds(2))
            try stage.expect(
                stage.reading(leader)?.isLeader == true && stage.reading(leader)?.term == term,
                "round \(round): a node that came back cost an election")
            try stage.expect(
                stage.reading(other)?.term == term, "round \(round): it did not find back")
            let reply = try stage.call(1, to: other, ClientCommand("SET", "c", "\(round)"))
            try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
        }
    }

    /// A leader that was cut off has the longest log. Meanwhile another node began a term, without an end:
    /// the third one is gone. So the first must be elected by the second, in a term that only that one knows.
    private static func behindInTerm(_ stage: Stage) throws(ScenarioError) {
        for round in 1...4 {
            let old = try stage.waitForLeader()
            let others = stage.others(than: old)
            let term = stage.reading(old)?.term ?? 0
            try stage.connect(1, to: old)
            stage.isolate(old)
            stage.send(1, ClientCommand("SET", "b", "\(round)"))
            try stage.wait("another node to begin a term") {
                others.contains { stage.reading($0)?.term ?? 0 > term }
            }
            let ahead = others.filter { stage.reading($0)?.term ?? 0 > term }
            let third = others.first { !ahead.contains($0) } ?? others[0]
            stage.kill(third)
            stage.pass(.seconds(1))
            try stage.require(
                ahead.count == 1 && stage.reading(ahead[0])?.isLeader == false
                    && stage.reading(old)?.isLeader == false
                    && stage.reading(old)?.term ?? 0 < stage.reading(ahead[0])?.term ?? 0,
                "the terms are not apart")
            try stage.require(
                stage.reading(old)?.lastIndex ?? 0 > stage.reading(ahead[0])?.lastIndex ?? 0,
                "the cut off node has nothing of its own")
            stage.met("nodes that were behind in their term")
            stage.rejoin(old)
            try stage.wait("the node with the longer log to lead", within: .seconds(3)) {
                stage.reading(old)?.isLeader == true
            }
            stage.start(third)
            stage.pass(.seconds(1))
        }
    }

    private static func allGraphs(_ stage: Stage) throws(ScenarioError) {
        let pairs: [(from: Int, to: Int)] = stage.nodes.flatMap { from in
            stage.nodes.filter { $0 != from }.map { (from, $0) }
        }
        for graph in 0..<(1 << pairs.count) {
            let isCut = { (pair: Int) in graph >> pair & 1 == 1 }
            for pair in pairs.indices where isCut(pair) {
                stage.block(from: pairs[pair].from, to: pairs[pair].to)
            }
            // Two that hear each other are a majority: one node of such a couple must come to lead and
            // serve. A third one that hears the leader no more, while the leader and its couple are well,
            // is served by nobody; its clients must go elsewhere.
            var coupled: Set<Int> = []
            for one in stage.nodes {
                for other in stage.nodes where one < other {
                    let isWhole = pairs.indices.allSatisfy {
                        !isCut($0) || Set([pairs[$0].from, pairs[$0].to]) != [one, other]
                    }
                    if isWhole { coupled.formUnion([one, other]) }
                }
            }
            if !coupled.isEmpty {
                stage.pass(.milliseconds(200))
                let began = stage.simulation.now
                func server() -> Int? {
                    stage.nodes.first {
                        coupled.contains($0) && stage.reading($0)?.hasCommittedInTerm == true
                    }
                }
                try stage.wait("graph \(graph) to be led", within: .seconds(3)) {
                    server() != nil
                }
                let node = server() ?? 1
                try stage.connect(1, to: node)
                let reply = try stage.call(
                    1, ClientCommand("SET", "g", "\(graph)"), within: .seconds(6))
                try stage.expect(
                    reply == .simple("OK"), "graph \(graph), node \(node): \(reply.summary)")
                try stage.expect(
                    stage.simulation.now - began < .seconds(3),
                    "graph \(graph): a write took \((stage.simulation.now - began).milliseconds) ms"
                )
                if graph > 0 { stage.met("graphs with a connected majority") }
            } else {
                stage.pass(.seconds(1))
                stage.met("graphs without one")
            }
            for pair in pairs.indices where isCut(pair) {
                stage.unblock(from: pairs[pair].from, to: pairs[pair].to)
            }
            stage.pass(.milliseconds(700))
            _ = try stage.waitForLeader()
        }
    }

    /// Writes to all groups at once; then silence; then reads of all of it; then the node that leads most of
    /// them dies, or is cut off while it is asked.
    private static func idleGroups(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let groups = simulation.options.groups
        for round in 1...2 {
            for client in 1...idleClients {
                try stage.connect(client, to: 1 + client % stage.nodes.count)
            }
            let before = stage.readings()
            try writeAll("\(round)", stage)
            stage.pass(.seconds(2))
            let after = stage.readings()
            for group in 1...groups {
                try stage.expect(
                    Set(after.map { $0?[group].applied }).count == 1,
                    "round \(round): group \(group) is at rest and not everywhere applied")
                if after[0]?[group].lastIndex ?? 0 > before[0]?[group].lastIndex ?? 0 {
                    stage.met("groups that woke at once")
                }
            }
            for client in 1...idleClients {
                stage.send(client, keys(of: client).map { ClientCommand("GET", $0) })
            }
            for client in 1...idleClients {
                let replies = try stage.awaitReplies(client, within: .seconds(1))
                try stage.expect(
                    replies == keys(of: client).map { _ in .bulk(Array("\(round)".utf8)) },
                    "round \(round): client \(client) read \(Set(replies.map(\.summary)).sorted())")
                stage.met("reads in sleeping groups", times: replies.count)
            }
            try stage.expect(
                stage.readings().map { $0?.map(\.term) } == before.map { $0?.map(\.term) },
                "round \(round): it cost elections to wake the groups, or to read")
            try loseLeader(stage, round, after)
        }
    }

    /// Each has a pipeline of its own: in one connection, what goes to another group waits.
    private static let idleClients = 60

    private static func keys(of client: Int) -> [String] { (0..<20).map { "idle:\(client):\($0)" } }

    private static func writeAll(
        _ value: String, _ stage: Stage, except cut: Int? = nil
    ) throws(ScenarioError) {
        let clients = (1...idleClients).filter { stage.simulation.clients[$0].node != cut }
        for client in clients {
            stage.send(client, keys(of: client).map { ClientCommand("SET", $0, value) })
        }
        for client in clients {
            let replies = try stage.awaitReplies(client, within: .seconds(3))
            try stage.expect(
                replies.allSatisfy { $0 == .simple("OK") },
                "\(value): \(Set(replies.map(\.summary)).sorted())")
        }
    }

    private static func loseLeader(
        _ stage: Stage, _ round: Int, _ before: [[ReplicaReading]?]
    ) throws(ScenarioError) {
        let simulation = stage.simulation
        let leads = before.map { ($0 ?? []).count { $0.isLeader && $0.group > 0 } }
        guard let victim = stage.nodes.max(by: { leads[$0 - 1] < leads[$1 - 1] }) else { return }
        stage.met("sleeping groups that lost their leader", times: leads[victim - 1])
        let isCut = round % 2 == 0
        if isCut { stage.isolate(victim) } else { stage.kill(victim) }
        let began = simulation.now
        let areLed = simulation.advance(inSteps: .milliseconds(5), within: .seconds(3)) {
            let others = stage.readings(except: victim)
            return (1...simulation.options.groups).allSatisfy { group in
                others.contains { $0?[group].hasCommittedInTerm == true }
            }
        }
        let took = (simulation.now - began).milliseconds
        try stage.expect(areLed, "round \(round): \(took) ms without a leader")
        if isCut {
            // Asked for what others have overwritten, in groups that slept.
            try writeAll("cut", stage, except: victim)
            let client = victim - 1 == 0 ? stage.nodes.count : victim - 1
            try stage.require(simulation.clients[client].node == victim, "another node's client")
            stage.send(client, keys(of: client + 1).map { ClientCommand("GET", $0) })
            stage.pass(.milliseconds(300))
            try stage.expect(
                stage.replies(client).isEmpty, "a node that is cut off answered for a group")
            stage.rejoin(victim)
        } else {
            stage.start(victim)
        }
        stage.pass(.seconds(2))
    }
}
