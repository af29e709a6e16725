internal import Bytes

/// A command that goes to every group, and the parts that have come back.
struct Gather {
    enum Merge: Equatable {
        /// The sum of integers: DBSIZE.
        case sum
        /// The concatenation of arrays: KEYS.
        case concatenate
        /// The same answer from all: FLUSHALL, FLUSHDB.
        case first
        /// Key counts, from which one group is picked by weight: RANDOMKEY.
        case pick
        /// The answer of one group, or of the next one that may have another than nil: RANDOMKEY.
        case firstFound
    }

    let merge: Merge
    /// The command's place in the command table.
    let tableID: UInt16
    private(set) var remaining: Int
    /// By group: index 0 is the first data group.
    private(set) var parts: [[UInt8]]
    /// Of `firstFound`: the groups (0-based among the data groups) that are still to be asked, in order.
    private(set) var candidates: [Int] = []

    init(merge: Merge, tableID: UInt16 = CommandStatistics.none, groups: Int) {
        self.merge = merge
        self.tableID = tableID
        remaining = groups
        parts = Array(repeating: [], count: groups)
    }

    /// The groups of `counts` that hold keys, to be asked one after the other, `first` before all others.
    /// Keys that are dead and not removed yet count too, so one that is asked may find nothing.
    init(findingIn counts: Gather, first: Int) {
        merge = .firstFound
        tableID = counts.tableID
        remaining = 0
        parts = []
        let groups = counts.parts.count
        candidates = (0..<groups).map { ($0 + first) % groups }
            .filter { (Gather.integer(in: counts.parts[$0]) ?? 0) > 0 }
    }

    /// The next group of `firstFound` to be asked; nil when there is none.
    mutating func nextCandidate() -> Int? {
        guard !candidates.isEmpty else { return nil }
        remaining = 1
        return candidates.removeFirst()
    }

    /// Takes the part of a group, an answer or an error.
    mutating func add(_ part: [UInt8], of group: Int) {
        if merge == .firstFound {
            invariant(remaining == 1, "a group answered that was not asked")
            parts = [part]
        } else {
            invariant(parts[group].isEmpty && !part.isEmpty, "a group answered twice")
            parts[group] = part
        }
        remaining -= 1
    }

    /// The integer in a part such as `:12\r\n`.
    static func integer(in part: [UInt8]) -> Int64? {
        guard part.first == UInt8(ascii: ":") else { return nil }
        return Int64(String(decoding: part.dropFirst().dropLast(2), as: UTF8.self))
    }

    /// What a write over all groups is when not all of them have executed it.
    static let partialError =
        "UNCERTAIN Not every group answered in time, the command may have been executed in some of them"

    /// The error that stands for all parts, if any of them is one. A write that some group has or may
    /// have executed is never called not executed.
    private var error: [UInt8]? {
        guard let first = parts.first(where: { $0.first == UInt8(ascii: "-") }) else { return nil }
        if merge == .first, parts.contains(where: { $0 != first }) {
            return Array("-\(Self.partialError)\r\n".utf8)
        }
        return first
    }

    /// The merged reply: an error when any part is one, otherwise what `merge` says.
    func merged() -> [UInt8] {
        if let error { return error }
        switch merge {
        case .first, .firstFound:
            return parts[0]
        case .sum, .pick:
            let total = parts.reduce(Int64(0)) { $0 + (Gather.integer(in: $1) ?? 0) }
            return Array(":\(total)\r\n".utf8)
        case .concatenate:
            var count = 0
            var body: [UInt8] = []
            for part in parts {
                guard let lineEnd = part.firstIndex(of: UInt8(ascii: "\r")) else { continue }
                count += Int(String(decoding: part[1..<lineEnd], as: UTF8.self)) ?? 0
                body += part[(lineEnd + 2)...]
            }
            return Array("*\(count)\r\n".utf8) + body
        }
    }

    /// The group (0-based among the data groups) that holds the key of this rank, counted over all
    /// groups; nil when there are no keys.
    func group(holding rank: UInt64) -> Int? {
        var rest = rank
        for (index, part) in parts.enumerated() {
            let keys = UInt64(Gather.integer(in: part) ?? 0)
            if rest < keys { return index }
            rest -= keys
        }
        return nil
    }

    /// Whether the answer is nil, as either version of the protocol writes it.
    var isNothing: Bool {
        parts == [Array("$-1\r\n".utf8)] || parts == [Array("_\r\n".utf8)]
    }

    /// All keys of all groups.
    var total: UInt64 { parts.reduce(0) { $0 + UInt64(max(0, Gather.integer(in: $1) ?? 0)) } }
}
