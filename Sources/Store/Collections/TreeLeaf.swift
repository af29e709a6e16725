internal import Bytes

/// A leaf: up to 128 entries, or about 4 KB of them, sorted by (prefix, key), in one allocation.
///
///     owners 4 | count 2 | slots 2 | used 4 | heap 4 | prefixes 8 x slots | ends 4 x slots | heap
///     heap: entries back to back
///     one entry in the heap: key length (LEB128) | key | value
///
/// `ends[i]` is where entry i ends in the heap. A handle, not an owner: changes that need more room
/// return the handle to use from then on.
@safe
struct TreeLeaf {
    // @safe: every index is checked against count; the heap is addressed through `ends` only.
    private struct Header {
        var owners: UInt32 = 1
        var count: UInt16
        var slots: UInt16
        var used: UInt32
        var heap: UInt32
    }

    /// More entries than this are split.
    static let entriesMax = 128
    /// More bytes than this are split, when they are more than one entry.
    static let heapMax = 4096
    private static let prefixesAt = 16

    private let base: UnsafeMutableRawPointer

    init(_ node: TreeNode) { unsafe base = node.raw }

    private init(slots: Int, heap: Int) {
        invariant(heap <= Int(UInt32.max), "a tree's leaf is limited to 4 GB")
        unsafe base = .allocate(byteCount: Self.prefixesAt + slots * 12 + heap, alignment: 16)
        header = Header(count: 0, slots: UInt16(slots), used: 0, heap: UInt32(heap))
    }

    /// A leaf without entries that has room for one of `bytes` bytes.
    static func empty(reserving bytes: Int) -> TreeLeaf { TreeLeaf(slots: 4, heap: bytes) }

    func destroy() {
        invariant(!node.isShared, "freed a leaf that has another owner")
        unsafe base.deallocate()
    }

    var node: TreeNode { unsafe TreeNode(raw: base) }

    private var header: Header {
        get { unsafe base.load(as: Header.self) }
        nonmutating set { unsafe base.storeBytes(of: newValue, as: Header.self) }
    }

    var count: Int { Int(header.count) }
    /// Bytes of all entries.
    var used: Int { Int(header.used) }
    /// What the block takes of the heap.
    var allocatedBytes: Int {
        let header = header
        return HeapBlock.bytes(Self.prefixesAt + Int(header.slots) * 12 + Int(header.heap))
    }

    private var prefixes: UnsafeMutablePointer<UInt64> {
        unsafe (base + Self.prefixesAt).assumingMemoryBound(to: UInt64.self)
    }
    private var ends: UnsafeMutablePointer<UInt32> {
        unsafe (base + (Self.prefixesAt + Int(header.slots) * 8))
            .assumingMemoryBound(to: UInt32.self)
    }
    private var heap: UnsafeMutableRawPointer {
        unsafe base + (Self.prefixesAt + Int(header.slots) * 12)
    }

    // MARK: Reading

    func prefix(_ index: Int) -> UInt64 {
        invariant(index >= 0 && index < count, "leaf entry out of range")
        return unsafe prefixes[index]
    }

    private func start(_ index: Int) -> Int { index == 0 ? 0 : unsafe Int(ends[index - 1]) }

    /// The whole entry and where its key lies in it.
    private func bounds(_ index: Int) -> (key: Range<Int>, end: Int) {
        invariant(index >= 0 && index < count, "leaf entry out of range")
        var position = start(index)
        var length = 0
        var shift = 0
        while true {
            let byte = unsafe heap.load(fromByteOffset: position, as: UInt8.self)
            length |= Int(byte & 0x7F) << shift
            position += 1
            if byte < 0x80 { break }
            shift += 7
        }
        return (position..<position + length, unsafe Int(ends[index]))
    }

    @_lifetime(borrow self)
    func key(_ index: Int) -> Span<UInt8> { span(bounds(index).key) }

    @_lifetime(borrow self)
    func value(_ index: Int) -> Span<UInt8> {
        let bounds = bounds(index)
        return span(bounds.key.upperBound..<bounds.end)
    }

    @_lifetime(borrow self)
    private func span(_ range: Range<Int>) -> Span<UInt8> {
        let bytes = unsafe UnsafeRawBufferPointer(
            start: heap + range.lowerBound, count: range.count)
        let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The first entry that is not before (prefix, key), and whether it is equal.
    func search(_ prefix: UInt64, _ key: Span<UInt8>) -> (index: Int, found: Bool) {
        let first = firstIndex(notBelow: prefix)
        var low = first
        var high = first
        while high < count, unsafe prefixes[high] == prefix { high += 1 }
        // Nearly always none or one entry; many only in sorted sets of equal scores.
        while low < high {
            let middle = (low + high) / 2
            switch ContentOrder.compare(self.key(middle), key) {
            case .equal: return (middle, true)
            case .before: low = middle + 1
            case .after: high = middle
            }
        }
        return (low, false)
    }

    private func firstIndex(notBelow prefix: UInt64) -> Int {
        var low = 0
        var high = count
        let prefixes = unsafe prefixes
        while low < high {
            let middle = (low + high) / 2
            if unsafe prefixes[middle] < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Changing

    private static func entrySize(_ key: Int, _ value: Int) -> Int {
        (key < 0x80 ? 1 : (70 - UInt64(key).leadingZeroBitCount) / 7) + key + value
    }

    /// Bytes that an entry takes in the heap.
    static func entrySize(_ key: Span<UInt8>, _ value: Span<UInt8>) -> Int {
        entrySize(key.count, value.count)
    }

    /// Inserts an entry; the old handle is void.
    func inserting(
        _ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>, at index: Int
    ) -> TreeLeaf {
        let size = Self.entrySize(key.count, value.count)
        let leaf = withRoom(entries: 1, bytes: size)
        leaf.open(index, size)
        leaf.write(prefix, key, value, at: index)
        return leaf
    }

    /// Replaces the value of an entry; the old handle is void.
    func settingValue(_ value: Span<UInt8>, at index: Int) -> TreeLeaf {
        let bounds = bounds(index)
        let old = bounds.end - bounds.key.upperBound
        let leaf = value.count > old ? withRoom(entries: 0, bytes: value.count - old) : self
        leaf.moveHeap(from: bounds.end, by: value.count - old, endsFrom: index)
        leaf.copy(value, to: bounds.key.upperBound)
        return value.count < old ? leaf.trimmed() : leaf
    }

    /// Removes an entry; the old handle is void.
    func removing(at index: Int) -> TreeLeaf {
        invariant(index >= 0 && index < count, "leaf entry out of range")
        let size = unsafe Int(ends[index]) - start(index)
        moveHeap(from: unsafe Int(ends[index]), by: -size, endsFrom: index)
        let moved = count - index - 1
        unsafe (prefixes + index).update(from: prefixes + index + 1, count: moved)
        unsafe (ends + index).update(from: ends + index + 1, count: moved)
        header.count -= 1
        return trimmed()
    }

    /// Moves the entries from `index` on into a new leaf.
    func split(at index: Int) -> TreeLeaf {
        invariant(index > 0 && index < count, "a leaf is split between two entries")
        let cut = start(index)
        let moved = count - index
        let right = TreeLeaf(slots: max(moved, 4), heap: max(used - cut, 64))
        right.header.count = UInt16(moved)
        right.header.used = UInt32(used - cut)
        unsafe right.prefixes.update(from: prefixes + index, count: moved)
        for entry in 0..<moved {
            unsafe right.ends[entry] = ends[index + entry] - UInt32(cut)
        }
        unsafe right.heap.copyMemory(from: heap + cut, byteCount: used - cut)
        header.count = UInt16(index)
        header.used = UInt32(cut)
        return right
    }

    /// Where to split: near the middle of the bytes.
    var splitIndex: Int {
        let half = UInt32(used / 2)
        var index = 1
        while index < count - 1, unsafe ends[index - 1] < half { index += 1 }
        return index
    }

    /// Appends all entries of `other`, which sort behind; the old handle is void.
    func appending(_ other: TreeLeaf) -> TreeLeaf {
        let leaf = withRoom(entries: other.count, bytes: other.used)
        let before = leaf.count
        let offset = leaf.used
        unsafe (leaf.prefixes + before).update(from: other.prefixes, count: other.count)
        for entry in 0..<other.count {
            unsafe leaf.ends[before + entry] = other.ends[entry] + UInt32(offset)
        }
        unsafe (leaf.heap + offset).copyMemory(from: other.heap, byteCount: other.used)
        leaf.header.count += UInt16(other.count)
        leaf.header.used += UInt32(other.used)
        return leaf
    }

    // MARK: Memory

    private func write(
        _ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>, at index: Int
    ) {
        unsafe prefixes[index] = prefix
        var position = start(index)
        var rest = key.count
        while rest >= 0x80 {
            let byte = UInt8(truncatingIfNeeded: rest) | 0x80
            unsafe heap.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
            position += 1
            rest >>= 7
        }
        unsafe heap.storeBytes(of: UInt8(rest), toByteOffset: position, as: UInt8.self)
        copy(key, to: position + 1)
        copy(value, to: position + 1 + key.count)
    }

    private func copy(_ bytes: Span<UInt8>, to position: Int) {
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe (heap + position).copyMemory(from: start, byteCount: source.count)
        }
    }

    /// Makes a hole of `size` bytes and one slot at `index`.
    private func open(_ index: Int, _ size: Int) {
        let position = start(index)
        moveHeap(from: position, by: size, endsFrom: index)
        let moved = count - index
        unsafe (prefixes + index + 1).update(from: prefixes + index, count: moved)
        unsafe (ends + index + 1).update(from: ends + index, count: moved)
        unsafe ends[index] = UInt32(position + size)
        header.count += 1
    }

    /// Moves the heap's bytes from `position` on by `distance`, and the ends from `index` on.
    private func moveHeap(from position: Int, by distance: Int, endsFrom index: Int) {
        if distance == 0 { return }
        let tail = used - position
        invariant(used + distance <= Int(header.heap), "a leaf's heap overflows")
        unsafe (heap + position + distance).copyMemory(from: heap + position, byteCount: tail)
        let shift = UInt32(truncatingIfNeeded: distance)
        for entry in index..<count { unsafe ends[entry] &+= shift }
        header.used &+= shift
    }

    /// The same entries with room for more.
    private func withRoom(entries: Int, bytes: Int) -> TreeLeaf {
        let header = header
        let wantedSlots = Int(header.count) + entries
        let wantedHeap = Int(header.used) + bytes
        if wantedSlots <= Int(header.slots) && wantedHeap <= Int(header.heap) { return self }
        var slots = Int(header.slots)
        while slots < wantedSlots { slots = slots < 64 ? slots * 2 : max(129, wantedSlots) }
        var heap = Int(header.heap)
        if heap < wantedHeap { heap = wantedHeap + min(wantedHeap / 2, 1024) }
        return moved(slots: slots, heap: heap)
    }

    /// Gives memory back when a once large heap is nearly empty.
    private func trimmed() -> TreeLeaf {
        let header = header
        guard header.heap > 2048, header.used < header.heap / 4 else { return self }
        return moved(slots: Int(header.slots), heap: max(Int(header.used) * 2, 64))
    }

    private func moved(slots: Int, heap: Int) -> TreeLeaf {
        let leaf = copied(slots: slots, heap: heap)
        destroy()
        return leaf
    }

    /// A copy that is owned by one.
    func copied() -> TreeLeaf { copied(slots: Int(header.slots), heap: Int(header.heap)) }

    private func copied(slots: Int, heap: Int) -> TreeLeaf {
        let leaf = TreeLeaf(slots: slots, heap: heap)
        leaf.header.count = header.count
        leaf.header.used = header.used
        unsafe leaf.prefixes.update(from: prefixes, count: count)
        unsafe leaf.ends.update(from: ends, count: count)
        unsafe leaf.heap.copyMemory(from: self.heap, byteCount: used)
        return leaf
    }
}
