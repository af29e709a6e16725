import Bytes
import Cluster
import Testing

@testable import Store

@Suite struct `SCAN` {
    /// All keys of one iteration, in order.
    private func iterate(
        _ keyspace: TextKeyspace, count: Int, between: (Int) -> Void = { _ in }
    ) -> [String] {
        var cursor = ScanCursor.start
        var keys: [String] = []
        var calls = 0
        repeat {
            cursor = keyspace.store.scan(from: cursor, in: 0, atLeast: count) { handle in
                keys.append(name(of: handle, in: keyspace.store))
            }
            // Through the number that the client sees.
            cursor = ScanCursor(raw: cursor.raw)
            calls += 1
            between(calls)
        } while cursor != .start
        return keys
    }

    @Test(arguments: [1, 3, 10, 1000])
    func `visits every key once, in content order`(_ count: Int) {
        let keyspace = TextKeyspace()
        // Half of them in one slot.
        for number in 0..<3000 {
            keyspace.set(number % 2 == 0 ? "{tag}\(number)" : "key:\(number)", "v")
        }
        expectEqual(iterate(keyspace, count: count), keyspace.keys())
    }

    @Test func `visits what stays, while everything else comes and goes`() {
        let keyspace = TextKeyspace()
        var generator = SeededGenerator(seed: 21)
        let stable = (0..<500).map { "{tag}stable:\($0)" } + (0..<500).map { "stable:\($0)" }
        for key in stable { keyspace.set(key, "v") }
        let seen = iterate(keyspace, count: 7) { call in
            // Grows by thousands, then shrinks again: splits and merges under the cursor.
            for _ in 0..<60 {
                let key = "{tag}churn:\(generator.below(5000))"
                if call % 40 < 25 { keyspace.set(key, "v") } else { keyspace.remove(key) }
            }
        }
        let visits = seen.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        for key in stable { #expect(visits[key] == 1) }
        keyspace.store.checkInvariants()
    }

    @Test func `returns at the end of its range the first slot after it`() {
        let keyspace = TextKeyspace(
            ranges: [SlotRange(HashSlot(0), HashSlot(8191))])
        for number in 0..<200 {
            let key = "key:\(number)"
            if HashSlot.of(key: bytes(key).span).raw < 8192 { keyspace.set(key, "v") }
        }
        var cursor = ScanCursor.start
        var visited = 0
        while cursor.slot < 8192 {
            cursor = keyspace.store.scan(from: cursor, in: 0, atLeast: 10) { _ in visited += 1 }
        }
        expectEqual(visited, keyspace.store.keyCount(0))
        #expect(cursor == ScanCursor(slot: 8192))
        #expect(cursor.raw == 8192 << 48)
        expectEqual(keyspace.store.goesOn(cursor), false)
    }

    @Test func `takes foreign cursors for some place or the end`() {
        let keyspace = TextKeyspace()
        keyspace.set("a", "1")
        for raw: UInt64 in [1, 12345, 1 << 62, .max, UInt64(16384) << 48] {
            let next = keyspace.store.scan(from: ScanCursor(raw: raw), in: 0, atLeast: 10) { _ in }
            #expect(next == .start)
        }
    }

    @Test func `of an empty database ends at once`() {
        let keyspace = TextKeyspace()
        expectEqual(iterate(keyspace, count: 10), [])
    }

    @Test func `finds keys by rank over all slots`() {
        let keyspace = TextKeyspace()
        for number in 0..<700 { keyspace.set("key:\(number)", "v") }
        let keys = keyspace.keys()
        for rank in 0..<700 {
            let handle = keyspace.store.key(atRank: rank, in: 0)
            let key = name(of: handle, in: keyspace.store)
            #expect(key == keys[rank])
        }
    }
}
