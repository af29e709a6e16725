internal import Bytes
internal import Glibc
internal import WAL

/// A file that holds a mark of the log, mapped into memory: storing one is a few moves into the
/// system's cache, without a call. Log thread only.
///
/// Best effort: where the file cannot be made or mapped there are no marks, and only the batches'
/// own tell damage from a torn tail. A mapped file that another program cuts short would end the
/// process at the next store; so would any other hand in this directory.
struct LogMarkFile: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    private var bytes = ByteBuffer(minimumCapacity: WALMark.slotBytes)

    init?(_ name: String, in directory: DataDirectory) {
        let path = directory.path(of: name)
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // Allocated first: a store into a hole of a full disk would be a signal, not an error.
        guard posix_fallocate(descriptor, 0, off_t(WALMark.fileBytes)) == 0 else { return nil }
        let memory = mmap(
            nil, WALMark.fileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        self.memory = memory
    }

    deinit { munmap(memory, WALMark.fileBytes) }

    /// Forgets what an earlier run has stored.
    mutating func clear() {
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: WALMark.fileBytes)
    }

    /// Stores a mark. Nanoseconds; survives a kill at any moment.
    mutating func store(_ mark: WALMark) {
        bytes.removeAll()
        mark.encode(into: &bytes)
        memory.advanced(by: mark.offset).copyMemory(
            from: bytes.unsafeReadable.baseAddress!, byteCount: WALMark.slotBytes)
    }
}
