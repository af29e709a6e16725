import Bytes
import Configuration
import Engine
import PeerProtocol
import Raft
import Testing

/// Who may take part: genesis, restarts, lost directories, strangers.
@Suite struct MembershipTests {
    @Test func `restarted nodes hold what they acknowledged`() throws {
        let cluster = try EngineCluster.formed(groups: 2)
        let client = try cluster.open(0)
        var sent = ""
        for key in 0..<50 { sent += "SET k\(key) v\(key)\r\nINCR n\r\n" }
        _ = cluster.ask(sent, client)
        let big = String(repeating: "b", count: 400_000)
        #expect(cluster.expect("+OK\r\n", to: command("SET", "big", big), client) == nil)
        for node in 0..<3 { cluster.stop(node) }
        for node in 0..<3 { try cluster.start(node) }
        #expect(cluster.run(until: { cluster.isServing(groups: 2) }))
        for node in 0..<3 {
            let again = try cluster.open(node)
            #expect(
                cluster.expect(
                    "$2\r\n50\r\n$3\r\nv49\r\n:400000\r\n:52\r\n",
                    to: "GET n\r\nGET k49\r\nSTRLEN big\r\nDBSIZE\r\n", again) == nil)
        }
        #expect(cluster.run(until: cluster.isConverged))
    }

    /// Before that a crash would give the next start the same number, and the same epochs.
    @Test func `a start vouches for nothing before its boot record is durable`() throws {
        let cluster = try EngineCluster.formed()
        cluster.stop(2)
        try cluster.start(2)
        let liveness = cluster.nodes[2].process!.liveness
        let now = cluster.now.boot
        liveness.stampLoop(now: now)
        #expect(liveness.ping(to: NodeID(1), now: now) == nil)
        #expect(
            cluster.run(until: {
                liveness.ping(to: NodeID(1), now: cluster.now.boot) != nil
            }))
    }

    @Test func `a wiped node is mute as long as there is no majority to take it in`() throws {
        let cluster = try EngineCluster.formed()
        cluster.stop(1)
        cluster.stop(2)
        cluster.wipe(2)
        for node in cluster.nodes { node.lines = [] }
        try cluster.start(2)
        cluster.run(milliseconds: 10_000)
        let process = cluster.nodes[2].process!
        let reason = process.engine.muteReason ?? "none"
        #expect(reason.contains("data directory is empty"))
        let client = try cluster.open(2)
        let answer = cluster.ask("GET a\r\nSET a 1\r\nDBSIZE\r\nPING\r\n", client)
        #expect(
            answer.split(separator: "\r\n").map { $0.prefix(12) } == [
                "-CLUSTERDOWN", "-CLUSTERDOWN", "-CLUSTERDOWN", "+PONG",
            ])
        #expect(process.engine.replicas.allSatisfy { $0.role != .leader && $0.commit == 0 })
        // Ten seconds of waiting are told a few times, not at every attempt.
        for node in cluster.nodes {
            let told = node.lines.filter { $0.contains("peer") }
            #expect(told.count < 20, "n\(node.index + 1): \(told.count) lines, \(told.suffix(4))")
        }
        // And nobody dials more often than once a second.
        #expect(cluster.dials < 40, "\(cluster.dials) dials")
    }

    @Test func `a node that restarts before genesis takes part again`() throws {
        let cluster = try EngineCluster()
        cluster.stop(2)
        cluster.run(milliseconds: 1000)
        #expect(cluster.leader() == nil)
        try cluster.start(2)
        cluster.run(milliseconds: 40)
        cluster.stop(1)
        cluster.run(milliseconds: 300)
        try cluster.start(1)
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `a directory of another node or another cluster is refused`() throws {
        let cluster = try EngineCluster.formed()
        cluster.stop(0)
        let node = cluster.nodes[0]
        let configuration = node.configuration
        node.configuration.nodeName = "other"
        node.configuration.initialCluster[0].name = "other"
        #expect(throws: StartError.foreignDirectory(node: "n1", configured: "other")) {
            try cluster.start(0)
        }
        node.configuration = configuration
        node.configuration.initialCluster.removeLast()
        #expect(throws: StartError.self) { try node.start(now: cluster.now) }
        node.configuration = configuration
        node.configuration.initialCluster[2].name = "n4"
        #expect(throws: StartError.self) { try cluster.start(0) }
        node.configuration = configuration
        try cluster.start(0)
        #expect(cluster.run(until: { cluster.isServing() }))
    }

    @Test func `a node of another cluster is refused by name, and refuses`() throws {
        let cluster = try EngineCluster.formed()
        let other = try EngineCluster.formed(seed: 99)
        cluster.stop(2)
        cluster.nodes[2].disk = other.nodes[2].disk
        for node in cluster.nodes { node.lines = [] }
        try cluster.start(2)
        cluster.run(milliseconds: 3000)
        #expect(cluster.nodes[2].lines.contains { $0.contains("another cluster") })
        let client = try cluster.open(0)
        #expect(cluster.expect("+OK\r\n", to: "SET a 1\r\n", client) == nil)
        #expect(cluster.replica(2)?.role != .leader)
    }

    // MARK: Connections on the cluster port

    private func frame(_ kind: PeerFrameKind, _ body: [UInt8]) -> [UInt8] {
        var writer = FrameWriter()
        writer.open(kind)
        writer.bytes.append(body)
        writer.close()
        return writer.bytes.copyBytes()
    }

    @Test func `a stranger can neither mute a node nor stop it`() throws {
        let cluster = try EngineCluster()
        let engine = cluster.nodes[0].process!
        cluster.turn(cluster.nodes[0])
        engine.engine.linkOpened(LinkID(900), dialed: nil, now: cluster.now)
        let refusal = frame(.refused, Array("go away\r\n\"".utf8))
        engine.engine.receive(refusal.span, link: LinkID(900), now: cluster.now)
        cluster.turn(cluster.nodes[0])
        #expect(engine.engine.muteReason == nil)
        for kind in 1...10 as ClosedRange<UInt8> {
            let link = LinkID(1000 + UInt64(kind))
            engine.engine.linkOpened(link, dialed: nil, now: cluster.now)
            let bytes = frame(PeerFrameKind(rawValue: kind)!, [0, 1, 2, 3])
            engine.engine.receive(bytes.span, link: link, now: cluster.now)
            engine.engine.endTurn(now: cluster.now)
            if kind != 2 { #expect(engine.engine.outbox.linksToClose.contains(link)) }
        }
    }

    @Test func `connections that say nothing are closed, and there are not many of them`() throws {
        let cluster = try EngineCluster.formed(nodes: 1)
        let process = cluster.nodes[0].process!
        for number in 0..<200 as Range<UInt64> {
            process.engine.linkOpened(LinkID(1000 + number), dialed: nil, now: cluster.now)
        }
        process.engine.endTurn(now: cluster.now)
        #expect(process.engine.outbox.linksToClose.count > 100)
        for link in process.engine.outbox.linksToClose {
            process.engine.linkClosed(link, dialed: nil, now: cluster.now)
        }
        process.engine.outbox.linksToClose.removeAll()
        cluster.now.boot = cluster.now.boot + .seconds(6)
        #expect(process.engine.nextDeadline <= cluster.now.boot)
        process.engine.tick(now: cluster.now)
        process.engine.endTurn(now: cluster.now)
        #expect(process.engine.outbox.linksToClose.count >= 64)
    }

    @Test func `two links between a pair of nodes become one and stay one`() throws {
        let cluster = try EngineCluster.formed()
        for node in cluster.nodes { node.lines = [] }
        // A failed attempt is told late, when the link is there again.
        cluster.nodes[0].process!.engine.linkClosed(
            LinkID(777), dialed: NodeID(2), now: cluster.now)
        cluster.run(milliseconds: 3000)
        #expect(cluster.wires.count == 3)
        let connects = cluster.nodes[0].lines.filter { $0.contains("peer-connected") }
        #expect(connects.count <= 1, "\(connects)")
    }

    /// Frames of a member that has lost its mind: nothing it says may end the process.
    @Test(arguments: 0..<40) func `no frame of a member ends the process`(seed: UInt64) throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        var random = SeededGenerator(seed: seed)
        cluster.recording = [:]
        let client = try cluster.open(node)
        _ = cluster.ask("SET a 1\r\nGET a\r\nINCR b\r\n", client, milliseconds: 50)
        let sent = cluster.recording![[node, leader]]!
        cluster.recording = nil
        let kinds: [PeerFrameKind] = [
            .forward, .forwardRead, .fragment, .fragmentApplied, .reply, .readReply,
            .forwardRefused,
        ]
        for _ in 0..<60 {
            let kind = kinds[Int(random.below(UInt64(kinds.count)))]
            var body = ForwardingTests.frames(
                in: sent, of: kind == .forwardRead ? .forwardRead : .forward)
            body = Array(body.dropFirst(9).prefix(80))
            for _ in 0...random.below(4) where !body.isEmpty {
                let at = Int(random.below(UInt64(body.count)))
                switch random.below(3) {
                case 0: body[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: body.insert(UInt8(truncatingIfNeeded: random.next()), at: at)
                default: body.remove(at: at)
                }
            }
            cluster.inject(frame(kind, body), from: node, to: leader)
            cluster.step()
            // A frame that cannot be read ends the link; the next one comes by itself.
            cluster.run(milliseconds: 5)
        }
        #expect(cluster.nodes[leader].exit == nil)
        #expect(cluster.run(until: { cluster.isServing() }))
        let other = try cluster.open(leader)
        #expect(cluster.expect("+PONG\r\n", to: "PING\r\n", other) == nil)
    }

    @Test func `a forwarded run that fits no entry, or a write called a read, is refused`() throws {
        let cluster = try EngineCluster.formed()
        let (leader, node) = (cluster.leader()!, cluster.follower())
        let term = cluster.replica(leader)!.term
        let boot = cluster.nodes[node].starts
        func run(_ commands: [[String]]) -> [UInt8] {
            var bytes = ByteBuffer()
            ForwardHeader(group: 1, term: term, stream: 1 << 40, position: 0).encode(into: &bytes)
            for number in [UInt64(node + 1), boot, 1000, 1000, UInt64(commands.count)] {
                bytes.append(varint: number)
            }
            for command in commands {
                var arguments = ByteBuffer()
                arguments.append(varint: UInt64(command.count))
                for word in command { arguments.append(lengthPrefixed: Array(word.utf8).span) }
                bytes.append([0, 0, 0])
                bytes.append(lengthPrefixed: arguments.readable)
            }
            return bytes.copyBytes()
        }
        let large = ["SET", "k", String(repeating: "x", count: 60_000)]
        for (kind, body) in [
            (PeerFrameKind.forward, run([large])), (.forwardRead, run([["SET", "k", "v"]])),
            (.forward, run([["NOPE"]])), (.forward, run([["PING"]])), (.forward, run([["GET"]])),
        ] {
            cluster.nodes[leader].lines = []
            cluster.inject(frame(kind, body), from: node, to: leader)
            cluster.run(milliseconds: 300)
            #expect(cluster.nodes[leader].lines.contains { $0.contains("peer-protocol-error") })
        }
        let client = try cluster.open(node)
        #expect(cluster.expect(":0\r\n", to: "EXISTS k\r\n", client) == nil)
        #expect(cluster.run(until: cluster.isConverged))
    }
}
