internal import Bytes

/// Commands and answers that travel in pieces between an origin and the leader: what is put together must
/// be of one answer, must get on as long as pieces come, and must end when they do not.
extension Scenario {
    static let largeAnswerScenarios: [Scenario] = [
        Scenario(
            "two-answers",
            "two leaders answer the same large read, one before and one after a write: pieces of both arrive",
            play: twoAnswers),
        Scenario(
            "slow-answer",
            "a large answer takes seconds to arrive: it is not asked for again",
            play: slowAnswer),
        Scenario(
            "given-up-pieces",
            "the pieces of a large command are given up half-way: they are sent again from the first one",
            play: givenUpPieces),
    ]

    private static let valueBytes = 200_000

    private static func value(_ letter: Character) -> String {
        String(repeating: letter, count: valueBytes)
    }

    /// C reads through A, whose answer comes no further than its first piece. B leads, and another value
    /// is written through it; B's answer comes as far. Then comes the rest of A's, and the rest of B's.
    private static func twoAnswers(_ stage: Stage) throws(ScenarioError) {
        var met = 0
        for round in 1...12 where met < 3 {
            let first = try stage.waitForLeader()
            let origin = stage.others(than: first)[round % 2]
            guard let other = stage.others(than: first).first(where: { $0 != origin }) else {
                throw .broken("three nodes were wanted")
            }
            let key = "whole:\(round)"
            let network = { stage.simulation.network }
            try stage.call(2, to: origin, ClientCommand("SET", key, value("a")))
            try stage.connect(1, to: origin)
            for leader in [first, other] {
                stage.simulation.network.stash(
                    kinds: [Stage.readReplyFrame], from: leader, to: origin)
            }
            stage.simulation.network.stash(
                kinds: [Stage.forwardReadFrame], from: origin, to: other)
            stage.send(1, ClientCommand("GET", key))
            try stage.wait("the first leader's answer") {
                network().stashed(from: first, to: origin) >= 4
            }
            stage.simulation.network.releaseStash(
                from: first, to: origin, first: 1, now: stage.simulation.now)
            stage.pass(.milliseconds(5))
            stage.freeze(first)
            if try stage.waitForLeader(except: first) == other {
                try stage.call(2, to: other, ClientCommand("SET", key, value("b")))
                stage.simulation.network.releaseStash(
                    from: origin, to: other, now: stage.simulation.now)
                try stage.wait("the second leader's answer") {
                    network().stashed(from: other, to: origin) >= 4
                }
                stage.simulation.network.releaseStash(
                    from: other, to: origin, first: 1, now: stage.simulation.now)
                stage.pass(.milliseconds(5))
                met += 1
                stage.met("answers of two leaders in pieces")
            } else {
                stage.simulation.network.dropStash(from: origin, to: other)
            }
            for leader in [first, other] {
                stage.simulation.network.releaseStash(
                    from: leader, to: origin, now: stage.simulation.now)
                stage.pass(.milliseconds(5))
            }
            let replies = try stage.awaitReplies(1)
            try stage.expect(
                replies == [.bulk(Array(value("a").utf8))]
                    || replies == [.bulk(Array(value("b").utf8))],
                "round \(round): a value that nobody wrote was read: \(replies.map(\.summary))")
            stage.thaw(first)
            stage.pass(.seconds(1))
        }
    }

    /// The pieces of an answer come 400 ms apart: longer altogether than an answer is waited for.
    private static func slowAnswer(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let origin = stage.others(than: leader)[0]
        try stage.call(2, to: origin, ClientCommand("SET", "slow", value("s") + value("t")))
        let before = try stage.info("routes_restarted", of: origin)
        try stage.connect(1, to: origin)
        let network = { stage.simulation.network }
        stage.simulation.network.stash(kinds: [Stage.readReplyFrame], from: leader, to: origin)
        stage.send(1, ClientCommand("GET", "slow"))
        try stage.wait("the answer") { network().stashed(from: leader, to: origin) >= 4 }
        for _ in 1...7 where stage.replies(1).isEmpty {
            stage.pass(.milliseconds(400))
            stage.simulation.network.releaseStash(
                from: leader, to: origin, first: 1, now: stage.simulation.now)
            stage.met("pieces that came late")
        }
        stage.pass(.milliseconds(50))
        try stage.expect(
            stage.replies(1) == [.bulk(Array((value("s") + value("t")).utf8))],
            "the answer is not there: \(stage.replies(1).map(\.summary))")
        stage.simulation.network.releaseStash(
            from: leader, to: origin, now: stage.simulation.now)
        let after = try stage.info("routes_restarted", of: origin)
        try stage.expect(
            after == before, "it was asked for again \(after - before) times")
    }

    /// The leader's clock goes ahead by more than pieces are kept for, between two of them.
    private static func givenUpPieces(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let origin = stage.others(than: leader)[0]
        try stage.connect(1, to: origin)
        let network = { stage.simulation.network }
        stage.simulation.network.stash(kinds: [Stage.fragmentFrame], from: origin, to: leader)
        stage.send(1, ClientCommand("SET", "pieces", value("p")))
        try stage.wait("pieces") { network().stashed(from: origin, to: leader) >= 3 }
        stage.simulation.network.releaseStash(
            from: origin, to: leader, first: 1, now: stage.simulation.now)
        // It is applied, and the origin hears of that.
        stage.pass(.milliseconds(100))
        stage.simulation.nodes[leader].clock.jumpWall(milliseconds: 61_000)
        stage.met("pieces that came too late", times: network().stashed(from: origin, to: leader))
        stage.simulation.network.releaseStash(
            from: origin, to: leader, now: stage.simulation.now)
        let replies = try stage.awaitReplies(1, within: .seconds(7))
        try stage.expect(
            replies == [.simple("OK")], "the client was answered \(replies.map(\.summary))")
        let before = try stage.info("routes_restarted", of: origin)
        stage.pass(.seconds(4))
        let after = try stage.info("routes_restarted", of: origin)
        try stage.expect(after == before, "the commands were sent again \(after - before) times")
        try stage.expect(
            try stage.call(2, to: leader, ClientCommand("STRLEN", "pieces"))
                == .integer(Int64(valueBytes)), "the command was not executed")
    }
}

extension Stage {
    /// Pieces of large commands, forwarded reads, and replies to them.
    static let fragmentFrame: UInt8 = 6
    static let forwardReadFrame: UInt8 = 5
    static let readReplyFrame: UInt8 = 9
}
