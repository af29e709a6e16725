public import Bytes

/// How a healed core got on.
public struct CoreProgress: Equatable, Sendable {
    /// Healings after which progress was demanded, and those after which nothing could be.
    public var demanded = 0
    public var excused = 0
    /// The longest that all groups took to be led, and that in election timeouts of the run, in tenths.
    public var slowest = Interval(nanoseconds: 0)
    public var slowestInTenths = 0

    public init() {}

    /// Adds another run's.
    public mutating func add(_ other: CoreProgress) {
        demanded += other.demanded
        excused += other.excused
        slowest = max(slowest, other.slowest)
        slowestInTenths = max(slowestInTenths, other.slowestInTenths)
    }

    /// One line.
    public var summary: String {
        "demanded of \(demanded) healed cores (\(excused) could not start by themselves), slowest "
            + "\(slowest.milliseconds) ms, \(slowestInTenths / 10).\(slowestInTenths % 10) election timeouts"
    }
}

/// The end of the safety phase: a core of nodes is healed, and must get on.
///
/// The core is a random majority, the others cut off or down, or it is everybody. Within ten election
/// timeouts of simulated time every group must be led from within the core, in the highest term that
/// anybody in it knows, and must have committed an entry of that term.
///
/// What has no bound, and so is not counted: the time that nodes take to start, to load their states, and
/// to get back what they lost. The clock starts when all of the core has that behind it. Whoever needs
/// others for it (a damaged or wiped disk, a log that lacks unsynced entries, a first start, members under
/// change) gets everybody for a core: a core must be a majority of all members that may be in force.
extension Simulation {
    /// Heals a core and waits for it; then heals everybody.
    /// - Returns: false when something was found.
    func demandProgress() -> Bool {
        heal()
        let core = pickCore()
        let others = nodeNumbers.filter { !core.contains($0) && !absent.contains($0) }
        for other in others { leaveOut(other) }
        guard advance(inSteps: .milliseconds(5), within: options.healing, until: { isReady(core) })
        else {
            // What is wrong then, if anything is, shows later: no answers, or no repair.
            progress.excused += 1
            leftOut = []
            heal()
            return foundSoFar.isEmpty
        }
        let began = now
        trace.record(.phase, at: now, who: 0, UInt64(core.count), text: "the core is \(core)")
        let bound = Interval(nanoseconds: 10 * options.electionTimeout.nanoseconds)
        let gotOn = advance(inSteps: .milliseconds(5), within: bound) { isLed(without: others) }
        guard foundSoFar.isEmpty else { return false }
        guard gotOn else {
            complainAboutLiveness(
                "nodes \(core) are healed since \(bound.milliseconds) ms and do not get on, without \(others)"
            )
            return false
        }
        progress.demanded += 1
        progress.slowest = now - began
        progress.slowestInTenths = Int(
            10 * (now - began).nanoseconds / options.electionTimeout.nanoseconds)
        if !others.isEmpty { counts.add(.healedCore) }
        leftOut = []
        heal()
        return foundSoFar.isEmpty
    }

    /// Looks at `condition` now and then: it is too dear for every event.
    @discardableResult
    func advance(
        inSteps step: Interval, within bound: Interval, until condition: () -> Bool
    ) -> Bool {
        let end = now + bound
        while foundSoFar.isEmpty {
            if condition() { return true }
            guard now < end else { return false }
            advance(by: step)
        }
        return false
    }

    /// A node that is not of the core is down, or reaches nobody and is reached by nobody.
    private func leaveOut(_ node: Int) {
        leftOut.insert(node)
        if nodes[node].isUp, faultRandom.happens(0.5) {
            crash(node, powerCut: false)
            return
        }
        for other in nodeNumbers where other != node {
            network.block(from: node, to: other)
            network.block(from: other, to: node)
        }
    }

    /// Everybody, or as few as make all majorities, or some more.
    private func pickCore() -> [Int] {
        let present = presentNodes
        let cores = presentNodes.allSatisfy { canBeLeftAlone($0) }
        // Scenarios end with nodes that will be refused, and the like: only they know whom they can spare.
        guard isRandom, present.count > 2, operations.areOver, !checker.hasLost, cores,
            faultRandom.happens(0.7)
        else { return present }
        let order = present.shuffled(using: &faultRandom)
        // Of those that are members of the map, and may become voters any moment, too.
        var electorates = [present.map { nodes[$0].raftID }]
        for number in present { electorates += nodes[number].process?.electorates() ?? [] }
        var core: [Int] = []
        for number in order {
            let ids = core.map { nodes[$0].raftID }
            let isEnough = electorates.allSatisfy { electorate in
                2 * electorate.count { ids.contains($0) } > electorate.count
            }
            if isEnough, faultRandom.happens(0.7) { break }
            core.append(number)
        }
        return core.sorted()
    }

    /// Whether a node needs nobody to be what it was.
    private func canBeLeftAlone(_ number: Int) -> Bool {
        let node = nodes[number]
        guard node.damage == nil, node.gap == nil, let process = node.process else { return false }
        return process.isMember && !process.isUnderRepair && !process.lacksState
            && !process.mayLackEntries && !process.isChanging && hasAllGroups(process)
    }

    /// Whether the process knows of a cluster, and so of its groups.
    func hasAllGroups(_ process: SimulatedProcess) -> Bool {
        process.readings().count == options.groups + 1
    }

    func isReady(_ core: [Int]) -> Bool {
        core.allSatisfy { number in
            guard let process = nodes[number].process, !process.isEnding else { return false }
            return process.isMember && process.hasStates && !process.isUnderRepair
                && !process.mayLackEntries && hasAllGroups(process)
        }
    }

    /// Whether all groups are led. Who is joining may lead as well, before the operator has heard that he is
    /// a member.
    private func isLed(without others: [Int]) -> Bool {
        let readings = nodeNumbers.compactMap { number in
            let process = others.contains(number) ? nil : nodes[number].process
            return process?.isMember == true ? process?.readings() : nil
        }
        return (0...UInt32(options.groups)).allSatisfy { group in
            let here = readings.compactMap { $0.first { $0.group == group } }
            let newest = here.map(\.term).max() ?? 0
            return here.contains { $0.hasCommittedInTerm && $0.term == newest }
        }
    }
}
