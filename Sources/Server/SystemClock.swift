internal import Bytes
internal import Glibc

/// The machine's clocks, read anew at each call. The engine gets its time from here and nowhere
/// else.
enum SystemClock {
    /// Both clocks, now.
    static func reading() -> ClockReading {
        ClockReading(boot: bootInstant(), wall: wallMilliseconds())
    }

    /// CLOCK_REALTIME in milliseconds since 1970.
    static func wallMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Stands still, through signals, for DEBUG SLEEP.
    static func sleep(_ interval: Interval) {
        var wanted = timespec(
            tv_sec: Int(interval.nanoseconds / 1_000_000_000),
            tv_nsec: Int(interval.nanoseconds % 1_000_000_000))
        var left = timespec()
        while nanosleep(&wanted, &left) != 0, errno == EINTR { wanted = left }
    }
}

/// Processor time that the calling thread has used so far.
func threadTime() -> Interval {
    Interval(nanoseconds: nanoseconds(of: CLOCK_THREAD_CPUTIME_ID))
}

/// CLOCK_BOOTTIME as the engine's `Instant`: runs on through suspend, read freshly.
func bootInstant() -> Instant { Instant(nanoseconds: nanoseconds(of: CLOCK_BOOTTIME)) }

private func nanoseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    let status = clock_gettime(clock, &time)
    invariant(status == 0, "the clock cannot be read")
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
