import ArgumentParser
import Glibc
import Server

/// `skein`: what operators do to nodes and their directories.
@main
struct Skein: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein", abstract: "Administers Skein nodes and their data directories.",
        subcommands: [Check.self])
}

/// `skein check DIR`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verifies a stopped node's data directory and prints what it finds.",
        discussion: """
            Reads the whole log and every snapshot; changes nothing. Exits with 0 when all is sound, \
            with 1 when something is damaged, with 2 when the directory cannot be looked at.
            """)

    @Argument(help: "The directory: what `dir` says in the node's configuration.")
    var directory: String

    func run() throws {
        let check: DirectoryCheck
        do { check = try DirectoryCheck(directory) } catch {
            complain("skein: \(error)")
            throw ExitCode(2)
        }
        for line in check.lines { print(line) }
        for problem in check.problems { print("damaged: \(problem)") }
        print(check.problems.isEmpty ? "sound" : "\(check.problems.count) problems")
        if !check.problems.isEmpty { throw ExitCode(1) }
    }
}

/// A line for standard error.
func complain(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
