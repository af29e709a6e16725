import Bytes
import Testing

@testable import Simulator

@Suite struct LogThreadTests {
    private static func batch(
        _ number: UInt64, at offset: Int, segment: UInt64 = 1, opens: Bool = false,
        mustSync: Bool = false
    ) -> LogBatch {
        LogBatch(
            number: number, segment: segment, offset: offset, opens: opens ? (segment, 8192) : nil,
            mustSync: mustSync, bytes: [UInt8](repeating: UInt8(number), count: 512))
    }

    /// Begins and ends one piece of work.
    private static func work(
        _ thread: inout LogThread, _ disk: inout VirtualDisk, _ mode: SyncMode
    ) -> LogProgress {
        guard case .work = thread.begin(on: &disk, batchesMax: 8, mode: mode) else {
            return LogProgress(written: 0, synced: 0)
        }
        return thread.finish(on: &disk)
    }

    @Test func `relaxed writes are reported and not synced, but for those that must be`() {
        var thread = LogThread()
        var disk = VirtualDisk()
        thread.add(Self.batch(5, at: 0, opens: true, mustSync: true))
        var progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 5, synced: 5))
        thread.add(Self.batch(6, at: 512))
        progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 6, synced: 5))
        #expect(disk.dirtySectors == 1)
        thread.add(Self.batch(7, at: 1024, mustSync: true))
        progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 7, synced: 7))
        #expect(disk.dirtySectors == 0)
    }

    @Test func `a segment is synced before the next one is opened`() {
        var thread = LogThread()
        var disk = VirtualDisk()
        thread.add(Self.batch(1, at: 0, opens: true))
        var progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 1, synced: 0))
        thread.add(Self.batch(2, at: 0, segment: 2, opens: true))
        progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 1, synced: 1))
        #expect(disk.segments == [1])
        progress = Self.work(&thread, &disk, .no)
        #expect(progress == LogProgress(written: 2, synced: 1))
        #expect(disk.segments == [1, 2])
    }

    @Test func `the background sync covers what was written when it began`() {
        var thread = LogThread()
        var disk = VirtualDisk()
        thread.add(Self.batch(1, at: 0, opens: true))
        _ = Self.work(&thread, &disk, .everysec)
        let reach = thread.beginBackgroundSync(on: &disk)
        #expect(reach == 1)
        thread.add(Self.batch(2, at: 512))
        _ = Self.work(&thread, &disk, .everysec)
        let progress = thread.endBackgroundSync(upTo: 1)
        #expect(progress == LogProgress(written: 2, synced: 1))
        #expect(disk.dirtySectors == 1)
    }

    @Test func `without room the next segment waits, and the open one goes on if it can`() {
        var thread = LogThread()
        var disk = VirtualDisk()
        thread.add(Self.batch(1, at: 0, opens: true))
        _ = Self.work(&thread, &disk, .always)
        thread.add(Self.batch(2, at: 512))
        thread.add(Self.batch(3, at: 0, segment: 2, opens: true))
        var begun = thread.begin(
            on: &disk, batchesMax: 8, mode: .always, hasRoom: false, mayWrite: false)
        #expect(begun == .full)
        begun = thread.begin(on: &disk, batchesMax: 8, mode: .always, hasRoom: false)
        #expect(begun == .work(taken: 1, syncs: true))
        _ = thread.finish(on: &disk)
        begun = thread.begin(on: &disk, batchesMax: 8, mode: .always, hasRoom: false)
        #expect(begun == .full)
        thread.stop(on: &disk, hasRoom: true)
        #expect(thread.isIdle && disk.segments == [1, 2] && disk.dirtySectors == 0)
    }
}
