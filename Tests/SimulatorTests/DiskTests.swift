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

    @Test func `one flipped bit changes one byte`() {
        var disk = VirtualDisk()
        disk.create(1, bytes: 4096)
        disk.flipBit(1, offset: 77, bit: 3)
        let bytes = disk.read(1, offset: 0, count: 4096) ?? []
        #expect(bytes.enumerated().filter { $0.element != 0 }.map(\.offset) == [77])
        #expect(bytes[77] == 8)
    }
}
