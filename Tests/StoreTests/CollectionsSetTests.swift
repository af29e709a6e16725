import Bytes
import Testing

@testable import Store

@Suite struct `A set` {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `behaves as a set under random changes`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let limits = EncodingLimits()
        for integersOnly in [true, false] {
            let set = SetValue(order: testOrder)
            var model: Set<[UInt8]> = []
            for step in 0..<2500 {
                let number = Int64(bitPattern: random.next()) >> Int64(random.int(below: 63))
                let member = integersOnly || step % 3 > 0 ? bytes("\(number)") : bytes("m\(number)")
                if random.int(below: 3) > 0 {
                    let isNew = set.insert(member.span, limits: limits)
                    let expected = model.insert(member).inserted
                    #expect(isNew == expected)
                } else if !set.isEmpty, random.int(below: 2) == 0 {
                    let rank = random.int(below: set.count)
                    let removed = set.withMember(at: rank) { array($0) }
                    set.remove(at: rank)
                    #expect(model.remove(removed) != nil)
                    expectEqual(set.contains(removed.span), false)
                } else {
                    let removed = set.remove(member.span)
                    let expected = model.remove(member) != nil
                    #expect(removed == expected)
                }
                expectEqual(set.contains(member.span), model.contains(member))
                #expect(set.count == model.count)
                guard step % 250 == 0 else { continue }
                set.checkInvariants()
                let members = set.members
                #expect(members.count == model.count)
                #expect(Set(members) == model)
                for rank in stride(from: 0, to: members.count, by: 13) {
                    expectEqual(set.withMember(at: rank) { array($0) }, members[rank])
                }
            }
        }
    }

    @Test func `of integers is an intset, sorted by number, up to its limit`() {
        let limits = EncodingLimits()
        let set = SetValue(order: testOrder)
        for text in ["10", "-3", "9", "0", "9223372036854775807", "-9223372036854775808"] {
            _ = set.insert(bytes(text).span, limits: limits)
        }
        let names = set.members.map { String(decoding: $0, as: UTF8.self) }
        #expect(names == ["-9223372036854775808", "-3", "0", "9", "10", "9223372036854775807"])
        for number in 1000..<1506 { _ = set.insert(bytes("\(number)").span, limits: limits) }
        #expect(set.count == 512)
        #expect(set.encodingName.description == "intset")
        _ = set.insert(bytes("7").span, limits: limits)
        #expect(set.encodingName.description == "hashtable")
        #expect(set.count == 513)
        set.checkInvariants()
    }

    @Test(arguments: ["01", "+1", "-0", " 1", "1 ", "1.0", "", "-", "9223372036854775808", "1e3"])
    func `is no intset once it holds a text that is not exactly a number`(text: String) {
        let limits = EncodingLimits()
        let set = SetValue(order: testOrder)
        _ = set.insert(bytes("1").span, limits: limits)
        expectEqual(set.contains(bytes(text).span), false)
        expectEqual(set.insert(bytes(text).span, limits: limits), true)
        #expect(set.encodingName.description == "hashtable")
        _ = set.remove(bytes(text).span)
        #expect(set.encodingName.description == "hashtable")
    }

    @Test func `iterates and digests by content alone once it is large`() {
        let limits = EncodingLimits()
        let (up, down) = (SetValue(order: testOrder), SetValue(order: testOrder))
        for number in 0..<2000 { _ = up.insert(bytes("m\(number)").span, limits: limits) }
        for number in (0..<4000).reversed() {
            _ = down.insert(bytes("m\(number)").span, limits: limits)
        }
        for number in 2000..<4000 { _ = down.remove(bytes("m\(number)").span) }
        #expect(up.members == down.members)
        var (one, other) = (StateHash(), StateHash())
        up.feed(&one)
        down.feed(&other)
        #expect(one.value == other.value)
    }

    @Test func `with the same members in another encoding has another digest`() {
        var narrow = EncodingLimits()
        narrow.setMaxIntsetEntries = 1
        let (integers, table) = (SetValue(order: testOrder), SetValue(order: testOrder))
        for text in ["1", "2"] {
            _ = integers.insert(bytes(text).span, limits: EncodingLimits())
            _ = table.insert(bytes(text).span, limits: narrow)
        }
        var (one, other) = (StateHash(), StateHash())
        integers.feed(&one)
        table.feed(&other)
        #expect(one.value != other.value)
    }
}
