import Foundation
import Simulator

/// The one clock that histories are kept in: monotonic, of this process alone. The members of the cluster
/// run on the same machine and do not see it.
enum TrueTime {
    private static let start = reading

    private static var reading: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Now, since the first call.
    static var now: Moment { Moment(nanoseconds: reading - start) }

    /// Sleeps.
    static func pause(_ seconds: Double) { usleep(UInt32(max(0, seconds) * 1_000_000)) }

    /// Tries `condition` until it holds; false when `seconds` have passed before.
    static func eventually(within seconds: Double, _ condition: () -> Bool) -> Bool {
        let end = now.seconds + seconds
        while !condition() {
            if now.seconds > end { return false }
            pause(0.02)
        }
        return true
    }
}

extension Moment {
    var seconds: Double { Double(nanoseconds) / 1e9 }
}
