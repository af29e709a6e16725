import Bytes
import Configuration
import Engine
import PeerProtocol
import Raft
import Snapshot
import WAL

/// Some nodes, real engines all of them, in one thread: the test moves their bytes, their disks and
/// their clock.
///
/// A step is five milliseconds: bytes move over all wires, then every node takes a turn and its disk
/// finishes what was sealed. Liveness messages pass every 75 ms between nodes that are not cut off.
final class EngineCluster {
    private(set) var nodes: [ClusterNode]
    var now = ClockReading(boot: Instant(nanoseconds: 1_000_000_000), wall: 1_700_000_000_000)
    private(set) var wires: [Wire] = []
    private var nextLink: UInt64 = 1
    private var nextHeartbeat = Instant(nanoseconds: 0)
    /// Ordered pairs (from, to) of nodes between which nothing passes for now.
    private var held: Set<[Int]> = []
    /// Peer bytes that were sent since `recording` was set, by (from, to).
    var recording: [[Int]: [UInt8]]?

    /// Attempts to connect, of all nodes.
    var dials: UInt64 { nextLink - 1 }

    /// A connection between two nodes.
    final class Wire {
        let link: LinkID
        /// Who dialed, who accepted.
        let ends: [Int]
        /// Whom the first of them wanted to reach.
        let dialed: NodeID
        /// Bytes on their way to each end.
        var pipes: [[UInt8]] = [[], []]

        init(link: LinkID, ends: [Int], dialed: NodeID) {
            self.link = link
            self.ends = ends
            self.dialed = dialed
        }
    }

    /// A cluster of empty nodes; `form` waits until it can serve.
    init(
        nodes count: Int = 3, groups: Int = 1, seed: UInt64 = 0,
        versions: [ClosedRange<UInt32>] = [], _ change: (inout Configuration) -> Void = { _ in }
    ) throws {
        nodes = (0..<count).map { index in
            var configuration = Configuration()
            configuration.nodeName = "n\(index + 1)"
            configuration.initialCluster = (0..<count).map {
                InitialMember(name: "n\($0 + 1)", host: "10.0.0.\($0 + 1)", port: 17000)
            }
            configuration.initialGroups = groups
            change(&configuration)
            return ClusterNode(index: index, seed: seed, configuration: configuration)
        }
        for (node, spoken) in zip(nodes, versions) { node.versions = spoken }
        for node in nodes { try node.start(now: now) }
    }

    /// One more node, with an empty directory, that waits to be met.
    func addNode(
        named name: String? = nil, versions: ClosedRange<UInt32>? = nil
    ) throws -> Int {
        var configuration = nodes[0].configuration
        configuration.nodeName = name ?? "n\(nodes.count + 1)"
        configuration.initialCluster = []
        configuration.join = true
        let node = ClusterNode(index: nodes.count, seed: 0, configuration: configuration)
        node.versions = versions
        node.snapshots.cluster = nodes[0].snapshots.cluster
        node.snapshots.headers = nodes[0].snapshots.headers
        nodes.append(node)
        try node.start(now: now)
        return node.index
    }

    /// A cluster that has leaders for all groups.
    static func formed(
        nodes: Int = 3, groups: Int = 1, seed: UInt64 = 0,
        _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> EngineCluster {
        let cluster = try EngineCluster(nodes: nodes, groups: groups, seed: seed, change)
        guard cluster.run(until: { cluster.isServing(groups: groups) }) else {
            throw TestError.neverHappened("a leader of every group")
        }
        return cluster
    }

    func isServing(groups: Int = 1) -> Bool {
        (1...groups).allSatisfy { group in
            guard let leader = leader(group) else { return false }
            return nodes.filter {
                !$0.isPaused && $0.process.map { $0.engine.muteReason == nil } ?? false
            }.allSatisfy { node in
                guard let replicas = node.process?.engine.replicas, replicas.count > group else {
                    return false
                }
                return replicas[group].leader == nodes[leader].id && !replicas[group].isLoading
                    && replicas[group].commit > 0
            }
        }
    }

    // MARK: Looking

    /// What all nodes have logged.
    var lines: [String] { nodes.flatMap { node in node.lines.map { "n\(node.index + 1) \($0)" } } }

    func replica(_ node: Int, _ group: Int = 1) -> Engine.ReplicaStatus? {
        guard let replicas = nodes[node].process?.engine.replicas, group < replicas.count else {
            return nil
        }
        return replicas[group]
    }

    /// The running node that leads a group in the highest term.
    func leader(_ group: Int = 1) -> Int? {
        nodes.indices.filter { replica($0, group)?.role == .leader && !nodes[$0].isPaused }
            .max { replica($0, group)!.term < replica($1, group)!.term }
    }

    /// A running node that does not lead.
    func follower(_ group: Int = 1) -> Int {
        nodes.indices.first { nodes[$0].process != nil && replica($0, group)?.role != .leader }!
    }

    /// Whether all running replicas of all groups have applied the same and hold the same.
    func isConverged() -> Bool {
        let running = nodes.compactMap(\.process)
        guard let first = running.first else { return true }
        return first.engine.replicas.allSatisfy { replica in
            let hash = first.engine.stateHash(replica.group)
            return running.allSatisfy { other in
                other.engine.replicas[Int(replica.group.raw)].applied == replica.applied
                    && other.engine.stateHash(replica.group) == hash
            }
        }
    }

    // MARK: Time

    /// Steps until `condition` holds; false when it does not within `seconds` of virtual time.
    @discardableResult
    func run(seconds: Double = 20, until condition: () -> Bool) -> Bool {
        var steps = Int(seconds * 200)
        while !condition() {
            if steps == 0 { return false }
            steps -= 1
            step()
        }
        return true
    }

    func run(milliseconds: Int) {
        for _ in 0..<max(1, milliseconds / 5) { step() }
    }

    func step() {
        now.boot = now.boot + .milliseconds(5)
        now.wall += 5
        if nextHeartbeat <= now.boot {
            exchangeLiveness()
            nextHeartbeat = now.boot + .milliseconds(75)
        }
        moveBytes()
        for node in nodes where isAwake(node) { turn(node) }
    }

    private func isAwake(_ node: ClusterNode) -> Bool {
        guard let process = node.process else { return false }
        // The loop's stamp is a timer of its own.
        process.liveness.stampLoop(now: now.boot)
        let isDiskDone = node.isDiskFast && !process.undurable.isEmpty
        return process.hasEvents || process.engine.hasMoreWork || isDiskDone
            || !process.snapshotEvents.isEmpty
            || process.engine.nextDeadline <= now.boot
    }

    private func exchangeLiveness() {
        for a in nodes where !a.isPaused {
            for b in nodes where b !== a && !b.isPaused {
                guard let asker = a.process?.liveness, let other = b.process?.liveness,
                    !isHeld(a.index, b.index), !isHeld(b.index, a.index),
                    let ping = asker.ping(to: b.id, now: now.boot),
                    let pong = other.receive(ping, now: now.boot)
                else { continue }
                asker.receive(pong, now: now.boot)
            }
        }
    }

    /// One turn of a node, as the host takes it.
    func turn(_ node: ClusterNode, atEnd: (() -> Void)? = nil) {
        guard let process = node.process, !node.isPaused else { return }
        process.liveness.stampLoop(now: now.boot)
        process.hasEvents = false
        process.turns += 1
        let events = process.snapshotEvents
        process.snapshotEvents = []
        for event in events { process.engine.snapshotMoved(event, now: now) }
        if process.engine.hasMoreWork || process.engine.nextDeadline <= now.boot {
            process.engine.tick(now: now)
        }
        atEnd?()
        process.engine.endTurn(now: now)
        carryOut(node, process)
        if node.isDiskFast { finishDisk(node) }
        node.process?.engine.checkInvariants()
    }

    /// The disk has everything that was sealed.
    func finishDisk(_ node: ClusterNode) {
        guard let process = node.process, let last = process.undurable.last else { return }
        for batch in process.undurable { node.disk.execute(batch) }
        process.undurable.removeAll()
        process.engine.logDurable(written: last.number, synced: last.number, now: now)
        process.engine.endTurn(now: now)
        carryOut(node, process)
    }

    private func carryOut(_ node: ClusterNode, _ process: NodeProcess) {
        node.lines += process.engine.outbox.lines.map(\.text)
        process.engine.outbox.lines.removeAll()
        if let batch = process.engine.outbox.batch.take() {
            process.undurable.append(StoredBatch(batch))
        }
        let reads = process.engine.outbox.logReads
        process.engine.outbox.logReads.removeAll()
        for read in reads {
            let bytes = node.disk.read(read.position, count: read.count)
            process.engine.logRead(read.id, bytes: bytes.span, now: now)
        }
        let commands = process.engine.outbox.snapshotCommands
        process.engine.outbox.snapshotCommands.removeAll()
        for command in commands {
            if case .begin(let header) = command {
                for node in nodes {
                    node.snapshots.cluster = (header.clusterHigh, header.clusterLow)
                    node.snapshots.headers[header.id] = header
                }
            }
            process.snapshotEvents += node.snapshots.execute(command)
        }
        for segment in process.engine.outbox.segmentsReleased { node.disk.remove(segment) }
        process.engine.outbox.segmentsReleased.removeAll()
        let dials = process.engine.outbox.dials
        process.engine.outbox.dials.removeAll()
        for dial in dials { connect(node, dial) }
        flushLinks(node, process)
        flushSessions(process)
        if let exit = process.engine.outbox.exit {
            node.exit = exit
            stop(node.index)
        }
    }

    private func flushSessions(_ process: NodeProcess) {
        let flushes = process.engine.outbox.sessionsToFlush
        process.engine.outbox.sessionsToFlush.removeAll()
        for session in flushes {
            process.engine.writeOutput(of: session) { span in
                let room = process.window[session] ?? .max
                let count = min(room, span.count)
                for at in 0..<count { process.sent[session, default: []].append(span[at]) }
                if room != .max { process.window[session] = room - count }
                return count
            }
        }
        for session in process.engine.outbox.sessionsToPause { process.paused.insert(session) }
        process.engine.outbox.sessionsToPause.removeAll()
        for session in process.engine.outbox.sessionsToResume { process.paused.remove(session) }
        process.engine.outbox.sessionsToResume.removeAll()
        let closes = process.engine.outbox.sessionsToDrop + process.engine.outbox.sessionsToClose
        process.engine.outbox.sessionsToDrop.removeAll()
        process.engine.outbox.sessionsToClose.removeAll()
        for session in closes where process.closed.insert(session).inserted {
            process.engine.close(session)
        }
    }

    // MARK: Wires

    private func connect(_ node: ClusterNode, _ dial: Dial) {
        let link = LinkID(nextLink)
        nextLink += 1
        guard let peer = nodes.firstIndex(where: { $0.host == dial.host }),
            let other = nodes[peer].process, !isHeld(node.index, peer)
        else {
            node.process?.engine.linkClosed(link, dialed: dial.peer, now: now)
            node.process?.hasEvents = true
            return
        }
        wires.append(Wire(link: link, ends: [node.index, peer], dialed: dial.peer))
        node.process?.engine.linkOpened(link, dialed: dial.peer, now: now)
        node.process?.hasEvents = true
        other.engine.linkOpened(link, dialed: nil, now: now)
        other.hasEvents = true
    }

    private func flushLinks(_ node: ClusterNode, _ process: NodeProcess) {
        let flushes = process.engine.outbox.linksToFlush
        process.engine.outbox.linksToFlush.removeAll()
        for link in flushes {
            guard let wire = wires.first(where: { $0.link == link }) else { continue }
            let side = wire.ends[0] == node.index ? 1 : 0
            var bytes: [UInt8] = []
            process.engine.writeOutput(of: link) { span in
                for at in 0..<span.count { bytes.append(span[at]) }
                return span.count
            }
            wire.pipes[side] += bytes
            recording?[[node.index, wire.ends[side]], default: []] += bytes
        }
        let closes = process.engine.outbox.linksToClose
        process.engine.outbox.linksToClose.removeAll()
        for link in closes {
            // What was written before the close arrives, as over TCP.
            guard let wire = wires.first(where: { $0.link == link }) else { continue }
            let side = wire.ends[0] == node.index ? 1 : 0
            deliver(wire, to: side)
            close(wire)
        }
    }

    private func moveBytes() {
        for wire in wires {
            for side in [0, 1] where !isHeld(wire.ends[1 - side], wire.ends[side]) {
                deliver(wire, to: side)
            }
        }
    }

    private func deliver(_ wire: Wire, to side: Int) {
        let node = nodes[wire.ends[side]]
        guard !wire.pipes[side].isEmpty, !node.isPaused, let process = node.process else { return }
        let bytes = wire.pipes[side]
        wire.pipes[side] = []
        process.engine.receive(bytes.span, link: wire.link, now: now)
        process.hasEvents = true
    }

    private func close(_ wire: Wire) {
        guard let at = wires.firstIndex(where: { $0 === wire }) else { return }
        wires.remove(at: at)
        for (side, end) in wire.ends.enumerated() {
            let dialed = side == 0 ? wire.dialed : nil
            nodes[end].process?.engine.linkClosed(wire.link, dialed: dialed, now: now)
            nodes[end].process?.hasEvents = true
        }
    }

    /// The wires between two nodes break.
    func breakWires(_ a: Int, _ b: Int) {
        for wire in wires where Set(wire.ends) == [a, b] { close(wire) }
    }

    /// Holds back everything from one node to another, liveness too.
    func hold(from: Int, to: Int) { held.insert([from, to]) }

    /// Holds back everything between a node and all others.
    func isolate(_ node: Int) {
        for other in nodes.indices where other != node {
            hold(from: node, to: other)
            hold(from: other, to: node)
        }
    }

    func heal() { held.removeAll() }

    private func isHeld(_ from: Int, _ to: Int) -> Bool { held.contains([from, to]) }

    /// Makes `to` receive bytes as if `from` had sent them over their wire just now.
    func inject(_ bytes: [UInt8], from: Int, to: Int) {
        guard let wire = wires.last(where: { Set($0.ends) == [from, to] }) else { return }
        wire.pipes[wire.ends[0] == to ? 0 : 1] += bytes
    }

    // MARK: Processes

    /// The process is gone, with everything that was not durable.
    func stop(_ node: Int) {
        nodes[node].process = nil
        for wire in wires where wire.ends.contains(node) { close(wire) }
    }

    func start(_ node: Int) throws {
        try nodes[node].start(now: now)
    }

    /// The node loses its data directory.
    func wipe(_ node: Int) {
        nodes[node].disk = MemoryDisk()
        nodes[node].snapshots = MemorySnapshots()
    }

    // MARK: Clients

    struct Client: Hashable {
        let node: Int
        let session: SessionID
    }

    func open(_ node: Int) throws -> Client {
        guard
            let session = nodes[node].process?.engine.open(
                address: "10.1.0.1:\(node)", local: "10.0.0.\(node + 1):7000", descriptor: 3,
                now: now)
        else { throw TestError.refused }
        return Client(node: node, session: session)
    }

    func send(_ text: String, _ client: Client) { send(Array(text.utf8), client) }

    func send(_ bytes: [UInt8], _ client: Client) {
        nodes[client.node].process?.engine.receive(bytes.span, from: client.session, now: now)
        nodes[client.node].process?.hasEvents = true
    }

    /// What the client was sent since the last call.
    func output(_ client: Client) -> String {
        String(decoding: outputBytes(client), as: UTF8.self)
    }

    func outputBytes(_ client: Client) -> [UInt8] {
        guard let process = nodes[client.node].process else { return [] }
        let bytes = process.sent[client.session] ?? []
        process.sent[client.session] = nil
        return bytes
    }

    func isClosed(_ client: Client) -> Bool {
        nodes[client.node].process?.closed.contains(client.session) ?? true
    }

    /// Sends a pipeline and waits for so many bytes, or until nothing has come for half a second.
    func ask(_ text: String, _ client: Client, milliseconds: Int = 500) -> String {
        send(text, client)
        var all = ""
        var quiet = 0
        while quiet < milliseconds / 5 {
            step()
            let more = output(client)
            quiet = more.isEmpty ? quiet + 1 : 0
            all += more
        }
        return all
    }

    /// Sends a command and waits for `expected`; nil, or what came instead.
    func expect(_ expected: String, to text: String, _ client: Client, seconds: Double = 5)
        -> String?
    {
        send(text, client)
        var all = ""
        run(seconds: seconds) {
            all += output(client)
            return all.utf8.count >= expected.utf8.count
        }
        return all == expected ? nil : all
    }
}

/// A command in RESP.
func command(_ words: String...) -> String {
    "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
}
