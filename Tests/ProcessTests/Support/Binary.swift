import Foundation
import Testing

/// The server under test and how patient the tests are, both from the environment.
enum Binary {
    /// `SKEIN_SERVER`, else the release build of this checkout.
    static let path: String =
        environment["SKEIN_SERVER"]
        ?? projectRoot.appending(path: ".build/release/skein-server").path

    /// Missing binaries skip the tests, unless SKEIN_REQUIRE_ALL=1 says that nothing may be skipped.
    static var mayRun: Bool {
        FileManager.default.isExecutableFile(atPath: path)
            || environment["SKEIN_REQUIRE_ALL"] == "1"
    }

    /// SKEIN_PATIENCE multiplies every limit on time, for machines that do other work meanwhile.
    static let patience = environment["SKEIN_PATIENCE"].flatMap(Double.init) ?? 1

    static let environment = ProcessInfo.processInfo.environment

    static let projectRoot = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
}

/// Real binaries on real sockets. One test at a time: they measure waits and share two cores.
@Suite(
    .serialized,
    .enabled(if: Binary.mayRun, "no server binary at \(Binary.path): run scripts/build first"),
    .timeLimit(.minutes(5)))
struct ProcessTests {}

/// A figure worth keeping in the test's output.
func record(_ name: String, _ value: String) {
    print("measured: \(name) = \(value)")
}

func milliseconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) * 1000 + Double(attoseconds) / 1e15
}

/// Tries `condition` until it holds; false when `limit` has passed before.
func eventually(
    within limit: Duration, every pause: Duration = .milliseconds(20),
    _ condition: () throws -> Bool
) -> Bool {
    let end = ContinuousClock.now + limit * Binary.patience
    while true {
        if (try? condition()) == true { return true }
        if ContinuousClock.now >= end { return false }
        usleep(UInt32(milliseconds(pause) * 1000))
    }
}
