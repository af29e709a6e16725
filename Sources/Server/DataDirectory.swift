internal import Bytes
internal import Glibc
internal import WAL

/// A call to the operating system on a file that failed.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A verb: "write", "sync".
    public var operation: String
    public var path: String
    public var errno: Int32

    public var description: String { "cannot \(operation) \(path): \(errorText(errno))" }

    /// Whether the file system is full, or the quota used up: waiting can help.
    public var isOutOfSpace: Bool { errno == ENOSPC || errno == EDQUOT }

    /// Whether the system lacked something for the moment: a later call can succeed, and says the
    /// truth then. After any other error it may not, least of all after a sync: the kernel reports a
    /// failed writeback once, and drops the pages.
    var isPassing: Bool {
        switch errno {
        case ENOSPC, EDQUOT: true
        case EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR: operation != "sync"
        default: false
        }
    }
}

/// Why a data directory cannot be used.
public enum DataDirectoryError: Error, Equatable, Sendable, CustomStringConvertible {
    case notADirectory(String)
    /// Another process uses it; its number, if it could be read.
    case inUse(String, by: Int32?)
    case failed(FileError)

    public var description: String {
        switch self {
        case .notADirectory(let path):
            "dir \(path) is not a directory: name a directory, or move the file away"
        case .inUse(let path, let process):
            "dir \(path) is in use by \(process.map { "process \($0)" } ?? "another process"): "
                + "stop that one, or give this node a directory of its own"
        case .failed(let error):
            "\(error). dir must be a directory that this user can write to and that has room"
        }
    }
}

/// The directory that holds everything a node keeps, locked against a second process while it is
/// open. Made if it does not exist (its parents, too).
public final class DataDirectory: Sendable {
    public let path: String
    /// Of the directory, for syncing its entries.
    private let descriptor: Int32
    /// Of the file LOCK. The kernel drops the lock with the process, however that ends.
    private let lock: Int32

    /// Opens, and makes, the directory. The check is real: the lock file is written.
    public init(path: String) throws(DataDirectoryError) {
        self.path = path
        do throws(FileError) { try Self.makeDirectories(path, syncing: Self.sync(_:)) } catch {
            if error.errno == ENOTDIR || error.errno == EEXIST { throw .notADirectory(path) }
            throw .failed(error)
        }
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let error = currentError("open", path)
            throw error.errno == ENOTDIR ? .notADirectory(path) : .failed(error)
        }
        do throws(DataDirectoryError) { lock = try Self.lock(path) } catch {
            close(descriptor)
            throw error
        }
    }

    deinit {
        close(lock)
        close(descriptor)
    }

    /// The path of a file in the directory.
    public func path(of name: String) -> String { "\(path)/\(name)" }

    /// Makes created, renamed and removed names durable.
    public func sync() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw currentError("sync", path) }
    }

    /// Removes a file; durable after `sync`. One that is not there is no error.
    func remove(_ name: String) throws(FileError) {
        let path = path(of: name)
        guard unlink(path) == 0 || errno == ENOENT else { throw currentError("remove", path) }
    }

    /// Whether an entry of this name exists.
    func contains(_ name: String) -> Bool { access(path(of: name), F_OK) == 0 }

    /// The names of all entries but `.` and `..`, in no order.
    public func names() throws(FileError) -> [String] {
        guard let stream = opendir(path) else { throw currentError("list", path) }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw currentError("list", path) }
        return names
    }

    /// Makes a directory and those above it that do not exist.
    ///
    /// - Parameter syncing: called for the directory above each one that was made: without that a loss
    ///   of power takes the new name along, and all that the node has promised below it.
    static func makeDirectories(
        _ path: String, syncing: (String) throws(FileError) -> Void
    ) throws(FileError) {
        if try makeDirectory(path, syncing: syncing) || errno == EEXIST {
            var status = stat()
            guard stat(path, &status) == 0 else { throw currentError("look at", path) }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw FileError(operation: "use", path: path, errno: ENOTDIR)
            }
            return
        }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw currentError("create", path)
        }
        try makeDirectories(String(path[..<slash]), syncing: syncing)
        guard try makeDirectory(path, syncing: syncing) || errno == EEXIST else {
            throw currentError("create", path)
        }
    }

    /// False: it was not made, for the reason in `errno`.
    private static func makeDirectory(
        _ path: String, syncing: (String) throws(FileError) -> Void
    ) throws(FileError) -> Bool {
        guard mkdir(path, 0o750) == 0 else { return false }
        try syncing(parent(of: path))
        return true
    }

    /// The directory that holds the name of `path`, which may end with slashes.
    static func parent(of path: String) -> String {
        var rest = path[...]
        while rest.count > 1, rest.last == "/" { rest.removeLast() }
        guard let slash = rest.lastIndex(of: "/") else { return "." }
        return slash == rest.startIndex ? "/" : String(rest[..<slash])
    }

    private static func sync(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw currentError("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw currentError("sync", path) }
    }

    private static func lock(_ path: String) throws(DataDirectoryError) -> Int32 {
        let file = "\(path)/LOCK"
        let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw .failed(currentError("create", file)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let error = currentError("lock", file)
            let holder = processNumber(in: descriptor)
            close(descriptor)
            throw error.errno == EWOULDBLOCK ? .inUse(path, by: holder) : .failed(error)
        }
        let text = Array("\(getpid())\n".utf8)
        // Written over what is there, and cut then: a full disk has room for that.
        var written = pwrite(descriptor, text, text.count, 0)
        if written != text.count, errno == ENOSPC || errno == EDQUOT {
            // The lock is held: nobody else uses the reserve.
            unlink("\(path)/\(DiskReserve.fileName)")
            written = pwrite(descriptor, text, text.count, 0)
        }
        guard written == text.count, ftruncate(descriptor, off_t(text.count)) == 0 else {
            let error = currentError("write", file)
            close(descriptor)
            throw .failed(error)
        }
        return descriptor
    }

    private static func processNumber(in descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        let digits = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        return Int32(String(decoding: digits, as: UTF8.self))
    }
}

/// What `errno` says about the call that just failed.
func currentError(_ operation: String, _ path: String) -> FileError {
    FileError(operation: operation, path: path, errno: errno)
}

/// The system's sentence for an error number.
func errorText(_ number: Int32) -> String {
    // Safe on any thread since glibc 2.32; never nil there.
    strerror(number).map { String(cString: $0) } ?? "error \(number)"
}
