/// Whether a history of calls on one object could have come from calls that each took effect at one
/// instant between its invocation and its answer.
///
/// The search of Wing and Gong (1993) with the memory of Lowe (2017): walk the calls and answers in
/// the order of time; a call that may come next and fits the model is taken out of the list; an
/// answer whose call has not been taken yet means that an earlier choice was wrong. Configurations
/// (set of calls taken, state) that were tried are never tried again.
///
/// Beyond the papers:
/// - A call of unknown outcome has no answer in the list: it may be taken at any later time or never.
/// - Calls of one session with known outcomes take effect in their order, though a pipeline has them
///   all in flight together.
/// - Interchangeable calls of unknown outcome are taken in the order of their invocation
///   (`SequentialModel.symmetryClass`), which loses no linearization.
public struct Linearizability<Model: SequentialModel> {
    public typealias Entry = HistoryEntry<Model.Call, Model.Result>

    public enum Verdict: Equatable {
        case linearizable
        /// No order explains the history. `deepest`: the most calls that could be ordered; `stuck`:
        /// the positions in the history of the calls that were pending there.
        case impossible(deepest: Int, stuck: [Int])
        /// The search gave up after `stepsMax` steps.
        case undecided
    }

    /// Steps after which a search gives up: about a second.
    public static var stepsMaxDefault: Int { 2_000_000 }

    /// Decides about `history`, which holds calls on one object in any order across sessions and in
    /// program order within each.
    public static func check(_ history: [Entry], stepsMax: Int = stepsMaxDefault) -> Verdict {
        var search = LinearizabilitySearch<Model>(history, stepsMax: stepsMax)
        return search.run()
    }
}

/// The moment of a call or an answer.
private struct Edge {
    var time: Moment
    var isCall: Bool
    var operation: Int
}

private struct LinearizabilitySearch<Model: SequentialModel> {
    private struct Configuration: Hashable {
        var taken: [UInt64]
        var state: Model.State
    }

    /// A call or an answer in the list of time.
    private struct Node {
        var operation: Int
        var isCall: Bool
        var previous: Int
        var next: Int
    }

    private let history: [HistoryEntry<Model.Call, Model.Result>]
    private let stepsMax: Int
    /// Doubly linked through indices; node 0 is the head, -1 the end.
    private var nodes: [Node] = []
    private var answerNode: [Int]
    /// The call that must have been taken before this one; -1 for none.
    private var predecessor: [Int]
    private var taken: [UInt64]
    private var tried: Set<Configuration> = []

    init(_ history: [HistoryEntry<Model.Call, Model.Result>], stepsMax: Int) {
        self.history = history
        self.stepsMax = stepsMax
        answerNode = Array(repeating: -1, count: history.count)
        predecessor = Array(repeating: -1, count: history.count)
        taken = Array(repeating: 0, count: (history.count + 63) / 64)
        linkByTime()
        linkPredecessors()
    }

    private mutating func linkByTime() {
        var edges: [Edge] = []
        for (i, entry) in history.enumerated() {
            edges.append(Edge(time: entry.invoked, isCall: true, operation: i))
            if entry.result != nil {
                edges.append(Edge(time: entry.returned, isCall: false, operation: i))
            }
        }
        // Calls before answers at one instant: such calls count as concurrent. Ties by position keep
        // the order of a pipeline.
        edges.sort { one, other in
            if one.time != other.time { return one.time < other.time }
            if one.isCall != other.isCall { return one.isCall }
            return one.operation < other.operation
        }
        nodes.append(Node(operation: -1, isCall: true, previous: -1, next: -1))
        for edge in edges {
            let index = nodes.count
            nodes[index - 1].next = index
            nodes.append(
                Node(operation: edge.operation, isCall: edge.isCall, previous: index - 1, next: -1))
            if !edge.isCall { answerNode[edge.operation] = index }
        }
    }

    private mutating func linkPredecessors() {
        var lastOfSession: [Int: Int] = [:]
        var lastOfClass: [Int: Int] = [:]
        let byInvocation = history.indices.sorted {
            (history[$0].invoked, $0) < (history[$1].invoked, $1)
        }
        for i in byInvocation {
            if history[i].result != nil {
                guard history[i].session >= 0 else { continue }
                predecessor[i] = lastOfSession[history[i].session] ?? -1
                lastOfSession[history[i].session] = i
            } else if let alike = Model.symmetryClass(history[i].call) {
                predecessor[i] = lastOfClass[alike] ?? -1
                lastOfClass[alike] = i
            }
        }
    }

    mutating func run() -> Linearizability<Model>.Verdict {
        var state = Model.initial
        var path: [(node: Int, state: Model.State)] = []
        var position = nodes[0].next
        var steps = 0
        var deepest = 0
        var stuck: [Int] = []
        while position != -1 {
            steps += 1
            if steps > stepsMax { return .undecided }
            let node = nodes[position]
            if node.isCall {
                if let next = tryTaking(node.operation, in: state) {
                    path.append((position, state))
                    state = next
                    lift(position)
                    position = nodes[0].next
                } else {
                    position = node.next
                }
                continue
            }
            if path.count >= deepest {
                deepest = path.count
                stuck = pendingCalls(before: position)
            }
            guard let last = path.popLast() else {
                return .impossible(deepest: deepest, stuck: stuck)
            }
            state = last.state
            unlift(last.node)
            position = nodes[last.node].next
        }
        return .linearizable
    }

    /// Marks the call as taken when it may come next and leads somewhere new.
    private mutating func tryTaking(_ operation: Int, in state: Model.State) -> Model.State? {
        let before = predecessor[operation]
        if before >= 0, taken[before / 64] & (1 << UInt64(before % 64)) == 0 { return nil }
        let entry = history[operation]
        guard let next = Model.step(state, entry.call, entry.result) else { return nil }
        taken[operation / 64] |= 1 << UInt64(operation % 64)
        guard tried.insert(Configuration(taken: taken, state: next)).inserted else {
            taken[operation / 64] &= ~(1 << UInt64(operation % 64))
            return nil
        }
        return next
    }

    private mutating func lift(_ call: Int) {
        unlink(call)
        let answer = answerNode[nodes[call].operation]
        if answer >= 0 { unlink(answer) }
    }

    private mutating func unlift(_ call: Int) {
        let operation = nodes[call].operation
        taken[operation / 64] &= ~(1 << UInt64(operation % 64))
        let answer = answerNode[operation]
        if answer >= 0 { relink(answer) }
        relink(call)
    }

    private mutating func unlink(_ index: Int) {
        let node = nodes[index]
        nodes[node.previous].next = node.next
        if node.next >= 0 { nodes[node.next].previous = node.previous }
    }

    private mutating func relink(_ index: Int) {
        let node = nodes[index]
        nodes[node.previous].next = index
        if node.next >= 0 { nodes[node.next].previous = index }
    }

    private func pendingCalls(before position: Int) -> [Int] {
        var pending: [Int] = []
        var index = nodes[0].next
        while index != -1 {
            if nodes[index].isCall { pending.append(nodes[index].operation) }
            if index == position { break }
            index = nodes[index].next
        }
        return pending
    }
}
