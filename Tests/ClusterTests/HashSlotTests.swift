import Cluster
import Testing

@Suite struct HashSlotTests {
    /// From CLUSTER KEYSLOT of redis-server 7.0.
    static let slots: [(String, UInt16)] = [
        ("", 0),
        ("foo", 12182),
        ("bar", 5061),
        ("123456789", 12739),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
        ("foo{bar}{zap}", 5061),
        ("foo{bar", 15278),
        ("{}foo", 9500),
        ("foo}{bar}", 5061),
        ("key:000000000001", 8924),
        ("a", 15495),
        ("{", 4092),
        ("}", 12090),
        ("{a}", 15495),
        ("héllo", 11061),
    ]

    @Test(arguments: slots) func `slots are Redis's`(key: String, slot: UInt16) {
        #expect(HashSlot.of(key: Array(key.utf8).span).raw == slot)
    }

    @Test(arguments: [1, 2, 3, 5, 7, 16, 100, 1000, 16384])
    func `even ranges cover all slots and differ by one at most`(groups: Int) {
        let ranges = SlotRange.even(groups: groups)
        #expect(ranges.count == groups)
        #expect(ranges.first?.first == SlotRange.all.first)
        #expect(ranges.last?.last == SlotRange.all.last)
        for (one, next) in zip(ranges, ranges.dropFirst()) {
            #expect(next.first.raw == one.last.raw + 1)
        }
        let sizes = ranges.map(\.count)
        #expect(sizes.max()! - sizes.min()! <= 1)
        #expect(sizes.reduce(0, +) == HashSlot.count)
    }
}
