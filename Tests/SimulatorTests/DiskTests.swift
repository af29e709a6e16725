import Bytes
import Testing

@testable import Simulator

@Suite struct `Virtual disk` {
    @Test func `what was synced survives a power cut and the rest survives by sectors`() {
        var survivedSome = false
        var lostSome = false
        for seed in 1...20 as ClosedRange<UInt64> {
            var disk = VirtualDisk()
            var random = SeededGenerator(seed: seed)
            disk.create(1, bytes: 8192)
            let durable = [UInt8](repeating: 1, count: 3000)
            disk.write(1, offset: 100, bytes: durable.span)
            disk.sync(1)
            let volatile = [UInt8](repeating: 2, count: 3000)
            disk.write(1, offset: 2900, bytes: volatile.span)
            #expect(disk.dirtySectors == 7)
            let lost = disk.powerCut(survival: 0.5, random: &random)
            let after = disk.read(1, offset: 0, count: 8192) ?? []
            #expect(Array(after[100..<2560]) == Array(durable[..<2460]))
            for sector in 5...11 {
                let start = max(2900, sector * 512)
                let end = min(5900, (sector + 1) * 512)
                let kept = after[start..<end].allSatisfy { $0 == 2 }
                if kept { survivedSome = true } else { lostSome = true }
                let old = after[start..<end].enumerated().allSatisfy {
                    $0.element == (start + $0.offset < 3100 ? 1 : 0)
                }
                #expect(kept || old, "a torn sector")
            }
            #expect(lost <= 7)
            #expect(disk.dirtySectors == 0)
        }
        #expect(survivedSome && lostSome)
    }

    @Test func `a preallocated file reads as zeros and short at its end`() {
        var disk = VirtualDisk()
        disk.create(3, bytes: 10_000)
        #expect(disk.read(3, offset: 9990, count: 50) == [UInt8](repeating: 0, count: 10))
        #expect(disk.read(4, offset: 0, count: 1) == nil)
        #expect(disk.segments == [3])
        disk.remove(3)
        #expect(disk.isEmpty)
    }

    @Test func `a file that is used again keeps its contents but for the first sector`() {
        var disk = VirtualDisk()
        disk.create(3, bytes: 2048)
        disk.write(3, offset: 0, bytes: [UInt8](repeating: 7, count: 2048).span)
        disk.recycle(3, as: 5)
        #expect(disk.segments == [5])
        #expect(disk.dirtySectors == 0)
        let bytes = disk.read(5, offset: 0, count: 4096) ?? []
        #expect(bytes == [UInt8](repeating: 0, count: 512) + [UInt8](repeating: 7, count: 1536))
    }

    @Test func `one flipped bit changes one byte`() {
        var disk = VirtualDisk()
        disk.create(1, bytes: 4096)
        disk.flipBit(1, offset: 77, bit: 3)
        let bytes = disk.read(1, offset: 0, count: 4096) ?? []
        #expect(bytes.enumerated().filter { $0.element != 0 }.map(\.offset) == [77])
        #expect(bytes[77] == 8)
    }
}

@Suite struct `Virtual log thread` {
    private func write(
        _ numbers: ClosedRange<UInt64>, _ log: inout LogThread, _ disk: inout VirtualDisk
    ) {
        for number in numbers {
            log.add(
                LogBatch(
                    number: number, segment: number, offset: 0, opens: (number, 4096),
                    bytes: [UInt8](repeating: UInt8(number), count: 1024)))
            while case .work = log.begin(on: &disk, batchesMax: 64, mode: .always) {
                _ = log.finish(on: &disk)
            }
        }
    }

    @Test func `files that are given up are used again, and beyond two removed`() {
        var disk = VirtualDisk()
        var log = LogThread()
        write(1...5, &log, &disk)
        log.release([1, 2, 3, 4], on: &disk)
        #expect(disk.segments == [3, 4, 5])
        write(6...6, &log, &disk)
        #expect(disk.segments == [3, 5, 6])
        // What is behind the first batch is what the old file held.
        #expect(disk.read(6, offset: 512, count: 1)?.first == 6)
        write(7...8, &log, &disk)
        #expect(disk.segments == [5, 6, 7, 8])
    }

    @Test func `a file of another size is removed`() {
        var disk = VirtualDisk()
        var log = LogThread()
        disk.create(9, bytes: 512)
        log.release([9], on: &disk)
        write(10...10, &log, &disk)
        #expect(disk.segments == [10])
        #expect(disk.size(of: 10) == 4096)
    }
}
