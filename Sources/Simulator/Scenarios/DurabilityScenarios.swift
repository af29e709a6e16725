internal import Bytes
internal import Engine
internal import WAL

/// What was acknowledged is there after any loss of power, and what was damaged is not believed.
extension Scenario {
    static let durabilityScenarios: [Scenario] = [
        Scenario(
            "power-cut-everywhere",
            "all nodes lose power right after an acknowledgement, again and again", play: powerCuts),
        Scenario(
            "power-cut-single", "a group of one loses power right after an acknowledgement",
            options: singleNode, play: powerCuts),
        Scenario(
            "damage-below-mark",
            "a bit flips in what was durable: no vote before the peers have given back what is lost",
            play: damage),
        Scenario(
            "damage-below-mark-single",
            "a bit flips on a node that has no peers: recovery refuses, and says where",
            options: singleNode, play: damageAlone),
        Scenario(
            "damage-met-running",
            "a read of old entries meets damage: the process ends, and its next start repairs",
            options: tinyCache, play: damageMet),
        Scenario(
            "full-disk-everywhere",
            "no disk has room: writes wait or are refused, reads go on, and it passes by itself",
            play: { stage throws(ScenarioError) in try fullDisks(stage, copiesOnWrite: true) }),
        Scenario(
            "full-disk-segments",
            "no disk has room for a new segment: the open one goes on until it ends",
            play: { stage throws(ScenarioError) in try fullDisks(stage, copiesOnWrite: false) }),
        Scenario(
            "full-disk-leader", "the leader's disk has no room: the others' disks acknowledge",
            play: fullLeader),
        Scenario(
            "old-entries",
            "entries that left memory are read back from disk for a lagging follower",
            options: tinyCache, play: oldEntries),
        Scenario(
            "large-values", "values of many fragments through followers, while others are answered",
            options: largeValues, play: largeValuesPass),
    ]

    private static func singleNode() -> SwarmOptions {
        var options = threeNodes()
        options.nodes = 1
        return options
    }

    private static func tinyCache() -> SwarmOptions {
        var options = threeNodes()
        options.logCacheBytes = 16 << 10
        options.segmentBytes = 64 << 10
        return options
    }

    private static func largeValues() -> SwarmOptions {
        var options = threeNodes()
        options.network.windowBytes = 64 << 10
        return options
    }

    private static func powerCuts(_ stage: Stage) throws(ScenarioError) {
        var torn = 0
        for round in 1...20 {
            _ = try stage.waitForLeader()
            let node = round % stage.simulation.options.nodes + 1
            let reply = try stage.call(1, to: node, ClientCommand("SET", "p", "\(round)"))
            try stage.expect(reply == .simple("OK"), "SET: \(reply.summary)")
            // More writes are under way when the power goes.
            try stage.connect(2, to: node)
            for number in 0..<5 {
                stage.simulation.clients[2].state = .ready
                stage.send(2, ClientCommand("SET", "q\(number)", "\(round)"))
                if round % 3 == 0 { stage.pass(.microseconds(200)) }
            }
            // Before, while and after the log writes them.
            stage.pass(.microseconds(Int64(round % 5) * 60))
            for node in stage.nodes { stage.kill(node, powerCut: true) }
            torn = stage.simulation.counts[.tornSectors]
            stage.pass(.milliseconds(10))
            for node in stage.nodes { stage.start(node) }
            _ = try stage.waitForLeader()
            let read = try stage.call(1, to: node, ClientCommand("GET", "p"))
            try stage.expect(
                read == .bulk(Array("\(round)".utf8)),
                "round \(round): acknowledged \(round), after the restart \(read.summary)")
        }
        stage.met("sectors lost with their machine", times: torn)
    }

    private static func damage(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        try stage.connect(1, to: leader)
        for number in 0..<50 {
            try stage.call(
                1, ClientCommand("SET", "d\(number)", String(repeating: "v", count: 100)))
        }
        let victim = stage.others(than: leader)[0]
        stage.kill(victim)
        let simulation = stage.simulation
        try stage.require(simulation.flip(victim, at: .entries), "nothing to damage")
        stage.start(victim)
        try stage.expect(simulation.nodes[victim].isUp, "a damaged log keeps a node from its peers")
        try stage.require(
            simulation.nodes[victim].process?.isUnderRepair == true, "the damage met nothing")
        stage.met("logs cut at damage", times: simulation.counts[.logCut])
        stage.freeze(leader)
        stage.pass(.seconds(5))
        try stage.expect(
            stage.nodes.allSatisfy { $0 == leader || stage.reading($0)?.isLeader != true },
            "a node that lacks entries helped to elect")
        stage.thaw(leader)
        try stage.wait("the log to be whole again") {
            simulation.nodes[victim].process?.isUnderRepair == false
        }
        try stage.call(1, to: try stage.waitForLeader(), ClientCommand("SET", "after", "1"))
    }

    private static func damageAlone(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        try stage.connect(1, to: leader)
        for number in 0..<50 { try stage.call(1, ClientCommand("SET", "d\(number)", "value")) }
        stage.kill(leader)
        let simulation = stage.simulation
        guard let segment = simulation.nodes[leader].disk.segments.first else {
            throw .precondition("an empty disk")
        }
        simulation.nodes[leader].disk.flipBit(segment, offset: 3000, bit: 4)
        simulation.expectsRefusal = leader
        stage.start(leader)
        guard let refusal = simulation.nodes[leader].refusal else {
            throw .broken("a damaged log was accepted, and nobody has what it lacks")
        }
        stage.met("starts refused")
        try stage.expect(
            refusal.contains("wal-") && refusal.contains("offset"),
            "the refusal does not say where: \(refusal)")
        // Repaired by hand, as the operator would from a copy of the disk.
        simulation.nodes[leader].disk.flipBit(segment, offset: 3000, bit: 4)
        simulation.expectsRefusal = nil
        stage.start(leader)
        try stage.expect(simulation.nodes[leader].isUp, "the repaired disk was refused")
    }

    private static func damageMet(_ stage: Stage) throws(ScenarioError) {
        let simulation = stage.simulation
        let leader = try stage.waitForLeader()
        let victim = stage.others(than: leader)[0]
        stage.kill(victim)
        try stage.connect(1, to: leader)
        for number in 0..<60 {
            let value = String(repeating: "o", count: 4000)
            try stage.call(1, ClientCommand("SET", "o\(number)", value))
        }
        let disk = simulation.nodes[leader].disk
        guard let layout = try? WALLayout(DiskSource(disk: disk)), disk.segments.count > 2,
            let entries = layout.places(of: .entries).first(where: {
                $0.position.segment == disk.segments[1]
            })
        else { throw .precondition("the log has too few segments") }
        let flip = BitFlip(
            file: .segment(entries.position.segment),
            offset: entries.position.offset + entries.bytes / 2, bit: 3)
        try stage.require(simulation.apply(flip, to: leader, .entries), "nothing to damage")
        stage.start(victim)
        try stage.wait("the read to meet the damage") { simulation.counts[.damageMet] > 0 }
        stage.met("reads of old entries that met damage", times: simulation.counts[.damageMet])
        try stage.wait("the log to be whole again", within: .seconds(20)) {
            simulation.counts[.repaired] > 0
                && simulation.nodes[leader].process?.isUnderRepair == false
        }
        let next = try stage.waitForLeader()
        let length = try stage.call(2, to: next, ClientCommand("STRLEN", "o17"))
        try stage.expect(length == .integer(4000), "o17: \(length.summary)")
    }

    private static func setOneByOne(
        _ stage: Stage, _ count: Int, at node: Int
    ) throws(ScenarioError) -> Int {
        try stage.connect(1, to: node)
        for number in 0..<count {
            let value = String(repeating: "f", count: 2000)
            stage.send(1, ClientCommand("SET", "f\(number)", value))
            let isAnswered = stage.simulation.advance(within: .seconds(2)) {
                stage.simulation.clients[1].state != .waiting
            }
            if !isAnswered || stage.replies(1) != [.simple("OK")] { return number }
        }
        return count
    }

    private static func fullDisks(_ stage: Stage, copiesOnWrite: Bool) throws(ScenarioError) {
        let simulation = stage.simulation
        let leader = try stage.waitForLeader()
        try stage.call(2, to: leader, ClientCommand("SET", "before", "1"))
        for node in stage.nodes {
            simulation.fillDisk(of: node, for: .seconds(3600), copiesOnWrite: copiesOnWrite)
        }
        let written = try setOneByOne(stage, 200, at: leader)
        try stage.expect(written < 200, "200 writes went to disks without room")
        if !copiesOnWrite { try stage.expect(written > 5, "the open segment had room") }
        // The write is under way, or was refused; reads do not wait for it.
        for _ in 0..<20 {
            let asked = simulation.now
            let reply = try stage.call(2, ClientCommand("GET", "before"))
            try stage.expect(reply == .bulk([UInt8(ascii: "1")]), "GET: \(reply.summary)")
            try stage.expect(
                simulation.now - asked < .seconds(1), "a read waited for a disk without room")
            stage.pass(.milliseconds(400))
        }
        if copiesOnWrite {
            // All at once: there is nobody to hand over to.
            try stage.expect(stage.leader() == leader, "a disk without room cost an election")
        }
        if copiesOnWrite {
            try stage.require(simulation.counts[.waitedForRoom] > 0, "no log waited for room")
        } else {
            // Refused before the log had to wait; what makes room goes on.
            let refused = try stage.call(2, ClientCommand("SET", "f", "1"))
            try stage.expect(refused.isError, "SET on full disks: \(refused.summary)")
            let removed = try stage.call(2, ClientCommand("DEL", "f0"))
            try stage.expect(removed == .integer(1), "DEL on full disks: \(removed.summary)")
        }
        stage.met("disks without room", times: simulation.counts[.diskFull])
        for node in stage.nodes { simulation.nodes[node].diskFullUntil = simulation.now }
        try stage.wait("writes to go on", within: .seconds(10)) {
            stage.nodes.allSatisfy { simulation.nodes[$0].toldSpace == .ample }
        }
        stage.pass(.milliseconds(200))
        let next = try stage.waitForLeader()
        let after = try stage.call(3, to: next, ClientCommand("SET", "after", "1"))
        try stage.expect(after == .simple("OK"), "SET: \(after.summary)")
        for number in stride(from: 7, to: written, by: 7) {
            let length = try stage.call(3, ClientCommand("STRLEN", "f\(number)"))
            try stage.expect(length == .integer(2000), "f\(number): \(length.summary)")
        }
    }

    private static func fullLeader(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        stage.simulation.fillDisk(of: leader, for: .seconds(10), copiesOnWrite: true)
        let follower = stage.others(than: leader)[0]
        try stage.connect(1, to: follower)
        for number in 0..<50 {
            // Written by the others, or refused at once; nobody waits for the leader's disk.
            let reply = try stage.call(
                1, ClientCommand("SET", "f\(number)", "1"), within: .seconds(1))
            guard case .unknown = Outcome(of: reply) else { continue }
            throw .broken("write \(number): \(reply.summary)")
        }
        stage.met("logs that waited for room", times: stage.simulation.counts[.waitedForRoom])
        stage.pass(.seconds(10))
        try stage.wait("the leader's log to go on", within: .seconds(5)) {
            !stage.simulation.nodes[leader].waitsForRoom
        }
    }

    private static func oldEntries(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let victim = stage.others(than: leader)[0]
        stage.kill(victim)
        try stage.connect(1, to: leader)
        for number in 0..<60 {
            let value = String(repeating: "o", count: 4000)
            try stage.call(1, ClientCommand("SET", "o\(number)", value))
        }
        guard let last = stage.reading(leader)?.applied else { throw .broken("no reading") }
        stage.start(victim)
        try stage.wait("the follower to catch up", within: .seconds(20)) {
            stage.reading(victim)?.applied ?? 0 >= last
        }
        stage.met("reads of old entries", times: stage.simulation.logReads)
    }

    private static func largeValuesPass(_ stage: Stage) throws(ScenarioError) {
        let leader = try stage.waitForLeader()
        let follower = stage.others(than: leader)[0]
        let value = String(repeating: "L", count: 3_000_000)
        try stage.connect(1, to: follower)
        try stage.connect(2, to: follower)
        try stage.connect(3, to: leader)
        stage.send(1, ClientCommand("SET", "large", value))
        var worst = Interval(nanoseconds: 0)
        var worstPing = Interval(nanoseconds: 0)
        var pings = 0
        while stage.simulation.clients[1].state == .waiting {
            for client in 2...3 {
                let sent = stage.simulation.now
                try stage.call(client, ClientCommand("SET", "small", "\(pings)"))
                worst = max(worst, stage.simulation.now - sent)
                let pinged = stage.simulation.now
                try stage.call(client, ClientCommand("PING"))
                worstPing = max(worstPing, stage.simulation.now - pinged)
                pings += 1
            }
            try stage.expect(pings < 20_000, "the large value never gets through")
        }
        try stage.expect(
            stage.replies(1) == [.simple("OK")], "SET: \(stage.replies(1).map(\.summary))")
        try stage.require(pings > 3, "the large value was through at once")
        stage.met("commands answered while a large value was on its way", times: pings)
        try stage.expect(
            worstPing < .milliseconds(50), "a PING took \(worstPing.milliseconds) ms")
        // A write shares the log with the large one; it must not wait for the whole of it.
        try stage.expect(worst < .milliseconds(200), "a small SET took \(worst.milliseconds) ms")
        let length = try stage.call(3, ClientCommand("STRLEN", "large"))
        try stage.expect(length == .integer(3_000_000), "STRLEN: \(length.summary)")
        stage.send(2, ClientCommand("GET", "large"))
        guard case .bulk(let bytes)? = try stage.awaitReplies(2).first else {
            throw .broken("GET of the large value")
        }
        try stage.expect(
            bytes.count == 3_000_000 && bytes.allSatisfy { $0 == UInt8(ascii: "L") },
            "the large value came back changed")
    }
}
