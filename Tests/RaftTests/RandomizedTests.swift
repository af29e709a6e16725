import Bytes
import Foundation
import Testing

@testable import Raft

/// A cluster under drops, duplicates, delays, partitions, pauses, crashes that lose what was not
/// synced, and clocks of different pace; the oracle watches every step. A failing seed is its own
/// reproduction: `SKEIN_SEEDS=25`, or `SKEIN_SEEDS=1000-2000` for others.
@Suite struct RandomizedTests {
    static let wish = ProcessInfo.processInfo.environment["SKEIN_SEEDS"]

    static var seeds: [Int] {
        let bounds = (wish ?? "0-23").split(separator: "-").compactMap { Int($0) }
        return Array(bounds[0]...bounds[bounds.count - 1])
    }

    @Test(arguments: seeds)
    func `nothing committed is lost, whatever happens`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed))
        run.safetyPhase(milliseconds: 6000)
        run.livenessPhase()
        if Self.wish != nil { print(run.summary) }
    }

    /// Logs of a few entries behind snapshots that are taken all the time, installed late, lost, and
    /// damaged on one node of a group.
    @Test(arguments: seeds)
    func `nothing committed is lost while logs are compacted`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed) + 1_000_000, snapshots: true)
        run.safetyPhase(milliseconds: 6000)
        run.livenessPhase()
        if Self.wish != nil { print(run.summary) }
        run.checkCoverage()
    }

    /// A slow clock leads two fast ones over a quick network, and is cut off again and again: the
    /// successor commits as soon as the promises allow.
    @Test(arguments: 0..<8)
    func `a lease ends before a successor commits, at the limit of the drift`(seed: Int) {
        var run = RandomRun(seed: UInt64(seed), size: 3, huntsLeases: true)
        for _ in 0..<8 { run.cutOffSlowLeader() }
        run.livenessPhase()
    }
}

/// Partial connectivity (S13): whatever links are cut, one way or both, a majority whose members all
/// reach each other makes progress.
@Suite struct ConnectivityTests {
    @Test(arguments: 0..<64)
    func `three nodes progress over every graph with a connected majority`(graph: Int) {
        check(size: 3, graph: UInt64(graph))
    }

    @Test(arguments: 0..<24)
    func `five nodes progress over graphs with a connected majority`(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        // A random triangle is whole; each other link is there or not.
        var graph = generator.next()
        let first = Int(generator.below(5))
        let triangle = [first, (first + 1) % 5, (first + 1 + 1 + Int(generator.below(2))) % 5]
        for one in triangle {
            for other in triangle where one != other {
                graph |= 1 << UInt64(Self.link(one, other, size: 5))
            }
        }
        check(size: 5, graph: graph)
    }

    /// Links are numbered by source, then by target without the source itself.
    static func link(_ source: Int, _ target: Int, size: Int) -> Int {
        source * (size - 1) + (target < source ? target : target - 1)
    }

    private func check(size: Int, graph: UInt64) {
        func isThere(_ source: Int, _ target: Int) -> Bool {
            source == target || graph >> UInt64(Self.link(source, target, size: size)) & 1 == 1
        }
        let needed = size / 2 + 1
        let hasMajority = (0..<(1 << size)).contains { subset in
            let members = (0..<size).filter { subset >> $0 & 1 == 1 }
            return members.count >= needed
                && members.allSatisfy { one in members.allSatisfy { isThere(one, $0) } }
        }
        var run = RandomRun(seed: graph, size: size)
        run.pass(milliseconds: 1000)
        for source in 0..<size {
            for target in 0..<size where !isThere(source, target) {
                run.cut(NodeID(UInt16(source + 1)), NodeID(UInt16(target + 1)))
            }
        }
        run.pass(milliseconds: 2500)
        let before = run.groups[0].oracle.commit
        run.pass(milliseconds: 1000)
        if hasMajority {
            let after = run.groups[0].oracle.commit
            let states = run.groups[0].nodes.map(\.core)
            #expect(after > before + 20, "graph \(graph): \(states)")
        }
    }
}
