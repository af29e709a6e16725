internal import Bytes

/// What the network asked to happen now.
extension Simulation {
    func fulfil(_ wish: VirtualNetwork.Wish) {
        switch wish {
        case .arrival(let connection, let end): arrive(connection, at: end)
        case .dialEnds(let connection): dialEnds(connection)
        case .broken(let connection, let end):
            guard let state = network.connection(connection) else { return }
            if network.noticeBroken(connection, at: end) {
                tellClosed(state, at: end)
            }
        case .heldFrame(let connection, let end):
            network.releaseHeldFrame(connection, towards: end, now: now)
        case .liveness(let from, let to, let bytes):
            receiveLiveness(bytes, from: from, to: to)
        }
    }

    private func arrive(_ number: Int, at end: ConnectionEnd) {
        guard let connection = network.connection(number) else { return }
        let side = connection.sides[end]
        switch network.takeArrival(number, at: end, now: now) {
        case .nothing: return
        case .end: tellClosed(connection, at: end)
        case .bytes(let bytes):
            switch side {
            case .node(let node):
                let inbound: Inbound =
                    connection.isPeerLink
                    ? .linkBytes(connection: number, bytes)
                    : .sessionBytes(connection: number, bytes)
                deliver(inbound, to: node, life: connection.lives[end])
            case .client(let client):
                received(bytes, client: client, connection: number)
            }
        }
        if case .node(let sender) = connection.sides[1 - end] { reportQueued(number, at: sender) }
    }

    private func dialEnds(_ number: Int) {
        guard let connection = network.connection(number), connection.states[0] == .waiting else {
            return
        }
        var acceptor: Int?
        if case .node(let node) = connection.sides[1] { acceptor = nodes[node].process?.life }
        let isOpen = network.dialEnds(number, acceptor: acceptor)
        trace.record(
            .link, at: now, who: connection.sides[0].number, UInt64(number), isOpen ? 1 : 0,
            text: "\(connection.sides[0]) to \(connection.sides[1]) \(isOpen ? "open" : "refused")")
        guard case .node(let target) = connection.sides[1] else { return }
        switch connection.sides[0] {
        case .node(let source):
            let process = process(source, life: connection.lives[0])
            let id = process?.dialing.removeValue(forKey: number) ?? target
            let dialed = isOpen ? id : nil
            if isOpen {
                deliver(
                    .linkOpened(connection: number, dialed: dialed), to: source,
                    life: connection.lives[0])
                deliver(
                    .linkOpened(connection: number, dialed: nil), to: target, life: acceptor ?? 0)
            } else {
                deliver(
                    .dialFailed(connection: number, peer: id), to: source,
                    life: connection.lives[0])
            }
        case .client(let client):
            if isOpen {
                deliver(
                    .sessionOpened(connection: number, client: client), to: target,
                    life: acceptor ?? 0)
            }
            dialed(client: client, connection: number, isOpen: isOpen)
        }
    }

    private func tellClosed(_ connection: Connection, at end: ConnectionEnd) {
        let (number, side, life) = (connection.number, connection.sides[end], connection.lives[end])
        trace.record(.link, at: now, who: side.number, UInt64(number), 2, text: "\(number) closed")
        guard case .node(let node) = side else {
            if case .client(let client) = side { lost(client: client, connection: number) }
            return
        }
        guard let process = process(node, life: life) else { return }
        process.queued[number] = nil
        // What the process knows does not count: it may stand still with the opening in its inbox.
        let inbound: Inbound =
            connection.isPeerLink
            ? .linkClosed(connection: number) : .sessionClosed(connection: number)
        deliver(inbound, to: node, life: life)
    }
}
