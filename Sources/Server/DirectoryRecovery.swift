internal import Bytes
internal import Engine
internal import Glibc
internal import Snapshot
internal import UV
internal import WAL

/// Makes a cluster of one from a stopped node's data directory: for `skein recover`.
///
/// What it writes is one batch at the end of the log (`ClusterRecovery` has what is in it), by the same
/// thread as a node's. A crash before that is durable leaves the directory as it was, one behind it the
/// new cluster's; run again, it goes on from either. A log that is damaged where it is needed is cut
/// there first, which a crash may leave done: also of a cluster of one, whose node refuses to start.
public final class DirectoryRecovery {
    public enum Finding: Equatable, Sendable {
        /// It can be done; the name of the new cluster's member.
        case ready(String)
        /// There is nothing to recover: the cluster consists of this node.
        case alone(String)
        /// It cannot be done with this directory, for this reason.
        case unusable(String)
    }

    /// What the directory holds and what may be lost, line by line.
    public private(set) var lines: [String] = []
    public let finding: Finding

    private let directory: DataDirectory
    private var recovery: Held?
    /// To be done first: the log is damaged.
    private var repair: WALRepair?

    /// A class, because optionals of noncopyable values are awkward to take from.
    private final class Held {
        var recovery: ClusterRecovery
        init(_ recovery: consuming ClusterRecovery) { self.recovery = recovery }
    }

    /// What is written is small, and the node opens a segment of its own.
    private static let segmentBytes = 1 << 20

    /// Reads the whole log and every snapshot; changes nothing but the lock file.
    ///
    /// - Throws: `DataDirectoryError`, `FileError`: the directory is not there, a process uses it, or
    ///   it cannot be read.
    public init(_ path: String, nodeName: String?) throws {
        directory = try DataDirectory(existing: path)
        lines.append("directory \(path)")
        var random = SystemRandomNumberGenerator()
        var parameters = WALParameters(saltSeed: random.next())
        parameters.segmentBytes = Self.segmentBytes
        parameters.tailBytesMax = 0
        let source = try LogFileSource(directory)
        let snapshots = try Self.wholeSnapshots(in: directory, &lines)
        lines += Self.times(of: directory, source.segments, snapshots)
        do {
            var log = try directory.readLog(source, parameters, mayRepair: true)
            repair = log.repair
            if let damage = log.damage { lines.append("  log: \(damage)") }
            if let repair = log.repair {
                lines.append(
                    "  it would be cut behind batch \(repair.lastBatch), and what follows set aside as damaged-wal-*"
                )
                let lost = WALCheck.check(source).entriesLost(in: log)
                lines += lost.map { "  given up with it: \($0)" }
            }
            let recovery = try ClusterRecovery(
                &log, snapshots: snapshots, nodeName: nodeName, random: random.next())
            lines += recovery.account
            finding = .ready(recovery.name)
            self.recovery = Held(recovery)
        } catch let error as ClusterRecoveryError {
            if case .alone = error {
                finding = .alone(error.description)
            } else {
                finding = .unusable(error.description)
            }
        } catch let error as WALError {
            finding = .unusable(
                "\(error) What is left of the log does not say for certain what this node has: take another member's directory, or a backup"
            )
        }
    }

    /// Does it; returns when it is durable. To be called once, when the finding is `ready`.
    ///
    /// - Throws: `FileError` when it cannot be written: then the directory is as it was, but for a
    ///   damaged log, which may be cut.
    public func carryOut() throws {
        guard let recovery = recovery.take() else { invariantFailed("nothing to recover") }
        if let repair { try directory.carryOut(repair) }
        var options = LogThread.Options()
        options.segmentBytes = Self.segmentBytes
        let outcome = Monitor<Outcome?>(nil)
        let thread = try LogThread(directory, options) { event in
            switch event {
            case .progress: outcome.update { $0 = $0 ?? .durable }
            case .full(let error), .failed(let error): outcome.update { $0 = .failed(error) }
            case .low, .room, .goesOn, .leftover: break
            }
        }
        thread.submit(recovery.recovery.batch())
        let end = outcome.wait { $0 } ?? .durable
        thread.stop()
        if case .failed(let error) = end { throw error }
        try directory.sync()
    }

    private enum Outcome {
        case durable
        case failed(FileError)
    }

    private static func wholeSnapshots(
        in directory: DataDirectory, _ lines: inout [String]
    ) throws -> [SnapshotSummary] {
        var whole: [SnapshotSummary] = []
        for (id, found) in try directory.examineSnapshots() {
            switch found {
            case .whole(let summary): whole.append(summary)
            case .damaged(let reason), .unreadable(let reason):
                lines.append("  snapshot \(id) is given up: \(reason)")
            }
        }
        return whole
    }

    /// When the log and a snapshot were written last.
    private static func times(
        of directory: DataDirectory, _ segments: [UInt64], _ snapshots: [SnapshotSummary]
    ) -> [String] {
        var lines: [String] = []
        // Prepared ones are newer than what is used, and empty: the newest time of all counts.
        let written = segments.compactMap { modified(directory.path(of: segmentFileName($0))) }
        if let last = written.max() { lines.append("  log written last: \(text(of: last))") }
        let taken = snapshots.compactMap { modified(directory.path(of: $0.id.fileName)) }
        if let last = taken.max() { lines.append("  newest snapshot: \(text(of: last))") }
        return lines
    }

    private static func modified(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mtim.tv_sec : nil
    }

    private static func text(of time: Int) -> String {
        var time = time
        var parts = tm()
        gmtime_r(&time, &parts)
        var bytes = [CChar](repeating: 0, count: 64)
        let count = strftime(&bytes, bytes.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
