public import Bytes

/// Which disasters strike in a run, and how often.
public struct FaultOptions: Equatable, Sendable {
    /// Something that the injector does on its own initiative.
    public enum Disaster: CaseIterable, Sendable {
        case breakLink, partition, oneWayPartition, isolateLeader, clog
        case cutPair, cutOneWay, cutGraph
        case cutClient
        case pause, pauseLeader, loopStall
        case wallJump, clockRate
        case diskStall, slowDisk, syncFailure
        case kill, killLeader, powerCut, powerCutEverywhere
        case shutdown
        case fullDisk, bitRot
        case join, forget, wipe

        /// Those that a run draws one by one. The others are drawn later, so that runs of old seeds stay
        /// what they were.
        static let common: [Disaster] = allCases.filter {
            ![.fullDisk, .bitRot, .join, .forget, .wipe, .cutPair, .cutOneWay, .cutGraph]
                .contains($0)
        }
    }

    public var disasters: [Disaster] = []
    /// Mean time between disasters.
    public var meanInterval = Interval.seconds(2)
    /// How long a partition, pause or stall lasts.
    public var duration: ClosedRange<Interval> = .milliseconds(20) ... .seconds(3)
    /// How long a dead node stays down.
    public var downtime: ClosedRange<Interval> = .milliseconds(20) ... .seconds(4)

    public init() {}

    init(_ random: inout SeededGenerator, nodes: Int) {
        // One run in twelve is calm: what goes wrong then has no excuse.
        guard random.happens(0.92) else { return }
        let chance = random.pick([0.15, 0.35, 0.6])
        disasters = Disaster.common.filter { _ in random.happens(chance) }
        meanInterval = random.pick([.milliseconds(300), .seconds(1), .seconds(3)])
        if random.happens(0.3) { duration = .milliseconds(1) ... .milliseconds(400) }
        if random.happens(0.3) { downtime = .milliseconds(1) ... .milliseconds(300) }
    }

    var summary: String {
        disasters.isEmpty ? "none" : disasters.map { "\($0)" }.joined(separator: ",")
    }
}

extension FaultOptions.Disaster {
    /// What is counted when it comes about: at least one of these.
    public var faults: [Fault] {
        switch self {
        case .breakLink: [.linkBroken, .halfOpen]
        case .partition: [.partition]
        case .isolateLeader: [.leaderIsolated]
        case .cutPair: [.pairCut]
        case .cutOneWay: [.oneWayCut]
        case .cutGraph: [.graphCut]
        case .oneWayPartition: [.oneWayPartition]
        case .clog: [.clog]
        case .cutClient: [.clientCut]
        case .pause: [.pause]
        case .pauseLeader: [.leaderPaused]
        case .loopStall: [.loopStall]
        case .wallJump: [.wallJump]
        case .clockRate: [.clockRate]
        case .diskStall: [.diskStall]
        case .slowDisk: [.slowDisk]
        case .syncFailure: [.syncFailed]
        case .kill: [.processKilled]
        case .killLeader: [.leaderKilled]
        case .powerCut: [.powerCut]
        case .powerCutEverywhere: [.powerCutEverywhere]
        case .shutdown: [.shutdown]
        case .fullDisk: [.diskFull]
        case .bitRot: [.bitFlipped]
        case .join: [.joined]
        case .forget: [.forgotten]
        case .wipe: [.wipe]
        }
    }
}
