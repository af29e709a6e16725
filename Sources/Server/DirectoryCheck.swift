internal import Glibc
internal import Raft
internal import Snapshot
internal import WAL

/// Looks at a stopped node's data directory without starting on it: for `skein check`.
///
/// Reads every segment of the log and every snapshot, wholly. Changes nothing but the lock file, which
/// keeps a node from starting meanwhile.
public struct DirectoryCheck {
    /// What was found, line by line.
    public private(set) var lines: [String] = []
    /// What is damaged, in words; empty for a sound directory.
    public private(set) var problems: [String] = []

    /// - Throws: `DataDirectoryError` when the directory is not there, or a process uses it.
    public init(_ path: String) throws {
        let directory = try DataDirectory(existing: path)
        let report = WALCheck.check(try LogFileSource(directory))
        lines.append("directory \(path)")
        tell(report)
        try tellSnapshots(in: directory, report)
        if report.isCut {
            lines.append(
                "the log was cut behind batch \(report.lastBatch): the next start takes what is lost from the peers"
            )
        } else if let refusal = report.refusal {
            problems.append("the log: \(refusal); a node does not start on it")
        }
    }

    private mutating func tell(_ report: WALReport) {
        lines.append(
            "log: \(report.segments.count) segments, \(report.liveBytes) bytes in use, whole up to batch \(report.lastBatch)"
        )
        for segment in report.segments {
            let note = segment.isObsolete ? ", not needed" : ""
            switch segment.contents {
            case .blank:
                lines.append("  segment \(segment.number): blank\(note)")
            case .batches(let first, let next, let end):
                lines.append(
                    "  segment \(segment.number): batches \(first)..<\(next), \(end) of \(segment.fileBytes) bytes\(note)"
                )
            case .damaged(_, _, let error):
                lines.append("  segment \(segment.number): \(error)\(note)")
                if !segment.isObsolete, !report.isCut { problems.append("\(error)") }
            }
        }
        if let torn = report.tornTail {
            lines.append(
                "  torn tail: \(torn.bytes) bytes that were never synced; a start drops them")
        }
        for group in report.groups {
            let vote = group.vote == 0 ? "none" : "\(group.vote)"
            let entries =
                group.lastIndex < group.firstIndex
                ? "no entry behind \(group.lastIndex)"
                : "entries \(group.firstIndex)...\(group.lastIndex)"
            lines.append(
                "  \(group.group): term \(group.term), vote \(vote), \(entries)\(group.isComplete ? "" : ", with gaps")"
            )
        }
    }

    private mutating func tellSnapshots(
        in directory: borrowing DataDirectory, _ report: WALReport
    ) throws {
        let examined = try directory.examineSnapshots()
        lines.append("snapshots: \(examined.count)")
        var usable: [UInt32: UInt64] = [:]
        for (id, found) in examined {
            switch found {
            case .whole(let summary):
                lines.append(
                    "  \(id): whole, \(summary.fileBytes) bytes, \(summary.rawBytes) unpacked")
                usable[id.group.raw] = max(usable[id.group.raw] ?? 0, id.index)
            case .damaged(let reason), .unreadable(let reason):
                lines.append("  \(id): \(reason)")
                problems.append("snapshot \(id): \(reason)")
            }
        }
        for group in report.groups where group.firstIndex > 1 {
            guard usable[group.group.raw] ?? 0 < group.firstIndex - 1 else { continue }
            problems.append(
                "\(group.group): the log begins at entry \(group.firstIndex), and no whole snapshot reaches it; a peer must send one"
            )
        }
    }
}
