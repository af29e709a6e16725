import Foundation

/// Runs a command of the shell to its end; its exit code and all that it printed.
func shell(_ command: String) throws -> (code: Int32, output: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", command]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try runUnblocked(process)
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
}

func isInstalled(_ command: String) -> Bool {
    (try? shell("command -v \(command)").code) == 0
}
