internal import Bytes
internal import Glibc
internal import WAL

/// One segment file, open for writing. Owned by one thread at a time.
final class LogFile: Sendable {
    let segment: UInt64
    private let path: String
    private let descriptor: Int32
    /// Whether this run made the file: all its bytes are zero until the log writes to it.
    let isNew: Bool

    private init(segment: UInt64, path: String, descriptor: Int32) throws(FileError) {
        self.segment = segment
        self.path = path
        self.descriptor = descriptor
        var status = stat()
        let known = fstat(descriptor, &status) == 0
        isNew = known && status.st_size == 0
        guard known else { throw currentError("look at", path) }
    }

    deinit { close(descriptor) }

    /// Opens the file of a segment, made if need be, and sees to it that `capacity` bytes of it are
    /// allocated: a later write does not run out of space (where the file system keeps that promise)
    /// and does not change the file's size.
    ///
    /// When this returns, file and directory entry are durable. A file that exists (prepared by an
    /// earlier run) is used as it is; the format's salts tell old contents from new.
    static func prepare(_ segment: UInt64, capacity: Int, in directory: DataDirectory)
        throws(FileError) -> LogFile
    {
        let path = directory.path(of: segmentFileName(segment))
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw currentError("create", path) }
        let file = try LogFile(segment: segment, path: path, descriptor: descriptor)
        try file.allocate(capacity)
        guard fsync(descriptor) == 0 else { throw currentError("sync", path) }
        try directory.sync()
        return file
    }

    /// Uses the file of segment `old`, which the log has given up, for `segment`. Its blocks are
    /// allocated and were written before, which makes it the best file there is (see
    /// LogFilePreparer). Nil if it cannot be used: then it is removed, or was not there.
    ///
    /// When this returns, the old header is gone for good and the new name is durable, in this
    /// order (W9 of the format): whenever the power goes, what is found is either an old segment
    /// without a header, which nobody needs, or a prepared one.
    static func recycle(
        _ old: UInt64, as segment: UInt64, capacity: Int, in directory: DataDirectory
    ) throws(FileError) -> LogFile? {
        let oldPath = directory.path(of: segmentFileName(old))
        let descriptor = open(oldPath, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw currentError("open", oldPath)
        }
        let path = directory.path(of: segmentFileName(segment))
        let file = try LogFile(segment: segment, path: path, descriptor: descriptor)
        var status = stat()
        // Only what is exactly as long: an earlier run's may be cut, and one that was made for a
        // large batch would keep its size for ever.
        guard fstat(descriptor, &status) == 0, status.st_size == off_t(capacity) else {
            try directory.remove(segmentFileName(old))
            return nil
        }
        try file.write(
            ByteBuffer([UInt8](repeating: 0, count: WALLimits.sectorBytes)), at: 0)
        try file.sync()
        guard rename(oldPath, path) == 0 else { throw currentError("rename", oldPath) }
        try directory.sync()
        return file
    }

    /// The same file once more, for syncing it beside another thread: the kernel reports a failed
    /// writeback once to each open file, so two threads that share one would take it from each other.
    /// Nil if the file was given up and its name is gone.
    func openAgain() throws(FileError) -> LogFile? {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw currentError("open", path)
        }
        return try LogFile(segment: segment, path: path, descriptor: descriptor)
    }

    /// Extends the allocation to `capacity`; the caller syncs. Nothing happens if it is there.
    private func allocate(_ capacity: Int) throws(FileError) {
        // Returns its error instead of setting errno; retries where the file system cannot do it by
        // writing a byte into every block.
        var status: Int32
        repeat { status = posix_fallocate(descriptor, 0, off_t(capacity)) } while status == EINTR
        guard status == 0 else {
            // A part may be allocated: a disk that is full should not be fuller for it.
            if isNew { ftruncate(descriptor, 0) }
            throw FileError(operation: "allocate space for", path: path, errno: status)
        }
    }

    /// Writes all of `bytes`. An error leaves an unknown part written; the same bytes may be written
    /// to the same place again as long as nothing was synced since.
    func write(_ bytes: borrowing ByteBuffer, at offset: Int) throws(FileError) {
        let all = unsafe bytes.unsafeReadable
        var done = 0
        while done < bytes.count {
            let written = unsafe pwrite(
                descriptor, all.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if written < 0 {
                if errno == EINTR { continue }
                throw currentError("write", path)
            }
            done += written
        }
    }

    /// Makes all bytes written before durable. An error is final: the kernel may have dropped the
    /// pages and a second sync would lie (Rebello et al., ATC 2020).
    func sync() throws(FileError) {
        var status: Int32
        repeat { status = fdatasync(descriptor) } while status != 0 && errno == EINTR
        guard status == 0 else { throw currentError("sync", path) }
    }
}
