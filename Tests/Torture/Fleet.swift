import Bytes
import Foundation
import Simulator

/// Clients of all members at once, on one thread: they make the simulator's workloads' calls on real
/// sockets and keep their histories.
///
/// A client stays with its member, whatever becomes of it, so that each member is asked all the time. A lost
/// connection, or no answer for `patience`, makes what was in flight unknown and begins another session.
final class Fleet {
    struct Settings: Sendable {
        /// Where each member's clients connect.
        var members: [(address: String, port: Int)]
        var clientsPerMember = 3
        var seed: UInt64
    }

    private enum State { case idle, ready, waiting }

    private struct InFlight {
        var workload: Int
        var token: Int
    }

    private struct Client {
        var member: Int
        var state = State.idle
        var line: Line?
        var session = 0
        var inFlight: [InFlight] = []
        var answered = 0
        var wakeAt: Moment
        var givesUpAt = Moment.never
        var random: SeededGenerator
    }

    /// Longer than `request-timeout`, so that the member answers for itself.
    private static let patience = Interval.seconds(15)
    private static let pipelineMax = 4
    /// A turn takes 20 ms at most when nothing happens.
    private static let stall = Interval.milliseconds(500)

    private let settings: Settings
    private let board: FleetBoard
    private let workloads: [any Workload]
    private var clients: [Client] = []
    private var watches: [Watch]
    private var lastTurn = TrueTime.now

    init(_ settings: Settings, _ board: FleetBoard) {
        self.settings = settings
        self.board = board
        workloads = [
            RegisterWorkload(keys: 4), ListWorkload(keys: 3), CounterWorkload(keys: 3),
            MultiKeyWorkload(keys: 2),
            RegisterWorkload(keys: 1, expiring: true, largeChance: 0.05, largeBytesMax: 100_000),
        ]
        watches = settings.members.map { Watch(address: $0.address, port: $0.port) }
        var chance = SeededGenerator(seed: settings.seed)
        for member in settings.members.indices {
            for _ in 0..<settings.clientsPerMember {
                clients.append(
                    Client(
                        member: member, wakeAt: TrueTime.now,
                        random: SeededGenerator(seed: chance.next())))
            }
        }
    }

    /// Plays until the board says that the end begins, then reads everything once more, and judges.
    func run() {
        while !board.isEnding { turn(isDraining: false) }
        while clients.contains(where: { $0.state == .waiting }) { turn(isDraining: true) }
        for number in clients.indices { clients[number].line = nil }
        var verdict = FleetBoard.Verdict()
        readEverything(&verdict)
        for workload in workloads {
            let found = workload.check()
            verdict.violations += found.violations.map(\.description)
            verdict.undecided += found.undecided
            verdict.objects.append(
                "\(workload.name): \(found.answered) answered, \(found.rejected) refused, "
                    + "\(found.unknown) unknown")
        }
        board.finish(verdict)
    }

    private func turn(isDraining: Bool) {
        let now = TrueTime.now
        if now - lastTurn > Self.stall { board.noteStall(since: lastTurn, at: now) }
        lastTurn = now
        for number in clients.indices where clients[number].wakeAt <= now {
            act(number, isDraining: isDraining, now: now)
        }
        for number in clients.indices
        where clients[number].state == .waiting && clients[number].givesUpAt <= now {
            lose(number, now: now)
        }
        for member in watches.indices { watches[member].act(now: now) }
        wait(until: now)
    }

    private func act(_ number: Int, isDraining: Bool, now: Moment) {
        switch clients[number].state {
        case .waiting:
            clients[number].wakeAt = .never
        case .idle where !isDraining:
            let member = settings.members[clients[number].member]
            clients[number].line = Line(to: member.address, port: member.port)
            clients[number].session += 1
            clients[number].state = clients[number].line == nil ? .idle : .ready
            if clients[number].line == nil { clients[number].wakeAt = now + .milliseconds(50) }
        case .ready where !isDraining:
            sendPipeline(number, now: now)
        case .idle, .ready:
            clients[number].wakeAt = .never
        }
    }

    private func sendPipeline(_ number: Int, now: Moment) {
        let length = 1 + Int(clients[number].random.below(UInt64(Self.pipelineMax)))
        var bytes: [UInt8] = []
        for _ in 0..<length {
            let workload = Int(clients[number].random.below(UInt64(workloads.count)))
            let call = workloads[workload].step(
                session: session(number), now: now, random: &clients[number].random)
            clients[number].inFlight.append(InFlight(workload: workload, token: call.token))
            bytes += call.command.encoded
        }
        clients[number].state = .waiting
        clients[number].answered = 0
        clients[number].wakeAt = .never
        clients[number].givesUpAt = now + Self.patience
        clients[number].line?.send(bytes)
    }

    /// Unique over all clients and connections.
    private func session(_ number: Int) -> Int { number * 1_000_000 + clients[number].session }

    /// Sleeps until something arrives or somebody wants to act.
    private func wait(until now: Moment) {
        var polls: [pollfd] = []
        var owners: [Int] = []
        for number in clients.indices {
            guard let line = clients[number].line else { continue }
            polls.append(line.poll)
            owners.append(number)
        }
        for member in watches.indices {
            guard let line = watches[member].line else { continue }
            polls.append(line.poll)
            owners.append(-1 - member)
        }
        let next = clients.map(\.wakeAt).min() ?? now
        let milliseconds = max(0, min(20, (next.nanoseconds - now.nanoseconds) / 1_000_000))
        guard poll(&polls, nfds_t(polls.count), Int32(milliseconds)) > 0 else { return }
        for (at, owner) in zip(polls, owners) where at.revents != 0 {
            if owner >= 0 {
                readReplies(owner)
            } else {
                watches[-1 - owner].receive(now: TrueTime.now) { [board] sighting, now in
                    board.note(sighting, of: -1 - owner, at: now)
                }
            }
        }
    }

    private func readReplies(_ number: Int) {
        guard let line = clients[number].line else { return }
        line.flush()
        let isOpen = line.receive()
        let now = TrueTime.now
        do {
            while clients[number].answered < clients[number].inFlight.count,
                let reply = try line.next()
            {
                let call = clients[number].inFlight[clients[number].answered]
                clients[number].answered += 1
                let outcome = Outcome(of: reply)
                workloads[call.workload].finish(call.token, outcome, now: now)
                board.note(outcome, at: now)
            }
        } catch {
            fatalError("a member does not speak RESP: \(error)")
        }
        if clients[number].state == .waiting,
            clients[number].answered == clients[number].inFlight.count
        {
            clients[number].inFlight.removeAll(keepingCapacity: true)
            clients[number].answered = 0
            clients[number].state = .ready
            let think = Int64(clients[number].random.below(20_000))
            clients[number].wakeAt = now + .microseconds(think)
        }
        if !isOpen { lose(number, now: now) }
    }

    /// The connection is gone: nobody knows what became of the calls in flight.
    private func lose(_ number: Int, now: Moment) {
        for call in clients[number].inFlight.dropFirst(clients[number].answered) {
            workloads[call.workload].finish(call.token, .unknown, now: now)
            board.note(.unknown, at: now)
        }
        clients[number].inFlight.removeAll(keepingCapacity: true)
        clients[number].answered = 0
        clients[number].line = nil
        clients[number].state = .idle
        clients[number].wakeAt = now + .milliseconds(50)
    }

    // MARK: The end

    /// Reads every object of every workload, through one member after the other.
    private func readEverything(_ verdict: inout FleetBoard.Verdict) {
        var reads = 0
        for workload in workloads {
            var object = 0
            var failures = 0
            while let call = workload.finalRead(
                object, session: -2 - reads, now: TrueTime.now)
            {
                let member = settings.members[reads / 100 % settings.members.count]
                reads += 1
                let outcome = ask(call, member)
                workload.finish(call.token, outcome, now: TrueTime.now)
                if case .reply = outcome {
                    object += 1
                    continue
                }
                failures += 1
                if failures > 10 {
                    verdict.violations.append("liveness: the last reads fail: \(outcome)")
                    break
                }
                TrueTime.pause(0.5)
            }
        }
    }

    private var reader: (port: Int, line: Line)?

    private func ask(_ call: Call, _ member: (address: String, port: Int)) -> Outcome {
        if reader?.port != member.port {
            reader = Line(to: member.address, port: member.port).map { (member.port, $0) }
        }
        guard let line = reader?.line else { return .unknown }
        line.send(call.command.encoded)
        let end = TrueTime.now + Self.patience
        while TrueTime.now < end {
            var polls = [line.poll]
            _ = poll(&polls, 1, 100)
            line.flush()
            let isOpen = line.receive()
            if let reply = try? line.next() { return Outcome(of: reply) }
            if !isOpen { break }
        }
        reader = nil
        return .unknown
    }
}

extension Line {
    /// What the kernel is to be asked about it.
    var poll: pollfd {
        let events = wantsToWrite ? POLLIN | POLLOUT : POLLIN
        return pollfd(fd: descriptor, events: Int16(events), revents: 0)
    }
}
