import Bytes
import Testing

@testable import Store

@Suite struct `A ranked tree` {
    struct Entry: Equatable {
        var prefix: UInt64
        var key: [UInt8]
        var value: [UInt8]

        func precedes(_ other: Entry) -> Bool {
            prefix != other.prefix ? prefix < other.prefix : key.precedes(other.key)
        }
    }

    static func contents(_ tree: borrowing RankedTree, _ ranks: Range<Int>, _ descending: Bool)
        -> [Entry]
    {
        var all: [Entry] = []
        tree.forEach(in: ranks, descending: descending) {
            all.append(Entry(prefix: $0, key: array($1), value: array($2)))
            return true
        }
        return all
    }

    static func place(_ entry: Entry, in model: [Entry]) -> (index: Int, found: Bool) {
        var (low, high) = (0, model.count)
        while low < high {
            let middle = (low + high) / 2
            if model[middle].precedes(entry) { low = middle + 1 } else { high = middle }
        }
        let found =
            low < model.count && model[low].prefix == entry.prefix && model[low].key == entry.key
        return (low, found)
    }

    /// `prefixes`: how many different ones; few make ties the rule.
    @Test(arguments: [(1, 1), (2, 7), (3, 1000), (4, Int.max), (5, 1), (6, Int.max)])
    func `behaves as a sorted array under random changes`(seed: Int, prefixes: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var tree = RankedTree()
        var model: [Entry] = []
        // Grow, shrink to nothing, grow again.
        for phase in 0..<4 {
            let growing = phase % 2 == 0
            for step in 0..<2000 {
                let entry = Entry(
                    prefix: random.below(UInt64(prefixes)), key: random.text(lengthBelow: 14),
                    value: random.text(
                        lengthBelow: random.int(below: 40) == 0 ? 6000 : 30))
                let place = Self.place(entry, in: model)
                if random.int(below: 10) < (growing ? 8 : 1) {
                    expectEqual(
                        tree.insert(entry.prefix, entry.key.span, entry.value.span), !place.found)
                    if place.found {
                        model[place.index] = entry
                    } else {
                        model.insert(entry, at: place.index)
                    }
                } else if !model.isEmpty, random.int(below: 2) == 0 {
                    let rank = random.int(below: model.count)
                    tree.remove(at: rank)
                    model.remove(at: rank)
                } else if !model.isEmpty {
                    let there = model[random.int(below: model.count)]
                    expectEqual(tree.remove(there.prefix, there.key.span), true)
                    model.remove(at: Self.place(there, in: model).index)
                    expectEqual(tree.remove(there.prefix, there.key.span), false)
                }
                expectEqual(tree.count, model.count)
                if step % 100 == 0 {
                    tree.checkInvariants()
                    let low = random.int(below: model.count + 1)
                    let high = low + random.int(below: model.count - low + 1)
                    expectEqual(Self.contents(tree, low..<high, false), Array(model[low..<high]))
                    expectEqual(Self.contents(tree, low..<high, true), model[low..<high].reversed())
                }
                let probe = Self.place(entry, in: model)
                let found = tree.rank(entry.prefix, entry.key.span)
                #expect(found.rank == probe.index && found.found == probe.found)
                expectEqual(
                    tree.withValue(entry.prefix, entry.key.span) { array($0) },
                    (probe.found ? model[probe.index].value : nil))
            }
        }
        while tree.count > 0 { tree.remove(at: random.int(below: tree.count)) }
        tree.checkInvariants()
        expectEqual(tree.bytes, 0)
    }

    @Test func `gives memory back when it empties`() {
        var tree = RankedTree()
        for number in 0..<20_000 {
            _ = tree.insert(UInt64(number), bytes("key \(number)").span, bytes("value").span)
        }
        let full = tree.bytes
        #expect(full < 20_000 * 64)
        while tree.count > 200 { tree.remove(at: tree.count / 2) }
        tree.checkInvariants()
        let left = tree.bytes
        #expect(left < full / 20)
    }

    @Test(arguments: [1, 7, 10, 1000])
    func `scans whatever is there all the time exactly once`(wanted: Int) {
        var random = SeededGenerator(seed: UInt64(wanted))
        var tree = RankedTree()
        let stable = (0..<3000).map { bytes("stable \($0)") }
        for key in stable { _ = tree.insert(testOrder.hash(key.span), key.span, Span()) }
        var seen: [[UInt8]] = []
        var cursor: UInt64 = 0
        repeat {
            cursor = tree.scan(from: cursor, wanted: wanted) { key, _ in
                if key.count > 5 && key[0] == UInt8(ascii: "s") { seen.append(array(key)) }
            }
            #expect(cursor < 1 << 48)
            for _ in 0..<20 {
                let key = bytes("passing \(random.int(below: 4000))")
                if random.int(below: 2) == 0 {
                    _ = tree.insert(testOrder.hash(key.span), key.span, Span())
                } else {
                    _ = tree.remove(testOrder.hash(key.span), key.span)
                }
            }
        } while cursor != 0
        expectEqual(seen.sorted { $0.precedes($1) }, stable.sorted { $0.precedes($1) })
        expectEqual(tree.scan(from: .max, wanted: 10) { _, _ in }, 0)
    }
}
