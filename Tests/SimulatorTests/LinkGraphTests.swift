import Bytes
import Testing

@testable import Simulator

@Suite struct `Graphs of links` {
    private func graph(_ kind: LinkGraph.Kind, nodes: Int, seed: UInt64) -> LinkGraph {
        var random = SeededGenerator(seed: seed)
        return LinkGraph(kind, nodes: Array(1...nodes), leader: 2, random: &random)
    }

    @Test(arguments: [5, 7])
    func `a star has one hub, which does not lead, and no core`(nodes: Int) throws {
        for seed in UInt64(1)...20 {
            let star = graph(.star, nodes: nodes, seed: seed)
            #expect(star.hubs.count == 1 && star.hubs != [2] && star.core.isEmpty)
            #expect(star.neighbours(of: try #require(star.hubs.first)).count == nodes)
        }
    }

    @Test(arguments: [5, 7])
    func `a leader that is alone leaves one hub`(nodes: Int) {
        for seed in UInt64(1)...20 {
            let alone = graph(.constrained, nodes: nodes, seed: seed)
            #expect(alone.neighbours(of: 2) == [2])
            #expect(alone.hubs.count == 1 && alone.core.isEmpty)
        }
    }

    @Test func `the two halves of a bridge of five are majorities, of three parts none is`() {
        for seed in UInt64(1)...20 {
            let bridge = graph(.bridge, nodes: 5, seed: seed)
            #expect(bridge.core.count == 3 && bridge.hubs.count == 5)
            let parts = graph(.parts, nodes: 5, seed: seed)
            #expect(parts.hubs.isEmpty && parts.core.isEmpty)
        }
    }

    @Test func `in a chain of five those in the middle see a majority`() {
        for seed in UInt64(1)...20 {
            let chain = graph(.chain, nodes: 5, seed: seed)
            #expect(chain.hubs.count == 3 && chain.core.isEmpty)
        }
    }

    @Test(arguments: LinkGraph.Kind.allCases)
    func `a core is made of hubs that see each other, and cuts are not told twice`(
        kind: LinkGraph.Kind
    ) {
        for seed in UInt64(1)...50 {
            let graph = graph(kind, nodes: 5, seed: seed)
            for one in graph.core {
                #expect(graph.hubs.contains(one))
                for other in graph.core where other != one { #expect(graph.joins(one, other)) }
            }
            let told = Set(graph.cuts.map { $0.from * 10 + $0.to })
            #expect(told.count == graph.cuts.count)
            #expect(graph.cuts.allSatisfy { $0.from != $0.to })
        }
    }
}
