import Bytes
import Glibc
import Raft
import Server
import Snapshot
import Testing

/// Whether this process may mount file systems of its own: root outside of a container.
let canMount: Bool = {
    let base = TemporaryDirectory()
    guard mount("tmpfs", base.path, "tmpfs", 0, "size=1m") == 0 else { return false }
    umount(base.path)
    return true
}()

/// In processes of their own: limits and mounts would concern the other tests.
@Suite struct SnapshotFullDiskTests {
    @Test func `files that may not grow fail the snapshot and leave nothing behind`() async {
        await #expect(processExitsWith: .success) {
            let base = TemporaryDirectory()
            let bench = try SnapshotBench(base.path)
            let stream = typicalBytes(3_000_000, seed: 1)
            let small = typicalBytes(300_000, seed: 1)
            _ = try #require(bench.write(small, header(snapshot(1, 1))))
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 1_000_000, rlim_max: rlim_t.max)
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            try failsAndRecovers(bench, stream, small) {
                limit.rlim_cur = rlim_t.max
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            }
        }
    }

    @Test(.enabled(if: canMount))
    func `a full disk fails the snapshot, and room again means another`()
        async
    {
        await #expect(processExitsWith: .success) {
            let base = TemporaryDirectory()
            try #require(mount("tmpfs", base.path, "tmpfs", 0, "size=2m") == 0)
            defer { umount2(base.path, Int32(MNT_DETACH)) }
            let bench = try SnapshotBench(base.path)
            let stream = typicalBytes(3_000_000, seed: 1)
            let small = typicalBytes(300_000, seed: 1)
            _ = try #require(bench.write(small, header(snapshot(1, 1))))
            try failsAndRecovers(bench, stream, small) {
                try #require(
                    mount("tmpfs", base.path, "tmpfs", UInt(MS_REMOUNT), "size=64m") == 0)
            }
        }
    }
}

/// A snapshot of `stream` does not fit beside that of `small`, until there is room.
private func failsAndRecovers(
    _ bench: SnapshotBench, _ stream: [UInt8], _ small: [UInt8], makeRoom: () throws -> Void
) throws {
    let (old, new) = (snapshot(1, 1), snapshot(1, 2))
    bench.submit(writing(stream, header(new)))
    let reason = bench.wait { event -> String? in
        if case .failed(new, let reason) = event { reason } else { nil }
    }
    try #require(reason?.hasPrefix("cannot write") == true)
    // Nothing is left of it, and what was there is as it was.
    try #require(bench.load(old) == small)
    let names = TemporaryDirectory.names(in: bench.directory.path)
    try #require(names == ["LOCK", old.fileName])
    try makeRoom()
    _ = try #require(bench.write(stream, header(new)))
    try #require(bench.load(new) == stream)
    bench.stop()
}
