public import Bytes

/// A point in the true time of the simulated world, in nanoseconds since its beginning.
///
/// No node can see it: nodes see their own clocks (`NodeClock`). Histories of clients are kept in
/// true time, which is what makes real-time order checkable.
public struct Moment: Comparable, Hashable, Sendable, CustomStringConvertible {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Moment(nanoseconds: 0)

    /// Later than everything that happens.
    public static let never = Moment(nanoseconds: .max)

    public static func < (left: Moment, right: Moment) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    public static func + (left: Moment, right: Interval) -> Moment {
        Moment(nanoseconds: left.nanoseconds + right.nanoseconds)
    }

    public static func - (left: Moment, right: Moment) -> Interval {
        Interval(nanoseconds: left.nanoseconds - right.nanoseconds)
    }

    /// Seconds with microseconds, as the trace prints it.
    public var description: String {
        if self == .never { return "never" }
        let micros = String(nanoseconds / 1000 % 1_000_000)
        let padding = String(repeating: "0", count: 6 - micros.count)
        return "\(nanoseconds / 1_000_000_000).\(padding)\(micros)"
    }
}

extension SeededGenerator {
    /// True with probability `chance`.
    mutating func happens(_ chance: Double) -> Bool {
        guard chance > 0 else { return false }
        return fraction() < chance
    }

    /// Uniform in [0, 1), from the upper 53 bits.
    mutating func fraction() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Uniform in `range`.
    mutating func interval(_ range: ClosedRange<Interval>) -> Interval {
        let low = range.lowerBound.nanoseconds
        let high = range.upperBound.nanoseconds
        return Interval(nanoseconds: low + Int64(below(UInt64(high - low) + 1)))
    }

    /// Uniform in `range`.
    mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(below(UInt64(range.upperBound - range.lowerBound) + 1))
    }

    /// One of `choices`, each as likely.
    mutating func pick<T>(_ choices: [T]) -> T {
        choices[Int(below(UInt64(choices.count)))]
    }

    /// A stream of its own for one part of the world, so that a change in how often one part draws
    /// does not shift what the others draw.
    mutating func split() -> SeededGenerator { SeededGenerator(seed: next()) }
}
