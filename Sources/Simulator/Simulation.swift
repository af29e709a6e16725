public import Bytes

/// A cluster, its clients and its misfortunes in one thread, driven by one seed.
///
/// The world moves from event to event; everything that happens is drawn from the seed, so a run can
/// be repeated exactly. `run()` plays a whole swarm run; scenarios drive the same world by hand with
/// `advance`, `crash`, `block` and the like.
///
/// Phases: *safety* (faults strike, nothing wrong may ever be answered) -> *healing* (faults end, first for a
/// core of nodes, which has to be led again within a bound, then for all) -> *draining* (calls under way
/// have to be answered within a bound) -> *settling* (everything is read once more and the replicas are
/// compared).
public final class Simulation {
    public let seed: UInt64
    public let options: SwarmOptions

    enum Event {
        case turnBegins(node: Int, life: Int)
        case turnEnds(node: Int, life: Int)
        case network(VirtualNetwork.Wish)
        case syncEnds(node: Int, life: Int)
        case backgroundSyncBegins(node: Int, life: Int)
        case backgroundSyncEnds(node: Int, life: Int, upTo: UInt64)
        case roomIsLookedFor(node: Int, life: Int)
        case logRead(node: Int, life: Int, LogReadWish)
        case snapshotStep(node: Int, life: Int)
        case livenessTimer(node: Int, life: Int)
        case client(Int, generation: Int)
        case patienceEnds(Int, generation: Int)
        case disaster
        case relief(Relief)
        case restart(node: Int)
        case resume(node: Int)
        case operatorActs
    }

    enum Phase: Int { case safety, healing, draining, settling }

    public internal(set) var now = Moment.zero
    var queue = EventQueue<Event>()
    var trace: Trace
    var random: SeededGenerator
    var faultRandom: SeededGenerator
    var network: VirtualNetwork
    var counts = FaultCounts()
    /// Index 0 is not used: nodes count from 1.
    var nodes: [SimulatedNode] = []
    var clients: [SimulatedClient] = []
    var workloads: [any Workload]
    var checker = ReplicaChecker()
    var phase = Phase.safety
    var events = 0
    /// Nodes that a healed core must do without: a restart that was planned before does not count.
    var leftOut: Set<Int> = []
    /// What a healed core came to, and how long that took; see `demandProgress`.
    var progress = CoreProgress()
    /// The options are drawn, and what they ask for must come about.
    private(set) var isRandom = false
    /// Some node's cluster has come to the new version.
    var hasRaisedVersion = false
    /// What a scenario came by; see `Stage.met`.
    var met: [Report.Precondition] = []
    /// Found by the simulation itself; others wait in the checker and the workloads.
    var violations: [Violation] = []
    /// Replies that clients have got.
    var replies = 0
    /// The client that makes the final reads, the workload that it is at, and whether it is through.
    var finalReader = 0
    var finalWorkload = 0
    var finalReadsDone = false
    /// Log reads that were asked for.
    var logReads = 0
    /// Snapshots that became durable, that became a state, and that came whole from a peer.
    var snapshotsDurable = 0
    var snapshotsLoaded = 0
    var snapshotsInstalled = 0
    /// Chance that a machine goes down while a start cuts a damaged log.
    var repairCut: Double
    /// Flipped bits by what they were aimed at.
    var flips: [DamagePlace: Int] = [:]
    /// A node whose disk is damaged on purpose: that it does not start is right.
    var expectsRefusal: Int?
    /// Nodes that do not belong to the cluster: spares, and those that were removed.
    var absent: Set<Int> = []
    /// What the operator has under way.
    var operations = Operations()
    /// A majority lost its directories: nothing may be answered, not even at the end.
    var isBeyondRepair = false
    /// State hashes are compared every so many turns of a node (each is a walk over its keys).
    var hashEvery = 16

    /// - Parameters:
    ///   - options: drawn from the seed unless given.
    ///   - trace: receives a line per event; the run does not depend on it.
    public init(
        seed: UInt64, options given: SwarmOptions? = nil, trace sink: ((String) -> Void)? = nil
    ) {
        self.seed = seed
        let options = given ?? SwarmOptions(seed: seed)
        self.options = options
        repairCut = options.disk.repairCut
        trace = Trace()
        trace.sink = sink
        var random = SeededGenerator(seed: seed)
        network = VirtualNetwork(
            nodes: options.nodes + options.spares, options: options.network,
            interposes: options.interposes,
            random: random.split())
        faultRandom = random.split()
        workloads = options.workloads.map { $0.make(options) }
        for number in 0...(options.nodes + options.spares) {
            let rate = Int64(random.integer(-options.clockRatePPM...options.clockRatePPM))
            let clock = NodeClock(
                ratePPM: rate, bootOffset: .seconds(Int64(random.integer(1...100_000))),
                wallOffset: Int64(random.integer(-options.wallOffset...options.wallOffset)))
            nodes.append(SimulatedNode(number: number, clock: clock, random: random.split()))
        }
        for node in nodes where node.number > options.nodes {
            node.joins = true
            node.raftID = 0
            absent.insert(node.number)
        }
        for number in 0..<options.clients {
            clients.append(SimulatedClient(number: number, random: random.split()))
        }
        self.random = random
    }

    /// The nodes that must agree in the end.
    var presentNodes: [Int] { nodeNumbers.filter { !absent.contains($0) } }

    /// The numbers of all nodes.
    public var nodeNumbers: ClosedRange<Int> { 1...(options.nodes + options.spares) }

    func schedule(_ event: Event, after delay: Interval) { queue.schedule(event, at: now + delay) }

    /// Everything found so far, in the order of the finders.
    var foundSoFar: [Violation] { violations + checker.violations }

    // Moving on

    /// Takes the next event. False when nothing is left or something was found.
    func step() -> Bool {
        takeNetworkWishes()
        guard violations.isEmpty, checker.violations.isEmpty, let next = queue.next() else {
            return false
        }
        invariant(next.time >= now, "time went back")
        now = next.time
        events += 1
        handle(next.event)
        return true
    }

    func takeNetworkWishes() {
        for (wish, time) in network.takeWishes() { queue.schedule(.network(wish), at: time) }
    }

    private func handle(_ event: Event) {
        switch event {
        case .turnBegins(let node, let life): beginTurn(of: node, life: life)
        case .turnEnds(let node, let life): endTurn(of: node, life: life)
        case .network(let wish): fulfil(wish)
        case .syncEnds(let node, let life): syncEnded(on: node, life: life)
        case .backgroundSyncBegins(let node, let life): beginBackgroundSync(on: node, life: life)
        case .backgroundSyncEnds(let node, let life, let batch):
            backgroundSyncEnded(on: node, life: life, upTo: batch)
        case .roomIsLookedFor(let node, let life): lookForRoom(on: node, life: life)
        case .logRead(let node, let life, let wish): answer(wish, on: node, life: life)
        case .snapshotStep(let node, let life): snapshotStepped(on: node, life: life)
        case .livenessTimer(let node, let life): sendPings(from: node, life: life)
        case .client(let number, let generation): act(client: number, generation: generation)
        case .patienceEnds(let number, let generation):
            losePatience(client: number, generation: generation)
        case .disaster: strike()
        // What is left of them would undo how the healing leaves nodes out.
        case .relief(let relief): if phase == .safety { relieve(relief) }
        case .restart(let node): if !leftOut.contains(node) { restart(node) }
        case .resume(let node): resume(node)
        case .operatorActs: operatorActs()
        }
    }

    /// Lets `interval` pass.
    @discardableResult
    public func advance(by interval: Interval) -> Bool {
        let end = now + interval
        while true {
            takeNetworkWishes()
            guard let time = queue.nextTime, time <= end else { break }
            guard step() else { return false }
        }
        now = end
        return violations.isEmpty
    }

    /// Lets time pass until `condition` holds.
    /// - Returns: whether it did within `bound`.
    public func advance(within bound: Interval, until condition: () -> Bool) -> Bool {
        let end = now + bound
        while !condition() {
            takeNetworkWishes()
            guard let time = queue.nextTime, time <= end else {
                now = end
                return condition()
            }
            guard step() else { return condition() }
        }
        return true
    }

    func fail(_ checker: String, _ text: String) {
        violations.append(Violation(checker, text))
    }

    // A whole run

    /// Plays the run that the seed describes.
    public func run() -> Report {
        for number in nodeNumbers {
            let delay = random.interval(.milliseconds(0) ... .milliseconds(200))
            schedule(.restart(node: number), after: delay)
        }
        for number in clients.indices {
            schedule(
                .client(number, generation: 0),
                after: random.interval(.milliseconds(0) ... .milliseconds(800)))
        }
        isRandom = true
        if !options.faults.disasters.isEmpty {
            let start = faultRandom.pick([Interval.milliseconds(1), .seconds(1), .seconds(2)])
            schedule(.disaster, after: start)
        }
        if options.spares > 0 { schedule(.operatorActs, after: .seconds(1)) }
        if advance(by: options.safety) { healAndSettle() }
        return finish()
    }

    /// Ends all faults and demands that the cluster becomes whole again.
    public func healAndSettle() {
        if isBeyondRepair { return }
        enter(.healing)
        guard demandProgress(), advance(by: .seconds(3)) else { return }
        let areOver = advance(inSteps: .milliseconds(500), within: options.healing) {
            upgradeNewcomers()
            return operations.areOver
        }
        guard areOver else {
            guard foundSoFar.isEmpty else { return }
            complainAboutLiveness("nodes still join or leave: \(operations)")
            return
        }
        guard finishUpgrade() else { return }
        enter(.draining)
        // Calls that were refused so far are made again at the end.
        if options.maxMemory > 0 {
            for number in presentNodes { operate("CONFIG SET maxmemory 0", at: number) }
        }
        // The last reads are to be answered, however busy the cluster is.
        if options.requestTimeout < .seconds(5) {
            for number in presentNodes {
                operate("CONFIG SET request-timeout 5000", at: number)
            }
        }
        guard
            advance(within: options.healing, until: { clients.allSatisfy { $0.state == .retired } })
        else {
            complainAboutLiveness(
                "calls are still unanswered \(options.healing.milliseconds) ms after the healing")
            return
        }
        enter(.settling)
        startFinalReads()
        // With tiny limits they take long, one after the other.
        var before = -1
        while !finalReadsDone, foundSoFar.isEmpty, replies > before {
            before = replies
            _ = advance(within: options.healing, until: { finalReadsDone })
        }
        guard finalReadsDone else {
            complainAboutLiveness("the last reads were not answered")
            return
        }
        _ = advance(within: options.healing, until: { replicasAgree })
        compareReplicas()
        demandRepair()
    }

    func enter(_ next: Phase) {
        phase = next
        trace.record(.phase, at: now, who: 0, UInt64(next.rawValue), text: "\(next)")
    }

    /// Judges what happened, at whatever point the run stopped.
    public func finish() -> Report {
        var report = Report(seed: seed, options: options.summary)
        report.violations = foundSoFar
        // A run that failed before the last reads knows nothing of what they would have found.
        for workload in workloads where finalReadsDone || foundSoFar.isEmpty {
            report.add(workload.check())
        }
        for number in nodeNumbers {
            trace.record(
                .phase, at: now, who: number, UInt64(nodes[number].disk.checksum),
                text: "disk at the end")
        }
        counts.add(network.counts)
        report.faults = counts
        report.preconditions = met
        report.progress = progress
        report.events = events
        report.simulated = now - .zero
        report.traceHash = trace.hash
        report.comparisons = checker.comparisons
        report.leaderships = checker.leaderships
        report.snapshotsWritten = snapshotsDurable
        report.snapshotsLoaded = snapshotsLoaded
        report.snapshotsInstalled = snapshotsInstalled
        report.flips = flips
        report.disasters = options.faults.disasters
        if isRandom { report.asked = options.asked }
        if !report.violations.isEmpty {
            report.nodeLines = nodeNumbers.flatMap { number in
                nodes[number].lines.suffix(12).map { "n\(number) \($0)" }
            }
        }
        return report
    }
}
