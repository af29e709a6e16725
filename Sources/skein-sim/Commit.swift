import Glibc

/// The commit that was built, for the lines that a report begins and ends with.
enum Commit {
    /// From SKEIN_COMMIT, which `scripts/sim` sets, or from git itself.
    static var current: String {
        if let given = getenv("SKEIN_COMMIT") { return String(cString: given) }
        guard let pipe = popen("git rev-parse --short=12 HEAD 2>/dev/null", "r") else {
            return "unknown"
        }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 64)
        guard fgets(&line, 64, pipe) != nil else { return "unknown" }
        let bytes = line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Seconds of real time, for the limits and the totals; the simulation itself never asks.
enum Clock {
    static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
