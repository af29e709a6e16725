internal import Bytes

/// The two trees of a large sorted set.
struct SortedSetTrees: ~Copyable {
    /// Prefix: the score's sort key. Value: empty, or one byte for a score of -0.
    var byScore = RankedTree()
    /// Prefix: the member's hash. Value: the score's bits, little-endian.
    var byMember = RankedTree()
}

/// A long string that is part of a command's argument bytes, or that an image shares.
struct SharedSlice {
    private(set) var owner: SharedBytes
    let range: Range<Int>
    /// Whether `heapBytes` of its item counts the bytes: one slice of several equal ones does.
    var isCharged = true

    /// All of `owner`.
    init(all owner: SharedBytes) {
        self.owner = owner
        range = 0..<owner.count
    }

    /// The bytes as a buffer, without copying them, if nothing else refers to them; nothing remains here.
    mutating func takeBack() -> ByteBuffer? {
        guard isCharged, var buffer = SharedBytes.takeBack(&owner) else { return nil }
        buffer.consume(range.lowerBound)
        buffer.truncate(to: range.count)
        return buffer
    }

    /// The same for an image.
    func uncharged() -> SharedSlice {
        var slice = self
        slice.isCharged = false
        return slice
    }

    /// Nil when a copy is better: the string is short, lies elsewhere, or would keep a buffer alive
    /// that is more than twice as long.
    init?(of value: Span<UInt8>, in owner: SharedBytes?, atLeast minimum: Int) {
        guard let owner, value.count >= minimum, value.count >= owner.count / 2 else { return nil }
        let whole = owner.span
        guard let range = whole.indices(of: value) else { return nil }
        self.owner = owner
        self.range = range
    }
}

// Reading values: what the payload is.
extension Item {
    var kind: ValueKind {
        switch form {
        case .integer, .embedded, .buffer, .shared: .string
        case .listPack, .listTree: .list
        case .hashPack, .hashTree: .hash
        case .intset, .setTree: .set
        case .sortedSetPack, .sortedSetTrees: .sortedSet
        }
    }

    var integer: Int64 {
        invariant(form == .integer, "not an integer")
        return Int64(bitPattern: payload)
    }

    /// The bytes of a string that is not an integer.
    var stringBytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            switch form {
            case .embedded:
                return embeddedBytes
            case .buffer:
                let span = unsafe box(of: ByteBuffer.self).pointee.readable
                return unsafe _overrideLifetime(span, borrowing: self)
            case .shared:
                let slice = unsafe box(of: SharedSlice.self)
                let span = unsafe slice.pointee.owner.span.extracting(slice.pointee.range)
                return unsafe _overrideLifetime(span, borrowing: self)
            default:
                invariantFailed("no bytes in a value of form \(form)")
            }
        }
    }

    /// The box that `payload` points to.
    func box<T: ~Copyable>(of: T.Type) -> UnsafeMutablePointer<T> {
        unsafe UnsafeMutablePointer(bitPattern: UInt(payload))!
    }

    /// The pack of a small list, hash or sorted set.
    var pack: Listpack {
        invariant(
            form == .listPack || form == .hashPack || form == .sortedSetPack, "not a listpack")
        return Listpack(address: UInt(payload))
    }

    /// The integers of a small set.
    var integers: IntegerRun {
        invariant(form == .intset, "not an intset")
        return IntegerRun(address: UInt(payload))
    }

    /// The tree of a large hash or set.
    var tree: UnsafeMutablePointer<RankedTree> {
        invariant(form == .hashTree || form == .setTree, "not a tree")
        return unsafe box(of: RankedTree.self)
    }

    var listTree: UnsafeMutablePointer<ListTree> {
        invariant(form == .listTree, "not a tree of listpacks")
        return unsafe box(of: ListTree.self)
    }

    var sortedSetTrees: UnsafeMutablePointer<SortedSetTrees> {
        invariant(form == .sortedSetTrees, "not a large sorted set")
        return unsafe box(of: SortedSetTrees.self)
    }

    /// Whether the value is a tree, whose nodes a frozen copy may share.
    var isTree: Bool {
        switch form {
        case .listTree, .hashTree, .setTree, .sortedSetTrees: true
        default: false
        }
    }

    /// Elements of a collection; 0 for a string.
    var elementCount: Int {
        switch form {
        case .integer, .embedded, .buffer, .shared: 0
        case .listPack, .sortedSetPack: pack.count
        case .hashPack: pack.count / 2
        case .intset: integers.count
        case .listTree: unsafe listTree.pointee.count
        case .hashTree, .setTree: unsafe tree.pointee.count
        case .sortedSetTrees: unsafe sortedSetTrees.pointee.byScore.count
        }
    }

    /// Heap that the item takes: its block and those of its value. O(1).
    var heapBytes: Int {
        let value: Int
        switch form {
        case .integer, .embedded:
            value = 0
        case .buffer:
            value =
                unsafe HeapBlock.box(of: ByteBuffer.self)
                + HeapBlock.bytes(box(of: ByteBuffer.self).pointee.capacity)
        case .shared:
            let slice = unsafe box(of: SharedSlice.self)
            value =
                unsafe HeapBlock.box(of: SharedSlice.self)
                + (slice.pointee.isCharged ? HeapBlock.bytes(slice.pointee.range.count) : 0)
        case .listPack, .hashPack, .sortedSetPack:
            value = pack.allocatedBytes
        case .intset:
            value = integers.allocatedBytes
        case .listTree:
            value = unsafe HeapBlock.box(of: ListTree.self) + listTree.pointee.bytes
        case .hashTree, .setTree:
            value = unsafe HeapBlock.box(of: RankedTree.self) + tree.pointee.bytes
        case .sortedSetTrees:
            let trees = unsafe sortedSetTrees
            value =
                unsafe HeapBlock.box(of: SortedSetTrees.self)
                + trees.pointee.byScore.bytes + trees.pointee.byMember.bytes
        }
        return blockBytes + value
    }
}

extension Item {
    /// Walks a collection and counts its bytes anew; for tests and the simulator.
    func checkValue() {
        switch form {
        case .integer, .embedded, .buffer, .shared: break
        case .listPack, .hashPack, .sortedSetPack: pack.checkInvariants()
        case .intset: integers.checkInvariants()
        case .listTree: unsafe listTree.pointee.checkInvariants()
        case .hashTree, .setTree: unsafe tree.pointee.checkInvariants()
        case .sortedSetTrees:
            unsafe sortedSetTrees.pointee.byScore.checkInvariants()
            unsafe sortedSetTrees.pointee.byMember.checkInvariants()
        }
    }
}

// Changing values.
extension OpenItem {
    /// Turns a list tree of at most one leaf into that.
    func shrinkListTree() {
        guard unsafe item.listTree.pointee.height == 0 else { return }
        var tree = takeBoxed(ListTree.self)
        let pack = tree.takeLeaf()
        setEmpty(.listPack)
        setPack(pack)
    }

    /// Frees what `payload` owns and leaves the integer 0.
    func clearValue() {
        switch item.form {
        case .integer, .embedded: break
        case .buffer: free(ByteBuffer.self)
        case .shared: free(SharedSlice.self)
        case .listPack, .hashPack, .sortedSetPack:
            var pack = item.pack
            pack.destroy()
        case .intset:
            var integers = item.integers
            integers.destroy()
        case .listTree: free(ListTree.self)
        case .hashTree, .setTree: free(RankedTree.self)
        case .sortedSetTrees: free(SortedSetTrees.self)
        }
        set(.integer, payload: 0)
    }

    private func free<T: ~Copyable>(_: T.Type) {
        let box = unsafe item.box(of: T.self)
        unsafe box.deinitialize(count: 1)
        unsafe box.deallocate()
    }

    /// Takes a value out of its box; what remains is the integer 0.
    func takeBoxed<T: ~Copyable>(_: T.Type) -> T {
        let box = unsafe item.box(of: T.self)
        let value = unsafe box.move()
        unsafe box.deallocate()
        set(.integer, payload: 0)
        return value
    }

    func setInteger(_ value: Int64) {
        clearValue()
        set(.integer, payload: UInt64(bitPattern: value))
    }

    /// Stores a value in a box of its own.
    func setBoxed<T: ~Copyable>(_ value: consuming T, form: Item.Form) {
        clearValue()
        let box = UnsafeMutablePointer<T>.allocate(capacity: 1)
        unsafe box.initialize(to: value)
        set(form, payload: UInt64(UInt(bitPattern: box)))
    }

    /// Moves another item's value here; there remains the integer 0.
    func takeValue(of other: OpenItem) {
        let wasRaw = other.isRaw
        if other.item.form == .embedded {
            setEmbedded(other.item.embeddedBytes)
        } else {
            clearValue()
            set(other.item.form, payload: other.item.payload)
        }
        isRaw = wasRaw
        other.set(.integer, payload: 0)
    }

    /// A new item without a key that takes this item's value over; here remains the integer 0.
    func movingValue() -> OpenItem {
        let room = item.form == .embedded ? Int(item.payload) : 0
        let mover = OpenItem(key: Span(), room: room, hasExpiry: false)
        mover.takeValue(of: self)
        return mover
    }

    /// The pack of a small collection or the leaf of a list that became one again.
    func setPack(_ pack: Listpack) { replacePayload(UInt64(pack.address)) }

    func setIntegers(_ integers: IntegerRun) { replacePayload(UInt64(integers.address)) }

    /// Makes it a new, empty collection.
    func setEmpty(_ form: Item.Form) {
        invariant(
            form == .listPack || form == .hashPack || form == .intset || form == .sortedSetPack,
            "an empty collection is a small one")
        clearValue()
        set(form, payload: 0)
    }

    /// A value equal to `source`'s as it stands, which later changes of `source` do not reach; at
    /// most one small copy, whatever the value's size: long strings and trees are shared.
    func shareValue(of source: OpenItem) {
        let other = source.item
        let wasRaw = other.isRaw
        switch other.form {
        case .integer:
            setInteger(other.integer)
        case .embedded:
            setEmbedded(other.embeddedBytes)
        case .buffer:
            // From now on both hold a slice of the same bytes; the next change in place copies.
            let owner = SharedBytes(source.takeBoxed(ByteBuffer.self))
            source.setBoxed(SharedSlice(all: owner), form: .shared)
            setBoxed(SharedSlice(all: owner).uncharged(), form: .shared)
        case .shared:
            setBoxed(unsafe other.box(of: SharedSlice.self).pointee.uncharged(), form: .shared)
        case .listPack where other.pack.byteCount > ListTree.nodeBytesMax:
            // One element of any length: shared as a tree of one node.
            source.makeListTree()
            setBoxed(unsafe other.listTree.pointee.frozenCopy(), form: .listTree)
        case .listPack, .hashPack, .sortedSetPack:
            setEmpty(other.form)
            setPack(other.pack.copied())
        case .intset:
            setEmpty(.intset)
            setIntegers(other.integers.copied())
        case .listTree:
            setBoxed(unsafe other.listTree.pointee.frozenCopy(), form: .listTree)
        case .hashTree, .setTree:
            setBoxed(unsafe other.tree.pointee.frozenCopy(), form: other.form)
        case .sortedSetTrees:
            let trees = unsafe other.sortedSetTrees
            var copy = SortedSetTrees()
            copy.byScore = unsafe trees.pointee.byScore.frozenCopy()
            copy.byMember = unsafe trees.pointee.byMember.frozenCopy()
            setBoxed(copy, form: .sortedSetTrees)
        }
        source.isRaw = wasRaw
        isRaw = wasRaw
    }

    /// Turns a list of one leaf into a tree.
    func makeListTree() {
        let tree = ListTree(item.pack)
        set(.integer, payload: 0)
        setBoxed(tree, form: .listTree)
    }

    /// What freeing has given back so far.
    struct Freed {
        /// Blocks that may still be freed in this step.
        var budget: Int
        /// Heap given back.
        var bytes = 0
        /// What trees that are gone had counted and not freed, because a frozen copy owns it now;
        /// negative for a frozen copy that was the last owner.
        var residue = 0
    }

    /// Bytes of a string that count as one block: their pages take about as long.
    private static let bytesPerUnit = 16 * 1024

    /// Frees blocks of the value, one for each unit of the budget; true when nothing is left of it.
    /// The value can only be freed further afterwards.
    func freeValue(_ freed: inout Freed) -> Bool {
        guard freed.budget > 0 else { return false }
        freed.budget -= 1
        switch item.form {
        case .listTree:
            let tree = unsafe item.listTree
            let before = unsafe tree.pointee.bytes
            let isEmpty = unsafe tree.pointee.free(&freed.budget)
            unsafe freed.bytes += before - tree.pointee.bytes
            guard isEmpty else { return false }
            unsafe freed.residue += tree.pointee.bytes
            freed.bytes += HeapBlock.box(of: ListTree.self)
        case .hashTree, .setTree:
            guard unsafe free(&item.tree.pointee, &freed) else { return false }
            freed.bytes += HeapBlock.box(of: RankedTree.self)
        case .sortedSetTrees:
            let trees = unsafe item.sortedSetTrees
            // The residue of a tree that is empty already must not count twice.
            if unsafe !trees.pointee.byScore.isFreed {
                guard unsafe free(&trees.pointee.byScore, &freed) else { return false }
            }
            guard unsafe free(&trees.pointee.byMember, &freed) else { return false }
            freed.bytes += HeapBlock.box(of: SortedSetTrees.self)
        case .buffer, .shared:
            guard freeString(&freed) else { return false }
        default:
            freed.bytes += item.heapBytes - item.blockBytes
        }
        clearValue()
        return true
    }

    /// Frees a string's bytes from their end; true when so little is left that it can go at once.
    private func freeString(_ freed: inout Freed) -> Bool {
        let before = item.heapBytes
        if item.form == .shared,
            let buffer = unsafe item.box(of: SharedSlice.self).pointee.takeBack()
        {
            setBoxed(buffer, form: .buffer)
        }
        if item.form == .buffer {
            let capacity = unsafe item.box(of: ByteBuffer.self).pointee.capacity
            let rest = capacity - min(freed.budget, capacity) * Self.bytesPerUnit
            if rest >= Self.bytesPerUnit {
                freed.budget = 0
                unsafe item.box(of: ByteBuffer.self).pointee.shrink(toCapacity: rest)
                freed.bytes += before - item.heapBytes
                return false
            }
            freed.budget -= min(freed.budget, capacity / Self.bytesPerUnit)
        }
        // Otherwise others still refer to the bytes, and nothing is freed here.
        freed.bytes += before - item.blockBytes
        return true
    }

    private func free(_ tree: inout RankedTree, _ freed: inout Freed) -> Bool {
        let before = tree.bytes
        let isEmpty = tree.free(&freed.budget)
        freed.bytes += before - tree.bytes
        if isEmpty { freed.residue += tree.bytes }
        return isEmpty
    }

    /// Copies of nodes made because an image owns the old ones, since the last call.
    func takeCopiedBytes() -> Int {
        switch item.form {
        case .listTree:
            let copied = unsafe item.listTree.pointee.copiedBytes
            unsafe item.listTree.pointee.copiedBytes = 0
            return copied
        case .hashTree, .setTree:
            let copied = unsafe item.tree.pointee.copiedBytes
            unsafe item.tree.pointee.copiedBytes = 0
            return copied
        case .sortedSetTrees:
            let trees = unsafe item.sortedSetTrees
            let copied =
                unsafe trees.pointee.byScore.copiedBytes
                + trees.pointee.byMember.copiedBytes
            unsafe trees.pointee.byScore.copiedBytes = 0
            unsafe trees.pointee.byMember.copiedBytes = 0
            return copied
        default: return 0
        }
    }
}
