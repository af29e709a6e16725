/// What is known about calls of unknown outcome from what others saw, so that the search stays
/// small. Each step is exact: it neither hides nor invents a violation.
///
/// Values are unique, so a read that shows a value proves that its write took effect before the
/// read's answer: the write gets that answer's time. A write whose value nobody ever saw, though the
/// object was read after everything else had ended, is left out: it never took effect, or so late
/// that it changes nothing.
public enum Preparation {
    /// For registers: reads only show the last value, so an unseen write can always be placed last.
    /// An unseen write with a time to live stays: its end can be what a reader saw. So does any unseen
    /// write beside deletes: their counts show that something was there.
    public static func register(
        _ history: [HistoryEntry<RegisterModel.Call, RegisterModel.Result>]
    ) -> [HistoryEntry<RegisterModel.Call, RegisterModel.Result>] {
        var firstSeen: [UInt64: Moment] = [:]
        let hasDeletes = history.contains { $0.call == .delete }
        for entry in history {
            if case .value(let seen?) = entry.result {
                firstSeen[seen] = min(firstSeen[seen] ?? .never, entry.returned)
            }
        }
        return history.compactMap { entry in
            guard entry.result == nil else { return entry }
            switch entry.call {
            case .get: return nil
            case .delete: return entry
            case .set(let value), .setExpiring(let value):
                guard let seen = firstSeen[value] else {
                    if hasDeletes { return entry }
                    if case .setExpiring = entry.call { return entry }
                    return nil
                }
                var known = entry
                known.result = .ok
                known.returned = seen
                known.session = unknownSession
                return known
            }
        }
    }

    /// For lists that end with a read of everything: elements that no read shows were never there.
    /// A push that others saw gets the position they saw it at.
    public static func list(
        _ history: [HistoryEntry<ListModel.Call, ListModel.Result>]
    ) -> [HistoryEntry<ListModel.Call, ListModel.Result>] {
        var firstSeen: [UInt64: (at: Moment, length: Int)] = [:]
        for entry in history {
            guard case .elements(let elements) = entry.result else { continue }
            for (i, element) in elements.enumerated()
            where entry.returned < firstSeen[element]?.at ?? .never {
                firstSeen[element] = (entry.returned, i + 1)
            }
        }
        return history.compactMap { entry in
            guard entry.result == nil else { return entry }
            guard case .push(let element) = entry.call, let seen = firstSeen[element] else {
                return nil
            }
            var known = entry
            known.result = .length(seen.length)
            known.returned = seen.at
            known.session = unknownSession
            return known
        }
    }

    /// For counters: reads of unknown outcome say nothing.
    public static func counter(
        _ history: [HistoryEntry<CounterModel.Call, Int64>]
    ) -> [HistoryEntry<CounterModel.Call, Int64>] {
        history.filter { $0.result != nil || $0.call == .increment }
    }

    /// No program order binds a call whose session had given up on it.
    static let unknownSession = -1
}
