import Bytes
import Testing

@testable import Raft

/// Two committed histories, where entries may be lost (`RaftCore+Overtaking.swift`).
@Suite struct OvertakingTests {
    private let now = Instant(nanoseconds: 1_000_000_000)
    private let liveness = PairLiveness(
        node: NodeID(3), boot: 1, peers: [NodeID(1), NodeID(2)], promise: .milliseconds(300),
        now: Instant(nanoseconds: 0))

    /// A replica whose entries up to 10 are committed and in a snapshot, all of term 2, and whose log
    /// begins behind `base`.
    private func replica(base: LogIndex, mayLose: Bool = true) -> RaftCore {
        var configuration = RaftConfiguration(
            id: NodeID(3), group: GroupID(1), members: [NodeID(1), NodeID(2), NodeID(3)])
        configuration.mayLoseEntries = mayLose
        var restored = RestoredGroup()
        restored.term = 2
        restored.firstIndex = base + 1
        restored.precedingTerm = base == 0 ? 0 : 2
        restored.lastIndex = 12
        restored.termStarts = [TermStart(index: base + 1, term: 2)]
        for index in base + 1...12 {
            restored.tail.appendRecord(
                index: index, term: 2, kind: .noop, payload: [UInt8]().span)
        }
        restored.snapshotIndex = 10
        restored.snapshotTerm = 2
        return RaftCore(configuration, restored: restored, seed: 1, now: now)
    }

    /// An append without entries, of the leader of term 5.
    private func append(
        _ index: LogIndex, _ term: Term, commit: LogIndex, to core: inout RaftCore
    ) throws -> RaftEffects {
        var effects = RaftEffects()
        let append = RaftMessage.Append(
            previousIndex: index, previousTerm: term, commit: commit, readRound: 0,
            wantsReply: true)
        try core.receive(
            RaftMessage(term: 5, body: .append(append)), entries: [UInt8]().span, from: NodeID(1),
            now: now, liveness: liveness, effects: &effects)
        return effects
    }

    private func endTurn(_ core: inout RaftCore, _ effects: inout RaftEffects) {
        core.endTurn(now: now, liveness: liveness, effects: &effects)
        core.checkInvariants()
        if let ticket = effects.io.last?.ticket {
            core.durable(upTo: ticket, now: now, liveness: liveness, effects: &effects)
            core.endTurn(now: now, liveness: liveness, effects: &effects)
        }
    }

    private func reply(in effects: RaftEffects) -> RaftMessage.AppendReply? {
        for outbound in effects.messages {
            if case .appendReply(let reply) = outbound.message.body { return reply }
        }
        return nil
    }

    @Test func `what a leader has not committed proves nothing`() throws {
        var core = replica(base: 7)
        for (index, term) in [(9, 3), (7, 3), (6, 3), (4, 5)] as [(LogIndex, Term)] {
            var effects = try append(index, term, commit: index - 1, to: &core)
            endTurn(&core, &effects)
            let isKept = !effects.overtaken && !core.isOvertaken && effects.messages.isEmpty
            #expect(isKept, "\(index)@\(term)")
        }
        let (contradictions, term) = (core.contradictions, core.term)
        #expect(contradictions == 4)
        #expect(term == 2)
    }

    @Test func `another committed entry, in the log or before its start, is a proof`() throws {
        for (index, term) in [(9, 3), (7, 3), (6, 3), (4, 5)] as [(LogIndex, Term)] {
            var core = replica(base: 7)
            let effects = try append(index, term, commit: index, to: &core)
            let (isNoted, followed) = (effects.overtaken && core.isOvertaken, core.term)
            #expect(isNoted, "\(index)@\(term)")
            #expect(followed == 5)
        }
        // Of the same term, or an earlier one, there may be such an entry before the start.
        for term in [1, 2] as [Term] {
            var core = replica(base: 7)
            let effects = try append(6, term, commit: 6, to: &core)
            let isNoted = effects.overtaken || core.contradictions > 0
            #expect(!isNoted)
        }
    }

    @Test func `where nothing may be lost, nothing is given up`() throws {
        var core = replica(base: 7, mayLose: false)
        var effects = try append(9, 3, commit: 9, to: &core)
        endTurn(&core, &effects)
        let isKept = !effects.overtaken && effects.messages.isEmpty && core.contradictions == 1
        #expect(isKept)
        // Before the log's start nothing is known: the leader is told where that is.
        effects = try append(6, 3, commit: 6, to: &core)
        endTurn(&core, &effects)
        let reply = reply(in: effects)
        #expect(reply?.rejected == true && reply?.hintIndex == 7)
        let isOvertaken = core.isOvertaken
        #expect(!isOvertaken)
    }

    /// Overtaken, and without a state.
    private func overtaken(base: LogIndex) throws -> RaftCore {
        var core = replica(base: base)
        var effects = try append(9, 3, commit: 9, to: &core)
        core.requireSnapshot(logIsWhole: true, now: now, effects: &effects)
        endTurn(&core, &effects)
        let reply = reply(in: effects)
        #expect(reply?.needsSnapshot == true && reply?.hintIndex == 0)
        return core
    }

    @Test func `a log goes back to a snapshot from before its start`() throws {
        var core = try overtaken(base: 7)
        var effects = RaftEffects()
        let installed = core.install(
            index: 5, term: 1, now: now, liveness: liveness, effects: &effects)
        #expect(installed)
        endTurn(&core, &effects)
        let starts = effects.io.map(\.io)
        #expect(starts == [.start(index: 5, term: 1, keepingRest: false)])
        let (commit, last, needs) = (core.commit, core.lastIndex, core.needsSnapshot)
        #expect(commit == 5)
        #expect(last == 5)
        #expect(!needs)
        let isOver = !core.isOvertaken
        #expect(isOver)
        // And goes on with what the leader has.
        effects = try append(5, 1, commit: 5, to: &core)
        endTurn(&core, &effects)
        let reply = reply(in: effects)
        #expect(reply?.rejected == false && reply?.index == 5)
    }

    @Test func `what is common stays in the log, but nothing of it is committed any more`() throws {
        var core = try overtaken(base: 4)
        var effects = RaftEffects()
        let installed = core.install(
            index: 6, term: 2, now: now, liveness: liveness, effects: &effects)
        #expect(installed)
        endTurn(&core, &effects)
        let starts = effects.io.map(\.io)
        #expect(starts == [.start(index: 6, term: 2, keepingRest: true)])
        let (commit, last) = (core.commit, core.lastIndex)
        #expect(commit == 6)
        #expect(last == 12)
    }

    @Test func `without a state the same is found again, unless the start's term is not known`()
        throws
    {
        var core = replica(base: 7)
        var effects = RaftEffects()
        core.requireSnapshot(logIsWhole: true, now: now, effects: &effects)
        effects = try append(6, 3, commit: 5, to: &core)
        endTurn(&core, &effects)
        // Not proven yet: it follows, and wants what its log goes on from.
        var reply = reply(in: effects)
        #expect(reply?.needsSnapshot == true && reply?.hintIndex == 7)
        effects = try append(6, 3, commit: 6, to: &core)
        endTurn(&core, &effects)
        reply = self.reply(in: effects)
        #expect(reply?.needsSnapshot == true && reply?.hintIndex == 0)
        let isOvertaken = core.isOvertaken
        #expect(isOvertaken)
    }

    @Test
    func `a leader shows what contradicts a follower's start, and its own end, at a limited rate`()
    {
        let cluster = Cluster(3) { $0.mayLoseEntries = true }
        cluster.isTracing = false
        cluster.time += 500_000_000
        let leader = cluster[1]
        cluster.turn(leader) { replica, now, liveness, effects in
            replica.core.becomePreCandidate(
                .start, now: now, liveness: liveness, effects: &effects)
        }
        func settle() {
            while let at = cluster.network.firstIndex(where: { $0.isRaft }) {
                let envelope = cluster.network.remove(at: at)
                if envelope.to != NodeID(3) { cluster.deliver(envelope) }
                for node in cluster.nodes { cluster.sync(node) }
            }
        }
        settle()
        for _ in 0..<8 { cluster.propose(leader, [1]) }
        settle()
        let (isLeader, last) = (leader.core.role == .leader, leader.core.lastIndex)
        #expect(isLeader)
        #expect(last == 9)
        /// What the leader says to a refusal by node 3, whose log begins behind `hint`.
        func shown(_ refused: LogIndex, hint: LogIndex, term: Term) -> LogIndex? {
            let reply = RaftMessage.AppendReply(
                rejected: true, index: refused, hintIndex: hint, hintTerm: term, readRound: 0,
                commit: hint, followEpoch: 0)
            cluster.deliver(
                Cluster.Envelope(
                    from: NodeID(3), to: NodeID(1),
                    payload: .raft(
                        RaftMessage(term: leader.core.term, body: .appendReply(reply)), records: [])
                ))
            defer { cluster.network.removeAll { $0.to == NodeID(3) } }
            for envelope in cluster.network where envelope.to == NodeID(3) {
                if case .raft(let message, _) = envelope.payload,
                    case .append(let append) = message.body
                {
                    return append.previousIndex
                }
            }
            return nil
        }
        cluster.network.removeAll { $0.to == NodeID(3) }
        let beyond = (
            shown(0, hint: 100, term: 1), shown(9, hint: 100, term: 1)
        )
        #expect(beyond.0 == 9)
        #expect(beyond.1 == nil)
        let inside = shown(0, hint: 6, term: 77)
        #expect(inside == 6)
    }
}
