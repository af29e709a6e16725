import RESP
import Store
import Testing

@testable import Commands

/// Runs the lines of a transcript, `command => reply`, on an empty keyspace.
///
/// A line beginning with `3>` speaks RESP3. Words are split at blanks, double quotes keep them. In
/// the reply the line ends of RESP are shown as blanks.
func replay(_ transcript: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let runner = Runner()
    for line in transcript.split(separator: "\n") {
        guard let arrow = line.firstRange(of: " => ") else {
            Issue.record("no reply in '\(line)'", sourceLocation: sourceLocation)
            return
        }
        var command = line[..<arrow.lowerBound]
        let isRESP3 = command.hasPrefix("3> ")
        if isRESP3 { command = command.dropFirst(3) }
        runner.context.reply.version = isRESP3 ? .three : .two
        let reply = runner.run(words(of: command))
        let shown = reply.replacing("\r\n", with: " ").dropLast()
        #expect(
            shown == line[arrow.upperBound...], "\(command)", sourceLocation: sourceLocation)
    }
    runner.context.keyspace.checkInvariants()
}

private func words(of command: Substring) -> [[UInt8]] {
    var words: [[UInt8]] = []
    for (index, part) in command.split(separator: "\"", omittingEmptySubsequences: false)
        .enumerated()
    {
        if index % 2 == 1 {
            words.append(Array(part.utf8))
        } else {
            words += part.split(separator: " ").map { Array($0.utf8) }
        }
    }
    return words
}
