internal import Bytes
internal import Raft

/// Every course of events of a small group, up to a depth: three cores with their liveness and disks, all
/// messages in any order, each action in every state. Beside the random runs, which go far but not
/// everywhere.
///
/// Breadth first; a state that came about before, by whatever way, is not looked at again. States are told
/// by a hash of 128 bits of a canonical encoding (`RaftCore.encodeState` and the rest of the world).
public enum Exploration {
    /// What was explored of one situation.
    public struct Result: Sendable {
        public let situation: String
        public let summary: String
        /// The depth that was asked for, and the one that every state was explored to.
        public let depth: Int
        public fileprivate(set) var reached = 0
        public fileprivate(set) var states = 0
        /// Actions taken, those that led to known states too.
        public fileprivate(set) var steps = 0
        /// States that were come to by each kind of occurrence.
        public fileprivate(set) var occurrences = [Int](
            repeating: 0, count: Occurrence.allCases.count)
        /// What was wrong, and the actions that lead there.
        public fileprivate(set) var violation: String?
        public fileprivate(set) var path: [String] = []
    }

    public static var situations: [String] { ModelSituation.all.map(\.name) }

    /// How deep each situation is explored.
    public enum Depth: Sendable {
        /// In seconds, for tests.
        case quick
        case standard
        case exactly(Int)
    }

    /// Explores a situation.
    ///
    /// - Parameter statesMax: stops before the depth is reached when there are so many states.
    /// - Returns: nil when there is no such situation.
    public static func run(_ name: String, depth: Depth, statesMax: Int = 2_000_000) -> Result? {
        guard let situation = ModelSituation.all.first(where: { $0.name == name }) else {
            return nil
        }
        let wanted =
            switch depth {
            case .quick: situation.depth.quick
            case .standard: situation.depth.standard
            case .exactly(let depth): depth
            }
        var search = Search(situation, depth: wanted)
        search.run(statesMax: statesMax)
        return search.result
    }
}

/// One search, breadth first.
private struct Search: ~Copyable {
    /// How a state was come to first.
    struct Step {
        var parent: Int32
        var action: ModelAction
    }

    struct Key: Hashable {
        var low: UInt64
        var high: UInt64
    }

    let situation: ModelSituation
    var result: Exploration.Result
    private var steps: [Step] = []
    private var known: Set<Key> = []
    private var encoding = ByteBuffer()
    private static let one = SipHash(key0: 1, key1: 2)
    private static let other = SipHash(key0: 3, key1: 4)

    init(_ situation: ModelSituation, depth: Int) {
        self.situation = situation
        result = Exploration.Result(
            situation: situation.name, summary: situation.summary, depth: depth)
    }

    mutating func run(statesMax: Int) {
        var level: [Int32] = [-1]
        guard isNew(world(at: -1)) else { return }
        while result.reached < result.depth, !level.isEmpty {
            var next: [Int32] = []
            for state in level {
                guard known.count < statesMax else { return }
                expand(state, into: &next)
                if result.violation != nil { return }
            }
            level = next
            result.reached += 1
        }
        // Nothing more can happen: deeper is all the same.
        if level.isEmpty { result.reached = result.depth }
    }

    private mutating func expand(_ state: Int32, into next: inout [Int32]) {
        var world = world(at: state)
        let actions = world.actions()
        for (number, action) in actions.enumerated() {
            if number > 0 { world = self.world(at: state) }
            world.walks = true
            world.take(action)
            result.steps += 1
            if let violation = world.history.violation {
                result.violation = violation
                result.path = describe(state, then: action)
                return
            }
            guard isNew(world) else { continue }
            for occurrence in world.occurred { result.occurrences[occurrence.rawValue] += 1 }
            next.append(Int32(steps.count))
            steps.append(Step(parent: state, action: action))
        }
    }

    private func path(to state: Int32) -> [ModelAction] {
        var actions: [ModelAction] = []
        var at = state
        while at >= 0 {
            actions.append(steps[Int(at)].action)
            at = steps[Int(at)].parent
        }
        return actions.reversed()
    }

    private func begin() -> ModelWorld {
        let world = ModelWorld(situation)
        world.walks = false
        situation.prepare(world)
        world.budget = situation.budget
        world.checkEverywhere()
        return world
    }

    private func world(at state: Int32) -> ModelWorld {
        let world = begin()
        for action in path(to: state) { world.take(action) }
        return world
    }

    private mutating func isNew(_ world: ModelWorld) -> Bool {
        encoding.removeAll(keepingCapacityUpTo: 1 << 16)
        world.encodeState(into: &encoding)
        let key = Key(
            low: Self.one.hash(encoding.readable), high: Self.other.hash(encoding.readable))
        guard known.insert(key).inserted else { return false }
        result.states += 1
        return true
    }

    private func describe(_ state: Int32, then last: ModelAction) -> [String] {
        let world = begin()
        var lines: [String] = []
        for action in path(to: state) + [last] {
            lines.append(world.describe(action))
            world.take(action)
        }
        return lines
    }
}
