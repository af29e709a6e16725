import Glibc
import Testing
import WAL

@testable import Server

/// Names that must be durable, and errors that must not be got over.
@Suite struct LogDurabilityTests {
    @Test func `the directory above each one that is made is synced, once the name is there`()
        throws
    {
        let base = TemporaryDirectory()
        var synced: [String] = []
        try DataDirectory.makeDirectories(base.path + "/a/b/c") { path in
            synced.append(path)
            // In front of what is made in it.
            let made = TemporaryDirectory.names(in: path)
            #expect(made.count == 1)
            #expect(TemporaryDirectory.names(in: path + "/" + made[0]).isEmpty)
        }
        #expect(synced == [base.path, base.path + "/a", base.path + "/a/b"])
        try DataDirectory.makeDirectories(base.path + "/a/b/c") { _ in Issue.record("again") }
        let failure = FileError(operation: "sync", path: "x", errno: EIO)
        #expect(throws: failure) {
            try DataDirectory.makeDirectories(base.path + "/d") { _ throws(FileError) in
                throw failure
            }
        }
    }

    @Test func `the directory above a path is found`() {
        #expect(DataDirectory.parent(of: "data") == ".")
        #expect(DataDirectory.parent(of: "/data") == "/")
        #expect(DataDirectory.parent(of: "a/b/") == "a")
        #expect(DataDirectory.parent(of: "/a/b//") == "/a")
    }

    @Test func `an error in preparing the next segment is the end, long before it is needed`()
        throws
    {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(WALParameters(saltSeed: 1))
        var writer = log.takeWriter()
        mkdir(base.path + "/" + segmentFileName(2), 0o700)
        let events = EventLog()
        let thread = try LogThread(directory, LogThread.Options()) { events.append($0) }
        submit(1, to: thread, &writer, from: 1)
        let isFailure: (LogThread.Event) -> Bool = { if case .failed = $0 { true } else { false } }
        #expect(events.wait { $0.contains(where: isFailure) })
        submit(1, to: thread, &writer, from: 2)
        thread.stop()
        #expect(events.all.count(where: isFailure) == 1)
        #expect(events.all.last.map(isFailure) == true)
    }

    @Test func `only what the system lacks for the moment is tried again`() {
        let full = [ENOSPC, EDQUOT]
        let passing = full + [EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR]
        for number in 1..<134 as Range<Int32> {
            let opening = FileError(operation: "create", path: "x", errno: number)
            #expect(opening.isPassing == passing.contains(number))
            let syncing = FileError(operation: "sync", path: "x", errno: number)
            #expect(syncing.isPassing == full.contains(number))
        }
    }

    @Test func `a file is synced beside the log by an open file of its own`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        let file = try LogFile.prepare(1, capacity: 4096, in: directory)
        let again = try #require(try file.openAgain())
        #expect(again !== file && again.segment == 1)
        try again.sync()
        try directory.remove(segmentFileName(1))
        #expect(try file.openAgain() == nil)
    }
}
