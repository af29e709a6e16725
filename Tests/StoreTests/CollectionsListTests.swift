import Bytes
import Testing

@testable import Store

@Suite struct `A list` {
    /// LREM on an array.
    static func remove(_ text: [UInt8], limit: Int, from model: inout [[UInt8]]) -> Int {
        var removed = 0
        let most = limit == 0 ? Int.max : abs(limit)
        var index = limit < 0 ? model.count - 1 : 0
        while index >= 0 && index < model.count && removed < most {
            if model[index] == text {
                model.remove(at: index)
                removed += 1
                if limit < 0 { index -= 1 }
            } else {
                index += limit < 0 ? -1 : 1
            }
        }
        return removed
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `behaves as an array under random changes`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let list = ListValue()
        var model: [[UInt8]] = []
        for step in 0..<2000 {
            // Mostly short; some longer than a node, so that nodes split and stand alone.
            let size = [8, 8, 8, 600, 9000][random.int(below: 5)]
            let text = random.text(lengthBelow: size, alphabet: 2)
            let index = random.int(below: model.count + 1)
            switch random.int(below: 14) {
            case 0, 1:
                list.pushFirst(text.span)
                model.insert(text, at: 0)
            case 2, 3:
                list.pushLast(text.span)
                model.append(text)
            case 4:
                expectEqual(list.popFirst { array($0) }, model.first)
                if !model.isEmpty { model.removeFirst() }
            case 5:
                expectEqual(list.popLast { array($0) }, model.popLast())
            case 6, 7, 8:
                list.insert(text.span, at: index)
                model.insert(text, at: index)
            case 9:
                let there = list.set(text.span, at: index)
                #expect(there == (index < model.count))
                if there { model[index] = text }
            case 10:
                let limit = random.int(below: 7) - 3
                let removed = list.remove(equalTo: text.span, limit: limit)
                #expect(removed == Self.remove(text, limit: limit, from: &model))
            case 11 where step % 40 == 0:
                let end = index + random.int(below: model.count - index + 1)
                list.trim(to: index..<end)
                model = Array(model[index..<end])
            case 12 where !model.isEmpty:
                let pivot = model[random.int(below: model.count)]
                let after = random.int(below: 2) == 0
                expectEqual(list.insert(text.span, beside: pivot.span, after: after), true)
                let at = model.firstIndex(of: pivot)!
                model.insert(text, at: after ? at + 1 : at)
            default:
                let rank = [-2, -1, 1, 2][random.int(below: 4)]
                let most = random.int(below: 3)
                var found: [Int] = []
                list.indices(of: text.span, rank: rank, maximum: most, comparisons: 0) {
                    found.append($0)
                }
                var all = model.indices.filter { model[$0] == text }
                if rank < 0 { all.reverse() }
                all = Array(all.dropFirst(abs(rank) - 1))
                if most > 0 { all = Array(all.prefix(most)) }
                #expect(found == all)
            }
            list.checkInvariants()
            #expect(list.count == model.count)
            if step % 25 == 0 {
                #expect(list.elements == model)
                if index < model.count {
                    expectEqual(list.withElement(at: index) { array($0) }, model[index])
                }
            }
        }
    }

    @Test func `of a million elements pops and indexes at once`() {
        let list = ListValue()
        for number in 0..<1_000_000 {
            IntegerText.withDecimal(Int64(number)) { list.pushLast($0) }
        }
        list.checkInvariants()
        expectEqual(list.withElement(at: 777_777) { array($0) }, bytes("777777"))
        #expect(list.allocatedBytes < 10_000_000)
        let clock = ContinuousClock()
        let time = clock.measure {
            for number in 0..<200_000 {
                let first = list.popFirst { IntegerText.parse($0) }
                let last = list.popLast { IntegerText.parse($0) }
                guard first == Int64(number), last == Int64(999_999 - number) else {
                    Issue.record("popped \(String(describing: first))")
                    return
                }
            }
        }
        // Debug builds take about a microsecond each; anything that walks would take hours.
        #expect(time < .seconds(30))
        #expect(list.count == 600_000)
    }

    @Test func `stops comparing where LPOS MAXLEN says`() {
        let list = ListValue()
        for text in ["a", "b", "a", "a"] { list.pushLast(bytes(text).span) }
        var found: [Int] = []
        list.indices(of: bytes("a").span, rank: 1, maximum: 0, comparisons: 3) { found.append($0) }
        #expect(found == [0, 2])
        found = []
        list.indices(of: bytes("a").span, rank: -1, maximum: 0, comparisons: 3) { found.append($0) }
        #expect(found == [3, 2])
    }

    @Test func `has the same state hash whatever its nodes`() {
        let (pushed, inserted) = (ListValue(), ListValue())
        for number in 0..<5000 { pushed.pushLast(bytes("element \(number)").span) }
        for number in stride(from: 0, to: 5000, by: 2) {
            inserted.pushLast(bytes("element \(number)").span)
        }
        for number in stride(from: 1, to: 5000, by: 2) {
            inserted.insert(bytes("element \(number)").span, at: number)
        }
        var (one, other) = (StateHash(), StateHash())
        pushed.feed(&one)
        inserted.feed(&other)
        #expect(one == other)
        _ = inserted.set(bytes("x").span, at: 17)
        other = StateHash()
        inserted.feed(&other)
        #expect(one != other)
    }
}
