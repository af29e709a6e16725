internal import Bytes
internal import Glibc
internal import WAL

/// The two files that hold the copies of the log's small state in turn. One thread at a time.
struct LogStateFiles: ~Copyable {
    private let paths: [String]
    private let descriptors: [Int32]

    /// More than nearly all copies take: a full disk does not stand in the way of a vote.
    private static let allocatedBytes = 64 << 10

    /// Opens the files, and makes them. Durable before this returns.
    init(in directory: borrowing DataDirectory) throws(FileError) {
        var paths: [String] = []
        var descriptors: [Int32] = []
        do throws(FileError) {
            for slot in 0..<WALStateCopy.slots {
                let path = directory.path(of: WALStateCopy.fileName(slot))
                let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
                guard descriptor >= 0 else { throw currentError("create", path) }
                paths.append(path)
                descriptors.append(descriptor)
                // Best effort: without room a write will say so.
                posix_fallocate(descriptor, 0, off_t(Self.allocatedBytes))
            }
            try directory.sync()
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        self.paths = paths
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    /// Puts a copy in the place of its file, durably: wholly, or not at all.
    static func replace(_ copy: WALStateCopy, in directory: borrowing DataDirectory)
        throws(FileError)
    {
        let path = directory.path(of: WALStateCopy.fileName(copy.slot))
        let new = path + ".new"
        let descriptor = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw currentError("create", new) }
        defer { close(descriptor) }
        try write(copy, to: descriptor, new)
        guard rename(new, path) == 0 else { throw currentError("rename", new) }
        try directory.sync()
    }

    /// Writes a copy over its file and syncs it.
    func write(_ copy: WALStateCopy) throws(FileError) {
        try Self.write(copy, to: descriptors[copy.slot], paths[copy.slot])
    }

    private static func write(_ copy: WALStateCopy, to descriptor: Int32, _ path: String)
        throws(FileError)
    {
        let bytes = copy.encode()
        var done = 0
        while done < bytes.count {
            let count = bytes.unsafeReadable.count - done
            let got = pwrite(
                descriptor, bytes.unsafeReadable.baseAddress! + done, count, off_t(done))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw currentError("write", path) }
            done += got
        }
        guard fdatasync(descriptor) == 0 else { throw currentError("sync", path) }
    }
}
