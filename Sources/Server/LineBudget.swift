internal import Bytes
internal import Logging

/// Keeps a flood of equal events from filling the disk and slowing the loop: so many lines a second,
/// then a count of what was left out.
struct LineBudget {
    private let perSecond: Int
    private var second: Int64 = 0
    private var used = 0
    private var omitted = 0

    init(perSecond: Int = ServerLimits.logLinesPerSecond) { self.perSecond = perSecond }

    /// Whether one more line may be written now. `report` gets the number of lines left out before.
    mutating func admits(now: Instant, report: (Int) -> Void) -> Bool {
        let current = now.nanoseconds / 1_000_000_000
        if current != second {
            if omitted > 0 { report(omitted) }
            (second, used, omitted) = (current, 0, 0)
        }
        guard used < perSecond else {
            omitted += 1
            return false
        }
        used += 1
        return true
    }
}
