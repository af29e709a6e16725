import Bytes
import Testing

@testable import Store

@Suite struct `A hash` {
    @Test(arguments: [(1, 512), (2, 512), (3, 8), (4, 0)])
    func `behaves as an ordered dictionary under random changes`(seed: Int, packed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var limits = EncodingLimits()
        limits.hashMaxListpackEntries = packed
        let hash = HashValue(order: testOrder)
        var model: [(field: [UInt8], value: [UInt8])] = []
        for step in 0..<2500 {
            let field = random.text(lengthBelow: 8)
            let value = random.text(lengthBelow: 20)
            let index = model.firstIndex { $0.field == field }
            switch random.int(below: 3) {
            case 0, 1:
                let isNew = hash.set(field.span, value.span, limits: limits)
                #expect(isNew == (index == nil))
                if let index {
                    model[index].value = value
                } else {
                    model.append((field, value))
                }
            default:
                let removed = hash.remove(field.span)
                #expect(removed == (index != nil))
                if let index { model.remove(at: index) }
            }
            expectEqual(hash.count, model.count)
            let now = model.first { $0.field == field }?.value
            expectEqual(hash.withValue(of: field.span) { array($0) }, now)
            guard step % 100 == 0 else { continue }
            hash.checkInvariants()
            var expected = model
            if hash.encodingName.description == "hashtable" {
                expected.sort {
                    let (one, other) = (
                        testOrder.hash($0.field.span), testOrder.hash($1.field.span)
                    )
                    return one != other ? one < other : $0.field.precedes($1.field)
                }
            }
            #expect(hash.pairs == expected.flatMap { [$0.field, $0.value] })
            for rank in stride(from: 0, to: expected.count, by: 17) {
                expectEqual(
                    hash.withEntry(at: rank) { field, _ in array(field) }, expected[rank].field)
            }
        }
    }

    @Test func `turns into a hashtable at Redis's thresholds and never back`() {
        let limits = EncodingLimits()
        let hash = HashValue(order: testOrder)
        for number in 0..<512 { _ = hash.set(bytes("\(number)").span, Span(), limits: limits) }
        #expect(hash.encodingName.description == "listpack")
        _ = hash.set(bytes("512").span, Span(), limits: limits)
        #expect(hash.encodingName.description == "hashtable")
        for number in 0..<513 { _ = hash.remove(bytes("\(number)").span) }
        #expect(hash.isEmpty)
        #expect(hash.encodingName.description == "hashtable")

        let (fits, long) = ([UInt8](repeating: 1, count: 64), [UInt8](repeating: 1, count: 65))
        for (field, value, name) in [
            (fits, fits, "listpack"), (long, fits, "hashtable"), (fits, long, "hashtable"),
        ] {
            let one = HashValue(order: testOrder)
            _ = one.set(field.span, value.span, limits: limits)
            #expect(one.encodingName.description == name)
        }
    }

    @Test func `iterates and digests by content alone once it is large`() {
        let limits = EncodingLimits()
        let (up, down) = (HashValue(order: testOrder), HashValue(order: testOrder))
        for number in 0..<3000 {
            _ = up.set(bytes("f\(number)").span, bytes("v\(number)").span, limits: limits)
        }
        for number in (0..<5000).reversed() {
            _ = down.set(bytes("f\(number)").span, bytes("old").span, limits: limits)
        }
        for number in 3000..<5000 { _ = down.remove(bytes("f\(number)").span) }
        for number in 0..<3000 {
            _ = down.set(bytes("f\(number)").span, bytes("v\(number)").span, limits: limits)
        }
        #expect(up.pairs == down.pairs)
        var (one, other) = (StateHash(), StateHash())
        up.feed(&one)
        down.feed(&other)
        #expect(one.value == other.value)
        _ = down.set(bytes("f7").span, bytes("v8").span, limits: limits)
        other = StateHash()
        down.feed(&other)
        #expect(one.value != other.value)
    }

    @Test func `scans in steps, and at once while it is packed`() {
        let hash = HashValue(order: testOrder)
        let limits = EncodingLimits()
        for number in 0..<100 {
            _ = hash.set(bytes("f\(number)").span, bytes("v").span, limits: limits)
        }
        var seen = 0
        expectEqual(hash.scan(from: 0, wanted: 10) { _, _ in seen += 1 }, 0)
        #expect(seen == 100)
        for number in 100..<1000 {
            _ = hash.set(bytes("f\(number)").span, bytes("v").span, limits: limits)
        }
        seen = 0
        var (steps, cursor) = (0, UInt64(0))
        repeat {
            cursor = hash.scan(from: cursor, wanted: 10) { _, _ in seen += 1 }
            steps += 1
        } while cursor != 0
        #expect(seen == 1000)
        #expect(steps == 100)
    }
}
