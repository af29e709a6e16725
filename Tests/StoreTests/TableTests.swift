import Bytes
import Testing

@testable import Store

private func keyBytes(_ item: Item) -> [UInt8] { array(item.key) }

/// A table beside a sorted array of what it must hold.
private struct TableModel: ~Copyable {
    var table = Table()
    var expected: [(hash: UInt64, key: [UInt8])] = []
    /// What the table says that it takes of the heap.
    var bytes = 0

    func place(_ hash: UInt64, _ key: [UInt8]) -> (index: Int, found: Bool) {
        var low = 0
        var high = expected.count
        while low < high {
            let middle = (low + high) / 2
            let entry = expected[middle]
            if (entry.hash, 0) < (hash, 0) || (entry.hash == hash && entry.key.precedes(key)) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return (low, low < expected.count && expected[low] == (hash, key))
    }

    mutating func toggle(_ hash: UInt64, _ key: [UInt8]) {
        let (index, found) = place(hash, key)
        if found {
            expected.remove(at: index)
            let item = table.remove(key.span, hash: hash, &bytes)
            expectEqual(item.map(keyBytes), key)
            if let item { OpenItem(removed: item).destroy() }
        } else {
            expected.insert((hash, key), at: index)
            let open = OpenItem(key: key.span, room: 0, hasExpiry: false)
            table.insert(open.item, hash: hash, &bytes)
        }
    }

    func check(_ generator: inout SeededGenerator) {
        checkStructure()
        expectEqual(table.count, expected.count)
        var keys: [[UInt8]] = []
        table.visit { _, item in
            keys.append(keyBytes(item))
            return true
        }
        expectEqual(keys, expected.map(\.key))
        for _ in 0..<20 where !expected.isEmpty {
            let rank = generator.int(below: expected.count)
            let (hash, item) = table.item(atRank: rank)
            expectEqual(hash, expected[rank].hash)
            expectEqual(keyBytes(item), expected[rank].key)
            let key = expected[rank].key
            let found = table.find(key.span, hash: hash)?.item
            expectEqual(found, item)
            // From the middle on, too.
            var first: [UInt8]?
            table.visit(from: expected[rank].hash) { _, item in
                first = keyBytes(item)
                return false
            }
            let lowest = expected.first { $0.hash == expected[rank].hash }
            expectEqual(first, lowest?.key)
        }
    }

    func checkStructure() {
        var counted = 0
        table.checkInvariants(&counted)
        expectEqual(counted, bytes)
    }

    mutating func clear() {
        var position = Int.max
        var items = 0
        draining: while true {
            switch table.drain(position: &position, &bytes) {
            case .item(let item):
                OpenItem(removed: item).destroy()
                items += 1
            case .structure: continue
            case .nothing: break draining
            }
        }
        expectEqual(items, expected.count)
        expectEqual(table.count, 0)
        checkStructure()
    }
}

@Suite struct `A table` {
    /// How hashes are spread: evenly, with many equal ones, with long common prefixes, and so that
    /// the deepest segments lie at one end.
    enum Spread: CaseIterable {
        case even, colliding, clustered, low

        func hash(_ generator: inout SeededGenerator) -> UInt64 {
            switch self {
            case .even: generator.next()
            case .colliding: generator.below(40) << 58 | generator.below(3)
            case .clustered: 0xabcd_ef01_0000_0000 | generator.below(1 << 20)
            case .low: generator.next() >> generator.below(40)
            }
        }
    }

    @Test(arguments: Spread.allCases)
    func `holds what a sorted array holds, under any history`(_ spread: Spread) {
        var generator = SeededGenerator(seed: 11)
        var model = TableModel()
        // Keys are drawn from a pool, so that removals happen as often as insertions.
        let pool = (0..<6000).map { number in
            (spread.hash(&generator), Array("key:\(number % 4000)".utf8))
        }
        var isPresent = Set<[UInt8]>()
        for round in 0..<8 {
            // Grows in even rounds, shrinks in odd ones: splits, merges and flattening.
            let share: UInt64 = round % 2 == 0 ? 90 : 8
            for (hash, key) in pool {
                let wanted = generator.below(100) < share
                let tagged = key + withUnsafeBytes(of: hash) { Array($0) }
                guard isPresent.contains(tagged) != wanted else { continue }
                if wanted { isPresent.insert(tagged) } else { isPresent.remove(tagged) }
                model.toggle(hash, tagged)
            }
            model.check(&generator)
        }
        for (hash, key) in model.expected { model.toggle(hash, key) }
        model.check(&generator)
        expectEqual(model.table.count, 0)
    }

    @Test func `is drained in slices`() {
        var generator = SeededGenerator(seed: 3)
        var model = TableModel()
        for number in 0..<5000 {
            model.toggle(generator.next(), Array("\(number)".utf8))
        }
        model.clear()
    }

    @Test func `finds only what is there`() {
        var model = TableModel()
        model.toggle(5, bytes("b"))
        model.toggle(5, bytes("d"))
        for key in ["a", "c", "e", "", "bb"] {
            let isFound = model.table.find(bytes(key).span, hash: 5) != nil
            #expect(!isFound)
        }
        let isFound = model.table.find(bytes("b").span, hash: 4) != nil
        #expect(!isFound)
        model.clear()
    }
}
