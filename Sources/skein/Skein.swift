import ArgumentParser
import Glibc
import Server

/// `skein`: what operators do to nodes and their directories.
@main
struct Skein: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein", abstract: "Administers Skein nodes and their data directories.",
        subcommands: [Node.self, Check.self, Recover.self])
}

/// `skein check DIR`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verifies a stopped node's data directory and prints what it finds.",
        discussion: """
            Reads the whole log and every snapshot; changes nothing. Exits with 0 when all is sound, \
            with 1 when something is damaged, with 2 when the directory cannot be looked at.

            With --repair it does what is safe and says what it gave up: it removes snapshots that are \
            damaged and not needed, and cuts a damaged log as a start of the node would, if the \
            cluster has other members to give back what was lost. What only this directory can have \
            is left as it is.
            """)

    @Argument(help: "The directory: what `dir` says in the node's configuration.")
    var directory: String

    @Flag(help: "Repair what can be repaired without a loss.")
    var repair = false

    func run() throws {
        if repair { try runRepair() }
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

    /// Repairs, and tells of it; the check of what is left follows.
    private func runRepair() throws {
        do {
            let repair = try DirectoryRepair(directory)
            for line in repair.lines { print("repair: \(line)") }
            for loss in repair.losses { print("given up: \(loss)") }
            for refusal in repair.refusals { print("not repaired: \(refusal)") }
        } catch {
            complain("skein: \(error)")
            throw ExitCode(2)
        }
    }
}

/// A line for standard error.
func complain(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
