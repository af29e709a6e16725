internal import Bytes
internal import Glibc
internal import Snapshot
public import WAL

/// The segment files of a data directory, as recovery reads them.
final class LogFileSource: WALSource {
    private let directory: DataDirectory
    let segments: [UInt64]
    let mark: WALMark?
    let writtenMark: WALMark?
    let stateCopies: WALStateCopies
    /// The file read last stays open: recovery goes through them one after the other.
    private var open: (segment: UInt64, descriptor: Int32)?

    /// Lists the segments and syncs what the last run may have left unsynced (R1 of the format).
    init(_ directory: DataDirectory) throws(FileError) {
        self.directory = directory
        segments = try directory.names().compactMap(segmentNumber(ofFile:)).sorted()
        for segment in segments {
            let path = directory.path(of: segmentFileName(segment))
            let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
            guard descriptor >= 0 else { throw currentError("open", path) }
            defer { close(descriptor) }
            guard fsync(descriptor) == 0 else { throw currentError("sync", path) }
            // If the last run died of a failed sync, the cache may show what the disk does not have.
            // Only its newest files can be concerned: those before were synced when they were left.
            if segments.suffix(3).contains(segment) {
                posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
            }
        }
        mark = try Self.readSynced(WALMark.fileName, in: directory).flatMap {
            WALMark(decoding: $0.span)
        }
        writtenMark = try Self.readSynced(WALMark.writtenFileName, in: directory).flatMap {
            WALMark(decoding: $0.span)
        }
        var copies: [[UInt8]?] = []
        for slot in 0..<WALStateCopy.slots {
            copies.append(try Self.readSynced(WALStateCopy.fileName(slot), in: directory))
        }
        stateCopies = WALStateCopies { copies[$0].map { ByteBuffer(copying: $0.span) } }
        try directory.sync()
    }

    /// Reads and syncs a small file beside the log: from now on it must not be forgotten that it was
    /// seen. Nil if it does not exist.
    private static func readSynced(_ name: String, in directory: DataDirectory) throws(FileError)
        -> [UInt8]?
    {
        let path = directory.path(of: name)
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw currentError("open", path)
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw currentError("sync", path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw currentError("look at", path) }
        var bytes = ByteBuffer()
        guard readFully(descriptor, at: 0, count: Int(status.st_size), into: &bytes) else {
            throw currentError("read", path)
        }
        return bytes.copyBytes()
    }

    deinit { if let open { close(open.descriptor) } }

    func size(of segment: UInt64) throws(WALError) -> Int {
        var status = stat()
        let descriptor = try descriptor(of: segment)
        guard fstat(descriptor, &status) == 0 else {
            throw .unreadable(WALPosition(segment: segment, offset: 0), errno: errno)
        }
        return Int(status.st_size)
    }

    func read(_ position: WALPosition, count: Int, into bytes: inout ByteBuffer) throws(WALError) {
        let descriptor = try descriptor(of: position.segment)
        guard readFully(descriptor, at: position.offset, count: count, into: &bytes) else {
            throw .unreadable(position, errno: errno)
        }
    }

    private func descriptor(of segment: UInt64) throws(WALError) -> Int32 {
        if let open, open.segment == segment { return open.descriptor }
        if let open { close(open.descriptor) }
        open = nil
        let path = directory.path(of: segmentFileName(segment))
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .unreadable(WALPosition(segment: segment, offset: 0), errno: errno)
        }
        open = (segment, descriptor)
        return descriptor
    }
}

/// Appends `count` bytes of a file, or what there is up to its end. False: `errno` says why not.
func readFully(_ descriptor: Int32, at offset: Int, count: Int, into bytes: inout ByteBuffer)
    -> Bool
{
    var done = 0
    while done < count {
        var failed = false
        let got = unsafe bytes.withUnsafeTail(minimum: count - done) { free in
            let got = unsafe pread(
                descriptor, free.baseAddress!, count - done, off_t(offset + done))
            failed = got < 0
            return max(got, 0)
        }
        if failed {
            if errno == EINTR { continue }
            return false
        }
        if got == 0 { return true }
        done += got
    }
    return true
}

/// Why a node cannot start with the log it has.
public enum LogStartError: Error, Equatable, Sendable, CustomStringConvertible {
    case file(FileError)
    case log(WALError)

    public var description: String {
        switch self {
        case .file(let error): error.description
        case .log(let error): error.description
        }
    }
}

extension DataDirectory {
    /// Recovers the log of this directory, after syncing it, and tidies up: files that are not
    /// needed any more go, and what lies behind the end of finished segments is given back.
    ///
    /// - Parameter mayRepair: whether a damaged log may be cut, since other nodes have what it held.
    ///   What is behind the damage is set aside then (`removeSetAside`).
    public func recoverLog(_ parameters: WALParameters, mayRepair: Bool = false)
        throws(LogStartError) -> RecoveredLog
    {
        let source: LogFileSource
        do throws(FileError) { source = try LogFileSource(self) } catch { throw .file(error) }
        let log: RecoveredLog
        do throws(WALError) {
            log = try readLog(source, parameters, mayRepair: mayRepair)
        } catch {
            throw .log(error)
        }
        do throws(FileError) {
            if let repair = log.repair { try carryOut(repair) }
            try tidy(after: log)
        } catch { throw .file(error) }
        return log
    }

    /// The same without changing anything: a `repair` in it is still to be carried out.
    func readLog(
        _ source: borrowing LogFileSource, _ parameters: WALParameters, mayRepair: Bool
    ) throws(WALError) -> RecoveredLog {
        try WALRecovery.open(source, parameters, mayRepair: mayRepair, snapshots: wholeSnapshots)
    }

    /// A directory that cannot be listed has none, and the damage stays what it is.
    private func wholeSnapshots() -> [WALSnapshot] {
        var executor = SnapshotExecutor(SnapshotDirectory(self))
        let summaries = (try? executor.newestWhole()) ?? []
        return summaries.map {
            WALSnapshot(group: $0.id.group, index: $0.id.index, term: $0.id.term)
        }
    }

    /// Each step is durable before the next begins, so that a crash in between loses nothing.
    func carryOut(_ repair: WALRepair) throws(FileError) {
        try LogStateFiles.replace(repair.intent, in: self)
        try remove(WALMark.fileName)
        try remove(WALMark.writtenFileName)
        try sync()
        for segment in repair.setAside {
            let name = segmentFileName(segment)
            let (from, to) = (path(of: name), path(of: Self.setAsidePrefix + name))
            guard rename(from, to) == 0 else { throw currentError("rename", from) }
            try sync()
        }
    }

    private static let setAsidePrefix = "damaged-"

    /// Removes what repairs have set aside, once nobody needs to look at it any more.
    func removeSetAside() throws(FileError) {
        for name in try names() where name.hasPrefix(Self.setAsidePrefix + "wal-") {
            try remove(name)
        }
    }

    private func tidy(after log: borrowing RecoveredLog) throws(FileError) {
        for trim in log.trims {
            let path = path(of: segmentFileName(trim.segment))
            guard truncate(path, off_t(trim.bytes)) == 0 else { throw currentError("cut", path) }
        }
        for segment in log.obsoleteSegments {
            try remove(segmentFileName(segment))
        }
        if !log.obsoleteSegments.isEmpty { try sync() }
    }
}
