internal import Bytes
internal import Raft

/// A small group, the messages on their way between its nodes, and what must hold of it.
///
/// Nodes count from 1. Everything that happens is an action; the same actions always lead to the same
/// world, so a world is made again by taking them again (a core cannot be copied).
final class ModelWorld {
    let situation: ModelSituation
    var nodes: [ModelNode] = []
    /// True time in nanoseconds.
    var time: Int64 = 1_000_000_000
    /// What is on its way, by sender and receiver (`link`), in the order in which it left.
    private(set) var flights: [[Flight]] = []
    var budget = ModelBudget()
    var history = ModelHistory()
    /// What the action taken last brought about.
    var occurred: Set<Occurrence> = []
    /// Whole replicas are walked only where a state is looked at, not on the way there.
    var walks = true

    struct Flight: Equatable {
        enum Payload: Equatable {
            case raft(RaftMessage, records: [UInt8])
            case pong(LivenessPong)
        }
        var payload: Payload
        /// Of the process that it was sent to.
        var boot: UInt64
    }

    /// On its way between one pair of nodes at most; the oldest is lost beyond that.
    static let flightsMax = 4

    init(_ situation: ModelSituation) {
        self.situation = situation
        for number in 1...situation.nodes {
            let start = Instant(
                nanoseconds: time + time / 1_000_000 * situation.ratesPPM[number - 1])
            nodes.append(ModelNode(number, of: situation, now: start))
        }
        flights = [[Flight]](repeating: [], count: situation.nodes * situation.nodes)
    }

    var numbers: ClosedRange<Int> { 1...situation.nodes }
    func node(_ number: Int) -> ModelNode { nodes[number - 1] }
    func now(_ node: ModelNode) -> Instant { node.clock(at: time) }
    private func link(_ from: Int, _ to: Int) -> Int { (from - 1) * situation.nodes + to - 1 }

    // MARK: Actions

    /// What can happen now, in a fixed order.
    func actions() -> [ModelAction] {
        var actions: [ModelAction] = []
        for from in numbers {
            for to in numbers {
                for position in flights[link(from, to)].indices {
                    actions.append(.deliver(from: from, to: to, position: position))
                    if budget.duplicates > 0 {
                        actions.append(.duplicate(from: from, to: to, position: position))
                    }
                }
            }
        }
        for number in numbers {
            let node = node(number)
            if node.core.nextDeadline <= now(node) { actions.append(.tick(number)) }
            if !node.disk.pending.isEmpty { actions.append(.sync(number)) }
            if budget.restarts > 0, situation.restarting.contains(number) {
                actions.append(.restart(number, keeping: false))
                if !node.disk.pending.isEmpty { actions.append(.restart(number, keeping: true)) }
            }
            guard node.core.isLeader else { continue }
            if budget.proposals > 0 { actions.append(.propose(number)) }
            if budget.reads > 0, node.read == nil { actions.append(.read(number)) }
            if budget.transfers > 0 { actions.append(.transfer(number)) }
            if budget.removals > 0 {
                for other in situation.voters {
                    actions.append(.remove(Int(other.raw), by: number))
                }
            }
        }
        if budget.pings > 0 { actions += situation.pings.map { .ping($0.from, $0.to) } }
        if budget.passes > 0 { actions.append(.pass) }
        return actions
    }

    /// Takes an action; afterwards `history.violation` tells whether all is still well.
    func take(_ action: ModelAction) {
        occurred.removeAll(keepingCapacity: true)
        guard budget.take(action) else { invariantFailed("an action beyond the budget") }
        perform(action)
        checkEverywhere()
    }

    func perform(_ action: ModelAction) {
        switch action {
        case .pass: time += situation.step.nanoseconds
        case .tick(let number):
            turn(number) { node, now in
                node.core.tick(now: now, liveness: node.liveness, effects: &node.effects)
            }
        case .ping(let from, let to): ping(from, to)
        case .deliver(let from, let to, let position):
            let flight = flights[link(from, to)].remove(at: position)
            arrive(flight, from: from, to: to)
        case .duplicate(let from, let to, let position):
            occurred.insert(.duplicated)
            arrive(flights[link(from, to)][position], from: from, to: to)
        case .sync(let number): sync(number)
        case .restart(let number, let keeping): restart(number, keeping: keeping)
        case .propose(let number):
            turn(number) { node, now in
                _ = node.core.propose(
                    kind: .commands, payload: ByteBuffer().readable, now: now,
                    liveness: node.liveness, effects: &node.effects)
            }
        case .read(let number): read(number)
        case .transfer(let number):
            turn(number) { node, now in
                node.core.transferLeadership(
                    to: nil, now: now, liveness: node.liveness, effects: &node.effects)
            }
        case .remove(let other, let by):
            change(by) { members in members.filter { $0 != NodeID(UInt16(other)) } }
        case .add(let other, let by):
            change(by) { members in members + [NodeID(UInt16(other))] }
        case .become(let nodes, let by):
            change(by) { _ in nodes.map { NodeID(UInt16($0)) } }
        }
    }

    private func ping(_ from: Int, _ to: Int) {
        let (sender, receiver) = (node(from), node(to))
        sender.liveness.stampLoop(now: now(sender))
        guard let ping = sender.liveness.ping(to: receiver.id, now: now(sender)),
            let pong = receiver.liveness.receive(ping, now: now(receiver))
        else { return }
        let until = now(receiver) + pong.promise
        receiver.promises.removeAll { $0.to == from && $0.epoch == pong.followEpoch }
        receiver.promises.append(
            ModelNode.Promise(to: from, epoch: pong.followEpoch, until: until))
        send(Flight(payload: .pong(pong), boot: sender.boot), from: to, to: from)
    }

    private func sync(_ number: Int) {
        guard let ticket = node(number).disk.sync() else { return }
        turn(number) { node, now in
            node.core.durable(
                upTo: ticket, now: now, liveness: node.liveness, effects: &node.effects)
        }
    }

    private func restart(_ number: Int, keeping: Bool) {
        let node = node(number)
        if node.disk.crash(keeping: keeping) { occurred.insert(.writesLost) }
        if node.promises.contains(where: { $0.until > now(node) }) {
            occurred.insert(.granterRestarted)
        }
        // Nothing reaches a process that was not there when it was sent.
        for from in numbers where from != number { flights[link(from, number)].removeAll() }
        node.restart(situation, now: now(node))
        turn(number) { _, _ in }
    }

    private func read(_ number: Int) {
        turn(number) { node, _ in
            // As a host does: what it asks before is not counted.
            guard node.core.committedInTerm else { return }
            node.read = ModelNode.Read(
                round: node.core.beginReadRound(), term: node.core.term,
                mustSee: history.committed.count)
        }
    }

    private func change(_ number: Int, _ wished: ([NodeID]) -> [NodeID]) {
        turn(number) { node, now in
            let voters = wished(node.core.members.voters)
            let mayChange = node.core.committedInTerm
            do throws(ChangeRefusal) {
                try node.core.proposeChange(
                    voters: voters, learners: [], now: now, liveness: node.liveness,
                    effects: &node.effects)
                occurred.insert(.changeBegun)
                if !mayChange { history.fail("members changed before an own entry was committed") }
            } catch {
                // Refused; nothing has happened.
            }
        }
    }

    // MARK: Messages

    private func arrive(_ flight: Flight, from: Int, to: Int) {
        let receiver = node(to)
        switch flight.payload {
        case .pong(let pong):
            receiver.liveness.receive(pong, now: now(receiver))
        case .raft(let message, let records):
            if message.term < receiver.core.term { occurred.insert(.oldMessage) }
            noteFreedom(of: receiver, by: message, from: from)
            turn(to) { node, now in
                do {
                    try node.core.receive(
                        message, entries: records.span, from: NodeID(UInt16(from)), now: now,
                        liveness: node.liveness, effects: &node.effects)
                } catch {
                    history.fail("n\(to) cannot read what n\(from) sent: \(error)")
                }
            }
        }
    }

    private func send(_ flight: Flight, from: Int, to: Int) {
        let link = link(from, to)
        // Two of the same are one that may arrive twice.
        guard !flights[link].contains(flight) else { return }
        flights[link].append(flight)
        if flights[link].count > Self.flightsMax { flights[link].removeFirst() }
    }

    /// Runs `body` on a node, ends the turn, and carries out what the core wants.
    private func turn(_ number: Int, _ body: (ModelNode, Instant) -> Void) {
        let node = node(number)
        let now = now(node)
        node.liveness.stampLoop(now: now)
        let before = ModelBefore(node)
        body(node, now)
        node.core.endTurn(now: now, liveness: node.liveness, effects: &node.effects)
        checkEffects(of: node, before: before)
        for ticketed in node.effects.io {
            if case .truncate = ticketed.io { occurred.insert(.truncated) }
            node.disk.submit(ticketed, node.core)
        }
        for outbound in node.effects.messages {
            var records = ByteBuffer()
            node.core.copyRecords(of: outbound, into: &records)
            checkLeaving(outbound.message, of: node, to: outbound.to)
            send(
                Flight(
                    payload: .raft(outbound.message, records: records.copyBytes()),
                    boot: self.node(Int(outbound.to.raw)).boot),
                from: number, to: Int(outbound.to.raw))
        }
        if let ended = node.effects.changeEnded, ended == .completed {
            occurred.insert(.changeEnded)
        }
        node.effects.removeAll()
        if situation.disksAreQuick.contains(number), !node.disk.pending.isEmpty {
            checkTurn(of: node, before: before)
            while !node.disk.pending.isEmpty { sync(number) }
            return
        }
        checkTurn(of: node, before: before)
    }

    // MARK: For situations

    func flightCount(from: Int, to: Int) -> Int { flights[link(from, to)].count }

    /// All that is on its way is lost.
    func drop() { for link in flights.indices { flights[link].removeAll() } }

    // MARK: For the exploration

    /// All that decides what can happen from now on, and whether it is right.
    func encodeState(into buffer: inout ByteBuffer) {
        for node in nodes { node.encodeState(into: &buffer, now: now(node)) }
        for link in flights {
            buffer.append(UInt8(truncatingIfNeeded: link.count))
            for flight in link {
                switch flight.payload {
                case .raft(let message, let records):
                    message.encode(into: &buffer)
                    buffer.append(littleEndian: records.count)
                case .pong(let pong):
                    buffer.append(littleEndian: pong.boot)
                    buffer.append(littleEndian: pong.followEpoch)
                    buffer.append(littleEndian: pong.pingTime.nanoseconds &- time)
                }
                buffer.append(littleEndian: flight.boot)
            }
        }
        for count in budget.all { buffer.append(UInt8(truncatingIfNeeded: count)) }
        history.encodeState(into: &buffer)
    }

    /// Tells the messages on their way, for whoever reads how it came about.
    func describe(_ action: ModelAction) -> String {
        switch action {
        case .deliver(let from, let to, let position),
            .duplicate(let from, let to, let position):
            switch flights[link(from, to)][position].payload {
            case .raft(let message, _): "\(action): t\(message.term) \(message.body)"
            case .pong(let pong): "\(action): promise under \(pong.followEpoch & 0xffff_ffff)"
            }
        default: "\(action)"
        }
    }
}
