import ArgumentParser
import Server

/// `skein recover DIR`
struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a cluster of one from the directory of a node whose cluster is lost.",
        discussion: """
            For a cluster that has lost the majority of its directories for good. Without --force it \
            only prints what the directory holds, and what may be lost by going on from it: run it on \
            every directory that is left, and take the best. Keep a copy.

            With --force the directory becomes that of a new cluster, with this node as its only \
            member. Then start the node with an 'initial-cluster' of itself alone. The old members, \
            should they come back, are refused, and refuse it; they must not serve clients any more.

            Exits with 0 when it is done, or could be; with 1 when the directory is of no use for it; \
            with 2 when it cannot be looked at or written.
            """)

    @Argument(help: "The directory: what 'dir' says in the node's configuration.")
    var directory: String

    @Flag(help: "Do it.")
    var force = false

    @Option(help: "The node's name in the new cluster; as before if it is not given.")
    var nodeName: String?

    func run() throws {
        let recovery: DirectoryRecovery
        do { recovery = try DirectoryRecovery(directory, nodeName: nodeName) } catch {
            complain("skein: \(error)")
            throw ExitCode(2)
        }
        for line in recovery.lines { print(line) }
        switch recovery.finding {
        case .unusable(let reason):
            print("refused: \(reason)")
            throw ExitCode(1)
        case .alone(let reason):
            print(reason)
        case .ready(let name):
            guard force else {
                print("nothing was changed; with --force this becomes the cluster of \(name) alone")
                return
            }
            do { try recovery.carryOut() } catch {
                complain("skein: \(error)")
                throw ExitCode(2)
            }
            print(
                "done: start the node with 'node-name \(name)' and an 'initial-cluster' of it alone"
            )
        }
    }
}
