import Foundation
import Testing

/// The program that `scripts/torture` runs.
private enum Program {
    static let path = Binary.projectRoot.appending(path: ".build/release/skein-torture").path

    static var mayRun: Bool {
        FileManager.default.isExecutableFile(atPath: path)
            || Binary.environment["SKEIN_REQUIRE_ALL"] == "1"
    }
}

extension ProcessTests {
    /// A short run of `scripts/torture`; the long ones are for whoever changes what they test.
    @Suite(.enabled(if: Program.mayRun, "no binary at \(Program.path): run scripts/build first"))
    struct Torture {
        @Test func `five nodes bear kills, pauses, cuts and sick disks without breaking a promise`()
            throws
        {
            let script = Binary.projectRoot.appending(path: "scripts/torture").path
            let (code, output) = try shell(
                "SKEIN_TORTURE='\(Program.path)' SKEIN_SERVER='\(Binary.path)'"
                    + " SKEIN_PATIENCE=\(Binary.patience) '\(script)' --minutes 0.5 2>&1")
            for line in output.split(separator: "\n") {
                // What this machine does not allow: SKEIN_REQUIRE_ALL=1 makes it the script's failure.
                if line.hasPrefix("skipped:") { print(line) }
                if line.hasPrefix("faults=") { record("torture", String(line)) }
            }
            #expect(code == 0, "\(output.suffix(4000))")
        }
    }
}
