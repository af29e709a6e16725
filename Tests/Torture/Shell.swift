import Foundation

/// A command of the system that did not do what was asked.
struct CommandFailed: Error, CustomStringConvertible {
    let command: String
    let output: String
    var description: String { "\(command): \(output)" }
}

/// Runs a command of the shell to its end, with `input` on its standard input; what it printed.
@discardableResult
func shell(_ command: String, input: String = "") throws -> String {
    let process = Process()
    let output = Pipe()
    let standardInput = Pipe()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", command]
    process.standardInput = standardInput
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try standardInput.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw CommandFailed(command: command, output: text)
    }
    return text
}
