import Bytes
import Glibc
import Raft
import Server
import Synchronization
import Testing

@testable import WAL

@Suite struct LogThreadTests {
    private func parameters(_ seed: UInt64, segmentBytes: Int = 64 << 10) -> WALParameters {
        var parameters = WALParameters(saltSeed: seed)
        parameters.segmentBytes = segmentBytes
        return parameters
    }

    private func options(_ mode: LogThread.SyncMode = .always, segmentBytes: Int = 64 << 10)
        -> LogThread.Options
    {
        var options = LogThread.Options()
        options.mode = mode
        options.segmentBytes = segmentBytes
        return options
    }

    @Test func `what was synced is there after a restart, run after run`() throws {
        let base = TemporaryDirectory()
        var next: LogIndex = 1
        for run in 0..<4 {
            let directory = try DataDirectory(path: base.path)
            var log = try directory.recoverLog(parameters(UInt64(run + 1)))
            let groups = log.groups
            #expect((groups.first?.lastIndex ?? 0) == next - 1)
            var writer = log.takeWriter()
            let events = EventLog()
            let thread = try LogThread(directory, options()) { events.append($0) }
            submit(300, to: thread, &writer, payloadBytes: 400, from: next)
            next += 300
            let last = writer.lastBatch
            #expect(events.waitForSync(of: last))
            thread.stop()
            let statistics = thread.statistics()
            #expect(statistics.batches == 300)
            #expect(statistics.segmentsOpened >= 3)
            #expect(statistics.syncs.count >= 1 && statistics.syncs.count <= 300)
            #expect(statistics.queuedBytes == 0)
        }
    }

    @Test func `finished segments give back what they do not use`() throws {
        let base = TemporaryDirectory()
        for run in 0..<3 {
            let directory = try DataDirectory(path: base.path)
            var log = try directory.recoverLog(parameters(UInt64(run + 1)))
            var writer = log.takeWriter()
            let events = EventLog()
            let thread = try LogThread(directory, options()) { events.append($0) }
            submit(1, to: thread, &writer, from: LogIndex(run + 1))
            #expect(events.waitForSync(of: UInt64(run + 1)))
            thread.stop()
        }
        let directory = try DataDirectory(path: base.path)
        _ = try directory.recoverLog(parameters(9))
        let sizes = [1, 2, 3].map { contents(ofFile: base.path + "/" + segmentFileName($0))?.count }
        #expect(sizes == [1024, 1024, 64 << 10])
    }

    /// Copies a directory while it is written: newest file first, so that no copy of a segment is
    /// older than a copy of a later one.
    private func copyFiles(from source: String, to target: String) {
        let names = TemporaryDirectory.names(in: source).filter { $0.hasPrefix("wal-") }
        for name in names.reversed() {
            write(contents(ofFile: "\(source)/\(name)")!, toFile: "\(target)/\(name)")
        }
    }

    @Test func `a process killed at any moment has lost nothing that was reported`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        var copies: [(directory: TemporaryDirectory, synced: UInt64)] = []
        for round in 0..<12 {
            submit(
                40, to: thread, &writer, payloadBytes: 50 + round * 60,
                from: LogIndex(round * 40 + 1))
            let copy = TemporaryDirectory()
            let synced = events.synced
            copyFiles(from: base.path, to: copy.path)
            copies.append((copy, synced))
        }
        thread.stop()
        #expect(events.synced == 480)
        for copy in copies {
            let directory = try DataDirectory(path: copy.directory.path)
            let log = try directory.recoverLog(parameters(2))
            let last = log.lastBatch
            let held = log.groups.first?.lastIndex ?? 0
            #expect(last >= copy.synced)
            // One entry per batch.
            #expect(held == last)
        }
    }

    @Test func `everysec reports at once and syncs later, but votes at once`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options(.everySecond)) { events.append($0) }
        writer.hardState(group: GroupID(1), term: 1, vote: NodeID(1))
        thread.submit(writer.seal()!)
        #expect(events.wait { $0.contains(.progress(written: 1, synced: 1)) })
        // The first second begins with the first write; let one pass.
        submit(1, to: thread, &writer, from: 1)
        #expect(events.waitForSync(of: 2))
        submit(5, to: thread, &writer, from: 2)
        #expect(events.wait { _ in events.written == 7 })
        #expect(events.synced < 7)
        #expect(events.waitForSync(of: 7))
        submit(1, to: thread, &writer, from: 7)
        writer.hardState(group: GroupID(1), term: 2, vote: nil)
        thread.submit(writer.seal()!)
        #expect(events.wait { $0.contains(.progress(written: 9, synced: 9)) })
        thread.stop()
    }

    @Test func `no syncs only what must be, and everything at the end`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options(.never)) { events.append($0) }
        submit(20, to: thread, &writer, from: 1)
        #expect(events.wait { _ in events.written == 20 })
        #expect(events.synced == 0)
        thread.stop()
        #expect(events.synced == 20)
    }

    @Test func `a sync is announced before and after`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let calls = Mutex<[(isStart: Bool, time: Instant)]>([])
        var options = options()
        options.syncStarted = { time in calls.withLock { $0.append((true, time)) } }
        options.syncFinished = { time in calls.withLock { $0.append((false, time)) } }
        let events = EventLog()
        let thread = try LogThread(directory, options) { events.append($0) }
        submit(3, to: thread, &writer, from: 1)
        #expect(events.waitForSync(of: 3))
        thread.stop()
        let seen = calls.withLock { $0 }
        #expect(seen.count >= 2 && seen.count.isMultiple(of: 2))
        #expect(seen.enumerated().allSatisfy { $0.element.isStart == $0.offset.isMultiple(of: 2) })
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.time <= $1.time })
    }

    @Test func `an error is reported once and nothing after it`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        // The second segment cannot be made: its name is a directory.
        mkdir(base.path + "/" + segmentFileName(2), 0o700)
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        submit(100, to: thread, &writer, payloadBytes: 2000, from: 1)
        let isFailure: (LogThread.Event) -> Bool = { if case .failed = $0 { true } else { false } }
        #expect(events.wait { $0.contains(where: isFailure) })
        submit(1, to: thread, &writer, from: 101)
        thread.stop()
        #expect(events.all.count(where: isFailure) == 1)
        #expect(events.all.last.map(isFailure) == true)
        #expect(events.synced < 100)
        guard case .failed(let error) = events.all.last else { return }
        #expect(error.description.contains(segmentFileName(2)))
    }

    /// tmpfs refuses at once to allocate more than it can hold.
    static let smallDisk = access("/dev/shm", W_OK) == 0

    @Test(.enabled(if: smallDisk)) func `lack of space ahead of need is told before it hurts`()
        throws
    {
        let base = TemporaryDirectory(in: "/dev/shm")
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options(segmentBytes: 1 << 50)) { events.append($0) }
        submit(3, to: thread, &writer, from: 1)
        #expect(events.waitForSync(of: 3))
        #expect(
            events.wait { $0.contains { if case .low = $0 { true } else { false } } })
        // The segment that is open goes on.
        submit(3, to: thread, &writer, from: 4)
        #expect(events.waitForSync(of: 6))
        thread.stop()
    }

    @Test(.enabled(if: smallDisk)) func `a full disk is waited out, and the end can be ordered`()
        throws
    {
        let base = TemporaryDirectory(in: "/dev/shm")
        let directory = try DataDirectory(path: base.path)
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        thread.submit(
            WALBatch(
                number: 1, position: WALPosition(segment: 1, offset: 0),
                opens: .init(segment: 1, capacity: 1 << 50), mustSync: false,
                bytes: ByteBuffer([UInt8](repeating: 1, count: 512))))
        #expect(events.wait { $0.contains { if case .full = $0 { true } else { false } } })
        guard case .full(let error) = events.all.first else { return }
        #expect(error.isOutOfSpace)
        thread.stop()
        #expect(events.all.count == 1)
        #expect(events.written == 0)
    }

    @Test func `old entries are read back on the reader's thread`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        submit(200, to: thread, &writer, payloadBytes: 1000, from: 1)
        #expect(events.waitForSync(of: 200))
        thread.stop()

        let answers = Mutex<[UInt64: LogFileReader.Answer]>([:])
        let reader = try LogFileReader(directory) { id, answer in
            answers.withLock { $0[id] = answer }
        }
        func ask(_ id: UInt64, _ position: WALPosition, _ count: Int) -> LogFileReader.Answer {
            _ = reader.submit(.init(id: id, position: position, count: count))
            while true {
                if let answer = answers.withLock({ $0.removeValue(forKey: id) }) { return answer }
                usleep(200)
            }
        }
        var next: LogIndex = 1
        while next <= 200 {
            var fetch = writer.fetch(group: GroupID(1), from: next, upTo: 200, maxBytes: 30_000)!
            var records = ByteBuffer()
            while true {
                guard case .bytes(let bytes) = ask(next, fetch.read.position, fetch.read.count)
                else {
                    Issue.record("the read failed")
                    return
                }
                if case .finished(let last) = try fetch.take(bytes.span, into: &records) {
                    next = last + 1
                    break
                }
            }
        }
        if case .bytes = ask(1000, WALPosition(segment: 99, offset: 0), 10) {
            Issue.record("a file that is not there was read")
        }
        reader.stop()
        let refused = reader.submit(
            .init(id: 1, position: WALPosition(segment: 1, offset: 0), count: 1))
        #expect(!refused)
    }
}
