internal import Bytes

/// The history of one workload: every call with its object, times and outcome.
struct Journal<Model: SequentialModel> {
    struct Item {
        var object: Int
        var entry: HistoryEntry<Model.Call, Model.Result>
        var isRejected = false
        var isOver = false
    }

    private(set) var items: [Item] = []

    /// Notes that a call was made.
    /// - Returns: its token.
    mutating func began(
        _ call: Model.Call, on object: Int, session: Int, now: Moment
    ) -> Int {
        items.append(
            Item(
                object: object,
                entry: HistoryEntry(call, nil, invoked: now, returned: .never, session: session)))
        return items.count - 1
    }

    mutating func answered(_ token: Int, _ result: Model.Result, now: Moment) {
        items[token].entry.result = result
        items[token].entry.returned = now
        items[token].isOver = true
    }

    mutating func rejected(_ token: Int) {
        items[token].isRejected = true
        items[token].isOver = true
    }

    mutating func unknown(_ token: Int) {
        items[token].isOver = true
    }

    /// The history of each object, in order of object and invocation. Rejected calls never ran.
    func histories() -> [(object: Int, entries: [HistoryEntry<Model.Call, Model.Result>])] {
        var histories: [[HistoryEntry<Model.Call, Model.Result>]] = []
        for item in items where !item.isRejected {
            while histories.count <= item.object { histories.append([]) }
            histories[item.object].append(item.entry)
        }
        return histories.enumerated().map { ($0.offset, $0.element) }
    }

    /// The counts for a verdict.
    func verdict() -> WorkloadVerdict {
        var verdict = WorkloadVerdict()
        for item in items {
            if item.isRejected {
                verdict.rejected += 1
            } else if item.entry.result != nil {
                verdict.answered += 1
            } else {
                verdict.unknown += 1
            }
        }
        return verdict
    }

    /// The calls around those that got stuck, for a report.
    static func describe(
        _ history: [HistoryEntry<Model.Call, Model.Result>], stuck: [Int]
    ) -> String {
        let stuckSet = Set(stuck)
        let near = (stuck.min() ?? 0) - 12...(stuck.max() ?? 0) + 12
        var lines: [String] = []
        for (i, entry) in history.enumerated() where near.contains(i) {
            let result = entry.result.map { "\($0)" } ?? "unknown"
            let mark = stuckSet.contains(i) ? ">" : " "
            lines.append(
                "  \(mark) \(entry.invoked)..\(entry.returned) s\(entry.session) "
                    + "\(entry.call) -> \(result)")
        }
        return lines.joined(separator: "\n")
    }
}

/// Objects that are used for a while and then left alone, so that no history grows beyond what the
/// search can decide.
struct RotatingObjects {
    private var uses: [Int]
    private var current: [Int]
    private(set) var count: Int
    private let usesMax: Int
    /// Objects before this one were given up: nobody knows what became of their values.
    private(set) var firstCounted = 0

    /// - Parameters:
    ///   - active: objects in use at a time.
    ///   - usesMax: calls on an object after which another takes its place.
    init(active: Int, usesMax: Int) {
        uses = Array(repeating: 0, count: active)
        current = Array(0..<active)
        count = active
        self.usesMax = usesMax
    }

    /// Gives up all objects that were used so far.
    mutating func beginAnew() {
        firstCounted = count
        for place in current.indices {
            uses[place] = 0
            current[place] = count
            count += 1
        }
    }

    mutating func pick(_ random: inout SeededGenerator) -> Int {
        let place = Int(random.below(UInt64(current.count)))
        uses[place] += 1
        let object = current[place]
        if uses[place] >= usesMax {
            uses[place] = 0
            current[place] = count
            count += 1
        }
        return object
    }
}
