import Bytes
import Testing

@testable import Store

@Suite struct `A sorted set` {
    struct Member: Equatable {
        var name: [UInt8]
        var score: Double
    }

    static func sorted(_ model: [Member]) -> [Member] {
        model.sorted { $0.score != $1.score ? $0.score < $1.score : $0.name.precedes($1.name) }
    }

    static func contents(_ zset: SortedSetValue, _ ranks: Range<Int>, _ descending: Bool)
        -> [Member]
    {
        var all: [Member] = []
        zset.forEach(in: ranks, descending: descending) {
            all.append(Member(name: array($0), score: $1))
            return true
        }
        return all
    }

    /// `scores`: how many different ones; few make ties the rule.
    @Test(arguments: [(1, 128, 3), (2, 128, 1000), (3, 0, 1), (4, 5, 1_000_000)])
    func `behaves as a sorted array under random changes`(seed: Int, packed: Int, scores: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var limits = EncodingLimits()
        limits.zsetMaxListpackEntries = packed
        let zset = SortedSetValue(order: testOrder)
        var model: [Member] = []
        for step in 0..<2500 {
            let name = random.text(lengthBelow: 9)
            let score = Double(random.int(below: scores) - scores / 2) / 4
            let index = model.firstIndex { $0.name == name }
            if random.int(below: 3) > 0 {
                let isNew = zset.set(name.span, score: score, limits: limits)
                #expect(isNew == (index == nil))
                if let index {
                    model[index].score = score
                } else {
                    model.append(Member(name: name, score: score))
                }
            } else if !model.isEmpty, random.int(below: 2) == 0 {
                let rank = random.int(below: model.count)
                zset.remove(at: rank)
                model = Self.sorted(model)
                model.remove(at: rank)
            } else {
                let removed = zset.remove(name.span)
                #expect(removed == (index != nil))
                if let index { model.remove(at: index) }
            }
            #expect(zset.count == model.count)
            let now = model.first { $0.name == name }
            expectEqual(zset.score(of: name.span), now?.score)
            guard step % 50 == 0 else { continue }
            zset.checkInvariants()
            model = Self.sorted(model)
            expectEqual(zset.rank(of: name.span), model.firstIndex { $0.name == name })
            let low = random.int(below: model.count + 1)
            let high = low + random.int(below: model.count - low + 1)
            #expect(Self.contents(zset, low..<high, false) == Array(model[low..<high]))
            #expect(Self.contents(zset, low..<high, true) == model[low..<high].reversed())
            for bound in [score, -.infinity, .infinity] {
                for orEqual in [false, true] {
                    let below = model.count { orEqual ? $0.score <= bound : $0.score < bound }
                    #expect(zset.count(below: bound, orEqual: orEqual) == below)
                }
            }
            guard scores == 1 else { continue }
            for orEqual in [false, true] {
                let below = model.count {
                    $0.name.precedes(name) || (orEqual && $0.name == name)
                }
                expectEqual(zset.count(lexicallyBelow: name.span, orEqual: orEqual), below)
            }
        }
    }

    @Test func `turns into a skiplist at Redis's thresholds and never back`() {
        let limits = EncodingLimits()
        let zset = SortedSetValue(order: testOrder)
        for number in 0..<128 { _ = zset.set(bytes("\(number)").span, score: 1, limits: limits) }
        _ = zset.set(bytes("7").span, score: 2, limits: limits)
        #expect(zset.encodingName.description == "listpack")
        _ = zset.set(bytes("128").span, score: 1, limits: limits)
        #expect(zset.encodingName.description == "skiplist")
        while zset.count > 1 { zset.remove(at: 0) }
        #expect(zset.encodingName.description == "skiplist")
        for (length, name) in [(64, "listpack"), (65, "skiplist")] {
            let one = SortedSetValue(order: testOrder)
            _ = one.set([UInt8](repeating: 1, count: length).span, score: 1, limits: limits)
            #expect(one.encodingName.description == name)
        }
    }

    @Test func `orders infinities, signs and zeros as numbers compare`() {
        let scores: [Double] = [
            -.infinity, -1e300, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 1, 1e300,
            .infinity,
        ]
        for (one, next) in zip(scores, scores.dropFirst()) {
            #expect(Score.sortKey(one) < Score.sortKey(next))
            #expect(Score.fromSortKey(Score.sortKey(one), isNegativeZero: false) == one)
        }
        #expect(Score.sortKey(-0.0) == Score.sortKey(0))
    }

    @Test func `keeps -0 as a skiplist and makes it 0 as a listpack, as Redis does`() {
        var limits = EncodingLimits()
        for (entries, sign) in [(128, FloatingPointSign.plus), (0, .minus)] {
            limits.zsetMaxListpackEntries = entries
            let zset = SortedSetValue(order: testOrder)
            _ = zset.set(bytes("b").span, score: -0.0, limits: limits)
            _ = zset.set(bytes("a").span, score: 0, limits: limits)
            expectEqual(zset.score(of: bytes("b").span)?.sign, sign)
            let contents = Self.contents(zset, 0..<2, false)
            #expect(contents.map(\.name) == [bytes("a"), bytes("b")])
            #expect(contents[1].score.sign == sign)
        }
    }

    @Test func `of 50,000 members ranks at once`() {
        let limits = EncodingLimits()
        let zset = SortedSetValue(order: testOrder)
        let clock = ContinuousClock()
        let members = 50_000
        for number in 0..<members {
            // A permutation, so that insertion is not in order.
            let score = (number &* 7919) % members
            _ = IntegerText.withDecimal(Int64(score)) {
                zset.set($0, score: Double(score), limits: limits)
            }
        }
        #expect(zset.count == members)
        let time = clock.measure {
            for number in stride(from: 0, to: members, by: 7) {
                IntegerText.withDecimal(Int64(number)) { expectEqual(zset.rank(of: $0), number) }
                expectEqual(zset.count(below: Double(number), orEqual: true), number + 1)
            }
        }
        #expect(time < .seconds(30))
    }

    @Test func `digests by content alone once it is large`() {
        let limits = EncodingLimits()
        let (up, down) = (SortedSetValue(order: testOrder), SortedSetValue(order: testOrder))
        for number in 0..<2000 {
            _ = up.set(bytes("m\(number)").span, score: Double(number % 50), limits: limits)
        }
        for number in (0..<4000).reversed() {
            _ = down.set(bytes("m\(number)").span, score: 1, limits: limits)
        }
        for number in 2000..<4000 { _ = down.remove(bytes("m\(number)").span) }
        for number in 0..<2000 {
            _ = down.set(bytes("m\(number)").span, score: Double(number % 50), limits: limits)
        }
        #expect(up.members(in: 0..<2000) == down.members(in: 0..<2000))
        var (one, other) = (StateHash(), StateHash())
        up.feed(&one)
        down.feed(&other)
        #expect(one.value == other.value)
    }
}
