internal import Bytes
internal import CSkein
internal import Glibc

/// A snapshot file that is being written: sees to it that its bytes reach the disk steadily.
///
/// Left to itself the system gathers what is written, and the sync at the end, or the log's next
/// one, pays for all of it at once. So writing back is begun for every stretch as it comes, and what
/// is not on the disk yet stays under a bound. That also slows a snapshot down to what the disk takes.
struct SnapshotWriteback {
    let descriptor: Int32
    let path: String
    /// Whether somebody will read it next: a received file is loaded. An own one mostly is not, and
    /// would only push other files out of memory.
    let isReadSoon: Bool
    /// Room on the disk that is the log's: a snapshot that needed it would stop all writes.
    let reservedBytes: Int
    /// What is held back for it, since it is snapshots that make room in the log.
    private let reserve: DiskReserve?
    private var offset = 0
    /// Before this offset writing back was begun; before this one it is over.
    private var started = 0
    private var finished = 0

    /// Long enough for the disk to write in one go; begun so often.
    private static let stretchBytes = 1 << 20
    private static let pageBytes = 4096
    /// At most so much is on its way.
    private static let unwrittenMax = 8 << 20

    init(
        descriptor: Int32, path: String, isReadSoon: Bool, reservedBytes: Int,
        reserve: DiskReserve?
    ) {
        self.reserve = reserve
        self.descriptor = descriptor
        self.path = path
        self.isReadSoon = isReadSoon
        self.reservedBytes = reservedBytes
    }

    mutating func append(_ bytes: borrowing ByteBuffer) throws(FileError) {
        let all = unsafe bytes.unsafeReadable
        var done = 0
        while done < bytes.count {
            let written = unsafe pwrite(
                descriptor, all.baseAddress! + done, bytes.count - done, off_t(offset))
            if written < 0 {
                let error = currentError("write", path)
                if error.errno == EINTR { continue }
                if error.isOutOfSpace, reserve?.release() == true { continue }
                throw error
            }
            done += written
            offset += written
        }
        guard offset - started >= Self.stretchBytes else { return }
        guard hasRoom() else { throw FileError(operation: "write", path: path, errno: ENOSPC) }
        // Whole pages: one that is being written could not be written to.
        let end = offset / Self.pageBytes * Self.pageBytes
        try check(skein_start_writeback(descriptor, Int64(started), Int64(end - started)))
        started = end
        guard end - finished > Self.unwrittenMax else { return }
        try finish(upTo: end - Self.unwrittenMax / 2)
    }

    /// Whether the log's room is untouched. What cannot be asked is not full.
    private func hasRoom() -> Bool {
        guard reservedBytes > 0 else { return true }
        if isRoomFree { return true }
        return reserve?.release() == true && isRoomFree
    }

    private var isRoomFree: Bool {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return true }
        return Int(status.f_bavail) * Int(status.f_frsize) >= reservedBytes
    }

    private mutating func finish(upTo end: Int) throws(FileError) {
        let count = end - finished
        try check(skein_await_writeback(descriptor, Int64(finished), Int64(count)))
        forget(finished, count)
        finished = end
    }

    /// Makes everything durable.
    mutating func sync() throws(FileError) {
        var status: Int32
        // The size has changed: fdatasync brings that along, too.
        repeat { status = fdatasync(descriptor) } while status != 0 && errno == EINTR
        guard status == 0 else { throw currentError("sync", path) }
        forget(finished, offset - finished)
        finished = offset
    }

    private func forget(_ offset: Int, _ count: Int) {
        if !isReadSoon {
            posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_DONTNEED)
        }
    }

    /// Lets pass that a file system does not know ranges. Any other error is of what was written:
    /// the kernel reports it once, so it must not be lost here.
    private func check(_ number: Int32) throws(FileError) {
        guard number != 0, number != ENOSYS, number != EINVAL, number != EOPNOTSUPP,
            number != ESPIPE
        else { return }
        throw FileError(operation: "write back", path: path, errno: number)
    }
}
