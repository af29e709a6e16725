import Bytes
import Cluster
import Testing

@testable import Store

@Suite struct `An image` {
    @Test(arguments: 0..<8)
    func `is that of the keyspace as it was, whatever changes meanwhile`(seed: UInt64) throws {
        let frozen = RandomHistory(seed: seed)
        let living = RandomHistory(seed: seed)
        frozen.run(2000)
        living.run(2000)
        let digest = living.store.stateHash()
        let expected = frozen.imageAtOnce()

        var pace = SeededGenerator(seed: seed + 1000)
        var image = ByteBuffer()
        living.store.beginImage()
        var isWhole = false
        while !isWhole {
            living.run(pace.int(below: 40))
            let budget = 1 + pace.int(below: pace.below(4) == 0 ? 100_000 : 3000)
            isWhole = living.store.continueImage(into: &image, budget: budget)
            if pace.below(100) == 0 { living.store.checkInvariants() }
        }
        expectSame(image.copyBytes(), expected)
        living.checkBooks()

        let loaded = try #require(try load(expected) { 1 + pace.int(below: 5000) })
        expectEqual(loaded.store.stateHash(), digest)
        expectSame(loaded.imageAtOnce(), expected)
        loaded.checkBooks()
    }

    @Test(arguments: 0..<6)
    func `can be abandoned anywhere, and begun again`(seed: UInt64) {
        let frozen = RandomHistory(seed: seed)
        let living = RandomHistory(seed: seed)
        frozen.run(1500)
        living.run(1500)
        var pace = SeededGenerator(seed: seed)
        var image = ByteBuffer()
        for _ in 0..<5 {
            living.store.beginImage()
            let steps = pace.int(below: 12)
            for _ in 0..<steps {
                let changes = pace.int(below: 100)
                living.run(changes)
                frozen.run(changes)
                _ = living.store.continueImage(into: &image, budget: 2000)
                guard living.store.isImaging else { break }
            }
            living.store.abandonImage()
            expectEqual(living.store.isImaging, false)
            expectEqual(living.store.imageHeldBytes, 0)
        }
        expectSame(living.imageAtOnce(), frozen.imageAtOnce())
        living.checkBooks()
    }

    @Test func `of an empty keyspace has a beginning and an end`() throws {
        let history = RandomHistory(seed: 1)
        let image = history.imageAtOnce()
        #expect(image.count < 64)
        let loaded = try #require(try load(image) { 1 })
        expectEqual(loaded.store.isEmpty, true)
        expectEqual(loaded.store.logTime, 1000)
    }

    /// The state that it replaces may have come further, by entries that are lost.
    @Test func `of an earlier time is taken by a keyspace that begins anew`() throws {
        let image = RandomHistory(seed: 1).imageAtOnce()
        let history = RandomHistory(seed: 2)
        history.run(100)
        history.store.logTime = 2000
        history.store.reset()
        expectEqual(history.store.logTime, 0)
        expectEqual(history.store.isEmpty, true)
        var loader = KeyspaceLoader()
        try loader.load(image.span, into: &history.store)
        expectEqual(loader.isComplete, true)
        expectEqual(history.store.logTime, 1000)
    }

    @Test func `keeps a flushed database, and forgets what came after`() {
        let history = RandomHistory(seed: 5)
        let other = RandomHistory(seed: 5)
        history.run(1500)
        other.run(1500)
        let expected = other.imageAtOnce()
        var image = ByteBuffer()
        history.store.beginImage()
        _ = history.store.continueImage(into: &image, budget: expected.count / 3)
        history.store.removeAll()
        history.run(2000)
        history.store.removeAll()
        history.run(500)
        #expect(history.store.imageHeldBytes > 0)
        while !history.store.continueImage(into: &image, budget: 777) { history.run(3) }
        expectSame(image.copyBytes(), expected)
        history.checkBooks()
    }

    @Test func `that is damaged in any byte is refused`() throws {
        let history = RandomHistory(seed: 3, keys: 2, largest: 10)
        history.run(60)
        let image = history.imageAtOnce()
        let digest = history.store.stateHash()
        #expect(image.count > 500)
        var refused = 0
        for index in image.indices {
            for bit in [(index * 5) % 8] {
                var damaged = image
                damaged[index] ^= 1 << UInt8(bit)
                do {
                    // In want of more bytes, or equal in spite of everything: neither may be.
                    if let loaded = try load(damaged, pieces: { 997 }) {
                        let other = loaded.store.stateHash()
                        Issue.record("accepted \(index), equal: \(other == digest)")
                    }
                    refused += 1
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused == image.count)
    }

    @Test func `that ends early or goes on is not whole`() throws {
        let history = RandomHistory(seed: 4, keys: 2, largest: 5)
        history.run(40)
        let image = history.imageAtOnce()
        for count in 0..<image.count {
            let loaded = try load(Array(image[..<count])) { 100 }
            let isComplete = loaded != nil
            #expect(!isComplete)
        }
        #expect(throws: ImageError.trailingBytes) { _ = try load(image + [0]) { 100 } }
        #expect(throws: ImageError.notAnImage) { _ = try load([1, 2, 3, 4, 5, 6, 7, 8, 9]) { 2 } }
    }

    @Test func `of random bytes never stops the process`() {
        var generator = SeededGenerator(seed: 8)
        let history = RandomHistory(seed: 6, keys: 4, largest: 40)
        history.run(200)
        let image = history.imageAtOnce()
        for _ in 0..<400 {
            var damaged = image
            for _ in 0...generator.int(below: 6) {
                let index = generator.int(below: damaged.count)
                switch generator.below(3) {
                case 0: damaged[index] = UInt8(generator.below(256))
                case 1: damaged.remove(at: index)
                default: damaged.insert(UInt8(generator.below(256)), at: index)
                }
            }
            guard damaged != image else { continue }
            let loaded = try? load(damaged) { 1 + generator.int(below: 500) }
            let isAccepted = loaded != nil
            #expect(!isAccepted)
        }
    }
}

/// Compares images, and names the first byte that differs; #expect would print megabytes.
private func expectSame(
    _ one: [UInt8], _ other: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
) {
    guard one != other else { return }
    let index = zip(one, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    Issue.record(
        "\(one.count) and \(other.count) bytes differ at \(index ?? -1)",
        sourceLocation: sourceLocation)
}
