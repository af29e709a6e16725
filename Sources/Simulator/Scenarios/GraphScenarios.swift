internal import Bytes

/// Links that are cut in part, on more nodes than all graphs could be played for: S13 of the list.
extension Scenario {
    static let graphScenarios: [Scenario] = [
        Scenario(
            "sampled-graphs",
            "graphs of links between five nodes, hard ones and random ones: who can lead does, and serves",
            isLong: true, options: { fully(5) },
            play: { (stage) throws(ScenarioError) in try sampledGraphs(stage, count: 40) }),
        Scenario(
            "sampled-graphs-seven", "the same on seven nodes", isLong: true, options: { fully(7) },
            play: { (stage) throws(ScenarioError) in try sampledGraphs(stage, count: 16) }),
    ]

    private static func fully(_ nodes: Int) -> SwarmOptions {
        var options = threeNodes()
        options.nodes = nodes
        // One at each node, one for INFO, and the last reads'.
        options.clients = nodes + 2
        return options
    }

    /// How long a graph lasts; how long the cluster may serve nobody; how many terms may begin.
    private static let graphTime = Interval.seconds(5)
    private static let leaderless = Interval.seconds(3)
    private static let termsMax: UInt64 = 3

    private static let friends = "graphs in which a majority sees each other"
    private static let hubs = "graphs in which some node sees a majority"
    private static let nobody = "graphs in which nobody does"
    private static let partly = "leaders that did not see everybody"

    private static func sampledGraphs(_ stage: Stage, count: Int) throws(ScenarioError) {
        for what in [friends, hubs, nobody, partly] { stage.met(what, times: 0) }
        for number in 0..<count {
            try rest(stage, "before graph \(number)")
            let leader = try stage.waitForLeader()
            let kinds = LinkGraph.Kind.allCases
            let kind = kinds[number % kinds.count]
            let graph = LinkGraph(
                kind, nodes: Array(stage.nodes), leader: leader,
                random: &stage.simulation.faultRandom)
            let term = newestTerm(stage)
            for cut in graph.cuts { stage.block(from: cut.from, to: cut.to) }
            let name = "graph \(number) (\(kind): \(graph); \(leader) led)"
            if graph.hubs.isEmpty {
                try standStill(stage, graph, name)
            } else {
                try goOn(stage, graph, name)
            }
            let terms = newestTerm(stage) - term
            try stage.expect(terms <= termsMax, "\(name): \(terms) terms began")
            for cut in graph.cuts { stage.unblock(from: cut.from, to: cut.to) }
        }
    }

    private static func newestTerm(_ stage: Stage) -> UInt64 {
        stage.nodes.compactMap { stage.reading($0)?.term }.max() ?? 0
    }

    /// Everybody serves, all calls are over, and all have applied the same: what comes next is a matter of the
    /// links alone. (A node without which nobody can lead, and that lacks what others have, cannot be elected:
    /// so Raft is, and the rule that saves it is another one.)
    private static func rest(_ stage: Stage, _ when: String) throws(ScenarioError) {
        try stage.wait("\(when): all calls to be over", within: .seconds(8)) {
            stage.nodes.allSatisfy { stage.simulation.clients[$0].state != .waiting }
        }
        for node in stage.nodes {
            try stage.connect(node, to: node)
            let reply = try stage.call(node, ClientCommand("SET", "g", when), within: leaderless)
            try stage.expect(
                reply == .simple("OK"), "\(when), node \(node) is whole again: \(reply.summary)")
        }
        try stage.wait("\(when): all to be equal", within: .seconds(3)) {
            let readings = stage.nodes.map { stage.reading($0) }
            let first = readings.first??.lastIndex
            return readings.allSatisfy { $0?.applied == first && $0?.lastIndex == first }
        }
    }

    /// Nobody has a majority: nobody leads for longer than it takes to notice, and no terms begin.
    private static func standStill(
        _ stage: Stage, _ graph: LinkGraph, _ name: String
    ) throws(ScenarioError) {
        stage.pass(.seconds(2))
        for node in stage.nodes where stage.reading(node)?.isLeader == true {
            throw .broken("\(name): node \(node) leads a majority that it does not see")
        }
        stage.met(nobody)
    }

    /// Somebody can lead: writes at the leader and at all that it sees are answered, and never for long by none.
    /// Where a majority sees each other, all nodes are written to and read from all the time; else only
    /// those that the leader sees, so that the only one that can lead does not come to lack what others have.
    private static func goOn(
        _ stage: Stage, _ graph: LinkGraph, _ name: String
    ) throws(ScenarioError) {
        let simulation = stage.simulation
        let hasCore = !graph.core.isEmpty
        let began = simulation.now
        var lastWrite = began
        /// When a write at a node was answered last.
        var served = [Moment](repeating: .zero, count: stage.nodes.upperBound + 1)
        var writes = Set<Int>()
        while simulation.now - began < graphTime {
            let leader = graph.hubs.filter { stage.reading($0)?.hasCommittedInTerm == true }
                .max { (stage.reading($0)?.term ?? 0) < (stage.reading($1)?.term ?? 0) }
            let near = leader.map { graph.neighbours(of: $0) } ?? []
            for node in stage.nodes {
                if simulation.clients[node].state == .ready {
                    if writes.remove(node) != nil, stage.replies(node).last?.isError == false {
                        served[node] = simulation.now
                        lastWrite = simulation.now
                    }
                    guard hasCore || near.contains(node) else { continue }
                    try sendStep(stage, node, &writes)
                } else if simulation.clients[node].state == .idle {
                    try stage.connect(node, to: node)
                }
            }
            stage.pass(.milliseconds(100))
            try stage.expect(
                simulation.now - lastWrite < leaderless,
                "\(name): no write was answered for \(leaderless.milliseconds) ms")
        }
        guard
            let leader = graph.hubs.first(where: { stage.reading($0)?.hasCommittedInTerm == true })
        else { throw .broken("\(name): nobody leads") }
        for node in graph.neighbours(of: leader) {
            let wait = simulation.now - served[node]
            try stage.expect(
                wait < .seconds(1),
                "\(name): \(leader) leads, and the last write at node \(node) was answered "
                    + "\(wait.milliseconds) ms ago")
        }
        stage.met(hasCore ? friends : hubs)
        if graph.neighbours(of: leader).count < stage.nodes.count {
            stage.met(partly)
        }
    }

    /// The next call of some workload, at a node's own client.
    private static func sendStep(
        _ stage: Stage, _ node: Int, _ writes: inout Set<Int>
    ) throws(ScenarioError) {
        let simulation = stage.simulation
        let workload = simulation.faultRandom.integer(0...simulation.workloads.count - 1)
        let call = simulation.workloads[workload].step(
            session: stage.session(node), now: simulation.now, random: &simulation.faultRandom)
        let name = String(decoding: call.command.arguments.first ?? [], as: UTF8.self)
        if ["SET", "RPUSH", "INCR", "INCRBY"].contains(name) { writes.insert(node) }
        stage.send(node, workload: workload, [call])
    }
}
