internal import Bytes

/// The keys of one hash slot of one database, in content order.
///
/// Content order is (SipHash of the key under the cluster's seed, key bytes). It does not depend on
/// the table's size or history, so that replicas iterate, SCAN and pick at random alike.
///
/// The table is extendible hashing over the *leading* bits of the hash: a directory of
/// 2^depth references, each to a sorted `Segment` of at most about 256 entries that all share their
/// leading `segment.depth <= depth` bits. Reading the directory from front to back is therefore
/// content order. Growth splits one segment (some 128 moved entries, about a microsecond) and now
/// and then doubles the directory (8 bytes per segment: 320 kB for ten million keys in one slot);
/// no step touches all entries. Small tables, the usual case with 16384 slots, are one segment and
/// no directory. Rejected: one array with gaps (ordered linear probing), whose growth moves
/// everything at once, which hurts when hash tags put millions of keys into one slot.
///
/// Functions that allocate or free count what that takes of the heap in `bytes`, their caller's.
///
/// Invariants:
/// 1. `root` is nil iff `count` is 0.
/// 2. With `depth` 0, `root` is a segment of depth 0; else a directory, and every segment of depth
///    d is referred to by 2^(depth - d) neighbouring entries, at an index that is a multiple of it.
/// 3. `deepest` in the directory's header counts the segments with d == depth.
@safe
struct Table: ~Copyable {
    private var root: UInt
    private var entries: UInt32
    private var directoryBits: UInt32

    /// Where an entry is: valid until the table changes.
    struct Place {
        let segment: Segment
        let index: Int

        var hash: UInt64 { segment.hash(at: index) }
        var item: Item { segment.item(at: index) }
    }

    /// The directory stays smaller than count / this. Even hashes never come near; with others (a
    /// forger would need the cluster's seed) a segment grows instead of splitting.
    private static let entriesPerReferenceMin = 16

    /// Neighbours that hold so few entries together become one.
    private static let mergeBelow = Segment.countMax / 4

    init() {
        root = 0
        entries = 0
        directoryBits = 0
    }

    private(set) var count: Int {
        get { Int(entries) }
        set { entries = UInt32(newValue) }
    }

    private var depth: Int {
        get { Int(directoryBits) }
        set { directoryBits = UInt32(newValue) }
    }

    deinit {
        invariant(root == 0, "a table was dropped with its items")
    }

    // The directory: | deepest 8 | references 8 x 2^depth |

    private var directory: UnsafeMutablePointer<UInt> {
        unsafe UnsafeMutablePointer(bitPattern: root)! + 1
    }

    private var deepest: Int {
        get { unsafe Int(UnsafeMutablePointer<UInt>(bitPattern: root)!.pointee) }
        // Assigned, never `+=`: for that Swift 6.3.1 makes invalid code under the thread sanitizer.
        nonmutating set {
            unsafe UnsafeMutablePointer<UInt>(bitPattern: root)!.pointee = UInt(newValue)
        }
    }

    private static func allocateDirectory(depth: Int) -> UInt {
        let block = UnsafeMutablePointer<UInt>.allocate(capacity: 1 + 1 << depth)
        return UInt(bitPattern: block)
    }

    private static func directoryBytes(depth: Int) -> Int { HeapBlock.bytes(8 + 8 << depth) }

    private func directoryIndex(of hash: UInt64) -> Int {
        depth == 0 ? 0 : Int(hash >> UInt64(64 - depth))
    }

    private var directoryCount: Int { 1 << depth }

    private func segment(at index: Int) -> Segment {
        invariant(index >= 0 && index < directoryCount, "no such segment")
        return Segment(address: depth == 0 ? root : unsafe directory[index])
    }

    /// Makes all references to a segment point to its successor.
    private mutating func replace(_ segment: Segment, with successor: Segment, at index: Int) {
        guard successor != segment else { return }
        guard depth > 0 else {
            root = successor.address
            return
        }
        let span = 1 << (depth - successor.depth)
        let start = index & ~(span - 1)
        for reference in start..<start + span {
            unsafe directory[reference] = successor.address
        }
    }

    // Lookup.

    /// The place of `key`, nil when it is not there.
    func find(_ key: Span<UInt8>, hash: UInt64) -> Place? {
        guard root != 0 else { return nil }
        let segment = segment(at: directoryIndex(of: hash))
        let (index, found) = segment.search(hash, key)
        return found ? Place(segment: segment, index: index) : nil
    }

    /// Puts an item into the entry of another one with the same key. The old one may be freed
    /// already: it is only compared by address.
    mutating func replace(_ old: Item, with item: Item, hash: UInt64) {
        invariant(root != 0, "a moved item has no table")
        let segment = segment(at: directoryIndex(of: hash))
        var index = segment.lowerBound(hash)
        while index < segment.count, segment.hash(at: index) == hash {
            if segment.item(at: index) == old {
                segment.setItem(item, at: index)
                return
            }
            index += 1
        }
        invariantFailed("a moved item is not in its table")
    }

    // Change.

    /// Adds an item whose key is not there yet.
    mutating func insert(_ item: Item, hash: UInt64, _ bytes: inout Int) {
        if root == 0 {
            let first = Segment(capacity: 0, depth: 0)
            root = first.address
            bytes += first.heapBytes
        }
        var directoryIndex = directoryIndex(of: hash)
        var segment = segment(at: directoryIndex)
        while segment.count >= Segment.countMax, maySplit(segment) {
            split(segment, &bytes)
            directoryIndex = self.directoryIndex(of: hash)
            segment = self.segment(at: directoryIndex)
        }
        let (index, found) = segment.search(hash, item.key)
        invariant(!found, "inserted a key twice")
        bytes -= segment.heapBytes
        let changed = segment.inserting(item, hash: hash, at: index)
        bytes += changed.heapBytes
        replace(segment, with: changed, at: directoryIndex)
        count += 1
    }

    /// Takes an item out; it now belongs to the caller.
    mutating func remove(_ key: Span<UInt8>, hash: UInt64, _ bytes: inout Int) -> Item? {
        guard root != 0 else { return nil }
        let directoryIndex = directoryIndex(of: hash)
        let segment = segment(at: directoryIndex)
        let (index, found) = segment.search(hash, key)
        guard found else { return nil }
        let item = segment.item(at: index)
        bytes -= segment.heapBytes
        let rest = segment.removing(at: index)
        bytes += rest.heapBytes
        replace(segment, with: rest, at: directoryIndex)
        count -= 1
        if count == 0 {
            freeStructure(&bytes)
        } else {
            mergeAround(directoryIndex, &bytes)
        }
        return item
    }

    private func maySplit(_ segment: Segment) -> Bool {
        if segment.depth < depth { return true }
        return depth < 32 && directoryCount * Self.entriesPerReferenceMin <= count
    }

    private mutating func split(_ segment: Segment, _ bytes: inout Int) {
        invariant(segment.count > 0, "an empty segment is not split")
        if segment.depth == depth { deepen(&bytes) }
        let span = 1 << (depth - segment.depth)
        let start = directoryIndex(of: segment.hash(at: 0)) & ~(span - 1)
        bytes -= segment.heapBytes
        let (lower, upper) = segment.split()
        bytes += lower.heapBytes + upper.heapBytes
        for reference in 0..<span {
            unsafe directory[start + reference] =
                (reference < span / 2 ? lower : upper).address
        }
        if lower.depth == depth { deepest = deepest + 2 }
    }

    /// Doubles the directory: every segment is referred to twice as often.
    private mutating func deepen(_ bytes: inout Int) {
        let successor = Self.allocateDirectory(depth: depth + 1)
        let target = unsafe UnsafeMutablePointer<UInt>(bitPattern: successor)!
        unsafe target[0] = 0  // no segment is that deep yet
        for index in 0..<directoryCount {
            let address = segment(at: index).address
            unsafe target[1 + 2 * index] = address
            unsafe target[2 + 2 * index] = address
        }
        if depth > 0 { freeDirectory(&bytes) }
        bytes += Self.directoryBytes(depth: depth + 1)
        root = successor
        depth += 1
    }

    /// Joins the segment at `index` with its other half while both are small.
    private mutating func mergeAround(_ index: Int, _ bytes: inout Int) {
        var index = index
        while depth > 0 {
            let segment = segment(at: index)
            guard segment.depth > 0, segment.count < Self.mergeBelow else { return }
            let span = 1 << (depth - segment.depth)
            let start = index & ~(span - 1)
            let other = self.segment(at: start ^ span)
            guard other.depth == segment.depth, segment.count + other.count < Self.mergeBelow
            else { return }
            if segment.depth == depth { deepest = deepest - 2 }
            let isLower = start & span == 0
            bytes -= segment.heapBytes + other.heapBytes
            let merged =
                isLower ? Segment.merged(segment, other) : Segment.merged(other, segment)
            bytes += merged.heapBytes
            let first = min(start, start ^ span)
            for reference in first..<first + 2 * span {
                unsafe directory[reference] = merged.address
            }
            index = first
            while depth > 0, deepest == 0 {
                flatten(&bytes)
                index >>= 1
            }
        }
    }

    /// Halves the directory, once no segment needs its last bit.
    private mutating func flatten(_ bytes: inout Int) {
        invariant(depth > 0 && deepest == 0, "the directory is needed")
        if depth == 1 {
            let only = unsafe directory[0]
            freeDirectory(&bytes)
            root = only
            depth = 0
            return
        }
        let successor = Self.allocateDirectory(depth: depth - 1)
        let target = unsafe UnsafeMutablePointer<UInt>(bitPattern: successor)!
        var deep: UInt = 0
        for index in 0..<directoryCount / 2 {
            let address = unsafe directory[2 * index]
            unsafe target[1 + index] = address
            if Segment(address: address).depth == depth - 1 { deep += 1 }
        }
        unsafe target[0] = deep
        freeDirectory(&bytes)
        bytes += Self.directoryBytes(depth: depth - 1)
        root = successor
        depth -= 1
    }

    private mutating func freeDirectory(_ bytes: inout Int) {
        bytes -= Self.directoryBytes(depth: depth)
        unsafe UnsafeMutablePointer<UInt>(bitPattern: root)!.deallocate()
    }

    /// Frees the empty segments and the directory.
    private mutating func freeStructure(_ bytes: inout Int) {
        invariant(count == 0, "freed a table with entries")
        var index = 0
        while root != 0, index < directoryCount {
            let segment = segment(at: index)
            index += 1 << (depth - segment.depth)
            bytes -= segment.heapBytes
            segment.deallocate()
        }
        if depth > 0 { freeDirectory(&bytes) }
        root = 0
        depth = 0
    }

    // Order.

    /// Calls `body` with the entries in content order, from the first whose hash is not below
    /// `start`, until it returns false. `body` must not change the table. Returns whether the end
    /// was reached.
    @discardableResult
    func visit(from start: UInt64 = 0, _ body: (UInt64, Item) -> Bool) -> Bool {
        guard root != 0 else { return true }
        var index = directoryIndex(of: start)
        var first = segment(at: index).lowerBound(start)
        while true {
            let segment = segment(at: index)
            for entry in first..<segment.count {
                guard body(segment.hash(at: entry), segment.item(at: entry)) else { return false }
            }
            let span = 1 << (depth - segment.depth)
            index = (index & ~(span - 1)) + span
            if index >= directoryCount { return true }
            first = 0
        }
    }

    /// The entry at a rank in content order: O(number of segments).
    func item(atRank rank: Int) -> (hash: UInt64, item: Item) {
        invariant(rank >= 0 && rank < count, "no such rank")
        var rest = rank
        var index = 0
        while true {
            let segment = segment(at: index)
            if rest < segment.count { return (segment.hash(at: rest), segment.item(at: rest)) }
            rest -= segment.count
            index += 1 << (depth - segment.depth)
        }
    }

    /// The first entry behind (hash, key), or the first of all: where an iteration that was
    /// interrupted goes on.
    func next(after hash: UInt64, _ key: Span<UInt8>) -> (hash: UInt64, item: Item)? {
        guard root != 0 else { return nil }
        var index = directoryIndex(of: hash)
        var (entry, found) = segment(at: index).search(hash, key)
        if found { entry += 1 }
        while true {
            let segment = segment(at: index)
            if entry < segment.count { return (segment.hash(at: entry), segment.item(at: entry)) }
            let span = 1 << (depth - segment.depth)
            index = (index & ~(span - 1)) + span
            if index >= directoryCount { return nil }
            entry = 0
        }
    }

    /// The first entry of all.
    func first() -> (hash: UInt64, item: Item)? {
        var first: (hash: UInt64, item: Item)?
        visit { hash, item in
            first = (hash, item)
            return false
        }
        return first
    }

    /// What a step of draining gave.
    enum Drained {
        /// An item, which is the caller's now.
        case item(Item)
        /// Only an emptied segment was freed.
        case structure
        case nothing
    }

    /// Takes one item out, the last in order, or frees one emptied segment; for freeing in slices.
    ///
    /// `position` is the caller's memory between steps, first `.max`: everything from that
    /// reference on is freed already. A table that is being drained can only be drained further.
    mutating func drain(position: inout Int, _ bytes: inout Int) -> Drained {
        guard root != 0 else { return .nothing }
        let index = min(position, directoryCount) - 1
        guard index >= 0 else {
            invariant(count == 0, "a drained table has items")
            if depth > 0 { freeDirectory(&bytes) }
            root = 0
            depth = 0
            return .structure
        }
        let segment = segment(at: index)
        if segment.count > 0 {
            count -= 1
            return .item(segment.removeLast())
        }
        position = index & ~((1 << (depth - segment.depth)) - 1)
        bytes -= segment.heapBytes
        segment.deallocate()
        return .structure
    }

    /// The whole structure; for tests and the simulator. Adds what it takes of the heap to `bytes`.
    func checkInvariants(_ bytes: inout Int) {
        invariant((root == 0) == (count == 0), "an empty table keeps memory")
        guard root != 0 else { return }
        var index = 0
        var found = 0
        var deep = 0
        if depth > 0 { bytes += Self.directoryBytes(depth: depth) }
        while index < directoryCount {
            let segment = segment(at: index)
            invariant(segment.depth <= depth, "a segment deeper than the directory")
            let span = 1 << (depth - segment.depth)
            invariant(index % span == 0, "a segment at a crooked index")
            for reference in index..<index + span {
                invariant(self.segment(at: reference) == segment, "a reference is missing")
            }
            segment.checkInvariants(prefix: depth == 0 ? 0 : UInt64(index) << UInt64(64 - depth))
            found += segment.count
            bytes += segment.heapBytes
            if segment.depth == depth { deep += 1 }
            index += span
        }
        invariant(found == count, "the table miscounts")
        invariant(depth == 0 || deepest == deep, "the directory miscounts its deepest segments")
    }
}
