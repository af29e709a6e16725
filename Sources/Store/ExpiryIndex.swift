internal import Bytes

/// The keys of one database that have an expiry, soonest first.
///
/// A 4-ary heap of (expiry, item); each item knows its place, so that changing or dropping an expiry
/// leaves nothing stale behind. Order is (expiry, key bytes), a function of content: all replicas
/// expire the same keys in the same order however their heaps came to be. The heap lies in chunks,
/// so that growing never copies it: the array of chunks is 8 bytes for 1024 keys, 80 KB for ten
/// million. O(log n) per change.
///
/// Invariant: `entry.expiry == entry.item.expiry` and `entry.item.heapIndex` is the entry's index.
@safe
struct ExpiryIndex: ~Copyable {
    private struct Entry {
        var expiry: Int64
        var item: Item
    }

    private static let chunkBits = 10
    private static let chunkCount = 1 << chunkBits
    private static let arity = 4

    private var chunks: [UnsafeMutablePointer<Entry>] = unsafe []
    private(set) var count = 0

    deinit {
        for chunk in unsafe 0..<chunks.count { unsafe chunks[chunk].deallocate() }
    }

    private subscript(index: Int) -> Entry {
        get {
            invariant(index >= 0 && index < count, "no such expiry")
            return unsafe chunks[index >> Self.chunkBits][index & (Self.chunkCount - 1)]
        }
        nonmutating set {
            invariant(index >= 0 && index < count, "no such expiry")
            unsafe chunks[index >> Self.chunkBits][index & (Self.chunkCount - 1)] = newValue
            newValue.item.heapIndex = index
        }
    }

    private static let chunkBytes = HeapBlock.bytes(chunkCount * MemoryLayout<Entry>.stride)

    /// Heap that the index takes.
    var bytes: Int { unsafe chunks.count * Self.chunkBytes + chunks.capacity * 8 }

    /// Frees a piece of an index that is not needed any more; false when none is left.
    mutating func freeChunk() -> Bool {
        count = 0
        guard unsafe !chunks.isEmpty else { return false }
        unsafe chunks.removeLast().deallocate()
        return true
    }

    /// The item that dies first.
    var first: Item? { count == 0 ? nil : self[0].item }

    /// Adds an item, which has room for an expiry.
    mutating func insert(_ open: OpenItem, expiry: Int64) {
        let item = open.item
        invariant(item.hasExpiry, "an item without room for an expiry")
        open.expiry = expiry
        if unsafe count == chunks.count << Self.chunkBits {
            unsafe chunks.append(.allocate(capacity: Self.chunkCount))
        }
        count += 1
        siftUp(Entry(expiry: expiry, item: item), from: count - 1)
    }

    /// Takes an item out.
    mutating func remove(_ item: Item) {
        let index = item.heapIndex
        invariant(self[index].item == item, "an item in the wrong place of the expiry index")
        let last = self[count - 1]
        count -= 1
        // One spare chunk stays, so that a count at the border does not allocate all the time.
        if unsafe count + 2 * Self.chunkCount <= chunks.count << Self.chunkBits {
            unsafe chunks.removeLast().deallocate()
        }
        guard index < count else { return }
        place(last, at: index)
    }

    /// Gives an item another time.
    mutating func change(_ open: OpenItem, to expiry: Int64) {
        let item = open.item
        let index = item.heapIndex
        invariant(self[index].item == item, "an item in the wrong place of the expiry index")
        open.expiry = expiry
        place(Entry(expiry: expiry, item: item), at: index)
    }

    /// The item at `index` has moved in memory; the new block has no expiry yet.
    func moved(to open: OpenItem, at index: Int) {
        open.expiry = self[index].expiry
        self[index] = Entry(expiry: open.expiry, item: open.item)
    }

    private func precedes(_ one: Entry, _ other: Entry) -> Bool {
        if one.expiry != other.expiry { return one.expiry < other.expiry }
        let left = one.item
        let right = other.item
        return ContentOrder.compare(left.key, right.key) == .before
    }

    /// Puts an entry at a free place from where it may have to move either way.
    private func place(_ entry: Entry, at index: Int) {
        if index > 0, precedes(entry, self[(index - 1) / Self.arity]) {
            siftUp(entry, from: index)
        } else {
            siftDown(entry, from: index)
        }
    }

    private func siftUp(_ entry: Entry, from index: Int) {
        var index = index
        while index > 0 {
            let parent = (index - 1) / Self.arity
            guard precedes(entry, self[parent]) else { break }
            self[index] = self[parent]
            index = parent
        }
        self[index] = entry
    }

    private func siftDown(_ entry: Entry, from index: Int) {
        var index = index
        while true {
            let firstChild = index * Self.arity + 1
            guard firstChild < count else { break }
            var best = firstChild
            for child in firstChild
                + 1..<max(
                    firstChild + 1, min(firstChild + Self.arity, count))
            where precedes(self[child], self[best]) {
                best = child
            }
            guard precedes(self[best], entry) else { break }
            self[index] = self[best]
            index = best
        }
        self[index] = entry
    }

    /// Heap order and the items' places; for tests and the simulator.
    func checkInvariants() {
        for index in 0..<count {
            let entry = self[index]
            invariant(entry.item.heapIndex == index, "an item does not know its place")
            invariant(entry.item.expiry == entry.expiry, "an item's expiry differs")
            guard index > 0 else { continue }
            invariant(
                !precedes(entry, self[(index - 1) / Self.arity]), "the expiry index is out of order"
            )
        }
    }
}
