import Bytes
import Raft
import Testing

@testable import WAL

/// Who holds the log back, how much that is, and what can go.
@Suite struct SpaceTests {
    /// A writer whose batches are durable at once.
    private final class Log {
        var writer: WALWriter
        private var last: [UInt32: LogIndex] = [:]
        private(set) var released: [UInt64] = []

        init() {
            var parameters = WALParameters(saltSeed: 3)
            parameters.segmentBytes = 4096
            var log = RecoveredLog.empty(parameters)
            writer = log.takeWriter()
        }

        func entry(_ group: UInt32, bytes: Int = 900) {
            let index = (last[group] ?? writer.firstIndex(of: GroupID(group)) - 1) + 1
            last[group] = index
            let records = entryRecords([[UInt8](repeating: 1, count: bytes)], from: index, term: 1)
            writer.entries(
                group: GroupID(group), records: records.readable, first: index, last: index)
        }

        func start(_ group: UInt32, after index: LogIndex) {
            last[group] = max(index, last[group] ?? 0)
            writer.start(group: GroupID(group), after: index, term: 1, keepingRest: true)
        }

        var oldestHolder: GroupID? { writer.oldestHolder }
        var liveBytes: Int { writer.liveBytes }
        var heldBytes: Int { writer.heldBytes }
        var oldestSegment: UInt64? { writer.oldestSegment }
        func bytesHeld(by group: GroupID) -> Int { writer.bytesHeld(by: group) }
        func firstIndex(of group: GroupID) -> LogIndex { writer.firstIndex(of: group) }
        func isCurrent(_ fetch: WALFetch) -> Bool { writer.isCurrent(fetch) }
        func takeReleased() -> [UInt64] { writer.takeReleased() }
        func fetch(from first: LogIndex, upTo last: LogIndex, maxBytes: Int) -> WALFetch? {
            writer.fetch(group: GroupID(1), from: first, upTo: last, maxBytes: maxBytes)
        }

        func seal() { _ = writer.seal() }

        func durable() {
            writer.durable(upTo: writer.lastBatch)
            released += writer.takeReleased()
        }
    }

    @Test func `the group with the oldest entry holds the log back`() {
        let log = Log()
        for group in [2, 1, 1, 1, 1, 1, 1, 1, 1] as [UInt32] {
            log.entry(group)
            log.seal()
        }
        log.durable()
        #expect(log.oldestHolder == GroupID(2))
        let (all, held) = (log.liveBytes, log.heldBytes)
        #expect(held == log.bytesHeld(by: GroupID(2)))
        #expect(log.bytesHeld(by: GroupID(1)) < held && held < all)
        #expect(log.bytesHeld(by: GroupID(7)) == 0)

        // The eager one alone frees nothing, the lazy one frees all that it alone needs.
        log.start(1, after: 7)
        log.seal()
        log.durable()
        #expect(log.released.isEmpty)
        #expect(log.oldestHolder == GroupID(2))
        log.start(2, after: 1)
        log.seal()
        log.durable()
        #expect(log.released == [1, 2])
        #expect(log.oldestHolder == GroupID(1))
        #expect(log.heldBytes < 2 * 4096)
        #expect(log.liveBytes < all)
    }

    @Test func `a small log has small segments`() {
        #expect(WALLimits.segmentBytes(forLogOf: 1 << 30) == 64 << 20)
        #expect(WALLimits.segmentBytes(forLogOf: 32 << 20) == 4 << 20)
        #expect(WALLimits.segmentBytes(forLogOf: 10_000_001) == 10_000_001 / 8 / 512 * 512)
        #expect(WALLimits.segmentBytes(forLogOf: 0) == 1 << 20)
    }

    @Test func `segments go once, when the record that says so is durable`() {
        let log = Log()
        for _ in 0..<6 {
            log.entry(1)
            log.seal()
        }
        log.durable()
        log.start(1, after: 6)
        #expect(log.takeReleased() == [])
        log.seal()
        #expect(log.takeReleased() == [])
        let cut = log.writer.lastBatch
        log.entry(1)
        log.seal()
        log.writer.durable(upTo: cut - 1)
        #expect(log.takeReleased() == [])
        log.writer.durable(upTo: cut)
        #expect(log.takeReleased() == [1, 2])
        log.durable()
        #expect(log.released == [])
        #expect(log.oldestSegment == 3)
    }

    @Test func `a truncation that is not durable frees nothing`() {
        let log = Log()
        for group in [1, 2, 2, 2, 2, 2] as [UInt32] {
            log.entry(group)
            log.seal()
        }
        log.start(2, after: 5)
        log.seal()
        let cut = log.writer.lastBatch
        log.writer.truncate(group: GroupID(1), from: 1)
        log.seal()
        log.writer.durable(upTo: cut)
        #expect(log.takeReleased() == [])
        log.durable()
        #expect(!log.released.isEmpty)
    }

    @Test func `a cut within the open segment frees no file but counts for the trigger`() {
        let log = Log()
        log.entry(1)
        log.entry(1)
        log.seal()
        log.durable()
        let live = log.liveBytes
        #expect(log.heldBytes > 1800)
        log.start(1, after: 2)
        log.seal()
        log.durable()
        #expect(log.released.isEmpty)
        #expect(log.heldBytes == 0)
        #expect(log.oldestHolder == nil)
        #expect(log.liveBytes > live)
    }

    @Test func `entries before the start are not fetched, those behind it are`() {
        let log = Log()
        for _ in 0..<8 {
            log.entry(1)
            log.seal()
        }
        log.durable()
        let before = log.fetch(from: 2, upTo: 8, maxBytes: 9000)!
        let behind = log.fetch(from: 6, upTo: 8, maxBytes: 9000)!
        log.start(1, after: 5)
        log.seal()
        #expect(log.firstIndex(of: GroupID(1)) == 6)
        #expect(log.fetch(from: 5, upTo: 8, maxBytes: 9000) == nil)
        #expect(log.fetch(from: 6, upTo: 8, maxBytes: 9000) == behind)
        #expect(!log.isCurrent(before))
        #expect(log.isCurrent(behind))
    }

    @Test func `a start ahead of the log empties it and the next entry follows`() {
        let log = Log()
        log.entry(1)
        log.start(1, after: 100)
        log.entry(1)
        log.seal()
        log.durable()
        #expect(log.firstIndex(of: GroupID(1)) == 101)
        #expect(
            log.fetch(from: 101, upTo: 101, maxBytes: 9)?.last == 101)
    }

    @Test func `of the node records of a class only the newest are carried on`() throws {
        let log = Log()
        let disk = VirtualDisk()
        let executor = LogExecutor(disk: disk, lastBatch: 0)
        for boot in 1...40 as ClosedRange<UInt8> {
            if boot == 1 { log.writer.identity([0].span) }
            log.writer.identity([1, boot].span, replacing: 1)
            if boot % 2 == 0 { log.writer.identity([2, boot].span, replacing: 2) }
            log.entry(1)
            executor.submit(log.writer.seal()!)
            log.start(1, after: LogIndex(boot))
            executor.submit(log.writer.seal()!)
            log.writer.durable(upTo: executor.drain())
            executor.release(log.takeReleased())
            executor.removeReleased()
        }
        let recovered = try WALRecovery.recover(from: disk, WALParameters(saltSeed: 9))
        let records = recovered.nodeRecords
        #expect(records == [[0], [1, 40], [2, 40]])
        #expect(disk.segments.first! > 10)
    }
}
