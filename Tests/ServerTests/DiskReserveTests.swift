import Bytes
import Glibc
import Raft
import Server
import Testing
import WAL

/// On a file system of its own, in a process of its own.
@Suite struct DiskReserveTests {
    private static let segment = 64 << 10

    private static func fill(_ path: String) {
        let descriptor = open(path + "/foreign", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        for size in [1 << 16, 1 << 12, 1] {
            let bytes = [UInt8](repeating: 7, count: size)
            while Glibc.write(descriptor, bytes, size) == size {}
        }
        close(descriptor)
    }

    private static func allocated(_ path: String) -> Int {
        var status = stat()
        return stat(path + "/reserve", &status) == 0 ? Int(status.st_blocks) * 512 : 0
    }

    @Test(.enabled(if: canMount))
    func `the log goes on in the reserve, says so, waits, and makes it again`() async {
        await #expect(processExitsWith: .success) {
            let base = TemporaryDirectory()
            try #require(mount("tmpfs", base.path, "tmpfs", 0, "size=2m") == 0)
            defer { umount2(base.path, Int32(MNT_DETACH)) }
            let directory = try DataDirectory(path: base.path)
            var parameters = WALParameters(saltSeed: 1)
            parameters.segmentBytes = Self.segment
            var log = try directory.recoverLog(parameters)
            var writer = log.takeWriter()
            var options = LogThread.Options()
            options.segmentBytes = Self.segment
            let reserve = DiskReserve(directory, bytes: 3 * Self.segment)
            let events = EventLog()
            let thread = try LogThread(directory, options, reserve: reserve) { events.append($0) }
            submit(3, to: thread, &writer, from: 1)
            try #require(events.waitForSync(of: 3))
            for _ in 0..<2000 where !reserve.isWhole { usleep(1000) }
            try #require(reserve.isWhole && Self.allocated(base.path) >= 3 * Self.segment)

            // More than the open segment and the prepared one hold, less than those of the reserve, too.
            Self.fill(base.path)
            submit(130, to: thread, &writer, payloadBytes: 1000, from: 4)
            try #require(events.waitForSync(of: 133))
            try #require(!reserve.isWhole && Self.allocated(base.path) == 0)
            func has(_ wanted: (LogThread.Event) -> Bool) -> Bool {
                events.wait { $0.contains(where: wanted) }
            }
            try #require(has { if case .low = $0 { true } else { false } })
            // More than there is anywhere.
            submit(400, to: thread, &writer, payloadBytes: 1000, from: 134)
            try #require(has { if case .full = $0 { true } else { false } })
            try #require(events.synced < 533)

            unlink(base.path + "/foreign")
            try #require(events.waitForSync(of: 533))
            try #require(has { $0 == .goesOn } && has { $0 == .room })
            try #require(reserve.isWhole && Self.allocated(base.path) >= 3 * Self.segment)
            thread.stop()
        }
    }

    @Test(.enabled(if: canMount))
    func `a log starts without a free byte, in what its last segment left unused`() async {
        await #expect(processExitsWith: .success) {
            let base = TemporaryDirectory()
            try #require(mount("tmpfs", base.path, "tmpfs", 0, "size=2m") == 0)
            defer { umount2(base.path, Int32(MNT_DETACH)) }
            for run in 0..<5 {
                let directory = try DataDirectory(path: base.path)
                Self.fill(base.path)
                if run == 0 { unlink(base.path + "/foreign") }
                var parameters = WALParameters(saltSeed: UInt64(run))
                parameters.segmentBytes = 256 << 10
                var log = try directory.recoverLog(parameters)
                try #require((log.groups.first?.lastIndex ?? 0) == run)
                var writer = log.takeWriter()
                var options = LogThread.Options()
                options.segmentBytes = 256 << 10
                let events = EventLog()
                let thread = try LogThread(directory, options) { events.append($0) }
                submit(1, to: thread, &writer, from: LogIndex(run + 1))
                try #require(events.waitForSync(of: UInt64(run + 1)))
                thread.stop()
                // Nobody has prepared a segment for the next run.
                for name in TemporaryDirectory.names(in: base.path)
                where name > segmentFileName(UInt64(run + 1)) && name.hasPrefix("wal-0") {
                    unlink(base.path + "/" + name)
                }
            }
        }
    }

    @Test func `an earlier run's reserve is taken over if it is large enough`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        #expect(!DiskReserve(directory, bytes: 1 << 20).isWhole)
        write([UInt8](repeating: 1, count: 1 << 20), toFile: base.path + "/reserve")
        #expect(DiskReserve(directory, bytes: 1 << 20).isWhole)
        #expect(!DiskReserve(directory, bytes: 2 << 20).isWhole)
        // Nothing is to be held back: nothing stays.
        #expect(DiskReserve(directory, bytes: 0).isWhole)
        #expect(access(base.path + "/reserve", F_OK) != 0)
    }
}
