internal import Engine
internal import Glibc
internal import Raft
internal import Snapshot
internal import WAL

/// Repairs a stopped node's data directory as far as that loses nothing: for `skein check --repair`.
///
/// A start of the node would do the same. This is for an operator who wants to see it done, and what
/// it costs, before that.
public struct DirectoryRepair {
    /// What was done.
    public private(set) var lines: [String] = []
    /// What is not in this directory any more, and must come from the peers.
    public private(set) var losses: [String] = []
    /// What is damaged and was left as it is, with the reason.
    public private(set) var refusals: [String] = []

    /// - Throws: when the directory is not there or in use, and when a file cannot be written.
    public init(_ path: String) throws {
        let directory = try DataDirectory(existing: path)
        let report = WALCheck.check(try LogFileSource(directory))
        let members = Engine.memberCount(in: report.nodeRecords)
        let groups = try cutLog(in: directory, report, hasPeers: members > 1)
        try removeSnapshots(in: directory, hasPeers: members > 1, groups)
    }

    /// Returns what the log holds afterwards.
    private mutating func cutLog(
        in directory: DataDirectory, _ report: WALReport, hasPeers: Bool
    ) throws -> [(group: GroupID, firstIndex: LogIndex)] {
        let known = report.groups.map { ($0.group, $0.firstIndex) }
        guard let refusal = report.refusal else { return known }
        let log: RecoveredLog
        do throws(LogStartError) {
            log = try directory.recoverLog(WALParameters(saltSeed: 0), mayRepair: hasPeers)
        } catch {
            refusals.append(
                hasPeers
                    ? "\(error)"
                    : "the log: \(refusal) No other member has what it held, so nothing is cut"
            )
            return known
        }
        if let repair = log.repair {
            lines.append(
                "the log is cut behind batch \(repair.lastBatch); \(repair.setAside.count) files are set aside as damaged-wal-*; the node will not vote before its peers have given back what is lost"
            )
            losses += report.entriesLost(in: log)
        } else {
            lines.append("the log is damaged only where whole snapshots hold all of it")
        }
        return log.groups.map { ($0.group, $0.firstIndex) }
    }

    /// Removes damaged snapshots that nothing depends on. What is only not readable now stays.
    private mutating func removeSnapshots(
        in directory: DataDirectory, hasPeers: Bool,
        _ groups: [(group: GroupID, firstIndex: LogIndex)]
    ) throws {
        var whole: [SnapshotID] = []
        var damaged: [(id: SnapshotID, reason: String)] = []
        for (id, found) in try directory.examineSnapshots() {
            switch found {
            case .whole: whole.append(id)
            case .damaged(let reason): damaged.append((id, reason))
            case .unreadable(let reason): refusals.append("snapshot \(id): \(reason)")
            }
        }
        for (id, reason) in damaged {
            let first = groups.first { $0.group == id.group }?.firstIndex ?? 1
            let isSpare =
                first == 1 || whole.contains { $0.group == id.group && $0.index + 1 >= first }
            guard isSpare || hasPeers else {
                refusals.append(
                    "snapshot \(id): \(reason). It is the only one that the log goes on from, and no other member has the state"
                )
                continue
            }
            try directory.remove(id.fileName)
            lines.append("snapshot \(id) is removed: \(reason)")
            if !isSpare { losses.append("\(id.group): its state up to entry \(id.index)") }
        }
        if !damaged.isEmpty { try directory.sync() }
    }
}

extension WALReport {
    /// The entries that were seen in a damaged log and are not in what was made of it, by group.
    func entriesLost(in log: borrowing RecoveredLog) -> [String] {
        var lost: [String] = []
        for seen in lastSeen {
            let left = log.groups.first { $0.group == seen.group }?.lastIndex ?? 0
            guard left < seen.index else { continue }
            lost.append("\(seen.group): entries \(left + 1)...\(seen.index)")
        }
        return lost
    }
}

extension DataDirectory {
    /// Opens a directory only if it is there already.
    convenience init(existing path: String) throws {
        guard access(path, F_OK) == 0 else {
            throw DataDirectoryError.failed(currentError("open", path))
        }
        try self.init(path: path)
    }
}
