internal import Bytes
internal import Glibc
public import Snapshot

/// The snapshot files of a data directory. One thread at a time.
struct SnapshotDirectory: SnapshotFiles, ~Copyable {
    private let directory: DataDirectory
    private let reservedBytes: Int
    private let reserve: DiskReserve?
    /// Files being written; a few.
    private var writing: [SnapshotWriteback] = []

    /// - Parameters:
    ///   - reservedBytes: room on the disk that writing leaves to others.
    ///   - reserve: what is released when there is not so much.
    init(_ directory: DataDirectory, reservedBytes: Int = 0, reserve: DiskReserve? = nil) {
        self.directory = directory
        self.reserve = reserve
        self.reservedBytes = reservedBytes
    }

    func names() throws(SnapshotFileError) -> [String] {
        do throws(FileError) { return try directory.names() } catch { throw .init(error) }
    }

    mutating func create(_ name: String, isReadSoon: Bool) throws(SnapshotFileError)
        -> SnapshotFileHandle
    {
        let path = directory.path(of: name)
        // A file of that name would be a leftover that somebody else still has open, or nobody's.
        let flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC
        var descriptor = Glibc.open(path, flags, 0o640)
        if descriptor < 0, currentError("create", path).isOutOfSpace, reserve?.release() == true {
            descriptor = Glibc.open(path, flags, 0o640)
        }
        guard descriptor >= 0 else { throw .init(currentError("create", path)) }
        writing.append(
            SnapshotWriteback(
                descriptor: descriptor, path: path, isReadSoon: isReadSoon,
                reservedBytes: reservedBytes, reserve: reserve))
        return SnapshotFileHandle(descriptor)
    }

    mutating func open(_ name: String) throws(SnapshotFileError) -> SnapshotFileHandle {
        let path = directory.path(of: name)
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .init(currentError("open", path)) }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        return SnapshotFileHandle(descriptor)
    }

    mutating func close(_ file: SnapshotFileHandle) {
        Glibc.close(file.raw)
        writing.removeAll { $0.descriptor == file.raw }
    }

    func size(_ file: SnapshotFileHandle) throws(SnapshotFileError) -> Int {
        var status = stat()
        guard fstat(file.raw, &status) == 0 else {
            throw .init(currentError("look at", "a snapshot"))
        }
        return Int(status.st_size)
    }

    mutating func append(_ bytes: borrowing ByteBuffer, to file: SnapshotFileHandle)
        throws(SnapshotFileError)
    {
        let at = place(of: file)
        do throws(FileError) { try writing[at].append(bytes) } catch { throw .init(error) }
    }

    mutating func read(
        _ file: SnapshotFileHandle, at offset: Int, count: Int, into bytes: inout ByteBuffer
    ) throws(SnapshotFileError) {
        guard readFully(file.raw, at: offset, count: count, into: &bytes) else {
            throw .init(currentError("read", "a snapshot at offset \(offset)"))
        }
    }

    mutating func sync(_ file: SnapshotFileHandle) throws(SnapshotFileError) {
        let at = place(of: file)
        do throws(FileError) { try writing[at].sync() } catch { throw .init(error) }
    }

    mutating func rename(_ name: String, to other: String) throws(SnapshotFileError) {
        let path = directory.path(of: name)
        guard Glibc.rename(path, directory.path(of: other)) == 0 else {
            throw .init(currentError("rename", path))
        }
    }

    mutating func remove(_ name: String) throws(SnapshotFileError) {
        let path = directory.path(of: name)
        guard unlink(path) == 0 || errno == ENOENT else {
            throw .init(currentError("remove", path))
        }
    }

    mutating func syncNames() throws(SnapshotFileError) {
        do throws(FileError) { try directory.sync() } catch { throw .init(error) }
    }

    private func place(of file: SnapshotFileHandle) -> Int {
        guard let at = writing.firstIndex(where: { $0.descriptor == file.raw }) else {
            invariantFailed("a snapshot file that is not open for writing")
        }
        return at
    }
}

extension SnapshotFileError {
    init(_ error: FileError) { self.init(error.description) }
}

extension DataDirectory {
    /// The snapshots that are here, and the end of what a dead process left unfinished. To be called
    /// at the start, before there is a `SnapshotThread`.
    public func listSnapshots() throws(SnapshotFileError) -> SnapshotListing {
        var executor = SnapshotExecutor(SnapshotDirectory(self))
        return try executor.list()
    }

    /// Reads every snapshot through, newest first: what each is, or what is wrong with it.
    func examineSnapshots() throws(FileError) -> [(id: SnapshotID, found: SnapshotFinding)] {
        var executor = SnapshotExecutor(SnapshotDirectory(self))
        var examined: [(id: SnapshotID, found: SnapshotFinding)] = []
        for id in try names().compactMap({ SnapshotID(fileName: $0) }).sorted(by: >) {
            examined.append((id, executor.examine(id)))
        }
        return examined
    }

    /// Reads a whole snapshot and says what it is, or what is wrong with it; for offline checks.
    public func verifySnapshot(_ id: SnapshotID) throws(SnapshotFileError) -> SnapshotSummary {
        var executor = SnapshotExecutor(SnapshotDirectory(self))
        return try executor.verify(id)
    }
}
