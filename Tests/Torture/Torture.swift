import ArgumentParser
import Foundation
import Simulator

/// Real processes, real sockets, real disks, and everything that can happen to them; clients' histories are
/// judged by the simulator's checkers. `scripts/torture` runs it where it can do no harm.
@main
struct Torture: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein-torture",
        abstract:
            "Kills, stops, cuts off and fills up five nodes under load and checks what clients saw.",
        discussion:
            "Exits with 1 when anything was found. Needs rights to mount and to filter packets.")

    @Option(help: "How long to play, in minutes.")
    var minutes = 1.0

    @Option(help: "What is done, to whom and when is drawn from it. (Not when threads run.)")
    var seed = UInt64.random(in: 1...999_999_999)

    @Option(help: "The server's binary.")
    var server = ".build/release/skein-server"

    @Option(help: "Where members keep their files: a directory that is made and removed.")
    var dir = FileManager.default.temporaryDirectory.appending(path: "skein-torture").path

    @Option(help: "Clients connect to this port plus the member's number; peers a hundred above.")
    var basePort = 24100

    @Option(help: "Clients of each member.")
    var clients = 3

    @Option(help: "Only these faults, by name, with commas between them.")
    var faults: String?

    @Option(help: "A line for all members' configuration; may be given more than once.")
    var directive: [String] = []

    @Option(help: "Multiplies the limits on waits.")
    var patience = 1.0

    @Flag(help: "Fail where this machine does not allow some of the faults.")
    var requireAll = false

    private static let members = 5
    private static let diskMegabytes = 128

    func run() throws {
        print("skein-torture: seed=\(seed) server=\(server)")
        fflush(nil)
        let root = URL(filePath: dir)
        try? FileManager.default.removeItem(at: root)
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let (available, firewall, hasDisks) = try allowed(in: root)
        let cluster = try Cluster(
            Self.members, basePort: basePort, in: root, server: server,
            directives: ["wal-max-size 16mb"] + directive,
            diskMegabytes: hasDisks ? Self.diskMegabytes : nil, firewall: firewall)
        try cluster.start()
        let board = FleetBoard(members: Self.members)
        let settings = Fleet.Settings(
            members: cluster.members.map { ($0.address, $0.port) }, clientsPerMember: clients,
            seed: seed)
        let thread = Thread { Fleet(settings, board).run() }
        thread.stackSize = 64 << 20
        thread.start()
        guard
            TrueTime.eventually(within: 20, { board.leader != nil && board.totals.answered > 100 })
        else {
            throw CommandFailed(command: "start", output: "the cluster does not begin to serve")
        }

        var campaign = Campaign(
            cluster, board, available: available, patience: patience, seed: seed)
        try campaign.play(seconds: minutes * 60)
        try cluster.heal()
        board.beginEnd()
        guard TrueTime.eventually(within: 300, { board.verdict != nil }),
            let verdict = board.verdict
        else { throw CommandFailed(command: "check", output: "the last reads do not end") }
        let isClean = Report(campaign, board.totals, verdict, cluster.complaints).tell()
        guard isClean else {
            print("the members' logs are kept: \(root.path)/n*/node.log")
            for member in cluster.members { member.remove() }
            throw ExitCode(1)
        }
        for member in cluster.members { member.remove() }
        try? FileManager.default.removeItem(at: root)
    }

    /// The faults that this machine allows, and says which it does not.
    private func allowed(
        in root: URL
    ) throws -> (faults: [Fault], firewall: Firewall?, hasDisks: Bool) {
        var left: [String] = []
        var firewall: Firewall?
        do { firewall = try Firewall() } catch { left.append("cuts (\(error))") }
        var hasDisks = true
        do {
            let folder = root.appending(path: "trial")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let disk = try SmallDisk(megabytes: 16, at: folder)
            try disk.freeze()
        } catch {
            hasDisks = false
            left.append("full and stalled disks (\(error))")
        }
        for text in left {
            print("skipped: \(text.replacing("\n", with: " "))")
        }
        if requireAll, !left.isEmpty { throw ExitCode(2) }
        let wanted = faults.map { $0.split(separator: ",").map(String.init) }
        if let unknown = wanted?.first(where: { Fault(rawValue: $0) == nil }) {
            let known = Fault.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("no fault is called \(unknown); there are \(known)")
        }
        let available = Fault.allCases.filter {
            (wanted?.contains($0.rawValue) ?? true) && (firewall != nil || !$0.isCut)
                && (hasDisks || !$0.needsDisk)
        }
        guard !available.isEmpty else { throw ValidationError("no fault is left to be played") }
        return (available, firewall, hasDisks)
    }
}
