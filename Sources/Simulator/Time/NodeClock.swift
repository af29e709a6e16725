public import Bytes

/// The clocks of one machine: a boot clock that runs a little too fast or too slow and starts
/// anywhere, and a wall clock that may jump.
///
/// Invariant: the boot clock never goes backwards, whatever happens to its rate.
public struct NodeClock: Sendable {
    /// Parts per million by which the boot clock runs fast (positive) or slow.
    public private(set) var ratePPM: Int64
    /// The boot clock and the true time at the last change of the rate.
    private var anchorBoot: Int64
    private var anchorTrue: Int64
    /// Milliseconds between the wall clock and the simulated calendar.
    public private(set) var wallOffset: Int64

    /// The calendar at `Moment.zero`: 2030-01-01, so that no simulated date lies in the past.
    public static let epochMilliseconds: Int64 = 1_893_456_000_000

    public init(ratePPM: Int64 = 0, bootOffset: Interval = .seconds(100), wallOffset: Int64 = 0) {
        self.ratePPM = ratePPM
        self.anchorBoot = bootOffset.nanoseconds
        self.anchorTrue = 0
        self.wallOffset = wallOffset
    }

    /// What the node's clocks say at the true time `moment`.
    public func reading(at moment: Moment) -> ClockReading {
        ClockReading(
            boot: Instant(nanoseconds: boot(at: moment)),
            wall: Self.epochMilliseconds + moment.nanoseconds / 1_000_000 + wallOffset)
    }

    private func boot(at moment: Moment) -> Int64 {
        let elapsed = moment.nanoseconds - anchorTrue
        // Split so that the product stays within 64 bits for simulated days.
        let error = elapsed / 1_000_000 * ratePPM + elapsed % 1_000_000 * ratePPM / 1_000_000
        return anchorBoot + elapsed + error
    }

    /// The first true time at which the boot clock shows `instant` or later; not before `now`.
    public func moment(of instant: Instant, notBefore now: Moment) -> Moment {
        let missing = instant.nanoseconds - boot(at: now)
        guard missing > 0 else { return now }
        guard missing < 1_000_000_000_000_000 else { return .never }
        // missing * 10^6 / (10^6 + rate), split so that the product stays within 64 bits.
        let rate = 1_000_000 + ratePPM
        var wait = missing / rate * 1_000_000 + missing % rate * 1_000_000 / rate
        // Integer division may fall short by a few nanoseconds.
        while boot(at: now + Interval(nanoseconds: wait)) < instant.nanoseconds { wait += 1 }
        return now + Interval(nanoseconds: max(wait, 1))
    }

    /// Changes the rate from `moment` on.
    public mutating func setRate(ppm: Int64, at moment: Moment) {
        anchorBoot = boot(at: moment)
        anchorTrue = moment.nanoseconds
        ratePPM = ppm
    }

    /// Lets the wall clock jump by `milliseconds`, either way.
    public mutating func jumpWall(milliseconds: Int64) { wallOffset += milliseconds }

    /// Puts the wall clock back where it was meant to be.
    public mutating func healWall() { wallOffset = 0 }

    /// A restart of the machine (not only of the process) starts the boot clock anew.
    public mutating func reboot(at moment: Moment, bootOffset: Interval) {
        anchorBoot = bootOffset.nanoseconds
        anchorTrue = moment.nanoseconds
    }
}
