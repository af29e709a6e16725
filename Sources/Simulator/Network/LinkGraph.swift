internal import Bytes

/// Which directions between nodes are cut: the links of a machine room on a bad day.
///
/// Only over pairs that see each other both ways can anybody be elected, or anything be agreed upon.
struct LinkGraph: CustomStringConvertible {
    /// The ways in which a graph is drawn. Those with a name in the literature come first: see OmniPaxos
    /// (EuroSys 2023), section 2, and S13 of the list.
    enum Kind: CaseIterable {
        /// All that is left are the links of one node, which leads nothing: quorum loss.
        case star
        /// The leader is alone, and of the others one alone sees all: constrained election.
        case constrained
        /// Each sees only its neighbours in a line.
        case chain
        /// Two halves, which share one node.
        case bridge
        /// Three parts, of which none is a majority.
        case parts
        /// Each pair is cut, or not.
        case pairs
        /// Each direction is cut, or not: few of them, and many.
        case fewDirections, manyDirections
    }

    let nodes: [Int]
    private(set) var cuts: [(from: Int, to: Int)] = []

    /// - Parameter leader: whose place is a special one in some kinds; any node when there is none.
    init(_ kind: Kind, nodes: [Int], leader: Int, random: inout SeededGenerator) {
        self.nodes = nodes
        // The leader comes last in `order`.
        let order = nodes.filter { $0 != leader }.shuffled(using: &random) + [leader]
        let hub = order[0]
        switch kind {
        case .star: cutPairs { $0 != hub && $1 != hub }
        case .constrained: cutPairs { $0 == leader || $1 == leader || $0 != hub && $1 != hub }
        case .chain:
            let line = nodes.shuffled(using: &random)
            cutPairs { abs(Self.place(of: $0, in: line) - Self.place(of: $1, in: line)) > 1 }
        case .bridge:
            let line = nodes.shuffled(using: &random)
            let middle = nodes.count / 2
            cutPairs {
                let (one, other) = (Self.place(of: $0, in: line), Self.place(of: $1, in: line))
                return min(one, other) < middle && max(one, other) > middle
            }
        case .parts:
            let line = nodes.shuffled(using: &random)
            cutPairs { Self.place(of: $0, in: line) % 3 != Self.place(of: $1, in: line) % 3 }
        case .pairs: cutPairs { (_, _) in random.happens(0.45) }
        case .fewDirections: cutDirections { random.happens(0.15) }
        case .manyDirections: cutDirections { random.happens(0.4) }
        }
    }

    private static func place(of node: Int, in line: [Int]) -> Int {
        line.firstIndex(of: node) ?? 0
    }

    private mutating func cutPairs(where isCut: (Int, Int) -> Bool) {
        for one in nodes {
            for other in nodes where one < other && isCut(one, other) {
                cuts += [(one, other), (other, one)]
            }
        }
    }

    private mutating func cutDirections(where isCut: () -> Bool) {
        for from in nodes {
            for to in nodes where from != to && isCut() { cuts.append((from, to)) }
        }
    }

    /// Whether two nodes see each other both ways.
    func joins(_ one: Int, _ other: Int) -> Bool {
        !cuts.contains { $0 == (one, other) || $0 == (other, one) }
    }

    /// Those that a node sees both ways, and itself.
    func neighbours(of node: Int) -> [Int] { nodes.filter { $0 == node || joins($0, node) } }

    /// Nodes that see a majority both ways: only they can lead.
    var hubs: [Int] { nodes.filter { 2 * neighbours(of: $0).count > nodes.count } }

    /// As many nodes as possible that all see each other both ways, if they are a majority: one of them can be
    /// elected whatever their logs hold. Empty when there is no such majority.
    var core: [Int] {
        var best: [Int] = []
        for bits in 0..<(1 << nodes.count) {
            let chosen = nodes.indices.filter { bits >> $0 & 1 == 1 }.map { nodes[$0] }
            guard 2 * chosen.count > nodes.count, chosen.count > best.count else { continue }
            let isWhole = chosen.allSatisfy { one in
                chosen.allSatisfy { $0 == one || joins(one, $0) }
            }
            if isWhole { best = chosen }
        }
        return best
    }

    var description: String {
        "cut " + cuts.map { "\($0.from)>\($0.to)" }.joined(separator: " ")
    }
}
