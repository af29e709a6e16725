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
    }

    var merge: Merge
    var remaining: Int
    /// By group: index 0 is the first data group.
    var parts: [[UInt8]]

    /// The integer in a part such as `:12\r\n`.
    static func integer(in part: [UInt8]) -> Int64? {
        guard part.first == UInt8(ascii: ":") else { return nil }
        return Int64(String(decoding: part.dropFirst().dropLast(2), as: UTF8.self))
    }

    /// The merged reply: an error of any part, otherwise what `merge` says.
    func merged() -> [UInt8] {
        if let error = parts.first(where: { $0.first == UInt8(ascii: "-") }) { return error }
        switch merge {
        case .first:
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

    /// All keys of all groups.
    var total: UInt64 { parts.reduce(0) { $0 + UInt64(max(0, Gather.integer(in: $1) ?? 0)) } }
}
