internal import Bytes
internal import DequeModule

/// What clients do: connect, send pipelines, read replies, lose patience, and at the end read
/// everything once more.
extension Simulation {
    func act(client number: Int, generation: Int) {
        guard clients[number].generation == generation, !clients[number].isManual else { return }
        switch clients[number].state {
        case .idle: connect(client: number)
        case .ready: sendPipeline(client: number)
        case .waiting: hangUp(client: number)
        case .connecting, .retired: break
        }
    }

    /// Schedules the client's next step.
    func wake(client number: Int, after delay: Interval) {
        clients[number].generation += 1
        schedule(.client(number, generation: clients[number].generation), after: delay)
    }

    private var isFinalReader: Bool { phase == .settling }

    private func connect(client number: Int) {
        if phase.rawValue >= Phase.draining.rawValue, !isFinalReader {
            clients[number].state = .retired
            return
        }
        let node = clients[number].random.pick(presentNodes)
        clients[number].state = .connecting
        clients[number].node = node
        clients[number].generation += 1
        clients[number].connection = network.dial(
            from: .client(number), life: 0, to: .node(node), isPeerLink: false, now: now)
    }

    func dialed(client number: Int, connection: Int, isOpen: Bool) {
        guard clients[number].state == .connecting, clients[number].connection == connection else {
            return
        }
        guard isOpen else {
            clients[number].state = .idle
            clients[number].isLost = true
            wake(client: number, after: clients[number].random.interval(Self.reconnectDelay))
            return
        }
        clients[number].state = .ready
        clients[number].session += 1
        clients[number].parser = ReplyParser()
        if !clients[number].isManual { sendPipeline(client: number) }
    }

    static let reconnectDelay: ClosedRange<Interval> = .milliseconds(1) ... .milliseconds(80)

    private func sendPipeline(client number: Int) {
        if isFinalReader {
            sendFinalRead(client: number)
            return
        }
        guard phase.rawValue < Phase.draining.rawValue else {
            network.close(clients[number].connection, by: 0, now: now)
            clients[number].state = .retired
            return
        }
        let length = clients[number].random.integer(1...options.client.pipelineMax)
        var calls: [(workload: Int, call: Call)] = []
        for _ in 0..<length {
            let workload = Int(clients[number].random.below(UInt64(workloads.count)))
            let call = workloads[workload].step(
                session: clients[number].sessionNumber, now: now, random: &clients[number].random)
            calls.append((workload, call))
        }
        send(calls, client: number)
        if clients[number].random.happens(options.client.hangUpChance) {
            schedule(
                .client(number, generation: clients[number].generation),
                after: clients[number].random.interval(.microseconds(100) ... .milliseconds(300)))
        }
    }

    /// Sends calls in one pipeline.
    func send(_ calls: [(workload: Int, call: Call)], client number: Int) {
        var bytes: [UInt8] = []
        for (workload, call) in calls {
            clients[number].inFlight.append(
                SimulatedClient.InFlight(
                    workload: workload, token: call.token, sent: now, summary: call.command.summary)
            )
            bytes += call.command.encoded
            trace.record(
                .client, at: now, who: number, UInt64(clients[number].node),
                text: "to n\(clients[number].node): \(call.command.summary)")
        }
        trace.mix(bytes: bytes.span)
        clients[number].state = .waiting
        clients[number].generation += 1
        network.send(bytes, over: clients[number].connection, towards: 1, now: now)
        queue.schedule(
            .patienceEnds(number, generation: clients[number].generation),
            at: now + options.client.patience)
    }

    func received(_ bytes: [UInt8], client number: Int, connection: Int) {
        guard clients[number].connection == connection, clients[number].state == .waiting else {
            if clients[number].connection == connection, clients[number].state == .ready {
                fail(
                    "protocol", "client \(number) got \(bytes.count) bytes that it did not ask for")
            }
            return
        }
        trace.mix(bytes: bytes.span)
        clients[number].parser.append(bytes)
        do {
            while let reply = try clients[number].parser.next() { take(reply, client: number) }
        } catch {
            fail("protocol", "client \(number): \(error)")
        }
        guard clients[number].state == .waiting, clients[number].inFlight.isEmpty else { return }
        pipelineEnded(client: number)
    }

    private func take(_ reply: Reply, client number: Int) {
        guard let call = clients[number].inFlight.popFirst() else {
            fail("protocol", "client \(number) got \(reply.summary) and had asked for nothing")
            return
        }
        trace.record(
            .reply, at: now, who: number, UInt64(clients[number].node),
            text: "from n\(clients[number].node): \(call.summary) -> \(reply.summary)")
        let outcome = Outcome(of: reply)
        if case .rejected(let text) = outcome, text.hasPrefix("OOM") { counts.add(.memoryRefused) }
        replies += 1
        if clients[number].isManual { clients[number].collected.append(reply) }
        if call.workload >= 0 { workloads[call.workload].finish(call.token, outcome, now: now) }
        if isFinalReader, case .reply = outcome { return }
        if isFinalReader {
            complainAboutLiveness("the last read \(call.summary) was answered by \(reply.summary)")
        }
    }

    private func pipelineEnded(client number: Int) {
        if clients[number].isManual {
            clients[number].state = .ready
            return
        }
        if isFinalReader {
            clients[number].finalRead += 1
            clients[number].state = .ready
            sendFinalRead(client: number)
            return
        }
        if clients[number].random.happens(options.client.moveChance) {
            network.close(clients[number].connection, by: 0, now: now)
            clients[number].state = .idle
        } else {
            clients[number].state = .ready
        }
        wake(client: number, after: clients[number].random.interval(options.client.think))
    }

    /// The client closes its connection with calls in flight.
    private func hangUp(client number: Int) {
        counts.add(.clientCut)
        network.close(clients[number].connection, by: 0, now: now)
        lost(client: number, connection: clients[number].connection)
    }

    func losePatience(client number: Int, generation: Int) {
        guard clients[number].generation == generation, clients[number].state == .waiting else {
            return
        }
        trace.record(.client, at: now, who: number, text: "gives up")
        hangUp(client: number)
    }

    /// The connection is gone: nobody knows what became of the calls in flight.
    func lost(client number: Int, connection: Int) {
        guard clients[number].connection == connection, clients[number].state != .retired else {
            return
        }
        while let call = clients[number].inFlight.popFirst() {
            guard call.workload >= 0 else { continue }
            workloads[call.workload].finish(call.token, .unknown, now: now)
        }
        clients[number].state = .idle
        clients[number].isLost = true
        wake(client: number, after: clients[number].random.interval(Self.reconnectDelay))
    }

    // The last reads

    /// A client that has retired reads every object of every workload, one after the other.
    func startFinalReads() {
        finalReader = 0
        finalWorkload = 0
        clients[finalReader].finalRead = 0
        clients[finalReader].state = .idle
        wake(client: finalReader, after: .milliseconds(0))
    }

    private func sendFinalRead(client number: Int) {
        while finalWorkload < workloads.count {
            if let call = workloads[finalWorkload].finalRead(
                clients[number].finalRead, session: clients[number].sessionNumber, now: now)
            {
                send([(finalWorkload, call)], client: number)
                return
            }
            finalWorkload += 1
            clients[number].finalRead = 0
        }
        network.close(clients[number].connection, by: 0, now: now)
        clients[number].state = .retired
        finalReadsDone = true
    }
}
