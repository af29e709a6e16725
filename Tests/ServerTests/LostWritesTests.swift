import Glibc
import Raft
import Server
import Testing
import WAL

/// A disk that loses writes of a relaxed mode, on a machine that stays up.
@Suite struct LostWritesTests {
    private static let modes: [LogThread.SyncMode] = [.everySecond, .never]

    /// Runs a log with one batch that is synced and `entries` that are reported without.
    private func run(
        _ directory: DataDirectory, _ mode: LogThread.SyncMode, entries: Int, seed: UInt64
    ) throws -> Bool {
        var log = try directory.recoverLog(WALParameters(saltSeed: seed))
        let lacked = log.lacksWritten
        let first = (log.groups.first?.lastIndex ?? 0) + 1
        var last = log.lastBatch
        var writer = log.takeWriter()
        var options = LogThread.Options()
        options.mode = mode
        options.segmentBytes = 1 << 20
        let events = EventLog()
        let thread = try LogThread(directory, options) { events.append($0) }
        writer.hardState(group: GroupID(1), term: 1, vote: NodeID(1))
        thread.submit(writer.seal()!)
        last += 1
        #expect(events.waitForSync(of: last))
        for i in 0..<entries {
            submit(1, to: thread, &writer, from: first + LogIndex(i))
            last += 1
            #expect(events.wait { _ in events.written == last })
        }
        thread.stop()
        return lacked
    }

    /// Takes back the last batches, as a disk does that reports a failed write and is asked again.
    private func loseLast(_ batches: Int, in directory: DataDirectory, segment: UInt64) throws {
        let path = directory.path(of: segmentFileName(segment))
        var bytes = try #require(contents(ofFile: path))
        let end = try #require(bytes.lastIndex { $0 != 0 }) / 512 * 512 + 512
        for at in end - batches * 512..<end { bytes[at] = 0 }
        write(bytes, toFile: path)
        // They were never synced, in this story.
        unlink(directory.path(of: WALMark.fileName))
    }

    @Test(arguments: modes) func `what was reported and is lost is known at the next start`(
        mode: LogThread.SyncMode
    ) throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        #expect(try !run(directory, mode, entries: 20, seed: 1))
        #expect(try !run(directory, mode, entries: 20, seed: 2), "nothing was lost")
        try loseLast(3, in: directory, segment: 2)
        // A start that comes to nothing does not forget it.
        let inVain = try directory.recoverLog(WALParameters(saltSeed: 3)).lacksWritten
        #expect(inVain)
        #expect(try run(directory, mode, entries: 1, seed: 4))
        #expect(try !run(directory, mode, entries: 1, seed: 5), "the run before has taken it over")
    }

    @Test func `it is taken over when the mode is not relaxed any more`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        #expect(try !run(directory, .never, entries: 20, seed: 1))
        try loseLast(10, in: directory, segment: 1)
        #expect(try run(directory, .always, entries: 1, seed: 2))
        #expect(try !run(directory, .always, entries: 1, seed: 3))
        #expect(!TemporaryDirectory.names(in: base.path).contains(WALMark.writtenFileName))
    }
}
