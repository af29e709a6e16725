internal import Bytes
internal import CSkein
internal import Glibc
internal import UV

/// Room on the disk that is held back for the moment when there is none: a file of allocated blocks
/// that nobody reads.
///
/// A node needs room to make room: a start writes into a new segment of the log, and a snapshot must
/// be on the disk before the log behind it can go. So when either finds the disk full, the file is
/// removed, and what it held is theirs. It is made again when there is room for it and for one more
/// segment; until then commands that add data are refused, or they would use it up.
///
/// Any thread. What a power cut does to the file does not matter: without it, its room is free.
public final class DiskReserve: Sendable {
    static let fileName = "reserve"

    private enum Holding {
        case released
        case held
        /// The file system cannot promise blocks: there is nothing to hold back.
        case unsupported
    }

    private struct State {
        var holding = Holding.released
        var onRelease: (@Sendable () -> Void)?
    }

    private let directory: DataDirectory
    /// What it holds when it is whole.
    let bytes: Int
    private let monitor = Monitor(State())

    /// Takes what an earlier run left. Makes nothing: `restore` does.
    ///
    /// - Parameter bytes: how much to hold; 0: nothing, ever.
    public init(_ directory: DataDirectory, bytes: Int) {
        self.directory = directory
        self.bytes = bytes
        var status = stat()
        let isThere = stat(directory.path(of: Self.fileName), &status) == 0
        let allocated = isThere ? Int(status.st_blocks) * 512 : 0
        if bytes == 0 {
            try? directory.remove(Self.fileName)
            monitor.withLock { $0.holding = .unsupported }
        } else if allocated >= bytes {
            monitor.withLock { $0.holding = .held }
        }
    }

    /// Whether all of it is there, or cannot be.
    public var isWhole: Bool { monitor.withLock { $0.holding != .released } }

    /// Bytes held now.
    var heldBytes: Int { monitor.withLock { $0.holding == .held ? bytes : 0 } }

    /// Calls `body` on the releasing thread whenever the reserve is released; it must only hand it on.
    func onRelease(_ body: @escaping @Sendable () -> Void) {
        monitor.withLock { $0.onRelease = body }
    }

    /// Gives up what is held, for the caller. False: there was nothing.
    func release() -> Bool {
        let told: (isReleased: Bool, tell: (@Sendable () -> Void)?) = monitor.withLock { state in
            guard state.holding == .held else { return (false, nil) }
            guard unlink(directory.path(of: Self.fileName)) == 0 || errno == ENOENT else {
                return (false, nil)
            }
            state.holding = .released
            return (true, state.onRelease)
        }
        // Journalling file systems hand blocks out again only when it is certain that they are free.
        if told.isReleased { try? directory.sync() }
        told.tell?()
        return told.isReleased
    }

    /// Holds the room again if there is enough of it.
    ///
    /// - Parameter leaving: bytes that must stay free beside it.
    /// - Throws: `isOutOfSpace` when there is not enough.
    func restore(leaving: Int) throws(FileError) {
        let path = directory.path(of: Self.fileName)
        let error: FileError? = monitor.withLock { state in
            guard state.holding == .released else { return nil }
            if let free = directory.freeBytes, free < bytes + leaving {
                return FileError(
                    operation: "hold back \(bytes) bytes in", path: path, errno: ENOSPC)
            }
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
            guard descriptor >= 0 else { return currentError("create", path) }
            defer { close(descriptor) }
            switch skein_allocate(descriptor, Int64(bytes)) {
            case 0: state.holding = .held
            case EOPNOTSUPP, ENOSYS:
                state.holding = .unsupported
                unlink(path)
            case let number:
                // A part may be allocated.
                unlink(path)
                return FileError(
                    operation: "hold back \(bytes) bytes in", path: path, errno: number)
            }
            return nil
        }
        if let error { throw error }
    }
}

extension DataDirectory {
    /// Bytes of the file system that this user can still allocate; nil when it does not say.
    var freeBytes: Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// Bytes that the file system holds when it is full; nil when it does not say.
    var totalBytes: Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0, status.f_blocks > 0 else { return nil }
        return Int(status.f_blocks) * Int(status.f_frsize)
    }
}
