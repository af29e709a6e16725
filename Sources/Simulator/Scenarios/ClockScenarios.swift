internal import Bytes

/// Clocks that run at another pace than leases allow: S4 g of the list.
extension Scenario {
    static let clockScenarios: [Scenario] = [
        Scenario(
            "clock-of-follower",
            "a follower's clock is 30 % fast for a while: it counts in no lease, reads go by rounds",
            options: { threeNodes(lease: true) }, play: clockOfFollower),
        Scenario(
            "clock-of-leader",
            "a leader's clock is 40 % slow, and it is deposed: it must not read by a lease",
            options: { threeNodes(lease: true) }, play: clockOfLeader),
    ]

    /// Far beyond `clock-drift-limit`, which is 10 %.
    private static let clockRate: Int64 = 300_000
    private static let slowRate: Int64 = -400_000

    /// The promise less the drift, by the slow clock, less the time since the last ping before the cut.
    private static let wouldBeLease = Interval.milliseconds(270 * 10 / 6 - 75)

    private static let whatWouldBeLease = "reads by what would be a lease on a slow clock"

    private static func setRate(_ ppm: Int64, of node: Int, _ stage: Stage) {
        stage.simulation.nodes[node].clock.setRate(ppm: ppm, at: stage.simulation.now)
    }

    /// Waits until `node` has said in its log that the clock of each peer disagrees, or agrees again. Two
    /// windows that are compared may lie half a minute apart, and the rate is judged over all of that.
    private static func waitForWord(
        _ word: String, of node: Int, about peers: [Int], _ stage: Stage
    ) throws(ScenarioError) {
        try stage.wait("node \(node) to say \(word) of \(peers)", within: .seconds(60)) {
            peers.allSatisfy { peer in
                stage.simulation.nodes[node].lines.last {
                    $0.contains(" clock-") && $0.contains(" peer=n\(peer)")
                }?.contains(word) == true
            }
        }
    }

    private static func holdsLease(_ node: Int, _ stage: Stage) throws(ScenarioError) -> Bool {
        try stage.infoLine("raft_group1", of: node).contains("lease=1")
    }

    /// The other follower is cut off, so the lease is a matter of this one alone.
    private static func clockOfFollower(_ stage: Stage) throws(ScenarioError) {
        for round in 1...3 {
            let leader = try stage.waitForLeader()
            let bad = stage.others(than: leader)[round % 2]
            let good = stage.others(than: leader)[1 - round % 2]
            try stage.connect(1, to: leader)
            try stage.call(1, ClientCommand("SET", "x", "\(round)"))
            stage.pass(.milliseconds(500))
            try stage.require(try holdsLease(leader, stage), "round \(round): there is no lease")
            setRate(round % 2 == 0 ? -clockRate : clockRate, of: bad, stage)
            try waitForWord("clock-disagrees", of: leader, about: [bad], stage)
            stage.met("clocks that were found to disagree")
            try stage.expect(
                try holdsLease(leader, stage), "round \(round): a good clock counts no more")
            for other in [leader, bad] {
                stage.block(from: good, to: other)
                stage.block(from: other, to: good)
            }
            // The promises of the good one end.
            stage.pass(.milliseconds(400))
            for number in 1...10 {
                try stage.require(
                    stage.reading(leader)?.isLeader == true, "round \(round): it leads no more")
                try stage.expect(
                    try !holdsLease(leader, stage),
                    "round \(round): a lease by a clock that disagrees")
                let read = try stage.call(1, ClientCommand("GET", "x"))
                let value = number == 1 ? "\(round)" : "\(round).\(number - 1)"
                try stage.expect(
                    read == .bulk(Array(value.utf8)), "round \(round): \(read.summary)")
                stage.met("reads by a round because of a clock")
                try stage.call(1, ClientCommand("SET", "x", "\(round).\(number)"))
                stage.pass(.milliseconds(20))
            }
            setRate(0, of: bad, stage)
            try waitForWord("clock-agrees", of: leader, about: [bad], stage)
            stage.pass(.milliseconds(300))
            try stage.expect(
                try holdsLease(leader, stage), "round \(round): the lease has not come back")
            stage.rejoin(good)
            stage.pass(.seconds(2))
        }
    }

    /// By its own clock its lease would last until others have elected, and written. It still thinks
    /// that it leads then: the check of its quorum goes by the same clock.
    private static func clockOfLeader(_ stage: Stage) throws(ScenarioError) {
        stage.met(whatWouldBeLease, times: 0)
        for round in 1...8 {
            let old = try stage.waitForLeader()
            let others = stage.others(than: old)
            setRate(slowRate, of: old, stage)
            try waitForWord("clock-disagrees", of: old, about: others, stage)
            stage.met("clocks that were found to disagree", times: others.count)
            try stage.require(stage.reading(old)?.isLeader == true, "it leads no more")
            for client in [1, 3] { try stage.connect(client, to: old) }
            try stage.call(1, ClientCommand("SET", "x", "old\(round)"))
            let read = try stage.call(1, ClientCommand("GET", "x"))
            try stage.expect(
                read == .bulk(Array("old\(round)".utf8)), "round \(round): \(read.summary)")
            stage.pass(.milliseconds(500))
            stage.isolate(old)
            let cut = stage.simulation.now
            let new = try stage.waitForLeader(except: old)
            let wrote = try stage.call(2, to: new, ClientCommand("SET", "x", "new\(round)"))
            try stage.expect(wrote == .simple("OK"), "SET: \(wrote.summary)")
            stage.send(3, ClientCommand("GET", "x"))
            stage.pass(.milliseconds(1))
            if stage.reading(old)?.isLeader == true, stage.simulation.now - cut < wouldBeLease {
                stage.met(whatWouldBeLease)
            }
            stage.pass(.milliseconds(100))
            try stage.expect(
                stage.replies(3).isEmpty, "round \(round): it answered while it was cut off")
            stage.rejoin(old)
            let replies = try stage.awaitReplies(3)
            try stage.expect(
                replies == [.bulk(Array("new\(round)".utf8))],
                "round \(round): \(replies.map(\.summary))")
            setRate(0, of: old, stage)
            stage.pass(.seconds(6))
        }
    }
}
