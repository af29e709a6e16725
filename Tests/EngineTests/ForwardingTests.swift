import Bytes
import Configuration
import Engine
import PeerProtocol
import Raft
import Testing

/// Commands on their way from an origin to a leader: each effect once, each reply once, in order,
/// whatever happens to nodes and links.
@Suite struct ForwardingTests {
    /// Sends increments, one pipeline per step, while `fault` happens; then all replies must be the
    /// numbers in order.
    private func countUp(
        on cluster: EngineCluster, through node: Int, perStep: Int = 7, steps: Int = 60,
        seconds: Double = 15, fault: (Int) throws -> Void
    ) rethrows {
        guard let client = try? cluster.open(node) else { return }
        var answer = ""
        for step in 0..<steps {
            cluster.send(String(repeating: command("INCR", "c"), count: perStep), client)
            try fault(step)
            cluster.step()
            answer += cluster.output(client)
        }
        let expected = (1...steps * perStep).map { ":\($0)\r\n" }.joined()
        cluster.run(seconds: seconds) {
            answer += cluster.output(client)
            return answer.utf8.count >= expected.utf8.count
        }
        #expect(answer == expected)
    }

    @Test func `each increment counts once when the leader dies`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        countUp(on: cluster, through: cluster.follower()) { step in
            if step == 20 { cluster.stop(leader) }
        }
        try cluster.start(leader)
        #expect(cluster.run(until: { cluster.isServing() && cluster.isConverged() }))
    }

    @Test func `each increment counts once when the leader stands still and comes back`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        countUp(on: cluster, through: cluster.follower(), steps: 400) { step in
            if step == 20 { cluster.nodes[leader].isPaused = true }
            if step == 250 { cluster.nodes[leader].isPaused = false }
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `each increment counts once when the link breaks again and again`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        countUp(on: cluster, through: node, steps: 200) { step in
            if step % 9 == 5 { cluster.breakWires(leader, node) }
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `each increment counts once when answers are lost with their link`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        countUp(on: cluster, through: node, steps: 100) { step in
            if step == 20 { cluster.hold(from: leader, to: node) }
            if step == 40 {
                cluster.breakWires(leader, node)
                cluster.heal()
            }
        }
        let repeated = cluster.nodes[leader].process!.engine.repeatedCommands
        #expect(repeated > 0)
    }

    @Test func `each increment counts once on a leader that is deposed and leads again`() throws {
        let cluster = try EngineCluster.formed()
        let leader = cluster.leader()!
        // Through the leader itself: what it proposed without a quorum is lost or kept, never both.
        countUp(on: cluster, through: leader, steps: 600, seconds: 20) { step in
            if step == 20 { cluster.isolate(leader) }
            if step == 250 { cluster.heal() }
            if step == 400, let other = cluster.leader(), other != leader { cluster.isolate(other) }
            if step == 500 { cluster.heal() }
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `each increment counts once while the leader's disk is slow`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let others = cluster.nodes.indices.filter { $0 != leader }
        countUp(on: cluster, through: node, steps: 300) { step in
            for other in others { cluster.nodes[other].isDiskFast = step > 240 || step % 60 == 0 }
        }
    }

    @Test func `frames that come twice, late or of another stream have no effect`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let client = try cluster.open(node)
        cluster.recording = [:]
        #expect(cluster.expect(":1\r\n:2\r\n", to: "INCR c\r\nINCR c\r\n", client) == nil)
        let recorded = cluster.recording![[node, leader]]!
        cluster.recording = nil
        let frames = Self.frames(in: recorded, of: .forward)
        #expect(!frames.isEmpty)
        for _ in 0..<3 { cluster.inject(frames, from: node, to: leader) }
        cluster.run(milliseconds: 100)
        #expect(cluster.expect(":3\r\n", to: "INCR c\r\n", client) == nil)
        cluster.inject(frames, from: node, to: leader)
        #expect(cluster.expect("$1\r\n3\r\n", to: "GET c\r\n", client) == nil)
        // Under a later leadership of the same node they address a term that is over.
        cluster.isolate(leader)
        cluster.run(milliseconds: 1500)
        cluster.heal()
        let second = cluster.leader()!
        cluster.isolate(second)
        cluster.run(milliseconds: 1500)
        cluster.heal()
        cluster.run(milliseconds: 500)
        for target in 0..<3 where target != node {
            cluster.inject(frames, from: node, to: target)
        }
        cluster.run(milliseconds: 100)
        #expect(cluster.expect(":4\r\n", to: "INCR c\r\n", client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }

    /// The frames of one kind, as they were sent.
    static func frames(in bytes: [UInt8], of kind: PeerFrameKind) -> [UInt8] {
        var found: [UInt8] = []
        var offset = 0
        while offset < bytes.count {
            let rest = bytes.span.extracting(offset..<bytes.count)
            guard let frame = try? PeerFrame(in: rest) else { break }
            let (length, its) = (frame.length, frame.kind)
            if its == kind { found += bytes[offset..<offset + length] }
            offset += length
        }
        return found
    }

    @Test func `an answer to an earlier start of a node does not reach its next one`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let third = 3 - leader - node
        // The leader gets the command, but cannot commit it: the third node is cut off, and the
        // answer to its entry comes only after the origin has started anew.
        cluster.hold(from: leader, to: third)
        cluster.hold(from: third, to: leader)
        cluster.nodes[node].isDiskFast = false
        let client = try cluster.open(node)
        cluster.send("APPEND k old\r\n", client)
        cluster.run(milliseconds: 30)
        cluster.stop(node)
        cluster.nodes[node].isDiskFast = true
        try cluster.start(node)
        let again = try cluster.open(node)
        // The first command of the new process has the same sequence as that of the old one.
        cluster.send("SETRANGE other 10 x\r\n", again)
        cluster.run(milliseconds: 100)
        cluster.heal()
        var answer = ""
        cluster.run(seconds: 5) {
            answer += cluster.output(again)
            return !answer.isEmpty
        }
        #expect(answer == ":11\r\n")
    }

    // MARK: Timeouts

    static let down = "-CLUSTERDOWN No leader answered in time, the command was not executed\r\n"
    static let uncertain =
        "-UNCERTAIN No leader answered in time, the command may have been executed\r\n"

    @Test func `without a leader a command that never left is not executed`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(1000) }
        let node = cluster.follower()
        for other in 0..<3 where other != node { cluster.stop(other) }
        // Long enough to know that nobody leads.
        cluster.run(milliseconds: 700)
        let client = try cluster.open(node)
        let answer = cluster.ask("SET a 1\r\nINCR b\r\nGET a\r\n", client, milliseconds: 2500)
        #expect(answer == Self.down + Self.down + Self.down)
        for other in 0..<3 where other != node { try cluster.start(other) }
        #expect(cluster.run(until: { cluster.isServing() }))
        #expect(cluster.ask("EXISTS a b\r\n", client) == ":0\r\n")
    }

    @Test func `a command that was sent and not answered is uncertain, a read is not`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(1000) }
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let writer = try cluster.open(node)
        let reader = try cluster.open(node)
        cluster.isolate(leader)
        cluster.isolate(node)
        cluster.send("INCR a\r\n", writer)
        cluster.send("GET a\r\n", reader)
        cluster.run(milliseconds: 1600)
        #expect(cluster.output(writer) == Self.uncertain)
        #expect(cluster.output(reader) == Self.down)
        // Given up, it still takes its place; whatever comes behind it counts once.
        cluster.heal()
        let more = cluster.ask("INCR b\r\nINCR b\r\n", writer, milliseconds: 1500)
        #expect(more == ":1\r\n:2\r\n")
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test func `what was sent in an earlier stream is uncertain though it is unsent now`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(1000) }
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let client = try cluster.open(node)
        // The leader gets the command and dies with the others; the origin is alone and knows of none.
        cluster.hold(from: leader, to: node)
        cluster.send("INCR a\r\n", client)
        cluster.run(milliseconds: 10)
        cluster.stop(leader)
        cluster.isolate(node)
        cluster.run(milliseconds: 500)
        cluster.send("INCR a\r\n", client)
        cluster.run(milliseconds: 1700)
        #expect(cluster.output(client) == Self.uncertain + Self.down)
    }

    @Test func `a large command without a leader is certainly not executed`() throws {
        let cluster = try EngineCluster.formed { $0.requestTimeout = .milliseconds(1000) }
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let client = try cluster.open(node)
        cluster.send(command("SET", "big", String(repeating: "x", count: 6 << 20)), client)
        cluster.run(milliseconds: 15)
        cluster.isolate(leader)
        cluster.isolate(node)
        cluster.run(milliseconds: 1700)
        #expect(cluster.output(client) == Self.down)
        cluster.heal()
        #expect(cluster.run(until: { cluster.isServing() }))
        cluster.run(milliseconds: 2000)
        #expect(cluster.ask("EXISTS big\r\n", client) == ":0\r\n")
    }

    @Test func `a client that came before the first leader is served, and not refused later`()
        throws
    {
        let cluster = try EngineCluster()
        let clients = try (0..<3).map { try cluster.open($0) }
        let questions = ["GET a\r\n", "DBSIZE\r\n", "SET b 1\r\n"]
        let expected = ["$-1\r\n", ":0\r\n", "+OK\r\n"]
        for at in 0..<2 { cluster.send(questions[at], clients[at]) }
        var answers = ["", "", ""]
        cluster.run(seconds: 5) {
            for at in 0..<2 { answers[at] += cluster.output(clients[at]) }
            return answers[0] == expected[0] && answers[1] == expected[1]
        }
        answers[2] = cluster.ask(questions[2], clients[2])
        #expect(answers == expected)
        // Longer than the request timeout after they began to wait.
        cluster.run(milliseconds: 6000)
        for client in clients {
            #expect(
                cluster.ask("GET a\r\nDBSIZE\r\nSET a 1\r\nDEL a\r\n", client)
                    == "$-1\r\n:1\r\n+OK\r\n:1\r\n")
        }
    }

    // MARK: Several groups

    @Test func `commands for all groups are put together, others must stay in one`() throws {
        let cluster = try EngineCluster.formed(groups: 4)
        for node in 0..<3 {
            let client = try cluster.open(node)
            var sent = ""
            for key in 0..<40 { sent += "SET k\(key) \(key)\r\n" }
            #expect(
                cluster.expect(String(repeating: "+OK\r\n", count: 40), to: sent, client) == nil)
            #expect(cluster.ask("DBSIZE\r\n", client) == ":40\r\n")
            let keys = cluster.ask("KEYS *\r\n", client)
            #expect(keys.hasPrefix("*40\r\n") && keys.contains("\r\nk39\r\n"))
            #expect(cluster.ask("RANDOMKEY\r\n", client).contains("\r\nk"))
            #expect(
                cluster.ask("MGET k1 k2 k3 k4 k5\r\n", client)
                    == "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
            #expect(
                cluster.ask("MSET {t}a 1 {t}b 2\r\nMGET {t}a {t}b\r\n", client)
                    == "+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n")
            #expect(scan(cluster, client) == 42)
            #expect(
                cluster.ask("FLUSHALL\r\nDBSIZE\r\nRANDOMKEY\r\n", client) == "+OK\r\n:0\r\n$-1\r\n"
            )
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    @Test(arguments: [2, 3])
    func `a random key is found in whatever group has one that lives`(resp: Int) throws {
        // Dead keys stay for long: an entry of the leader removes few of them.
        let cluster = try EngineCluster.formed(groups: 4)
        let client = try cluster.open(0)
        if resp == 3 { _ = cluster.ask("HELLO 3\r\n", client) }
        let none = resp == 3 ? "_\r\n" : "$-1\r\n"
        let due = cluster.now.wall + 3000
        for tag in 0..<8 {
            let sent = (0..<500).map { "SET {t\(tag)}\($0) 1 PXAT \(due)\r\n" }.joined()
            #expect(
                cluster.expect(String(repeating: "+OK\r\n", count: 500), to: sent, client) == nil)
        }
        #expect(cluster.ask("SET alive 1\r\n", client) == "+OK\r\n")
        cluster.run(milliseconds: Int(due - cluster.now.wall))
        for _ in 0..<3 {
            #expect(cluster.expect("$5\r\nalive\r\n", to: "RANDOMKEY\r\n", client) == nil)
        }
        #expect(cluster.now.wall < due + 100, "so late that no dead key is left")
        #expect(cluster.ask("DEL alive\r\nRANDOMKEY\r\n", client) == ":1\r\n" + none)
        #expect(cluster.ask("GET {t1}1\r\n", client) == none)
    }

    /// How many keys a whole SCAN tells.
    private func scan(_ cluster: EngineCluster, _ client: EngineCluster.Client) -> Int {
        var cursor = "0"
        var keys = 0
        for _ in 0..<1000 {
            let answer = cluster.ask("SCAN \(cursor) COUNT 3\r\n", client, milliseconds: 60)
            let lines = answer.split(separator: "\r\n", omittingEmptySubsequences: false)
            guard lines.count > 3 else { return -1 }
            cursor = String(lines[2])
            keys += Int(lines[3].dropFirst()) ?? -1000
            if cursor == "0" { return keys }
        }
        return -2
    }

    @Test func `a flush that one group did not answer is never called done or undone`() throws {
        let cluster = try EngineCluster.formed(groups: 2) {
            $0.requestTimeout = .milliseconds(1000)
        }
        // Bring the groups' leaders apart, so that one of them can be lost alone.
        var tries = 0
        while cluster.leader(1) == cluster.leader(2), tries < 20 {
            tries += 1
            let leader = cluster.leader(1)!
            cluster.isolate(leader)
            cluster.run(milliseconds: 1200)
            cluster.heal()
            cluster.run(until: { cluster.isServing(groups: 2) })
        }
        guard let first = cluster.leader(1), let second = cluster.leader(2), first != second else {
            return
        }
        let third = 3 - first - second
        let client = try cluster.open(third)
        #expect(
            cluster.ask("SET a 1\r\nSET b 2\r\nSET c 3\r\nSET d 4\r\n", client)
                == "+OK\r\n+OK\r\n+OK\r\n+OK\r\n")
        // The leader of the second group hears nothing of the third node any more.
        cluster.nodes[second].isDiskFast = false
        cluster.nodes[third].isDiskFast = false
        cluster.hold(from: third, to: second)
        let answer = cluster.ask("FLUSHALL\r\nDBSIZE\r\n", client, milliseconds: 3000)
        #expect(!answer.hasPrefix("+OK") && !answer.hasPrefix("-CLUSTERDOWN"))
    }
}
