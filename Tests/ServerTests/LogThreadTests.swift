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
        #expect(sizes == [1024, 1024, 1024])
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

    /// Submits batches of one entry each, cutting the log every `cutEvery`; gives up what can be.
    private func run(
        _ range: ClosedRange<LogIndex>, cutEvery: LogIndex, _ thread: LogThread,
        _ writer: inout WALWriter, _ events: EventLog, payloadBytes: Int = 1000,
        each: (LogIndex) -> Void = { _ in }
    ) {
        for index in range {
            submit(1, to: thread, &writer, payloadBytes: payloadBytes, from: index)
            if index.isMultiple(of: cutEvery) {
                writer.start(group: GroupID(1), after: index - 5, term: 1, keepingRest: true)
                thread.submit(writer.seal()!)
                invariant(events.waitForSync(of: writer.lastBatch), "no progress")
            }
            writer.durable(upTo: events.synced)
            thread.release(writer.takeReleased())
            each(index)
        }
        invariant(events.waitForSync(of: writer.lastBatch), "no progress")
        writer.durable(upTo: events.synced)
        thread.release(writer.takeReleased())
    }

    @Test func `files that are given up are used again, and the rest removed`() throws {
        let base = TemporaryDirectory()
        var first: LogIndex = 1
        for seed in 1...3 as ClosedRange<UInt64> {
            let directory = try DataDirectory(path: base.path)
            var log = try directory.recoverLog(parameters(seed))
            let group = log.groups.first
            let (begins, last) = (group?.firstIndex, group?.lastIndex)
            #expect(seed == 1 || begins == first - 5)
            #expect(seed == 1 || last == first - 1)
            var writer = log.takeWriter()
            let events = EventLog()
            let thread = try LogThread(directory, options()) { events.append($0) }
            run(first...first + 999, cutEvery: 200, thread, &writer, events)
            first += 1000
            // Each cut gives up about four segments. There remain those in use, the one prepared
            // behind them, and two that wait to be used again.
            let isTidy = events.wait { _ in
                let counts = thread.statistics()
                let names = TemporaryDirectory.names(in: base.path)
                return counts.segmentsRecycled >= 4 && counts.segmentsRemoved >= 4
                    && names.count { $0.hasPrefix("wal-") } <= 5
            }
            #expect(isTidy)
            thread.stop()
            let (held, live) = (writer.heldBytes, writer.liveSegmentCount)
            #expect(held < 64 << 10)
            #expect(live <= 2)
        }
    }

    /// Copies the segments as a kill would leave them, though files are renamed and removed
    /// meanwhile: only whole copies of files that still have their name count.
    private func copyMovingFiles(from source: String, to target: String) {
        let names = TemporaryDirectory.names(in: source).filter { $0.hasPrefix("wal-") }
        for name in names.reversed() {
            let path = "\(source)/\(name)"
            var (before, after) = (stat(), stat())
            guard stat(path, &before) == 0, let bytes = contents(ofFile: path),
                stat(path, &after) == 0, before.st_ino == after.st_ino
            else { continue }
            write(bytes, toFile: "\(target)/\(name)")
        }
    }

    @Test func `a kill while files are given up and used again loses nothing`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        var copies: [(directory: TemporaryDirectory, synced: UInt64)] = []
        run(1...1500, cutEvery: 100, thread, &writer, events) { index in
            guard index.isMultiple(of: 51) else { return }
            let synced = events.synced
            let copy = TemporaryDirectory()
            copyMovingFiles(from: base.path, to: copy.path)
            copies.append((copy, synced))
        }
        thread.stop()
        for copy in copies {
            let directory = try DataDirectory(path: copy.directory.path)
            let log = try directory.recoverLog(parameters(2))
            let (last, held) = (log.lastBatch, log.groups.first?.lastIndex ?? 0)
            #expect(last >= copy.synced)
            // One entry per batch, but for the cut after every hundredth.
            #expect(held == last - last / 101)
        }
    }

    @Test func `after a kill the damaged last batch is no torn tail`() throws {
        let base = TemporaryDirectory()
        let copy = TemporaryDirectory()
        let end: Int
        do {
            let directory = try DataDirectory(path: base.path)
            var log = try directory.recoverLog(parameters(1))
            var writer = log.takeWriter()
            let events = EventLog()
            let thread = try LogThread(directory, options()) { events.append($0) }
            submit(20, to: thread, &writer, from: 1)
            #expect(events.waitForSync(of: 20))
            end = writer.liveBytes
            for name in TemporaryDirectory.names(in: base.path) where name.hasPrefix("wal-") {
                write(contents(ofFile: "\(base.path)/\(name)")!, toFile: "\(copy.path)/\(name)")
            }
            thread.stop()
        }
        let file = copy.path + "/" + segmentFileName(1)
        let whole = contents(ofFile: file)!
        for offset in [end - 512, end - 400, end - 300] {
            var damaged = whole
            damaged[offset] ^= 16
            write(damaged, toFile: file)
            let directory = try DataDirectory(path: copy.path)
            #expect(
                throws: LogStartError.log(
                    .damaged(WALPosition(segment: 1, offset: end - 512), .batch(20)))
            ) { _ = try directory.recoverLog(parameters(2)) }
        }
        write(whole, toFile: file)
        let directory = try DataDirectory(path: copy.path)
        let last = try directory.recoverLog(parameters(2)).lastBatch
        #expect(last == 20)
    }

    @Test func `a file of another size is not used again`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1, segmentBytes: 8192))
        var writer = log.takeWriter()
        let events = EventLog()
        // The host prepares larger ones than the log asks for.
        let thread = try LogThread(directory, options(segmentBytes: 16 << 10)) {
            events.append($0)
        }
        run(1...100, cutEvery: 20, thread, &writer, events)
        #expect(events.wait { _ in thread.statistics().segmentsRemoved >= 3 })
        thread.stop()
    }

    @Test func `a read of a segment that was given up fails or is void`() throws {
        let base = TemporaryDirectory()
        let directory = try DataDirectory(path: base.path)
        var log = try directory.recoverLog(parameters(1))
        var writer = log.takeWriter()
        let events = EventLog()
        let thread = try LogThread(directory, options()) { events.append($0) }
        let answers = Mutex<[UInt64: LogFileReader.Answer]>([:])
        let reader = try LogFileReader(directory) { id, answer in
            answers.withLock { $0[id] = answer }
        }
        func ask(_ id: UInt64, _ fetch: WALFetch) -> LogFileReader.Answer {
            _ = reader.submit(
                .init(id: id, position: fetch.read.position, count: fetch.read.count))
            while true {
                if let answer = answers.withLock({ $0.removeValue(forKey: id) }) { return answer }
                usleep(200)
            }
        }
        run(1...100, cutEvery: 1000, thread, &writer, events)
        let fetch = writer.fetch(group: GroupID(1), from: 10, upTo: 20, maxBytes: 9000)!
        // The reader has the file open.
        guard case .bytes = ask(1, fetch) else {
            Issue.record("the read failed")
            return
        }
        let isCurrentBefore = writer.isCurrent(fetch)
        #expect(isCurrentBefore)
        writer.start(group: GroupID(1), after: 100, term: 1, keepingRest: true)
        thread.submit(writer.seal()!)
        let isCurrentAfter = writer.isCurrent(fetch)
        #expect(!isCurrentAfter)
        #expect(events.waitForSync(of: writer.lastBatch))
        run(101...300, cutEvery: 1000, thread, &writer, events)
        let cached = ask(2, fetch)
        reader.forget([fetch.read.position.segment])
        let reopened = ask(3, fetch)
        for answer in [cached, reopened] {
            guard case .bytes(let bytes) = answer else { continue }
            var records = ByteBuffer()
            var old = fetch
            #expect(throws: WALError.self) { _ = try old.take(bytes.span, into: &records) }
        }
        reader.stop()
        thread.stop()
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
        let thread = try LogThread(directory, options(segmentBytes: 16 << 10)) { events.append($0) }
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
