import Foundation

/// A file system of a member's own, on a file: it can be filled up, and it can be stalled.
final class SmallDisk {
    private let path: String
    private let image: String
    private var foreign: String { path + "/foreign-file" }

    /// Makes and mounts one; throws where this process may not.
    init(megabytes: Int, at folder: URL) throws {
        path = folder.path
        image = path + ".image"
        try shell(
            "truncate -s \(megabytes)M \(image) && mkfs.ext4 -q -F -m 0 \(image)"
                + " && mount -o loop \(image) \(path) && rmdir \(path)/lost+found")
    }

    deinit {
        thaw()
        _ = try? shell("umount -l \(path); rm -f \(image)")
    }

    /// Somebody else's file takes every byte that is left.
    func fill() throws {
        let descriptor = open(foreign, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailed(command: "create \(foreign)", output: "errno \(errno)")
        }
        defer { close(descriptor) }
        for size in [1 << 20, 1 << 16, 1 << 12, 1 << 9, 1] {
            let bytes = [UInt8](repeating: 7, count: size)
            while write(descriptor, bytes, size) == size {}
        }
        fsync(descriptor)
    }

    func free() { unlink(foreign) }

    /// From now on every write and every sync hangs.
    func freeze() throws { try shell("fsfreeze -f \(path)") }

    /// They go on. Harmless when nothing hangs.
    func thaw() { _ = try? shell("fsfreeze -u \(path)") }
}
