import Bytes
import Foundation
import Testing

@testable import Raft

/// Interaction scripts: a command, then what it makes happen. `SKEIN_REWRITE=1 swift test` writes the
/// traces anew; read the difference before keeping it.
///
/// A block is: comment lines (#), one or more command lines, `----`, the trace, an empty line.
@Suite struct ScriptTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Scripts")

    static var scripts: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test(arguments: scripts)
    func `the trace is as written`(name: String) throws {
        let url = Self.folder.appendingPathComponent(name)
        let text = try String(contentsOf: url, encoding: .utf8)
        var session = ScriptSession()
        var output = ""
        for block in Block.parse(text) {
            let trace = block.commands.isEmpty ? [] : session.run(block.commands)
            output += block.render(trace: trace)
            if ProcessInfo.processInfo.environment["SKEIN_REWRITE"] == nil {
                #expect(
                    trace == block.expected, "\(name): \(block.commands.joined(separator: "; "))")
            }
        }
        if ProcessInfo.processInfo.environment["SKEIN_REWRITE"] != nil, output != text {
            try output.write(to: url, atomically: true, encoding: .utf8)
        }
    }
}

private struct Block {
    var comments: [String] = []
    var commands: [String] = []
    var expected: [String] = []

    static func parse(_ text: String) -> [Block] {
        var blocks: [Block] = []
        var block = Block()
        var inTrace = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.isEmpty {
                if !block.commands.isEmpty || !block.comments.isEmpty { blocks.append(block) }
                block = Block()
                inTrace = false
            } else if line == "----" {
                inTrace = true
            } else if inTrace {
                block.expected.append(line)
            } else if line.hasPrefix("#") {
                block.comments.append(line)
            } else {
                block.commands.append(line)
            }
        }
        if !block.commands.isEmpty { blocks.append(block) }
        return blocks
    }

    func render(trace: [String]) -> String {
        var lines = comments + commands
        if !commands.isEmpty { lines += ["----"] + trace }
        return lines.joined(separator: "\n") + "\n\n"
    }
}

/// Carries out script commands; see `run(_:)` for the list.
struct ScriptSession {
    private var cluster = Cluster(1)
    private var isolated: Set<NodeID> = []
    /// Whose disk does not finish anything while the others stabilize.
    private var hanging: NodeID?

    mutating func run(_ commands: [String]) -> [String] {
        cluster.trace = []
        for command in commands {
            let words = command.split(separator: " ").map(String.init)
            run(words[0], Array(words.dropFirst()))
        }
        let trace = cluster.trace
        return trace.isEmpty ? ["ok"] : trace
    }

    private mutating func run(_ verb: String, _ words: [String]) {
        switch verb {
        case "cluster": makeCluster(words)
        case "advance": cluster.time += duration(words[0])
        case "run": simulate(duration(words[0]))
        case "pings": exchangePings()
        case "ping": cluster.sendPing(from: node(words[0]), to: node(words[1]).id)
        case "tick": cluster.tick(node(words[0]))
        case "campaign": campaign(node(words[0]))
        case "propose": propose(node(words[0]), words[1])
        case "deliver": deliver(words)
        case "durable": cluster.sync(node(words[0]), count: words.count > 1 ? Int(words[1])! : .max)
        case "hang": hanging = Int(words[0]).map { NodeID(UInt16($0)) }
        case "stabilize": stabilize()
        case "crash": crash(node(words[0]), keeping: words.count > 1 ? Int(words[1])! : 0)
        case "restart": cluster.start(node(words[0]))
        case "isolate": for word in words { isolated.insert(node(word).id) }
        case "heal": isolated = []
        case "link": link(node(words[0]), node(words[1]))
        case "read": cluster.beginRead(node(words[0]))
        case "lease": lease(node(words[0]))
        case "transfer": transfer(words)
        case "change": change(words)
        case "giveup": cluster.giveUpChange(node(words[0]))
        case "members": for word in words { members(of: node(word)) }
        case "forget": forget(node(words[0]))
        case "forgetful": node(words[0]).disk.keepsBaseMembers = false
        case "fetch": cluster.answerFetches(node(words[0]), failing: words.contains("failing"))
        case "evict": evict(node(words[0]))
        case "snapshot": snapshot(node(words[0]))
        case "compact": compact(node(words[0]), upTo: words.count > 1 ? LogIndex(words[1])! : .max)
        case "ship": ship(words)
        case "answer": answer(words)
        case "rot": node(words[0]).disk.lose(Int(words[1])!)
        case "trust": trust(node(words[0]))
        case "lose": node(words[0]).disk.snapshots = []
        case "followers": followers(of: node(words[0]))
        case "queue": for envelope in cluster.network { cluster.note(describe(envelope)) }
        case "state": for node in cluster.nodes { cluster.note(state(node)) }
        case "log": log(node(words[0]))
        case "times": times(words)
        case "conflict": conflict(node(words[0]), terms: Int(words[1])!, from: Term(words[2])!)
        case "tell":
            tell(
                from: node(words[0]), to: node(words[1]), index: LogIndex(words[3])!,
                term: Term(words[4])!)
        case "inject": injectVote(from: node(words[0]), to: node(words[1]), term: Term(words[3])!)
        default: fatalError("unknown script command \(verb)")
        }
    }

    private func node(_ word: String) -> Node { cluster[Int(word)!] }

    private func duration(_ word: String) -> Int64 {
        precondition(word.hasSuffix("ms"), "durations are in ms")
        return Int64(word.dropLast(2))! * 1_000_000
    }

    /// `cluster 3 [founders=N] [catchup=MS] [lease=no] [append=BYTES] [inflight=BYTES] [chunk=BYTES]`:
    /// the first N nodes are the group's first members, the others join it.
    private mutating func makeCluster(_ words: [String]) {
        let options = words.dropFirst().map { $0.split(separator: "=").map(String.init) }
        isolated = []
        hanging = nil
        let founders = options.first { $0[0] == "founders" }.map { Int($0[1])! }
        cluster = Cluster(Int(words[0])!, founders: founders) { configuration in
            for option in options {
                switch option[0] {
                case "founders": break
                case "catchup": configuration.catchUpTimeout = .milliseconds(Int64(option[1])!)
                case "lease": configuration.readLease = option[1] == "yes"
                case "append": configuration.appendBytesMax = Int(option[1])!
                case "inflight": configuration.inflightBytesMax = Int(option[1])!
                case "chunk": configuration.logChunkBytes = Int(option[1])!
                default: fatalError("unknown option \(option[0])")
                }
            }
        }
    }

    // MARK: Time

    /// Every node pings every other, and all is heard, but for isolated nodes.
    private func exchangePings() {
        for node in cluster.nodes {
            for peer in node.members where peer != node.id {
                cluster.sendPing(from: node, to: peer)
            }
        }
        while let position = cluster.network.firstIndex(where: { $0.isLiveness }) {
            let envelope = cluster.network.remove(at: position)
            if !isLost(envelope) { cluster.deliver(envelope) }
        }
    }

    /// Lets time pass with everything working: pings, ticks, disks, network.
    private func simulate(_ length: Int64) {
        let end = cluster.time + length
        while cluster.time < end {
            cluster.time += 5_000_000
            if cluster.time / 5_000_000 % 15 == 0 { exchangePings() }
            for node in cluster.nodes {
                guard let replica = node.replica else { continue }
                if replica.core.nextDeadline <= node.clock(cluster.time) { cluster.tick(node) }
            }
            stabilize()
        }
    }

    // MARK: Messages

    private func isLost(_ envelope: Cluster.Envelope) -> Bool {
        isolated.contains(envelope.from) || isolated.contains(envelope.to)
            || cluster.node(envelope.to).replica == nil
    }

    private func describe(_ envelope: Cluster.Envelope) -> String {
        let body: String
        switch envelope.payload {
        case .raft(let message, let records):
            body = RaftTests.describe(message, records: records)
        case .snapshot(let snapshot): body = "snapshot \(snapshot.index)@\(snapshot.term)"
        case .installed(let index): body = index.map { "has all up to \($0)" } ?? "failed"
        case .ping: body = "ping"
        case .pong(let pong):
            body = "pong epoch \(pong.followEpoch >> 32).\(pong.followEpoch & 0xffff_ffff)"
        }
        return "\(envelope.from) -> \(envelope.to) \(body)"
    }

    private func pass(_ envelope: Cluster.Envelope, drop: Bool) {
        let isLost = drop || isLost(envelope)
        cluster.note(describe(envelope) + (isLost ? " (lost)" : ""))
        if !isLost { cluster.deliver(envelope) }
    }

    /// `deliver [FROM TO] [pong|ping] [last] [drop] [copy]`: what is on its way now, not what follows
    /// from it. A copy stays on its way, for later.
    private func deliver(_ words: [String]) {
        let nodes = words.compactMap { Int($0) }.map { NodeID(UInt16($0)) }
        let kind = words.first { $0 == "ping" || $0 == "pong" }
        func matches(_ envelope: Cluster.Envelope) -> Bool {
            if nodes.count == 2, envelope.from != nodes[0] || envelope.to != nodes[1] {
                return false
            }
            return kind == nil ? envelope.isRaft : describe(envelope).contains(kind!)
        }
        var chosen = cluster.network.indices.filter { matches(cluster.network[$0]) }
        if words.contains("last") { chosen = chosen.suffix(1) }
        let envelopes = chosen.map { cluster.network[$0] }
        if !words.contains("copy") {
            for position in chosen.reversed() { cluster.network.remove(at: position) }
        }
        for envelope in envelopes { pass(envelope, drop: words.contains("drop")) }
    }

    /// Delivers and syncs until nothing is left to do. No time passes.
    private func stabilize() {
        while true {
            if let position = cluster.network.firstIndex(where: { $0.isRaft }) {
                pass(cluster.network.remove(at: position), drop: false)
            } else if let node = cluster.nodes.first(where: {
                $0.replica != nil && !$0.disk.pending.isEmpty && $0.id != hanging
            }) {
                cluster.sync(node)
            } else if let node = cluster.nodes.first(where: { !$0.fetches.isEmpty }) {
                cluster.answerFetches(node)
            } else {
                return
            }
        }
    }

    private func link(_ node: Node, _ peer: Node) {
        cluster.turn(node) { replica, _, _, _ in replica.core.linkUp(peer.id) }
    }

    // MARK: Nodes

    private func campaign(_ node: Node) {
        guard node.core.role != .leader else { return cluster.note("  \(node.id) leads already") }
        cluster.turn(node) { replica, now, liveness, effects in
            replica.core.becomePreCandidate(
                .start, now: now, liveness: liveness, effects: &effects)
        }
    }

    private func crash(_ node: Node, keeping: Int) {
        cluster.crash(node, keeping: keeping)
        cluster.network.removeAll { $0.from == node.id || $0.to == node.id }
    }

    private func propose(_ node: Node, _ value: String) {
        let result = cluster.propose(node, Array(value.utf8))
        if case .appended = result { return }
        cluster.note("  \(node.id) refuses: \(result)")
    }

    // MARK: Snapshots

    private func snapshot(_ node: Node) {
        cluster.beginSnapshot(node)
        cluster.finishSnapshot(node)
    }

    private func compact(_ node: Node, upTo index: LogIndex) {
        cluster.compact(node, upTo: index)
    }

    /// `ship FROM TO [INDEX]`: the newest snapshot of one node, or one that ends at INDEX, is installed at
    /// another; what became of it waits for `answer`.
    private func ship(_ words: [String]) {
        let (node, peer) = (node(words[0]), node(words[1]))
        guard words.count > 2 else {
            return cluster.install(peer, node.disk.snapshots.last!, from: node.id)
        }
        let index = LogIndex(words[2])!
        guard index <= cluster.oracle.commit else { return cluster.note("nobody has committed it") }
        let snapshot = Disk.Snapshot(
            index: index, term: cluster.oracle.term(of: index),
            state: cluster.oracle.state(after: index),
            members: cluster.oracle.members(asOf: index))
        cluster.install(peer, snapshot, from: node.id)
    }

    /// `answer LEADER FOLLOWER [failed|INDEX]`: what became of a transfer reaches the leader; or what
    /// the script says.
    private func answer(_ words: [String]) {
        let (leader, follower) = (node(words[0]).id, node(words[1]).id)
        let at = cluster.network.firstIndex {
            if case .installed = $0.payload { return $0.from == follower && $0.to == leader }
            return false
        }
        var envelope = at.map { cluster.network.remove(at: $0) }
        if words.count > 2 {
            envelope = Cluster.Envelope(
                from: follower, to: leader, payload: .installed(LogIndex(words[2])))
            cluster.note(describe(envelope!))
        }
        if let envelope { cluster.deliver(envelope) }
    }

    private func followers(of node: Node) {
        for follower in node.replica!.core.followers {
            cluster.note(
                "\(node.id): \(follower.id) \(follower.state) match \(follower.match)"
                    + " next \(follower.next)"
                    + " floor \(node.replica!.core.snapshotFloor(of: follower.id))")
        }
    }

    /// `times N COMMAND...` repeats a command without tracing it.
    private mutating func times(_ words: [String]) {
        let kept = cluster.trace
        for _ in 0..<Int(words[0])! { run(words[1], Array(words.dropFirst(2))) }
        cluster.trace = kept
    }

    /// A removed replica is forgotten; another one starts in its place.
    private func forget(_ node: Node) {
        guard let removal = node.replica!.core.removal else {
            return cluster.note("\(node.id) is not removed")
        }
        crash(node, keeping: .max)
        node.disk = Disk(forgetting: node.disk, removal)
        cluster.start(node)
    }

    /// `tell FROM TO notMember INDEX TERM`: as of that entry, TO is no member.
    private func tell(from node: Node, to peer: Node, index: LogIndex, term: Term) {
        let message = RaftMessage(
            term: node.core.term, body: .notMember(index: index, indexTerm: term))
        pass(
            Cluster.Envelope(from: node.id, to: peer.id, payload: .raft(message, records: [])),
            drop: false)
    }

    /// `inject FROM TO vote TERM`: a vote request that skipped the pre-vote.
    private func injectVote(from node: Node, to peer: Node, term: Term) {
        let body = RaftMessage.Body.vote(
            lastIndex: node.core.lastIndex, lastTerm: term - 1, transfer: false)
        let message = RaftMessage(term: term, body: body)
        pass(
            Cluster.Envelope(from: node.id, to: peer.id, payload: .raft(message, records: [])),
            drop: false)
    }

    /// `conflict N TERMS FROM`: N's process dies, and its disk goes on with one entry of each term.
    private func conflict(_ node: Node, terms: Int, from: Term) {
        crash(node, keeping: .max)
        for term in from..<(from + Term(terms)) {
            node.disk.term = term
            node.disk.vote = nil
            var record = ByteBuffer()
            record.appendRecord(
                index: node.disk.lastIndex + 1, term: node.disk.term,
                kind: .commands, payload: Array("odd".utf8).span)
            node.disk.entries.append(
                Disk.Entry(term: node.disk.term, record: record.copyBytes()))
        }
    }

    private func lease(_ node: Node) {
        let now = node.clock(cluster.time)
        let end = node.replica!.core.leaseEnd(liveness: node.liveness)
        if let end, now < end {
            cluster.note("  \(node.id) holds the lease for \((end - now).milliseconds)ms")
        } else {
            cluster.note("  \(node.id) holds no lease")
        }
    }

    private func transfer(_ words: [String]) {
        let target = words.count > 1 ? node(words[1]).id : nil
        let node = node(words[0])
        cluster.turn(node) { replica, now, liveness, effects in
            let began = replica.core.transferLeadership(
                to: target, now: now, liveness: liveness, effects: &effects)
            cluster.note("  \(node.id) transfer \(began ? "begins" : "refused")")
        }
    }

    /// Its host gives up waiting for what is missing.
    private func trust(_ node: Node) {
        node.replica!.core.trustLog()
        node.disk.lacksEntries = false
    }

    /// `change N voters=1,2 [learners=3]`
    private func change(_ words: [String]) {
        func list(_ name: String) -> [NodeID] {
            let option = words.first { $0.hasPrefix(name + "=") }?.dropFirst(name.count + 1) ?? ""
            return option.split(separator: ",").map { NodeID(UInt16($0)!) }
        }
        let node = node(words[0])
        let refusal = cluster.changeMembers(
            node, voters: list("voters"), learners: list("learners"))
        if let refusal { cluster.note("  \(node.id) refuses: \(refusal)") }
    }

    private func members(of node: Node) {
        guard let replica = node.replica else { return cluster.note("\(node.id) down") }
        let reach = RaftTests.describe(replica.core.nodesToReach)
        cluster.note(
            "\(node.id) since \(replica.core.members.since): \(RaftTests.describe(replica.core.members));"
                + " committed: \(RaftTests.describe(replica.core.committedMembers)); reaches \(reach)"
        )
    }

    private func evict(_ node: Node) {
        node.replica!.core.evictLog(toBytes: 0, applied: node.core.commit)
        cluster.note("  \(node.id) in memory from \(node.replica!.core.log.firstInMemory)")
    }

    private func state(_ node: Node) -> String {
        guard node.replica != nil else { return "\(node.id) down" }
        let core = node.core
        let leader = core.leader.map { "\($0)" } ?? "nobody"
        return "\(node.id) \(core.role) term \(core.term) leader \(leader) commit \(core.commit)"
            + " last \(core.lastIndex) durable \(core.durableIndex)"
            + (core.firstIndex > 1 ? " first \(core.firstIndex)" : "")
            + (core.needsSnapshot ? " needs a snapshot" : "")
            + (core.isLogWhole ? "" : " lacks entries") + (core.isRemoved ? " removed" : "")
    }

    private func log(_ node: Node) {
        let replica = node.replica!
        var parts: [String] = []
        for index in replica.core.log.firstIndex..<(replica.core.lastIndex + 1) {
            parts.append(" \(index)@\(replica.core.log.term(at: index)!)")
        }
        cluster.note("\(node.id) log\(parts.joined())")
    }
}

extension Cluster.Envelope {
    var isLiveness: Bool {
        switch payload {
        case .ping, .pong: true
        case .raft, .snapshot, .installed: false
        }
    }

    var isRaft: Bool {
        if case .raft = payload { return true }
        return false
    }
}
