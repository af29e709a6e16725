/// A point on the node's boot clock, in nanoseconds since an arbitrary start.
///
/// In the server this is CLOCK_BOOTTIME (it runs on through suspend; leases depend on that), in the
/// simulator the node's virtual clock. Instants of two nodes are never compared.
public struct Instant: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable
    public static func + (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: left.nanoseconds + right.nanoseconds)
    }

    @inlinable
    public static func - (left: Instant, right: Interval) -> Instant {
        Instant(nanoseconds: left.nanoseconds - right.nanoseconds)
    }

    @inlinable
    public static func - (left: Instant, right: Instant) -> Interval {
        Interval(nanoseconds: left.nanoseconds - right.nanoseconds)
    }

    public static let distantFuture = Instant(nanoseconds: .max)
}

/// A length of time in nanoseconds.
public struct Interval: Comparable, Hashable, Sendable {
    public var nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable
    public static func milliseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1_000_000) }

    @inlinable
    public static func microseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1000) }

    @inlinable
    public static func seconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1_000_000_000) }

    @inlinable
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }

    @inlinable
    public static func < (left: Interval, right: Interval) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    @inlinable
    public static func + (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds + right.nanoseconds)
    }

    @inlinable
    public static func - (left: Interval, right: Interval) -> Interval {
        Interval(nanoseconds: left.nanoseconds - right.nanoseconds)
    }
}

/// What the clocks say at one moment: `boot` for leases and deadlines, `wall` for log time.
public struct ClockReading: Sendable, Equatable {
    /// CLOCK_BOOTTIME.
    public var boot: Instant
    /// Milliseconds since 1970 (CLOCK_REALTIME); may jump either way.
    public var wall: Int64

    public init(boot: Instant, wall: Int64) {
        self.boot = boot
        self.wall = wall
    }
}
