internal import Bytes

/// What scenarios do with a simulation: wait, cut, freeze, send, expect.
///
/// Client 0 makes the final reads; scenarios use the others by hand.
struct Stage {
    let simulation: Simulation

    init(_ simulation: Simulation) {
        self.simulation = simulation
        simulation.clients[0].state = .retired
        for number in simulation.clients.indices.dropFirst() {
            simulation.clients[number].isManual = true
        }
    }

    // Time

    /// Starts all nodes and waits until every group has a leader that serves.
    func boot() throws(ScenarioError) {
        for number in simulation.nodeNumbers { simulation.restart(number) }
        // The look at all groups is dear where there are hundreds of them.
        var isLed = [Bool](repeating: false, count: simulation.options.groups + 1)
        try wait("all groups to have a leader", within: .seconds(10)) {
            guard let next = isLed.firstIndex(of: false) else { return true }
            guard leader(of: UInt32(next)) != nil else { return false }
            for reading in readings().compactMap({ $0 }).joined() where reading.isLeader {
                isLed[Int(reading.group)] = true
            }
            return !isLed.contains(false)
        }
        pass(.milliseconds(200))
    }

    func pass(_ interval: Interval) { simulation.advance(by: interval) }

    func wait(
        _ what: String, within bound: Interval = .seconds(10), until condition: () -> Bool
    ) throws(ScenarioError) {
        if simulation.advance(within: bound, until: condition) { return }
        if let found = simulation.foundSoFar.first { throw .broken(found.description) }
        throw .broken("waited \(bound.milliseconds) ms in vain for \(what)")
    }

    func require(_ holds: Bool, _ what: String) throws(ScenarioError) {
        if !holds { throw .precondition(what) }
    }

    /// Notes that what the scenario is about has taken place, so often. Every scenario says so of something;
    /// what came about not once in the whole of it is a failure.
    func met(_ what: String, times: Int = 1) {
        if let known = simulation.met.firstIndex(where: { $0.what == what }) {
            simulation.met[known].times += times
        } else {
            simulation.met.append(Report.Precondition(what: what, times: times))
        }
    }

    func expect(_ holds: Bool, _ what: String) throws(ScenarioError) {
        if !holds { throw .broken(what) }
    }

    // Nodes

    var nodes: ClosedRange<Int> { simulation.nodeNumbers }

    func reading(_ node: Int, _ group: UInt32 = 1) -> ReplicaReading? {
        simulation.nodes[node].process?.readings().first { $0.group == group }
    }

    /// What each node tells of its groups, in their order; nil of one that is down or left out.
    func readings(except: Int? = nil) -> [[ReplicaReading]?] {
        nodes.map { $0 == except ? nil : simulation.nodes[$0].process?.readings() }
    }

    /// The node that leads a group in the highest term, not counting those that stand still.
    func leader(of group: UInt32 = 1, except: Int? = nil) -> Int? {
        var best: (node: Int, term: UInt64)?
        for node in nodes where node != except {
            guard let reading = reading(node, group), reading.isLeader,
                simulation.nodes[node].pausedUntil <= simulation.now
            else { continue }
            if reading.term > best?.term ?? 0 { best = (node, reading.term) }
        }
        return best?.node
    }

    func waitForLeader(except: Int? = nil) throws(ScenarioError) -> Int {
        try wait("a leader other than \(except ?? 0)") { leader(except: except) != nil }
        guard let leader = leader(except: except) else { throw .broken("the leader is gone") }
        return leader
    }

    /// Compares the states of replicas that have applied as much as another one has, or had.
    func compareStates() {
        for node in nodes {
            guard let process = simulation.nodes[node].process else { continue }
            for reading in process.readings() {
                simulation.compareState(of: process, reading, node: node)
            }
        }
    }

    func others(than node: Int) -> [Int] { nodes.filter { $0 != node } }

    /// The whole process stands still until `thaw`.
    func freeze(_ node: Int) {
        simulation.freeze(node, for: .seconds(3600))
    }

    /// The loop thread stands still until `goOn`: what reaches the process waits, and one turn takes all
    /// of it. Pings are answered meanwhile.
    func holdLoop(_ node: Int) throws(ScenarioError) {
        try wait("node \(node) to be between two turns") {
            simulation.nodes[node].process?.isTurning == false
        }
        simulation.stallLoop(of: node, for: .seconds(3600))
    }

    func goOn(_ node: Int) {
        simulation.nodes[node].loopStalledUntil = simulation.now
        simulation.thawed(node)
    }

    func thaw(_ node: Int) {
        simulation.nodes[node].pausedUntil = simulation.now
        simulation.thawed(node)
    }

    func kill(_ node: Int, powerCut: Bool = false) {
        simulation.counts.add(powerCut ? .powerCut : .processKilled)
        simulation.crash(node, powerCut: powerCut)
    }

    func start(_ node: Int) { simulation.restart(node) }

    // Network

    func block(from: Int, to: Int) { simulation.network.block(from: from, to: to) }

    func unblock(from: Int, to: Int) {
        simulation.network.unblock(from: from, to: to, now: simulation.now)
    }

    func isolate(_ node: Int) {
        for other in others(than: node) {
            block(from: node, to: other)
            block(from: other, to: node)
        }
    }

    func rejoin(_ node: Int) {
        for other in others(than: node) {
            unblock(from: node, to: other)
            unblock(from: other, to: node)
        }
    }

    // Clients

    /// Connects a client to a node.
    func connect(_ client: Int, to node: Int) throws(ScenarioError) {
        let old = simulation.clients[client]
        if old.state != .idle, old.state != .retired {
            simulation.network.close(old.connection, by: 0, now: simulation.now)
            simulation.lost(client: client, connection: old.connection)
        }
        simulation.clients[client].collected = []
        simulation.clients[client].isLost = false
        simulation.clients[client].state = .connecting
        simulation.clients[client].node = node
        simulation.clients[client].generation += 1
        simulation.clients[client].connection = simulation.network.dial(
            from: .client(client), life: 0, to: .node(node), isPeerLink: false,
            now: simulation.now)
        try wait("client \(client) to connect to node \(node)") {
            simulation.clients[client].state != .connecting
        }
        try expect(
            simulation.clients[client].state == .ready, "client \(client) could not connect")
    }

    /// Sends commands in one pipeline, without waiting.
    func send(_ client: Int, _ commands: ClientCommand...) { send(client, commands) }

    func send(_ client: Int, _ commands: [ClientCommand]) {
        simulation.clients[client].collected = []
        simulation.send(
            commands.map { (workload: -1, call: Call($0, token: 0)) }, client: client)
    }

    /// Sends calls of a workload.
    func send(_ client: Int, workload: Int, _ calls: [Call]) {
        simulation.clients[client].collected = []
        simulation.send(calls.map { (workload: workload, call: $0) }, client: client)
    }

    func replies(_ client: Int) -> [Reply] { simulation.clients[client].collected }

    /// Waits until a client has all its replies.
    func awaitReplies(
        _ client: Int, within bound: Interval = .seconds(10)
    ) throws(ScenarioError) -> [Reply] {
        try wait("the replies to client \(client)", within: bound) {
            simulation.clients[client].state != .waiting
        }
        return replies(client)
    }

    /// Sends one command and waits for the reply.
    @discardableResult
    func call(
        _ client: Int, _ command: ClientCommand, within bound: Interval = .seconds(10)
    ) throws(ScenarioError) -> Reply {
        send(client, command)
        guard let reply = try awaitReplies(client, within: bound).first else {
            throw .broken("client \(client) lost its connection instead of a reply")
        }
        return reply
    }

    /// A number from a node's INFO, asked by the last client.
    func info(_ field: String, of node: Int) throws(ScenarioError) -> Int64 {
        Int64(try infoLine(field, of: node)) ?? 0
    }

    /// What stands behind a field of a node's INFO, asked by the last client.
    func infoLine(_ field: String, of node: Int) throws(ScenarioError) -> String {
        let client = simulation.clients.count - 1
        guard case .bulk(let bytes) = try call(client, to: node, ClientCommand("INFO")) else {
            throw .broken("INFO was not answered")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\r\n") where line.hasPrefix(field + ":") {
            return String(line.dropFirst(field.utf8.count + 1))
        }
        throw .broken("INFO has no \(field)")
    }

    func session(_ client: Int) -> Int { simulation.clients[client].sessionNumber }

    /// The workload of a kind, for scenarios that keep histories.
    var list: ListWorkload {
        guard let list = simulation.workloads[listIndex] as? ListWorkload else {
            invariantFailed("the list workload is at another place")
        }
        return list
    }
    var counter: CounterWorkload {
        guard let counter = simulation.workloads[counterIndex] as? CounterWorkload else {
            invariantFailed("the counter workload is at another place")
        }
        return counter
    }
    /// Places in `Scenario.threeNodes`' workloads.
    var listIndex: Int { 1 }
    var counterIndex: Int { 2 }

    /// Ends the manual clients: from here on the simulation judges.
    func dismissClients() {
        for number in simulation.clients.indices.dropFirst() {
            let client = simulation.clients[number]
            if client.state != .idle, client.state != .retired {
                simulation.network.close(client.connection, by: 0, now: simulation.now)
                simulation.lost(client: number, connection: client.connection)
            }
            simulation.clients[number].state = .retired
        }
    }

    /// Lets clients act by chance, each tied to nothing, for the workload's sake.
    func releaseClients(_ numbers: ClosedRange<Int>) {
        for number in numbers {
            simulation.clients[number].isManual = false
            simulation.clients[number].state = .idle
            simulation.wake(client: number, after: .milliseconds(1))
        }
    }
}
