internal import RESP
internal import Store

/// A range of scores as clients give it: `1.5`, `(1.5` without the bound itself, `-inf`, `+inf`.
struct ScoreBounds {
    private let min: Double
    private let max: Double
    private let excludesMin: Bool
    private let excludesMax: Bool

    /// The bounds at two positions. Nil for a wrong one, which is replied.
    init?(
        _ context: inout CommandContext, _ request: borrowing Request, _ min: Int, _ max: Int
    ) {
        guard let (low, excludesLow) = Self.parse(request[min]),
            let (high, excludesHigh) = Self.parse(request[max])
        else {
            context.reply.error("ERR min or max is not a float")
            return nil
        }
        (self.min, self.max) = (low, high)
        (excludesMin, excludesMax) = (excludesLow, excludesHigh)
    }

    private static func parse(_ text: Span<UInt8>) -> (Double, Bool)? {
        let excludes = text.count > 0 && text[0] == UInt8(ascii: "(")
        let number = FloatText.parseBound(excludes ? text.extracting(1..<text.count) : text)
        guard let number else { return nil }
        return (number, excludes)
    }

    /// The ranks of the members within.
    func ranks(in set: SortedSetValue) -> Range<Int> {
        let low = set.count(below: min, orEqual: excludesMin)
        let high = set.count(below: max, orEqual: !excludesMax)
        return low..<Swift.max(low, high)
    }
}

/// A range of members of one score: `[a` with the bound itself, `(a` without it, `-` and `+` for
/// the ends. Holds positions, not bytes: the members stay in the request.
struct LexBounds {
    private enum Bound {
        case start
        case end
        case member(position: Int, inclusive: Bool)
    }

    private let min: Bound
    private let max: Bound

    /// The bounds at two positions. Nil for a wrong one, which is replied.
    init?(
        _ context: inout CommandContext, _ request: borrowing Request, _ min: Int, _ max: Int
    ) {
        guard let low = Self.parse(request, min), let high = Self.parse(request, max) else {
            context.reply.error("ERR min or max not valid string range item")
            return nil
        }
        (self.min, self.max) = (low, high)
    }

    private static func parse(_ request: borrowing Request, _ position: Int) -> Bound? {
        let text = request[position]
        guard text.count > 0 else { return nil }
        // Redis looks at a C string: a zero byte ends it.
        let isAlone = text.count == 1 || text[1] == 0
        switch text[0] {
        case UInt8(ascii: "-"): return isAlone ? .start : nil
        case UInt8(ascii: "+"): return isAlone ? .end : nil
        case UInt8(ascii: "["): return .member(position: position, inclusive: true)
        case UInt8(ascii: "("): return .member(position: position, inclusive: false)
        default: return nil
        }
    }

    /// The ranks of the members within.
    func ranks(in set: SortedSetValue, _ request: borrowing Request) -> Range<Int> {
        let low = Self.count(below: min, isMin: true, in: set, request)
        let high = Self.count(below: max, isMin: false, in: set, request)
        return low..<Swift.max(low, high)
    }

    /// How many members lie before a lower bound, or before the end of an upper one.
    private static func count(
        below bound: Bound, isMin: Bool, in set: SortedSetValue, _ request: borrowing Request
    ) -> Int {
        switch bound {
        case .start: return 0
        case .end: return set.count
        case .member(let position, let inclusive):
            let text = request[position]
            return set.count(
                lexicallyBelow: text.extracting(1..<text.count), orEqual: inclusive != isMin)
        }
    }
}
