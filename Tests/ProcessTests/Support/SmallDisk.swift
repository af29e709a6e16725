import Foundation

/// A small file system of its own, mounted over a directory; goes with the last reference.
final class SmallDisk {
    enum Kind: String, CaseIterable, Sendable {
        case tmpfs
        /// With a journal, on a file.
        case ext4
    }

    struct NotMounted: Error { let reason: String }

    private let path: String
    private let image: String
    private var isFrozen = false
    private var foreign: String { path + "/foreign-file" }

    init(_ kind: Kind, megabytes: Int, at folder: URL) throws {
        path = folder.path
        image = path + ".image"
        let command =
            switch kind {
            case .tmpfs: "mount -t tmpfs -o size=\(megabytes)m skein-test \(path)"
            case .ext4:
                "truncate -s \(megabytes)M \(image) && mkfs.ext4 -q -F -m 0 \(image)"
                    + " && mount -o loop \(image) \(path) && rmdir \(path)/lost+found"
            }
        let result = try shell(command)
        guard result.code == 0 else { throw NotMounted(reason: result.output) }
    }

    deinit {
        thaw()
        _ = try? shell("umount -l \(path); rm -f \(image)")
    }

    /// Whether this process may mount such a one; said once where it may not.
    static func mayMount(_ kind: Kind) -> Bool {
        if Binary.environment["SKEIN_REQUIRE_ALL"] == "1" { return true }
        let folder = TestFolder()
        try? FileManager.default.createDirectory(
            at: folder.url, withIntermediateDirectories: true)
        do {
            _ = try SmallDisk(kind, megabytes: 8, at: folder.url)
            return true
        } catch {
            print("skipped: tests of a full disk on \(kind.rawValue): it cannot be mounted here")
            return false
        }
    }

    static let kinds = Kind.allCases.filter(mayMount)

    /// Somebody else's file takes every byte that is left.
    func fill() throws {
        let descriptor = open(foreign, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw NotMounted(reason: "cannot create \(foreign)") }
        defer { close(descriptor) }
        for size in [1 << 20, 1 << 16, 1 << 12, 1 << 9, 1] {
            let bytes = [UInt8](repeating: 7, count: size)
            while write(descriptor, bytes, size) == size {}
        }
        fsync(descriptor)
    }

    func free() { unlink(foreign) }

    /// From now on every write and every sync hangs, as on a disk that does not answer. ext4 only.
    func freeze() throws {
        let result = try shell("fsfreeze -f \(path)")
        guard result.code == 0 else { throw NotMounted(reason: result.output) }
        isFrozen = true
    }

    /// They go on.
    func thaw() {
        guard isFrozen else { return }
        isFrozen = false
        _ = try? shell("fsfreeze -u \(path)")
    }

    var freeBytes: Int {
        var status = statvfs()
        statvfs(path, &status)
        return Int(status.f_bavail) * Int(status.f_frsize)
    }
}
