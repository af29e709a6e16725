import Bytes
import Cluster
import Testing

@testable import Store

@Suite struct `A keyspace` {
    @Test func `holds the same as a dictionary under random changes`() {
        let keyspace = TextKeyspace()
        var generator = SeededGenerator(seed: 99)
        var expected: [String: String] = [:]
        var expiries: [String: Int64] = [:]
        let lengths = [0, 1, 5, 20, 44, 45, 200, 1000, 1024, 1025, 5000]
        for step in 0..<20_000 {
            let key = "key:\(generator.below(600))"
            let value =
                generator.below(4) == 0
                ? "\(Int64(bitPattern: generator.next()) >> Int64(generator.below(64)))"
                : String(repeating: "v", count: lengths[generator.int(below: lengths.count)])
            switch generator.below(10) {
            case 0..<3:
                keyspace.set(key, value)
                expected[key] = value
                expiries[key] = nil
            case 3:
                keyspace.set(key, value, expiry: .keep)
                expected[key] = value
            case 4:
                let time = 2000 + Int64(generator.below(100_000))
                keyspace.set(key, value, expiry: .set(time))
                expected[key] = value
                expiries[key] = time
            case 5:
                keyspace.remove(key)
                expected[key] = nil
                expiries[key] = nil
            case 6 where expected[key] != nil:
                let count = keyspace.append(key, value)
                expected[key]! += value
                #expect(count == expected[key]!.utf8.count)
            case 7 where expected[key] != nil:
                let offset = generator.int(below: 50)
                let old = Array(expected[key]!.utf8)
                var new = old
                while new.count < offset + value.utf8.count { new.append(0) }
                new.replaceSubrange(offset..<offset + value.utf8.count, with: Array(value.utf8))
                let count = keyspace.overwrite(key, at: offset, with: value)
                #expect(count == new.count)
                expected[key] = String(decoding: new, as: UTF8.self)
            case 8 where expected[key] != nil:
                let time = generator.below(3) == 0 ? nil : 2000 + Int64(generator.below(100_000))
                keyspace.store.setExpiry(keyspace.handle(key)!, time)
                expiries[key] = time
            case 9 where expected[key] != nil:
                let name = "key:\(generator.below(600))"
                guard name != key else { break }
                keyspace.rename(key, to: name)
                expected[name] = expected.removeValue(forKey: key)
                expiries[name] = expiries.removeValue(forKey: key)
            default:
                expectEqual(keyspace[key], expected[key])
            }
            expectEqual(keyspace[key], expected[key])
            if step % 2000 == 0 { keyspace.store.checkInvariants() }
        }
        keyspace.store.checkInvariants()
        expectEqual(keyspace.keys().sorted(), expected.keys.sorted())
        expectEqual(keyspace.store.keyCount(0), expected.count)
        expectEqual(keyspace.store.expiringCount(0), expiries.count)
        expectEqual(keyspace.store.nextExpiry, expiries.values.min())
        for (key, value) in expected {
            expectEqual(keyspace[key], value)
            expectEqual(keyspace.store.expiry(of: keyspace.handle(key)!), expiries[key])
        }
    }

    @Test func `has the same state hash after different histories with equal content`() {
        let one = TextKeyspace()
        let other = TextKeyspace()
        for number in 0..<3000 {
            one.set(
                "key:\(number)", "value:\(number)", expiry: number % 3 == 0 ? .set(5000) : .remove)
        }
        for number in (0..<9000).reversed() {
            other.set("key:\(number)", "older value that is longer than the newer one")
        }
        for number in 0..<3000 {
            other.set("key:\(number)", "value:\(number)", expiry: .set(7000))
        }
        for number in 0..<3000 {
            let handle = other.handle("key:\(number)")!
            other.store.setExpiry(handle, number % 3 == 0 ? 5000 : nil)
        }
        for number in 3000..<9000 { other.remove("key:\(number)") }
        #expect(one.keys() == other.keys())
        expectEqual(one.store.stateHash(), other.store.stateHash())
        for slot in [0, 77, 16383] {
            expectEqual(one.store.stateHash(slot: slot), other.store.stateHash(slot: slot))
        }
        other.store.checkInvariants()
    }

    @Test func `has another state hash when anything visible differs`() {
        func hash(_ change: (TextKeyspace) -> Void) -> UInt64 {
            let keyspace = TextKeyspace()
            keyspace.set("a", "1")
            keyspace.set("b", "text")
            change(keyspace)
            return keyspace.store.stateHash()
        }
        let hashes = [
            hash { _ in },
            hash { $0.set("a", "2") },
            hash { $0.set("a", "1", as: .bytes) },
            hash { $0.set("b", "text", as: .raw) },
            hash { $0.set("a", "1", expiry: .set(5000)) },
            hash { $0.set("c", "") },
            hash { $0.remove("b") },
            hash { $0.set("a", "1", in: 1) },
            hash { $0.store.logTime += 1 },
        ]
        #expect(Set(hashes).count == hashes.count)
    }

    @Test func `tells encodings as Redis does`() {
        let keyspace = TextKeyspace()
        keyspace.set("n", "-42")
        expectEqual(keyspace.encoding("n"), "int")
        keyspace.set("n", "007")
        expectEqual(keyspace.encoding("n"), "embstr")
        keyspace.set("n", "42", as: .bytes)
        expectEqual(keyspace.encoding("n"), "embstr")
        keyspace.set("n", String(repeating: "x", count: 44))
        expectEqual(keyspace.encoding("n"), "embstr")
        keyspace.set("n", String(repeating: "x", count: 45))
        expectEqual(keyspace.encoding("n"), "raw")
        keyspace.set("n", "4")
        expectEqual(keyspace.append("n", "2"), 2)
        expectEqual(keyspace.encoding("n"), "raw")
        expectEqual(keyspace["n"], "42")
        keyspace.set("n", "4")
        expectEqual(keyspace.encoding("n"), "int")
    }

    @Test func `keeps a slice of a large argument instead of a copy`() {
        let keyspace = TextKeyspace()
        let size = 1 << 20
        var request = ByteBuffer()
        request.append("SET big ")
        request.append(repeating: 0x61, count: size)
        let owner = SharedBytes(request)
        let value = owner.span.extracting(8..<8 + size)
        let key = bytes("big")
        keyspace.store.set(key.span, in: 0, to: value, owner: owner)
        let isSlice = isStored(value, at: keyspace.handle("big")!, in: keyspace.store)
        #expect(isSlice)
        // A change makes it a string of its own.
        expectEqual(keyspace.append("big", "z"), size + 1)
        expectEqual(keyspace["big"]?.utf8.last, 0x7a)
        #expect(owner.span.count == size + 8)
        // A small part of a large buffer is copied: it would keep all of it alive.
        keyspace.store.set(key.span, in: 0, to: owner.span.extracting(0..<70_000), owner: owner)
        let part = owner.span.extracting(0..<70_000)
        let isPart = isStored(part, at: keyspace.handle("big")!, in: keyspace.store)
        #expect(!isPart)
    }

    @Test func `takes a large argument over when nobody else needs it any more`() {
        let keyspace = TextKeyspace()
        let size = 1 << 20
        func write() {
            var request = ByteBuffer()
            request.append("SET big ")
            request.append(repeating: 0x61, count: size)
            let owner = SharedBytes(request)
            keyspace.store.set(
                bytes("big").span, in: 0, to: owner.span.extracting(8..<8 + size), owner: owner)
        }
        write()
        expectEqual(keyspace.append("big", "z"), size + 1)
        let expected = String(repeating: "a", count: size) + "z"
        let isWhole = keyspace["big"] == expected
        #expect(isWhole)
        keyspace.store.checkInvariants()
        // An image needs the old bytes: then the key gets bytes of its own.
        write()
        keyspace.store.beginImage()
        expectEqual(keyspace.append("big", "z"), size + 1)
        let isWholeToo = keyspace["big"] == expected
        #expect(isWholeToo)
        var image = ByteBuffer()
        while !keyspace.store.continueImage(into: &image, budget: 1 << 18) {}
        #expect(image.count > size && image.count < size + 200)
        keyspace.store.checkInvariants()
    }

    @Test(arguments: [false, true])
    func `frees a large string in slices`(isReplaced: Bool) {
        let keyspace = TextKeyspace()
        let empty = keyspace.store.memoryBytes
        let size = 8 << 20
        for isShared in [false, true] {
            var request = ByteBuffer()
            request.append(repeating: 0x61, count: size)
            let owner = SharedBytes(request)
            keyspace.store.set(
                bytes("big").span, in: 0, to: owner.span, owner: isShared ? owner : nil)
        }
        // The one before is still to be freed: nothing of it went within the SET.
        expectEqual(keyspace.store.hasGarbage, true)
        #expect(keyspace.store.memoryBytes > empty + 2 * size)
        if isReplaced { keyspace.set("big", "small") } else { keyspace.remove("big") }
        var before = keyspace.store.memoryBytes
        #expect(before > empty + 2 * size)
        var slices = 0
        while keyspace.store.reclaim(budget: 64) {
            slices += 1
            let now = keyspace.store.memoryBytes
            #expect(now < before && before - now <= 2 << 20)
            before = now
        }
        #expect(slices >= 14)
        if isReplaced { keyspace.remove("big") }
        // The tables stay.
        #expect(keyspace.store.memoryBytes < empty + (1 << 20))
        keyspace.store.checkInvariants()
    }

    @Test func `forgets everything at once and frees it in slices`() {
        let keyspace = TextKeyspace()
        for number in 0..<1000 {
            keyspace.set("key:\(number)", "value", expiry: .set(5000))
            keyspace.set("key:\(number)", "value", in: 3)
        }
        keyspace.store.removeAll(in: 0)
        expectEqual(keyspace.store.keyCount(0), 0)
        expectEqual(keyspace.store.keyCount(3), 1000)
        expectEqual(keyspace.store.nextExpiry, nil)
        expectEqual(keyspace.store.hasGarbage, true)
        keyspace.set("key:1", "new")
        var slices = 0
        while keyspace.store.reclaim(budget: 100) { slices += 1 }
        #expect(slices >= 10)
        expectEqual(keyspace.store.hasGarbage, false)
        expectEqual(keyspace["key:1"], "new")
        keyspace.store.removeAll()
        expectEqual(keyspace.store.keyCount(0), 0)
        expectEqual(keyspace.store.keyCount(3), 0)
        keyspace.store.checkInvariants()
        // What is not reclaimed goes with the keyspace.
    }

    @Test func `notices a handle that outlived its key`() async {
        await #expect(processExitsWith: .failure) {
            let keyspace = TextKeyspace()
            keyspace.set("a", "1")
            let handle = keyspace.handle("a")!
            keyspace.remove("a")
            _ = keyspace.string(handle)
        }
    }
}
