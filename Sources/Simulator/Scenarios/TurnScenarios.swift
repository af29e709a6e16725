internal import Bytes

/// What comes to a leader in one and the same turn: S2 of the list.
extension Scenario {
    static let turnScenarios: [Scenario] = [
        Scenario(
            "confirmed-then-deposed",
            "one turn brings the answer that confirms a read, and then the next leader's word",
            options: { threeNodes(lease: false) },
            play: { (stage) throws(ScenarioError) in try inOneTurn(stage, confirmedFirst: true) }),
        Scenario(
            "deposed-then-confirmed",
            "one turn brings the next leader's word, and then the answer that confirms a read",
            options: { threeNodes(lease: false) },
            play: { (stage) throws(ScenarioError) in try inOneTurn(stage, confirmedFirst: false) }),
    ]

    /// The round of a read is answered, and the answers are set aside. The leader's loop stands still, so it
    /// does not see that it is cut off, that another one is elected and writes, and that the links are
    /// whole again. When it goes on everything is there: reads that came behind the write, the answer
    /// to the round, the next leader's entries.
    private static func inOneTurn(
        _ stage: Stage, confirmedFirst: Bool
    ) throws(ScenarioError) {
        let simulation = stage.simulation
        try oneAnswerConfirms(stage)
        for round in 1...8 {
            let old = try stage.waitForLeader()
            for client in [1, 3, 4] { try stage.connect(client, to: old) }
            let answers = try readInVain(stage, "\(round)", at: old)
            guard let before = stage.reading(old) else { throw .broken("no reading") }
            try stage.holdLoop(old)
            stage.isolate(old)
            let new = try stage.waitForLeader(except: old)
            let other = 6 - old - new
            let wrote = try stage.call(2, to: new, ClientCommand("SET", "x", "new\(round)"))
            try stage.expect(wrote == .simple("OK"), "SET on the new leader: \(wrote.summary)")
            stage.rejoin(old)
            // Pings are answered again: it is not the check of its quorum that deposes it.
            stage.pass(.milliseconds(200))
            try stage.require(
                simulation.network.stashed(from: new, to: old) > answers[new, default: 0],
                "the new leader has sent nothing")

            stage.send(3, ClientCommand("GET", "x"))
            stage.pass(.milliseconds(2))
            simulation.network.dropStash(from: new, to: old, first: answers[new, default: 0])
            for from in confirmedFirst ? [other, new] : [new, other] {
                let arrived = bytesInInbox(stage, of: old, from: from)
                simulation.network.releaseStash(
                    from: from, to: old, first: from == other ? answers[other] : nil,
                    now: simulation.now)
                stage.pass(.milliseconds(5))
                try stage.require(
                    bytesInInbox(stage, of: old, from: from) > arrived,
                    "nothing came from node \(from)")
            }
            stage.send(4, ClientCommand("GET", "x"))
            stage.pass(.milliseconds(2))
            try playTurn(stage, of: old)
            guard let after = stage.reading(old) else { throw .broken("no reading") }
            try stage.require(
                before.isLeader && after.term > before.term && !after.isLeader,
                "round \(round): it was not deposed in that turn")
            stage.met("reads confirmed and deposed in one turn")

            // The first read began before the write; the others behind it.
            let stale: Reply = .bulk(Array("old\(round)".utf8))
            let fresh: Reply = .bulk(Array("new\(round)".utf8))
            for client in [1, 3, 4] {
                let replies = try stage.awaitReplies(client)
                try stage.expect(
                    replies == [fresh] || client == 1 && confirmedFirst && replies == [stale],
                    "round \(round): client \(client) read \(replies.map(\.summary))")
            }
            for from in [other, new] {
                simulation.network.releaseStash(from: from, to: old, now: simulation.now)
            }
            stage.pass(.seconds(1))
        }
    }

    /// Writes, and reads it without an answer: what the followers say about its round is set aside.
    /// - Returns: how many answers of each follower.
    private static func readInVain(
        _ stage: Stage, _ value: String, at leader: Int
    ) throws(ScenarioError) -> [Int: Int] {
        let network = { stage.simulation.network }
        let wrote = try stage.call(1, ClientCommand("SET", "x", "old" + value))
        try stage.expect(wrote == .simple("OK"), "SET: \(wrote.summary)")
        stage.pass(.milliseconds(200))
        let others = stage.others(than: leader)
        for other in others {
            stage.simulation.network.stash(kinds: [Stage.raftFrame], from: other, to: leader)
        }
        stage.send(1, ClientCommand("GET", "x"))
        try stage.wait("the answers to the round") {
            others.allSatisfy { network().stashed(from: $0, to: leader) > 0 }
        }
        var answers: [Int: Int] = [:]
        for other in others { answers[other] = network().stashed(from: other, to: leader) }
        return answers
    }

    /// The same without another leader: one follower's answer, taken in one turn, confirms the read. So that
    /// is what it brings in the turns that count.
    private static func oneAnswerConfirms(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let others = stage.others(than: leader)
        try stage.connect(1, to: leader)
        let answers = try readInVain(stage, "0", at: leader)
        try stage.holdLoop(leader)
        stage.simulation.network.releaseStash(
            from: others[0], to: leader, first: answers[others[0]], now: stage.simulation.now)
        stage.pass(.milliseconds(5))
        try stage.require(stage.replies(1).isEmpty, "it was answered without an answer")
        try playTurn(stage, of: leader)
        stage.pass(.milliseconds(1))
        try stage.require(
            stage.replies(1) == [.bulk(Array("old0".utf8))],
            "one answer does not confirm the read: \(stage.replies(1).map(\.summary))")
        for other in others {
            stage.simulation.network.releaseStash(
                from: other, to: leader, now: stage.simulation.now)
        }
        stage.pass(.milliseconds(200))
    }

    /// Ends the standstill of a node's loop; all that waits is taken by one turn, which is played to its end.
    private static func playTurn(_ stage: Stage, of node: Int) throws(ScenarioError) {
        guard let process = stage.simulation.nodes[node].process else { throw .broken("it died") }
        let turns = process.turns
        stage.goOn(node)
        try stage.wait("a turn of node \(node)") { process.turns > turns }
        try stage.require(process.turns == turns + 1, "there was more than one turn")
    }

    /// How many bytes of a peer wait for the next turn of a node.
    private static func bytesInInbox(_ stage: Stage, of node: Int, from peer: Int) -> Int {
        guard let process = stage.simulation.nodes[node].process else { return 0 }
        return process.inbox.reduce(0) { (sum, inbound) in
            guard case .linkBytes(let number, let bytes) = inbound,
                stage.simulation.network.connection(number)?.sides.contains(.node(peer)) == true
            else { return sum }
            return sum + bytes.count
        }
    }
}
