import Bytes
import Cluster
import Testing

@testable import Store

/// A keyspace with one large value of each kind; steps are bounded by nodes, not by elements.
@Suite struct `A large value` {
    private static let elements = 30_000
    private static let fill = [UInt8](repeating: 120, count: 48)

    private func makeHistory() -> RandomHistory {
        let history = RandomHistory(seed: 1)
        let (list, hash) = (ListValue(), HashValue(order: testOrder))
        let (set, sorted) = (SetValue(order: testOrder), SortedSetValue(order: testOrder))
        history.store.set(bytes("list").span, in: 0, to: list)
        history.store.set(bytes("hash").span, in: 0, to: hash)
        history.store.set(bytes("set").span, in: 0, to: set)
        history.store.set(bytes("sorted").span, in: 0, to: sorted)
        let limits = history.store.limits
        for number in 0..<Self.elements {
            let name = bytes("element \(number)")
            list.pushLast(Self.fill.span)
            _ = hash.set(name.span, Self.fill.span, limits: limits)
            _ = set.insert(name.span, limits: limits)
            _ = sorted.set(name.span, score: Double(number % 100), limits: limits)
        }
        return history
    }

    private func handle(_ key: String, _ history: RandomHistory) -> KeyHandle {
        history.store.locate(bytes(key).span, in: 0)!
    }

    @Test func `costs a few nodes at its first change under an image`() {
        let history = makeHistory()
        let expected = history.imageAtOnce()
        let limits = history.store.limits
        history.store.beginImage()
        // Leaves of 4 or 8 KB, branches of 1.5 KB, at most three levels, two trees.
        let changes: [(KeyHandle) -> Void] = [
            { handle in history.store.list(handle).insert(Self.fill.span, at: 15_000) },
            { handle in history.store.list(handle).popFirst { _ in } },
            { handle in _ = history.store.hash(handle).set(bytes("x").span, Span(), limits: limits)
            },
            { handle in history.store.set(handle).remove(at: 7000) },
            { handle in history.store.sortedSet(handle).remove(at: 7000) },
        ]
        for (key, change) in zip(["list", "list", "hash", "set", "sorted"], changes) {
            let before = history.store.imageHeldBytes
            change(handle(key, history))
            let held = history.store.imageHeldBytes - before
            #expect(held > 0 && held < 32_000)
        }
        // Whole values that go cost nothing more: the image has their nodes.
        for key in ["list", "hash", "set", "sorted"] {
            history.store.remove(handle(key, history))
        }
        var image = ByteBuffer()
        while !history.store.continueImage(into: &image, budget: 10_000) {
            history.store.reclaim(budget: 20)
        }
        let isEqual = image.copyBytes() == expected
        #expect(isEqual)
        history.checkBooks()
    }

    @Test func `is written in stretches of the asked size`() {
        let history = makeHistory()
        var image = ByteBuffer()
        history.store.beginImage()
        var largest = 0
        while true {
            let before = image.count
            let isWhole = history.store.continueImage(into: &image, budget: 5000)
            largest = max(largest, image.count - before)
            if isWhole { break }
        }
        #expect(largest < 6000)
    }

    @Test(arguments: ["list", "hash", "set", "sorted"])
    func `is freed a node at a time, whatever takes its place`(key: String) {
        for way in 0..<5 {
            let history = makeHistory()
            let handle = handle(key, history)
            let before = history.store.memoryBytes
            switch way {
            case 0: history.store.remove(handle)
            case 1: history.store.set(bytes(key).span, in: 0, to: Self.fill.span)
            case 2:
                history.store.set(bytes("other").span, in: 0, to: Self.fill.span)
                let other = self.handle("other", history)
                history.store.rename(other, to: bytes(key).span)
            case 3:
                history.store.setExpiry(handle, history.store.logTime)
                history.store.expire(upTo: history.store.logTime, atMost: 1)
            default: history.store.removeAll()
            }
            let after = history.store.memoryBytes
            #expect(after > before - 2000)
            // A node holds fewer than 200 entries; a sorted set has two trees.
            var steps = 1
            while history.store.reclaim(budget: 10) {
                steps += 1
                let freed = history.store.memoryBytes
                #expect(freed <= after)
            }
            #expect(steps >= Self.elements / 200 / 10)
            history.checkBooks()
        }
    }

    @Test func `that is trimmed gives its nodes to be freed later`() {
        let history = makeHistory()
        let before = history.store.memoryBytes
        let list = history.store.list(handle("list", history))
        list.trim(to: 10_000..<10_010)
        #expect(list.count == 10)
        let after = history.store.memoryBytes
        #expect(after > before - 20_000)
        var steps = 0
        while history.store.reclaim(budget: 10) { steps += 1 }
        #expect(steps >= 10)
        let left = history.store.memoryBytes
        #expect(left < before - 1_000_000)
        history.store.checkInvariants()
        history.checkBooks()
    }

    @Test func `that is a string is shared with the image, not copied`() {
        let history = RandomHistory(seed: 1)
        let long = [UInt8](repeating: 120, count: 3_000_000)
        history.store.set(bytes("s").span, in: 0, to: long.span)
        let expected = history.imageAtOnce()
        history.store.beginImage()
        let before = history.store.memoryBytes
        history.store.setExpiry(handle("s", history), 5_000_000)
        let held = history.store.imageHeldBytes
        #expect(held < 2000)
        let after = history.store.memoryBytes
        // The first key that expires brings a block of the index of due times.
        #expect(after < before + 20_000)
        _ = history.store.append(handle("s", history), Self.fill.span)
        var image = ByteBuffer()
        while !history.store.continueImage(into: &image, budget: 100_000) {}
        let isEqual = image.copyBytes() == expected
        #expect(isEqual)
        history.checkBooks()
    }
}
