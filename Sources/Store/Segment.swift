internal import Bytes

/// A sorted run of a table's entries: two arrays in one heap block, (hash) and (item).
///
/// Entries are sorted by (hash, key bytes) without gaps. Hashes are uniform, so a place is guessed
/// from the hash's leading bits and is off by a few entries only (at most about sqrt(count) / 2 on
/// average); an insertion moves at most `countMax` entries of 16 bytes.
///
///     | count 4 | capacity 4 | depth 4 | pad 4 | hashes 8 x capacity | items 8 x capacity |
///
/// Raw memory for the reason given in `Item`; owned by one `Table`.
@safe
struct Segment: Equatable {
    private let base: UnsafeMutableRawPointer

    private struct Header {
        var count: UInt32
        var capacity: UInt32
        var depth: UInt32
        var pad: UInt32 = 0
    }

    /// A segment of this size splits (unless its hashes agree in too many bits).
    static let countMax = 256
    private static let capacityMin = 4
    private static let headerBytes = 16

    /// An empty segment for hashes that share their first `depth` bits.
    init(capacity: Int, depth: Int) {
        let capacity = max(capacity, Self.capacityMin)
        unsafe base = UnsafeMutableRawPointer.allocate(
            byteCount: Self.headerBytes + capacity * 16, alignment: 8)
        unsafe base.storeBytes(
            of: Header(count: 0, capacity: UInt32(capacity), depth: UInt32(depth)),
            as: Header.self)
    }

    init(address: UInt) {
        unsafe base = UnsafeMutableRawPointer(bitPattern: address)!
    }

    var address: UInt { unsafe UInt(bitPattern: base) }

    static func == (one: Segment, other: Segment) -> Bool { one.address == other.address }

    /// Frees the segment, not the items.
    func deallocate() { unsafe base.deallocate() }

    private var header: UnsafeMutablePointer<Header> {
        unsafe base.assumingMemoryBound(to: Header.self)
    }

    /// What the block takes of the heap.
    var heapBytes: Int { HeapBlock.bytes(Self.headerBytes + capacity * 16) }

    var count: Int { unsafe Int(header.pointee.count) }
    var capacity: Int { unsafe Int(header.pointee.capacity) }

    /// How many leading bits all hashes in here share.
    var depth: Int {
        get { unsafe Int(header.pointee.depth) }
        nonmutating set { unsafe header.pointee.depth = UInt32(newValue) }
    }

    private var hashes: UnsafeMutablePointer<UInt64> {
        unsafe (base + Self.headerBytes).assumingMemoryBound(to: UInt64.self)
    }

    private var items: UnsafeMutablePointer<UInt> {
        unsafe (base + Self.headerBytes + capacity * 8).assumingMemoryBound(to: UInt.self)
    }

    func hash(at index: Int) -> UInt64 {
        invariant(index >= 0 && index < count, "no such entry in the segment")
        return unsafe hashes[index]
    }

    func item(at index: Int) -> Item {
        invariant(index >= 0 && index < count, "no such entry in the segment")
        return Item(address: unsafe items[index])
    }

    func setItem(_ item: Item, at index: Int) {
        invariant(index >= 0 && index < count, "no such entry in the segment")
        unsafe items[index] = item.address
    }

    /// The first entry whose hash is not below `hash`.
    func lowerBound(_ hash: UInt64) -> Int {
        let count = count
        guard count > 0 else { return 0 }
        guard count <= 2 * Self.countMax else { return binaryLowerBound(hash) }
        let hashes = unsafe hashes
        let leading = (hash << UInt64(depth)) >> 32
        var index = Int((leading &* UInt64(count)) >> 32)
        if unsafe hashes[index] < hash {
            repeat { index += 1 } while unsafe index < count && hashes[index] < hash
        } else {
            while unsafe index > 0 && hashes[index - 1] >= hash { index -= 1 }
        }
        return index
    }

    /// The same where hashes are known to be uneven.
    private func binaryLowerBound(_ hash: UInt64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if unsafe hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Where the key is, or where it would have to be inserted.
    func search(_ hash: UInt64, _ key: Span<UInt8>) -> (index: Int, found: Bool) {
        var index = lowerBound(hash)
        // Different keys with equal 64-bit hashes are sorted by their bytes.
        while index < count, unsafe hashes[index] == hash {
            let other = item(at: index)
            switch ContentOrder.compare(other.key, key) {
            case .equal: return (index, true)
            case .after: return (index, false)
            case .before: index += 1
            }
        }
        return (index, false)
    }

    /// Inserts at `index`; the segment may move, the result replaces it.
    func inserting(_ item: Item, hash: UInt64, at index: Int) -> Segment {
        let count = count
        invariant(index >= 0 && index <= count, "an entry outside of the segment")
        guard count < capacity else {
            let wanted = count + count / 2 + 1
            let target = count < Self.countMax ? min(wanted, Self.countMax) : wanted
            return resized(to: target).inserting(item, hash: hash, at: index)
        }
        let moved = count - index
        if moved > 0 {
            unsafe (hashes + index + 1).update(from: hashes + index, count: moved)
            unsafe (items + index + 1).update(from: items + index, count: moved)
        }
        unsafe hashes[index] = hash
        unsafe items[index] = item.address
        unsafe header.pointee.count = UInt32(count + 1)
        return self
    }

    /// Removes the entry at `index`; the segment may move, the result replaces it.
    func removing(at index: Int) -> Segment {
        invariant(index >= 0 && index < count, "no such entry in the segment")
        let rest = count - 1
        if index < rest {
            unsafe (hashes + index).update(from: hashes + index + 1, count: rest - index)
            unsafe (items + index).update(from: items + index + 1, count: rest - index)
        }
        unsafe header.pointee.count = UInt32(rest)
        guard capacity > 2 * Self.capacityMin, rest < capacity / 3 else { return self }
        return resized(to: rest + rest / 2)
    }

    /// The same entries in a block for `capacity` of them; this block is gone.
    private func resized(to capacity: Int) -> Segment {
        let successor = Segment(capacity: max(capacity, count), depth: depth)
        successor.append(self, from: 0, upTo: count)
        deallocate()
        return successor
    }

    /// Copies entries of another segment behind the own ones.
    private func append(_ other: Segment, from start: Int, upTo end: Int) {
        let added = end - start
        let count = count
        invariant(added >= 0 && count + added <= capacity, "entries beyond the capacity")
        guard added > 0 else { return }
        unsafe (hashes + count).update(from: other.hashes + start, count: added)
        unsafe (items + count).update(from: other.items + start, count: added)
        unsafe header.pointee.count = UInt32(count + added)
    }

    /// Two segments, for the hashes whose next bit is 0 and 1; this one is gone.
    func split() -> (Segment, Segment) {
        let bit = UInt64(1) << UInt64(63 - depth)
        var middle = 0
        // The prefix is the same everywhere, so the bit rises once.
        while middle < count, hash(at: middle) & bit == 0 { middle += 1 }
        func half(_ start: Int, _ end: Int) -> Segment {
            let size = end - start
            let room = min(size + size / 4 + 1, Self.countMax)
            let half = Segment(capacity: max(size, room), depth: depth + 1)
            half.append(self, from: start, upTo: end)
            return half
        }
        let halves = (half(0, middle), half(middle, count))
        deallocate()
        return halves
    }

    /// One segment from two neighbours of equal depth, the lower one first; both are gone.
    static func merged(_ lower: Segment, _ upper: Segment) -> Segment {
        invariant(lower.depth == upper.depth && lower.depth > 0, "these are no halves of one")
        let sum = lower.count + upper.count
        let merged = Segment(capacity: sum + sum / 4, depth: lower.depth - 1)
        merged.append(lower, from: 0, upTo: lower.count)
        merged.append(upper, from: 0, upTo: upper.count)
        lower.deallocate()
        upper.deallocate()
        return merged
    }

    /// Takes the last entry away; for emptying a table in slices.
    func removeLast() -> Item {
        let last = item(at: count - 1)
        unsafe header.pointee.count -= 1
        return last
    }

    /// Order, prefix and bounds; for tests and the simulator.
    func checkInvariants(prefix: UInt64) {
        invariant(count <= capacity, "more entries than capacity")
        for index in 0..<count {
            let hash = hash(at: index)
            invariant(
                depth == 0 || hash >> UInt64(64 - depth) == prefix >> UInt64(64 - depth),
                "a hash in the wrong segment")
            guard index > 0 else { continue }
            let previous = self.hash(at: index - 1)
            invariant(previous <= hash, "hashes out of order")
            let one = item(at: index - 1)
            let other = item(at: index)
            invariant(
                previous < hash || ContentOrder.compare(one.key, other.key) == .before,
                "keys of one hash out of order")
        }
    }
}
