internal import Bytes

/// Leaders that do not know that they are deposed: S1, S4 and S5 of the list.
extension Scenario {
    static let leaseScenarios: [Scenario] = [
        Scenario(
            "read-rounds-mixed",
            "answers to an earlier round of a deposed leader arrive behind its next read",
            options: { threeNodes(lease: false) }, play: roundsMixed),
        Scenario(
            "lease-hand-over",
            "a leader that has handed over, and does not know the outcome, must not read by its lease",
            options: { threeNodes(lease: true) }, play: leaseHandOver),
        Scenario(
            "follower-read-cut-off",
            "a follower that only sees a deposed leader asks it what is committed",
            options: { nearReads(lease: false) }, play: followerCutOff),
        Scenario(
            "follower-read-cut-off-lease", "the same with leases on",
            options: { nearReads(lease: true) }, play: followerCutOff),
        Scenario(
            "follower-read-after-transfer",
            "a follower asks a leader that has handed over, and has not heard of the next one",
            options: { nearReads(lease: true) }, play: followerAfterTransfer),
        Scenario(
            "follower-read-behind",
            "a follower whose disk is slow answers a read behind a write it has not applied",
            options: { nearReads(lease: true) }, play: followerBehind),
        Scenario(
            "expiry-many-clocks",
            "nodes whose clocks differ by a minute agree when a key is gone, and it stays gone",
            options: clocksApart, play: expiryManyClocks),
        Scenario(
            "expiry-amid-reads",
            "a leader reads by its clock while the entries that expire keys are on their way",
            options: slowNetwork, play: expiryAmidReads),
    ]

    private static func nearReads(lease: Bool) -> SwarmOptions {
        var options = threeNodes(lease: lease)
        options.nodes = 5
        options.followerReads = true
        return options
    }

    private static func slowNetwork() -> SwarmOptions {
        var options = threeNodes(lease: true)
        options.network.delay = .milliseconds(8) ... .milliseconds(10)
        return options
    }

    private static func clocksApart() -> SwarmOptions {
        var options = threeNodes(lease: true)
        options.wallOffset = 60_000
        return options
    }

    /// All Raft frames to `old` are set aside and it hands over: another node leads and writes, and pings
    /// are answered all the while.
    private static func succeed(_ old: Int, _ stage: Stage) throws(ScenarioError) -> Int {
        for other in stage.others(than: old) {
            stage.simulation.network.stash(kinds: [Stage.raftFrame], from: other, to: old)
        }
        try stage.wait("the leader to be between two turns") {
            stage.simulation.nodes[old].process?.isTurning == false
        }
        stage.simulation.shutDown(old)
        return try stage.waitForLeader(except: old)
    }

    /// Client 2 overwrites a key at the new leader.
    private static func write(
        _ key: String, _ value: String, at new: Int, _ stage: Stage
    ) throws(ScenarioError) {
        try stage.connect(2, to: new)
        let wrote = try stage.call(2, ClientCommand("SET", key, value))
        try stage.expect(wrote == .simple("OK"), "SET on the new leader: \(wrote.summary)")
    }

    private static func release(_ old: Int, _ stage: Stage) {
        for other in stage.others(than: old) {
            stage.simulation.network.releaseStash(
                from: other, to: old, now: stage.simulation.now)
        }
    }

    private static func roundsMixed(_ stage: Stage) throws(ScenarioError) {
        let old = try stage.waitForLeader()
        let others = stage.others(than: old)
        try stage.connect(1, to: old)
        try stage.connect(3, to: old)
        try stage.call(1, ClientCommand("SET", "x", "1"))
        stage.pass(.milliseconds(200))
        for other in others {
            stage.simulation.network.stash(kinds: [Stage.raftFrame], from: other, to: old)
        }
        stage.send(1, ClientCommand("GET", "x"))
        let network = { stage.simulation.network }
        try stage.wait("the answers to the first round") {
            others.allSatisfy { network().stashed(from: $0, to: old) > 0 }
        }
        let answers = others.map { network().stashed(from: $0, to: old) }
        let new = try succeed(old, stage)
        try write("x", "2", at: new, stage)
        // A read that began behind the write: its own round was answered by nobody.
        stage.send(3, ClientCommand("GET", "x"))
        stage.pass(.milliseconds(10))
        try stage.require(
            stage.reading(old)?.isLeader == true, "the old leader knows that it is deposed")
        for (other, count) in zip(others, answers) {
            stage.simulation.network.releaseStash(
                from: other, to: old, first: count, now: stage.simulation.now)
        }
        stage.met("answers to the round before", times: answers.reduce(0, +))
        stage.pass(.milliseconds(50))
        try stage.expect(
            stage.replies(3) != [.bulk([UInt8(ascii: "1")])],
            "answers to an earlier round confirmed a later one")
        release(old, stage)
        stage.pass(.seconds(3))
    }

    private static func leaseHandOver(_ stage: Stage) throws(ScenarioError) {
        for round in 1...3 {
            let old = try stage.waitForLeader()
            try stage.connect(1, to: old)
            try stage.call(1, ClientCommand("SET", "x", "old\(round)"))
            stage.pass(.milliseconds(200))
            let new = try succeed(old, stage)
            try write("x", "new\(round)", at: new, stage)
            try stage.require(
                stage.reading(old)?.isLeader == true, "the old leader knows that it is deposed")
            stage.met("reads at a leader that has handed over")
            stage.send(1, ClientCommand("GET", "x"))
            stage.pass(.milliseconds(40))
            try stage.expect(
                stage.replies(1) != [.bulk(Array("old\(round)".utf8))],
                "round \(round): read by a lease that was handed over")
            release(old, stage)
            stage.pass(.seconds(4))
        }
    }

    /// The old leader and one follower see each other only; the three others elect and write. Its clock is
    /// slow and theirs are fast, as far as the lease allows: else it would have stepped down before another
    /// one leads, and could not be asked. That it still thinks that it leads then is what is counted.
    private static func followerCutOff(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        var answered = 0
        let before = try followerReads(stage)
        for round in 1...32 {
            let old = try stage.waitForLeader()
            let follower = stage.others(than: old)[round % 4]
            let majority = stage.nodes.filter { $0 != old && $0 != follower }
            for node in stage.nodes {
                let rate: Int64 = node == old ? -clockRate : node == follower ? 0 : clockRate
                simulation.nodes[node].clock.setRate(ppm: rate, at: simulation.now)
            }
            for client in [1, 3] { try stage.connect(client, to: follower) }
            try stage.call(1, ClientCommand("SET", "y", "old\(round)"))
            stage.pass(.milliseconds(200))
            let read = try stage.call(3, ClientCommand("GET", "y"))
            try stage.expect(
                read == .bulk(Array("old\(round)".utf8)), "round \(round): \(read.summary)")
            answered += 1
            for one in [old, follower] {
                for other in majority {
                    stage.block(from: one, to: other)
                    stage.block(from: other, to: one)
                }
            }
            let began = simulation.now
            var new: Int?
            while new == nil {
                if simulation.clients[1].state == .ready {
                    answered += stage.replies(1) == [.bulk(Array("old\(round)".utf8))] ? 1 : 0
                    stage.send(1, ClientCommand("GET", "y"))
                }
                stage.pass(.milliseconds(1))
                try stage.expect(simulation.now - began < .seconds(3), "no new leader")
                new = stage.leader(except: old).flatMap { majority.contains($0) ? $0 : nil }
            }
            guard let new else { return }
            try write("y", "new\(round)", at: new, stage)
            stage.send(3, ClientCommand("GET", "y"))
            // Longer than the question is on its way.
            stage.pass(.milliseconds(2))
            if stage.reading(old)?.isLeader == true {
                stage.met("reads at a follower of a deposed leader that thinks it leads")
            }
            stage.pass(.milliseconds(400))
            try stage.expect(
                stage.replies(3) != [.bulk(Array("old\(round)".utf8))],
                "round \(round): a follower read what was overwritten")
            for one in [old, follower] {
                for other in majority {
                    stage.unblock(from: one, to: other)
                    stage.unblock(from: other, to: one)
                }
            }
            let replies = try stage.awaitReplies(3)
            try stage.expect(
                replies == [.bulk(Array("new\(round)".utf8))],
                "round \(round): after all it read \(replies.map(\.summary))")
            stage.pass(.seconds(2))
        }
        let near = try followerReads(stage) - before
        try stage.expect(
            near >= answered, "followers say that they read \(near) times, and answered \(answered)"
        )
    }

    /// Two clocks of which one is so much slow and the other so much fast differ by 9.9 %: less than
    /// `clock-drift-limit`, so leases must be safe and no disagreement is noticed.
    private static let clockRate: Int64 = 47_000

    private static func followerReads(_ stage: Stage) throws(ScenarioError) -> Int {
        var sum = 0
        for node in stage.nodes { sum += Int(try stage.info("follower_reads", of: node)) }
        return sum
    }

    private static func followerAfterTransfer(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        for round in 1...4 {
            let old = try stage.waitForLeader()
            let follower = stage.others(than: old)[round % 4]
            try stage.connect(1, to: follower)
            // It acknowledges late: leadership is handed to one who has more.
            simulation.network.stash(kinds: [Stage.raftFrame], from: follower, to: old)
            let wrote = try stage.call(1, ClientCommand("SET", "t", "old\(round)"))
            try stage.expect(wrote == .simple("OK"), "SET: \(wrote.summary)")
            stage.pass(.milliseconds(20))
            for other in stage.others(than: follower) where other != old {
                simulation.network.stash(kinds: [Stage.raftFrame], from: other, to: follower)
            }
            let new = try succeed(old, stage)
            try write("t", "new\(round)", at: new, stage)
            stage.send(1, ClientCommand("GET", "t"))
            stage.pass(.milliseconds(10))
            try stage.require(
                stage.reading(old)?.isLeader == true, "the old leader knows that it is deposed")
            try stage.expect(
                stage.replies(1) != [.bulk(Array("old\(round)".utf8))],
                "round \(round): a follower read what was overwritten")
            stage.met("reads at a follower of a leader that had handed over")
            for other in stage.others(than: follower) {
                simulation.network.releaseStash(from: other, to: follower, now: simulation.now)
            }
            release(old, stage)
            stage.pass(.seconds(4))
        }
    }

    private static func followerBehind(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let follower = stage.others(than: leader)[0]
        try stage.connect(1, to: leader)
        try stage.connect(2, to: follower)
        // What the leader says comes to it late; what it asks, and is answered, does not.
        var behind = 0
        for round in 1...30 {
            stage.simulation.network.stash(kinds: [Stage.raftFrame], from: leader, to: follower)
            try stage.call(1, ClientCommand("SET", "b", "\(round)"))
            if stage.reading(follower)?.applied ?? 0 < stage.reading(leader)?.commit ?? 0 {
                behind += 1
            }
            stage.send(2, ClientCommand("GET", "b"))
            stage.pass(.milliseconds(20))
            try stage.expect(
                stage.replies(2).isEmpty || stage.replies(2) == [.bulk(Array("\(round)".utf8))],
                "round \(round): a follower read \(stage.replies(2).map(\.summary))")
            stage.simulation.network.releaseStash(
                from: leader, to: follower, now: stage.simulation.now)
            let replies = try stage.awaitReplies(2)
            try stage.expect(
                replies == [.bulk(Array("\(round)".utf8))],
                "round \(round): then it read \(replies.map(\.summary))")
        }
        stage.met("reads at a follower that was behind", times: behind)
    }

    /// Keys become due one by one; which of them an entry deletes is a matter of its own time, and not
    /// of the clocks that reads go by.
    private static func expiryAmidReads(_ stage: Stage) throws(ScenarioError) {
        for round in 1...4 {
            let leader = try stage.waitForLeader()
            try stage.connect(1, to: leader)
            // In one entry, so that they become due a millisecond apart.
            stage.send(
                1,
                (0..<60).map {
                    ClientCommand("SET", "a\(round):\($0)", "1", "PX", "\(1000 + $0)")
                })
            try stage.expect(
                try stage.awaitReplies(1).count == 60, "round \(round): not all keys were set")
            try stage.connect(2, to: leader)
            stage.pass(.milliseconds(500))
            var size = 60
            for _ in 0..<8000 where size > 0 {
                if stage.simulation.clients[2].state == .ready {
                    if case .integer(let left)? = stage.replies(2).last, left < size {
                        stage.met("sizes on the way to none")
                        size = Int(left)
                    }
                    // Only what reads a key goes by the clock.
                    let last = ClientCommand("GET", "a\(round):59")
                    stage.send(2, last, ClientCommand("DBSIZE"))
                }
                stage.pass(.microseconds(500))
                stage.compareStates()
            }
            try stage.expect(size == 0, "round \(round): \(size) keys outlived their expiry")
        }
    }

    private static func expiryManyClocks(_ stage: Stage) throws(ScenarioError) {
        for round in 1...6 {
            let leader = try stage.waitForLeader()
            let key = "e\(round)"
            try stage.call(1, to: leader, ClientCommand("SET", key, "1", "PX", "300"))
            var isGone = false
            for _ in 0..<40 {
                for node in stage.nodes {
                    let reply = try stage.call(1, to: node, ClientCommand("GET", key))
                    if reply == .null {
                        isGone = true
                    } else if isGone {
                        throw .broken(
                            "round \(round): a key that was gone came back: \(reply.summary)")
                    }
                }
                // Another clock takes over, which may be a minute behind or ahead.
                if round % 2 == 0, !isGone, stage.leader() == leader {
                    stage.kill(leader)
                    _ = try stage.waitForLeader(except: leader)
                    stage.start(leader)
                }
                if isGone { break }
                stage.pass(.milliseconds(50))
            }
            if isGone { stage.met("keys that were seen to expire") }
            stage.pass(.seconds(1))
        }
    }
}
