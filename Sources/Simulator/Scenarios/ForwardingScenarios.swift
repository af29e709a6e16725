internal import Bytes

/// Exactly once by origin: INCR and RPUSH of unique elements through followers, under everything that
/// can happen to a frame and to the two nodes at its ends.
extension Scenario {
    static let forwardingScenarios: [Scenario] = [
        Scenario(
            "forward-leader-dies",
            "the leader dies with forwarded commands in flight: the origin sends them again, once each",
            play: leaderDies),
        Scenario(
            "forward-origin-dies",
            "the origin dies between sending a command and answering it: at most once",
            play: originDies),
        Scenario(
            "forward-duplicates", "forwarded frames arrive late, twice and out of order",
            options: noisyFrames, play: duplicates),
        Scenario(
            "forward-leads-again",
            "frames addressed to a leader's old term arrive when it leads again in a later one",
            play: leadsAgain),
        Scenario(
            "forward-reply-lost",
            "a command is executed, and the origin loses the link before it hears of it",
            play: replyLost),
        Scenario(
            "forward-many-groups", "the same chaos with four groups and pipelines over all of them",
            options: fourGroups, play: manyGroups),
    ]

    private static func noisyFrames() -> SwarmOptions {
        var options = threeNodes()
        options.network.frames = FrameFaults(drop: 0, duplicate: 0.2, reorder: 0.15)
        options.network.delay = .microseconds(100) ... .milliseconds(8)
        return options
    }

    private static func fourGroups() -> SwarmOptions {
        var options = threeNodes()
        options.groups = 4
        options.client.pipelineMax = 16
        options.network.delay = .microseconds(100) ... .milliseconds(3)
        return options
    }

    /// Sends `count` pushes and increments in one pipeline of a client, recorded by the workloads.
    private static func burst(_ stage: Stage, _ client: Int, _ count: Int) {
        let session = stage.session(client)
        let now = stage.simulation.now
        var calls: [(workload: Int, call: Call)] = []
        for number in 0..<count {
            if number % 2 == 0 {
                let call = stage.list.push(on: 0, session: session, now: now)
                calls.append((stage.listIndex, call))
            } else {
                let call = stage.counter.increment(on: 0, session: session, now: now)
                calls.append((stage.counterIndex, call))
            }
        }
        stage.simulation.clients[client].collected = []
        stage.simulation.send(calls, client: client)
    }

    private static func leaderDies(_ stage: Stage) throws(ScenarioError) {
        for round in 1...8 {
            let leader = try stage.waitForLeader()
            let origins = stage.others(than: leader)
            try stage.connect(1, to: origins[0])
            try stage.connect(2, to: origins[1])
            burst(stage, 1, 30)
            burst(stage, 2, 30)
            // A different moment in the life of the commands each round.
            stage.pass(.microseconds(Int64(150 * round)))
            let inFlight =
                stage.simulation.clients[1].inFlight.count
                + stage.simulation.clients[2].inFlight.count
            stage.kill(leader, powerCut: round % 2 == 0)
            try stage.require(inFlight > 0, "round \(round): nothing was in flight")
            stage.met("commands in flight when their leader died", times: inFlight)
            for client in 1...2 {
                let replies = try stage.awaitReplies(client)
                try stage.expect(
                    replies.count == 30
                        && replies.allSatisfy { if case .integer = $0 { true } else { false } },
                    "round \(round): a client saw \(replies.map(\.summary)) instead of a pause")
            }
            stage.start(leader)
            stage.pass(.milliseconds(700))
        }
    }

    private static func originDies(_ stage: Stage) throws(ScenarioError) {
        var unknown = 0
        for round in 1...12 {
            let leader = try stage.waitForLeader()
            let origin = stage.others(than: leader)[round % 2]
            try stage.connect(1, to: origin)
            burst(stage, 1, 20)
            stage.pass(.microseconds(Int64(100 + 120 * round)))
            let inFlight = stage.simulation.clients[1].inFlight.count
            stage.kill(origin, powerCut: round % 3 == 0)
            if inFlight > 0 { unknown += inFlight }
            stage.pass(.milliseconds(30))
            stage.start(origin)
            stage.pass(.milliseconds(500))
        }
        try stage.require(unknown > 20, "only \(unknown) commands were in flight at a death")
        stage.met("commands in flight when their origin died", times: unknown)
        let executed = try stage.call(3, to: 1, ClientCommand("LLEN", "list:0")).number ?? 0
        try stage.require(executed > 20, "only \(executed) commands were executed")
    }

    private static func duplicates(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let origins = stage.others(than: leader)
        for round in 1...40 {
            for client in 1...2 where stage.simulation.clients[client].state != .ready {
                try stage.connect(client, to: origins[client - 1])
            }
            for client in 1...2 { burst(stage, client, 12) }
            for client in 1...2 {
                let replies = try stage.awaitReplies(client, within: .seconds(30))
                try stage.expect(
                    replies.count == 12, "round \(round): \(replies.map(\.summary))")
            }
        }
        let counts = stage.simulation.network.counts
        try stage.require(counts[.frameDuplicated] > 50, "few duplicates")
        try stage.require(counts[.frameReordered] > 50, "few reordered frames")
        stage.met(
            "frames that came twice or late",
            times: counts[.frameDuplicated] + counts[.frameReordered])
    }

    /// C forwards to A in term t; the frames are set aside. B leads, C's commands run there. A leads
    /// again; now the old frames arrive.
    private static func leadsAgain(_ stage: Stage) throws(ScenarioError) {
        let first = try stage.waitForLeader()
        guard let oldTerm = stage.reading(first)?.term else { throw .broken("no reading") }
        let origin = stage.others(than: first)[0]
        let network = { stage.simulation.network }
        stage.simulation.network.stash(kinds: [Stage.forwardFrame], from: origin, to: first)
        try stage.connect(1, to: origin)
        burst(stage, 1, 20)
        stage.pass(.milliseconds(20))
        try stage.require(
            network().stashed(from: origin, to: first) > 0, "nothing was forwarded to the leader")
        // Another node leads, the link between origin and old leader stays up.
        stage.freeze(first)
        let second = try stage.waitForLeader(except: first)
        let replies = try stage.awaitReplies(1)
        try stage.expect(
            replies.count == 20
                && replies.allSatisfy { if case .integer = $0 { true } else { false } },
            "the origin did not get through to the new leader: \(replies.map(\.summary))")
        stage.thaw(first)
        stage.pass(.seconds(1))
        // And the first leads again: whoever else leads is frozen until then.
        for _ in 0..<40 {
            guard let leader = stage.leader(), leader != first else { break }
            stage.freeze(leader)
            try stage.wait("another leader") { stage.leader(except: leader) != nil }
            stage.thaw(leader)
            stage.pass(.milliseconds(800))
        }
        try stage.require(stage.leader() == first, "node \(first) does not lead again")
        try stage.require(
            stage.reading(first)?.term ?? 0 > oldTerm && second != first, "it is still the old term"
        )
        let before = try stage.call(2, to: second, ClientCommand("LLEN", "list:0"))
        stage.met(
            "frames of a term that was over", times: network().stashed(from: origin, to: first))
        stage.simulation.network.releaseStash(
            from: origin, to: first, now: stage.simulation.now)
        stage.pass(.seconds(1))
        let after = try stage.call(2, to: second, ClientCommand("LLEN", "list:0"))
        try stage.expect(
            before == after && before == .integer(10),
            "old frames were executed: \(before.summary) elements, then \(after.summary)")
    }

    /// An origin answers when it has applied its command itself. Here all that the leader tells it is
    /// set aside and the link breaks: it sends the commands again, which were executed before.
    private static func replyLost(_ stage: Stage) throws(ScenarioError) {
        for _ in 1...5 {
            let leader = try stage.waitForLeader()
            let origin = stage.others(than: leader)[0]
            stage.simulation.network.stash(
                kinds: [Stage.raftFrame, Stage.replyFrame], from: leader, to: origin)
            try stage.connect(1, to: origin)
            let before = stage.reading(leader)?.applied ?? 0
            burst(stage, 1, 20)
            stage.pass(.milliseconds(50))
            try stage.require(
                stage.simulation.network.stashed(from: leader, to: origin) > 0
                    && stage.replies(1).isEmpty, "no reply was on its way")
            try stage.require(
                stage.reading(leader)?.applied ?? 0 > before, "the commands were not executed")
            for number in stage.simulation.network.live {
                guard let connection = stage.simulation.network.connection(number),
                    connection.isPeerLink,
                    connection.sides.contains(.node(leader)),
                    connection.sides.contains(.node(origin))
                else { continue }
                stage.simulation.network.breakConnection(
                    number, now: stage.simulation.now, halfOpenChance: 0)
            }
            stage.met(
                "frames of the leader that were lost with the link",
                times: stage.simulation.network.stashed(from: leader, to: origin))
            stage.simulation.network.dropStash(from: leader, to: origin)
            let replies = try stage.awaitReplies(1)
            try stage.expect(
                replies.count == 20
                    && replies.allSatisfy { if case .integer = $0 { true } else { false } },
                "a client saw \(replies.map(\.summary)) instead of a pause")
            stage.pass(.milliseconds(300))
        }
    }

    private static func manyGroups(_ stage: Stage) throws(ScenarioError) {
        stage.releaseClients(1...5)
        for round in 1...10 {
            stage.pass(.milliseconds(400))
            let node = round % 3 + 1
            let group = UInt32(round % 4 + 1)
            let victim = stage.leader(of: group) ?? node
            stage.kill(victim, powerCut: round % 2 == 0)
            stage.met("nodes killed under load")
            stage.pass(.milliseconds(Int64(50 * round)))
            stage.start(victim)
        }
        stage.pass(.seconds(2))
        try stage.require(stage.simulation.replies > 500, "few replies")
        stage.simulation.enter(.draining)
        try stage.wait("the clients to finish", within: .seconds(20)) {
            stage.simulation.clients.allSatisfy { $0.state == .retired }
        }
    }
}

extension Stage {
    /// Connects a client and sends one command.
    @discardableResult
    func call(_ client: Int, to node: Int, _ command: ClientCommand) throws(ScenarioError) -> Reply
    {
        try connect(client, to: node)
        return try call(client, command)
    }
}
