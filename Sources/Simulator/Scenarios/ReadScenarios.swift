internal import Bytes

/// The read rules of design.md section 3, and S1-S4 of the anchors.
extension Scenario {
    static let readScenarios: [Scenario] = [
        Scenario(
            "late-commit",
            "a deposed leader learns late that its write committed; the read behind it must not be old",
            options: { threeNodes(lease: false) }, play: lateCommit),
        Scenario(
            "late-commit-lease", "the same with leases on", options: { threeNodes(lease: true) },
            play: lateCommit),
        Scenario(
            "get-then-set",
            "GET and SET in one pipeline without a lease: the GET sees the old value",
            options: { threeNodes(lease: false) }, play: getThenSet),
        Scenario(
            "get-then-set-lease", "the same with leases on", options: { threeNodes(lease: true) },
            play: getThenSet),
        Scenario(
            "lease-ends-in-turn",
            "the leader freezes between executing a read and sending its reply, until another leads",
            options: slowTurns, play: leaseEndsInTurn),
        Scenario(
            "lease-granter-restarts",
            "the followers restart inside the lease that they granted: they must stay silent",
            play: granterRestarts),
        Scenario(
            "lease-frozen-leader", "a leader that was frozen must not answer by an old lease",
            play: frozenLeader),
        Scenario(
            "read-before-own-commit",
            "a new leader whose own entry is not committed yet must not answer reads",
            play: readBeforeOwnCommit),
    ]

    private static func slowTurns() -> SwarmOptions {
        var options = threeNodes(lease: true)
        options.turn = .milliseconds(1) ... .milliseconds(2)
        return options
    }

    /// The leader sends its append and freezes; the acknowledgements wait in its socket. Others elect
    /// a leader and overwrite the key. Then the old leader wakes up, cut off from the news, and reads
    /// the acknowledgements of its own term: its SET is committed indeed. Its GET must not answer 1.
    private static func lateCommit(_ stage: Stage) throws(ScenarioError) {
        let old = try stage.waitForLeader()
        try stage.connect(1, to: old)
        try stage.connect(2, to: stage.others(than: old)[0])
        guard let before = stage.reading(old) else { throw .broken("no replica on the leader") }
        stage.send(1, ClientCommand("SET", "x", "1"), ClientCommand("GET", "x"))
        // Frozen once a follower has the entry, before any acknowledgement is read.
        try stage.wait("a follower to hold the entry") {
            stage.others(than: old).contains {
                stage.reading($0)?.lastIndex ?? 0 > before.lastIndex
            }
        }
        try stage.require(
            stage.reading(old)?.commit == before.commit, "the write was committed too early")
        stage.freeze(old)
        // Long enough for the acknowledgement to arrive, too short for an election.
        stage.pass(.milliseconds(50))
        stage.isolate(old)
        let new = try stage.waitForLeader(except: old)
        try stage.connect(2, to: new)
        let reply = try stage.call(2, ClientCommand("SET", "x", "2"))
        try stage.expect(reply == .simple("OK"), "SET on the new leader: \(reply.summary)")

        stage.thaw(old)
        var ledWhenCommitted = false
        try stage.wait("the old leader to learn of its commit") {
            guard let reading = stage.reading(old) else { return false }
            if reading.term == before.term, reading.commit > before.commit {
                ledWhenCommitted = true
            }
            return ledWhenCommitted || reading.term > before.term
        }
        try stage.require(ledWhenCommitted, "the old leader heard of the new term first")
        stage.met("commits that a deposed leader learned of late")
        stage.pass(.milliseconds(100))
        let early = stage.replies(1)
        try stage.expect(
            !early.contains(.bulk([UInt8(ascii: "1")])),
            "the deposed leader answered the GET with an overwritten value")
        stage.rejoin(old)
        let replies = try stage.awaitReplies(1)
        try stage.expect(
            replies == [.simple("OK"), .bulk([UInt8(ascii: "2")])],
            "SET 1, GET behind it: \(replies.map(\.summary))")
    }

    /// Without a lease a read waits for a round; the write behind it must wait for the read.
    private static func getThenSet(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        for node in stage.nodes {
            try stage.connect(1, to: node)
            try stage.call(1, ClientCommand("SET", "y", "0"))
            for round in 1...40 {
                // Three commands, so that the order shows on both sides of the write.
                stage.send(
                    1, ClientCommand("GET", "y"), ClientCommand("SET", "y", "\(round)"),
                    ClientCommand("GET", "y"))
                let replies = try stage.awaitReplies(1)
                let expected: [Reply] = [
                    .bulk(Array("\(round - 1)".utf8)), .simple("OK"), .bulk(Array("\(round)".utf8)),
                ]
                try stage.expect(
                    replies == expected,
                    "round \(round) at node \(node) (leader \(leader)): \(replies.map(\.summary))")
                stage.met("reads in one pipeline with a write")
            }
        }
    }

    /// The read is executed under a valid lease, its reply is not sent yet; the node freezes.
    private static func leaseEndsInTurn(_ stage: Stage) throws(ScenarioError) {
        let old = try stage.waitForLeader()
        let simulation = stage.simulation
        try stage.connect(1, to: old)
        try stage.call(1, ClientCommand("SET", "z", "1"))
        stage.send(1, ClientCommand("GET", "z"))
        try stage.wait("the GET to reach the leader's turn") {
            guard let process = simulation.nodes[old].process else { return false }
            return process.isTurning && process.tookClientBytes
        }
        stage.freeze(old)
        let new = try stage.waitForLeader(except: old)
        try stage.connect(2, to: new)
        let reply = try stage.call(2, ClientCommand("SET", "z", "2"))
        try stage.expect(reply == .simple("OK"), "SET on the new leader: \(reply.summary)")
        try stage.require(
            simulation.nodes[old].process?.isTurning == true && stage.replies(1).isEmpty,
            "the GET had left its turn before the freeze")
        stage.thaw(old)
        let replies = try stage.awaitReplies(1)
        try stage.expect(
            replies == [.bulk([UInt8(ascii: "2")])],
            "a GET executed under a lease that ended in its turn: \(replies.map(\.summary))")
        let takenBack = try stage.info("lease_reads_taken_back", of: old)
        stage.met("lease reads taken back", times: Int(takenBack))
    }

    /// The old leader goes on reading for its clients, cut off, while both followers restart at once.
    private static func granterRestarts(_ stage: Stage) throws(ScenarioError) {
        let old = try stage.waitForLeader()
        try stage.connect(1, to: old)
        try stage.call(1, ClientCommand("SET", "w", "1"))
        stage.pass(.milliseconds(100))
        stage.isolate(old)
        for node in stage.others(than: old) { stage.kill(node) }
        stage.pass(.milliseconds(2))
        for node in stage.others(than: old) { stage.start(node) }
        var leaseReads = 0
        var new: Int?
        while new == nil {
            try stage.require(stage.simulation.now.nanoseconds < 60_000_000_000, "no new leader")
            if stage.simulation.clients[1].state == .ready {
                if stage.replies(1) == [.bulk([UInt8(ascii: "1")])] { leaseReads += 1 }
                stage.send(1, ClientCommand("GET", "w"))
            }
            stage.pass(.milliseconds(1))
            new = stage.leader(except: old)
        }
        try stage.require(leaseReads > 10, "only \(leaseReads) reads by the old lease")
        stage.met("reads by the old lease while its granters were new", times: leaseReads)
        guard let new else { return }
        try stage.connect(2, to: new)
        let wrote = try stage.call(2, ClientCommand("SET", "w", "2"))
        try stage.expect(wrote == .simple("OK"), "SET on the new leader: \(wrote.summary)")
        if stage.simulation.clients[1].state == .ready { stage.send(1, ClientCommand("GET", "w")) }
        stage.pass(.milliseconds(200))
        try stage.expect(
            stage.replies(1) != [.bulk([UInt8(ascii: "1")])],
            "the old leader still reads by its lease after another one wrote")
        stage.rejoin(old)
        let replies = try stage.awaitReplies(1)
        try stage.expect(
            replies == [.bulk([UInt8(ascii: "2")])], "after all: \(replies.map(\.summary))")
    }

    /// Frozen for longer than its lease; requests wait in its socket.
    private static func frozenLeader(_ stage: Stage) throws(ScenarioError) {
        for round in 1...5 {
            let old = try stage.waitForLeader()
            try stage.connect(1, to: old)
            try stage.call(1, ClientCommand("SET", "v", "old\(round)"))
            stage.freeze(old)
            stage.send(1, ClientCommand("GET", "v"))
            let new = try stage.waitForLeader(except: old)
            try stage.connect(2, to: new)
            try stage.call(2, ClientCommand("SET", "v", "new\(round)"))
            stage.met("leaders frozen beyond their lease")
            stage.thaw(old)
            let replies = try stage.awaitReplies(1)
            try stage.expect(
                replies == [.bulk(Array("new\(round)".utf8))],
                "round \(round): \(replies.map(\.summary))")
            stage.pass(.seconds(1))
        }
    }

    /// The old leader's last write is committed, which its followers were not told. One of them is elected,
    /// and both disks hang: its own entry is not committed, though its rounds are answered.
    private static func readBeforeOwnCommit(_ stage: Stage) throws(ScenarioError) {
        for round in 1...4 {
            let old = try stage.waitForLeader()
            let others = stage.others(than: old)
            try stage.connect(1, to: old)
            try stage.call(1, ClientCommand("SET", "u", "old\(round)"))
            stage.pass(.milliseconds(200))
            guard let before = stage.reading(old)?.lastIndex else { throw .broken("no reading") }
            stage.send(1, ClientCommand("SET", "u", "new\(round)"))
            try stage.wait("the followers to hold the write") {
                others.allSatisfy { stage.reading($0)?.lastIndex ?? 0 > before }
            }
            for other in others {
                stage.simulation.network.stash(kinds: [Stage.appendFrame], from: old, to: other)
            }
            let wrote = try stage.awaitReplies(1)
            try stage.expect(wrote == [.simple("OK")], "SET: \(wrote.map(\.summary))")
            // Sometimes one is told in the moment before; another round will do.
            guard others.allSatisfy({ stage.reading($0)?.commit ?? 0 <= before }) else {
                for other in others { stage.simulation.network.dropStash(from: old, to: other) }
                stage.pass(.seconds(2))
                continue
            }
            stage.kill(old, powerCut: true)
            let new = try stage.waitForLeader(except: old)
            for other in others {
                stage.simulation.nodes[other].diskStalledUntil = stage.simulation.now + .seconds(1)
            }
            try stage.connect(2, to: new)
            stage.send(2, ClientCommand("GET", "u"))
            stage.pass(.milliseconds(500))
            if stage.reading(new)?.isLeader == true, stage.reading(new)?.commit ?? 0 <= before {
                stage.met("reads at a leader without an own commit")
            }
            let replies = try stage.awaitReplies(2)
            try stage.expect(
                replies == [.bulk(Array("new\(round)".utf8))],
                "round \(round): an acknowledged write was not read: \(replies.map(\.summary))")
            for other in others { stage.simulation.network.dropStash(from: old, to: other) }
            stage.start(old)
            stage.pass(.seconds(2))
        }
    }
}

extension Stage {
    /// The kind of frame that carries Raft messages (`PeerFrameKind.raft`).
    static let raftFrame = FrameInterposer.raftKind
    /// Only frames with an append.
    static let appendFrame = FrameInterposer.ofRaft | 5
    /// Forwarded writes, forwarded reads, and replies to writes.
    static let forwardFrame: UInt8 = 4
    static let replyFrame: UInt8 = 8
}
