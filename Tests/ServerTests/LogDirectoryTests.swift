import Bytes
import Glibc
import Raft
import Server
import Testing
import WAL

@Suite struct LogDirectoryTests {
    @Test func `a missing directory is made, with its parents`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path + "/a/b")
        #expect(try directory.names() == ["LOCK"])
    }

    @Test func `a second user of the directory is refused and told who has it`() throws {
        let base = TemporaryDirectory()
        let first = try DataDirectory(path: base.path)
        let error = #expect(throws: DataDirectoryError.self) {
            _ = try DataDirectory(path: base.path)
        }
        #expect(error == .inUse(base.path, by: getpid()))
        #expect("\(error!)".contains("is in use by process \(getpid()): stop that one"))
        withExtendedLifetime(first) {}
    }

    @Test func `the lock goes with its holder`() throws {
        let base = TemporaryDirectory()
        do { _ = try DataDirectory(path: base.path) }
        _ = try DataDirectory(path: base.path)
    }

    @Test func `a file is no directory`() throws {
        let base = TemporaryDirectory()
        write([1], toFile: base.path + "/file")
        #expect(throws: DataDirectoryError.notADirectory(base.path + "/file")) {
            _ = try DataDirectory(path: base.path + "/file")
        }
        #expect(throws: DataDirectoryError.notADirectory(base.path + "/file/below")) {
            _ = try DataDirectory(path: base.path + "/file/below")
        }
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
    func `a directory without permission to write is refused`() throws {
        let base = TemporaryDirectory()
        chmod(base.path, 0o500)
        defer { chmod(base.path, 0o700) }
        let error = #expect(throws: DataDirectoryError.self) {
            _ = try DataDirectory(path: base.path)
        }
        #expect("\(error!)".contains("Permission denied"))
    }

    @Test func `an unreadable place is named`() {
        let error = #expect(throws: DataDirectoryError.self) {
            _ = try DataDirectory(path: "/proc/skein/data")
        }
        #expect("\(error!)".hasPrefix("cannot create /proc/skein"))
    }

    @Test func `other files in the directory do not disturb the log`() throws {
        let base = TemporaryDirectory()
        write([1, 2, 3], toFile: base.path + "/wal-old.log")
        write([1, 2, 3], toFile: base.path + "/notes.txt")
        let directory = try DataDirectory(path: base.path)
        let log = try directory.recoverLog(WALParameters(saltSeed: 1))
        let isEmpty = log.isEmpty
        #expect(isEmpty)
    }

    @Test func `a damaged log stops the start with the file's name`() throws {
        let base = TemporaryDirectory()
        write([UInt8](repeating: 7, count: 4096), toFile: base.path + "/" + segmentFileName(1))
        let directory = try DataDirectory(path: base.path)
        let error = #expect(throws: LogStartError.self) {
            _ = try directory.recoverLog(WALParameters(saltSeed: 1))
        }
        #expect(error == .log(.damaged(WALPosition(segment: 1, offset: 0), .segmentHeader)))
    }
}

@Suite struct LogHistogramTests {
    @Test func `quantiles are right to an eighth`() {
        var histogram = DurationHistogram()
        for i in 1...1000 { histogram.add(.microseconds(Int64(i))) }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = Double(histogram.quantile(share).nanoseconds) / 1000
            #expect(found >= expected && found <= expected * 1.13, "\(share): \(found)")
        }
        #expect(histogram.count == 1000)
        #expect(histogram.maximum == .milliseconds(1))
    }

    @Test func `extremes are counted`() {
        var histogram = DurationHistogram()
        #expect(histogram.quantile(0.5) == Interval(nanoseconds: 0))
        histogram.add(Interval(nanoseconds: -5))
        histogram.add(Interval(nanoseconds: 0))
        histogram.add(.seconds(100_000))
        #expect(histogram.quantile(0.5) == Interval(nanoseconds: 0))
        #expect(histogram.quantile(1).nanoseconds > 30_000_000_000)
    }
}
