import Bytes
import Testing

@testable import Store

@Suite struct `Expiry` {
    @Test func `goes by time, then database, then key`() {
        let keyspace = TextKeyspace()
        keyspace.set("z", "1", expiry: .set(1005))
        keyspace.set("a", "1", in: 2, expiry: .set(1005))
        keyspace.set("a", "1", expiry: .set(1005))
        keyspace.set("m", "1", in: 5, expiry: .set(1004))
        keyspace.set("forever", "1")
        keyspace.store.logTime = 1010
        expectEqual(keyspace.store.nextExpiry, 1004)
        var order: [String] = []
        var left = [("z", 0), ("a", 2), ("a", 0), ("m", 5), ("forever", 0)]
        while keyspace.store.expire(upTo: 1010, atMost: 1) == 1 {
            for (index, entry) in left.enumerated()
            where keyspace.handle(entry.0, in: entry.1) == nil {
                order.append("\(entry.0)\(entry.1)")
                left.remove(at: index)
                break
            }
        }
        #expect(order == ["m5", "a0", "z0", "a2"])
        expectEqual(keyspace.store.nextExpiry, nil)
        expectEqual(keyspace.store.expired, 4)
    }

    @Test func `never runs ahead of log time`() {
        let keyspace = TextKeyspace(logTime: 1000)
        keyspace.set("a", "1", expiry: .set(1500))
        expectEqual(keyspace.store.expire(upTo: 9999, atMost: 10), 0)
        keyspace.store.logTime = 1500
        expectEqual(keyspace.store.isDead(keyspace.handle("a")!), true)
        expectEqual(keyspace.store.expire(upTo: 1499, atMost: 10), 0)
        expectEqual(keyspace.store.expire(upTo: 1500, atMost: 10), 1)
        expectEqual(keyspace.store.keyCount(0), 0)
    }

    @Test func `takes at most as many as asked`() {
        let keyspace = TextKeyspace()
        for number in 0..<5000 { keyspace.set("key:\(number)", "v", expiry: .set(1001)) }
        keyspace.store.logTime = 2000
        expectEqual(keyspace.store.expire(upTo: 2000, atMost: 1200), 1200)
        expectEqual(keyspace.store.keyCount(0), 3800)
        expectEqual(keyspace.store.expiringCount(0), 3800)
        keyspace.store.checkInvariants()
        expectEqual(keyspace.store.expire(upTo: 2000, atMost: .max), 3800)
        keyspace.store.checkInvariants()
    }

    @Test func `removes the same keys whatever the index went through`() {
        var generator = SeededGenerator(seed: 5)
        let one = TextKeyspace()
        let other = TextKeyspace()
        let times = (0..<2000).map { _ in 1000 + Int64(generator.below(40)) }
        for number in 0..<2000 { one.set("key:\(number)", "v", expiry: .set(times[number])) }
        for number in (0..<2000).reversed() { other.set("key:\(number)", "v", expiry: .set(9999)) }
        for number in 0..<2000 where number % 2 == 0 { other.remove("key:\(number)") }
        for number in 0..<2000 { other.set("key:\(number)", "v", expiry: .set(times[number])) }
        for keyspace in [one, other] { keyspace.store.logTime = 1100 }
        for _ in 0..<19 {
            one.store.expire(upTo: 1100, atMost: 97)
            other.store.expire(upTo: 1100, atMost: 97)
            expectEqual(one.store.stateHash(), other.store.stateHash())
        }
        expectEqual(one.store.keyCount(0), 2000 - 19 * 97)
    }

    @Test func `is taken over by a dead key's successor only on demand`() {
        let keyspace = TextKeyspace()
        keyspace.set("a", "1", expiry: .set(1001))
        keyspace.store.logTime = 1001
        // The key is dead: there is nothing to keep.
        keyspace.set("a", "2", expiry: .keep)
        expectEqual(keyspace.store.expiry(of: keyspace.handle("a")!), nil)
        expectEqual(keyspace.store.expired, 1)
        expectEqual(keyspace["a"], "2")
    }

    @Test func `removes a dead key that a change meets`() {
        let keyspace = TextKeyspace()
        keyspace.set("a", "1", expiry: .set(1001))
        keyspace.store.logTime = 1001
        let key = bytes("a")
        let found = keyspace.store.findRemovingDead(key.span, in: 0)
        #expect(found == nil)
        expectEqual(keyspace.store.keyCount(0), 0)
        expectEqual(keyspace.store.expired, 1)
    }
}
