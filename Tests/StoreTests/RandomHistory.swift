import Bytes
import Cluster
import Testing

@testable import Store

/// A keyspace with everything in it, changed at random in all ways that there are. Two histories of
/// one seed are equal, step by step.
final class RandomHistory {
    var store: Keyspace
    var generator: SeededGenerator
    /// Keys are few, so that changes meet each other.
    let keyCount: UInt64
    let largest: Int

    init(seed: UInt64, keys: UInt64 = 100, largest: Int = 130) {
        store = Keyspace(ranges: [.all], hash: testOrder, limits: EncodingLimits())
        store.logTime = 1000
        generator = SeededGenerator(seed: seed)
        keyCount = keys
        self.largest = largest
    }

    func run(_ steps: Int) { for _ in 0..<steps { step() } }

    private func randomKey(_ kind: String) -> [UInt8] {
        // A third under one tag, so that one slot has many keys.
        let tag = generator.below(3) == 0 ? "{tag}" : ""
        return bytes("\(tag)\(kind):\(generator.below(keyCount))")
    }

    /// A key of a kind; now and then of another one, to be overwritten.
    private func key(_ kind: String) -> [UInt8] {
        randomKey(
            generator.below(30) == 0 ? ["s", "l", "h", "m", "z"][generator.int(below: 5)] : kind)
    }

    private func text() -> [UInt8] {
        switch generator.below(8) {
        case 0: bytes("\(Int64(bitPattern: generator.next()) >> Int64(generator.below(64)))")
        case 1 where generator.below(4) == 0:
            [UInt8](repeating: 120, count: generator.int(below: 3000))
        default: generator.text(lengthBelow: 60, alphabet: 20)
        }
    }

    private func step() {
        let database = generator.below(4) == 0 ? 3 : 0
        switch generator.below(100) {
        case 0..<30: stringStep(database)
        case 30..<45: listStep(database)
        case 45..<60: hashStep(database)
        case 60..<72: setStep(database)
        case 72..<85: sortedSetStep(database)
        case 85..<94: keyStep(database)
        case 94..<97: store.logTime += Int64(generator.below(50))
        case 97: store.expire(upTo: store.logTime, atMost: 5)
        case 98: _ = store.reclaim(budget: generator.int(below: 50))
        default: if generator.below(40) == 0 { store.removeAll(in: database) }
        }
    }

    private func find(_ kind: String, _ database: Int) -> KeyHandle? {
        let key = randomKey(kind)
        return store.findRemovingDead(key.span, in: database)
    }

    private func expiry() -> ExpiryChange {
        switch generator.below(4) {
        case 0: .keep
        case 1: .set(store.logTime + Int64(generator.below(3000)))
        default: .remove
        }
    }

    private func stringStep(_ database: Int) {
        let value = text()
        if generator.below(2) == 0 {
            let key = key("s")
            let form: StringForm = generator.below(6) == 0 ? .raw : .compact
            store.set(key.span, in: database, to: value.span, as: form, expiry: expiry())
            return
        }
        guard let handle = find("s", database), store.kind(of: handle) == .string else { return }
        switch generator.below(4) {
        case 0: _ = store.append(handle, value.span)
        case 1: _ = store.overwrite(handle, at: generator.int(below: 80), with: value.span)
        case 2: store.setInteger(handle, to: Int64(generator.below(1000)))
        default: break
        }
    }

    private func listStep(_ database: Int) {
        let many = generator.below(10) == 0 ? generator.int(below: largest * 8) : 3
        guard let handle = find("l", database), store.kind(of: handle) == .list else {
            let list = ListValue()
            let key = key("l")
            store.set(key.span, in: database, to: list)
            for _ in 0..<many + 1 { list.pushLast(text().span) }
            return
        }
        let list = store.list(handle)
        switch generator.below(8) {
        case 0, 1: for _ in 0..<many { list.pushLast(text().span) }
        case 2: for _ in 0..<many { list.pushFirst(text().span) }
        case 3: for _ in 0..<many { list.popFirst { _ in } }
        case 4: for _ in 0..<many { list.popLast { _ in } }
        case 5: list.insert(text().span, at: generator.int(below: list.count + 1))
        case 6:
            let low = generator.int(below: list.count / 4 + 1)
            list.trim(to: low..<max(low, list.count - generator.int(below: list.count / 4 + 1)))
        default: _ = list.set(text().span, at: generator.int(below: list.count + 1))
        }
        store.removeIfEmpty(handle)
    }

    private func hashStep(_ database: Int) {
        let many = generator.below(10) == 0 ? generator.int(below: largest * 4) : 4
        guard let handle = find("h", database), store.kind(of: handle) == .hash else {
            let hash = HashValue(order: testOrder)
            for _ in 0..<many + 1 { set(hash) }
            let key = key("h")
            store.set(key.span, in: database, to: hash)
            return
        }
        let hash = store.hash(handle)
        if generator.below(3) == 0 {
            for _ in 0..<many { _ = hash.remove(field().span) }
            store.removeIfEmpty(handle)
        } else {
            for _ in 0..<many { set(hash) }
        }
    }

    private func field() -> [UInt8] { bytes("field \(generator.below(UInt64(largest) * 4))") }

    private func set(_ hash: HashValue) {
        _ = hash.set(field().span, generator.text(lengthBelow: 66).span, limits: store.limits)
    }

    private func setStep(_ database: Int) {
        let many = generator.below(10) == 0 ? generator.int(below: largest * 4) : 4
        guard let handle = find("m", database), store.kind(of: handle) == .set else {
            let set = SetValue(order: testOrder)
            let texts = generator.below(2) == 0
            for _ in 0..<many + 1 { insert(set, texts) }
            let key = key("m")
            store.set(key.span, in: database, to: set)
            return
        }
        let set = store.set(handle)
        switch generator.below(4) {
        case 0: for _ in 0..<many { _ = set.remove(bytes("\(generator.below(2000))").span) }
        case 1: set.remove(at: generator.int(below: set.count))
        default: for _ in 0..<many { insert(set, generator.below(100) == 0) }
        }
        store.removeIfEmpty(handle)
    }

    private func insert(_ set: SetValue, _ isText: Bool) {
        let member = isText ? field() : bytes("\(generator.below(2000))")
        _ = set.insert(member.span, limits: store.limits)
    }

    private func sortedSetStep(_ database: Int) {
        let many = generator.below(10) == 0 ? generator.int(below: largest * 2) : 4
        guard let handle = find("z", database), store.kind(of: handle) == .sortedSet else {
            let set = SortedSetValue(order: testOrder)
            for _ in 0..<many + 1 { insert(set) }
            let key = key("z")
            store.set(key.span, in: database, to: set)
            return
        }
        let set = store.sortedSet(handle)
        switch generator.below(4) {
        case 0: for _ in 0..<many { _ = set.remove(field().span) }
        case 1: set.remove(at: generator.int(below: set.count))
        default: for _ in 0..<many { insert(set) }
        }
        store.removeIfEmpty(handle)
    }

    private func insert(_ set: SortedSetValue) {
        let scores = [0, -0.0, 1, 1, 2.5, -3, .infinity, Double(generator.below(500))]
        let score = scores[generator.int(below: scores.count)]
        _ = set.set(field().span, score: score, limits: store.limits)
    }

    private func keyStep(_ database: Int) {
        let kinds = ["s", "l", "h", "m", "z"]
        guard let handle = find(kinds[generator.int(below: 5)], database) else { return }
        switch generator.below(6) {
        case 0, 1: store.remove(handle)
        case 2:
            let name = randomKey(kinds[generator.int(below: 5)])
            guard name != array(store.key(of: handle)) else { return }
            store.rename(handle, to: name.span)
        case 3: store.setExpiry(handle, nil)
        default: store.setExpiry(handle, store.logTime + Int64(generator.below(3000)))
        }
    }

    // Images.

    /// The image, taken with nothing in between.
    func imageAtOnce() -> [UInt8] {
        var bytes = ByteBuffer()
        store.beginImage()
        while !store.continueImage(into: &bytes, budget: .max / 2) {}
        return bytes.copyBytes()
    }

    /// Checks all structures and the books of memory, with nothing left to free.
    func checkBooks() {
        store.checkInvariants()
        while store.reclaim(budget: 1000) {}
        store.checkInvariants()
        expectEqual(store.imageHeldBytes, 0)
        expectEqual(store.core.state.dropQueue.bytes, 0)
        store.removeAll()
        let before = store.memoryBytes
        while store.reclaim(budget: 1000) {}
        expectEqual(store.memoryBytes, 0)
        #expect(before >= 0)
    }
}

/// A keyspace filled from an image that was cut into pieces; nil when the image is not whole.
func load(_ image: [UInt8], pieces: () -> Int) throws(ImageError) -> RandomHistory? {
    let history = RandomHistory(seed: 0)
    history.store = Keyspace(ranges: [.all], hash: testOrder, limits: EncodingLimits())
    var loader = KeyspaceLoader()
    var offset = 0
    while offset < image.count {
        let end = min(offset + max(pieces(), 1), image.count)
        try loader.load(image.span.extracting(offset..<end), into: &history.store)
        offset = end
    }
    return loader.isComplete ? history : nil
}
