internal import Bytes
internal import Cluster

/// One of the 16 databases: a table per hash slot, and the expiry index.
///
/// The array of tables (16 bytes per slot) is allocated when the first key comes. Counts per block
/// of slots let random picks and SCAN skip empty slots.
///
/// Invariant: a block's count is the sum of its tables' counts, and `count` the sum of all.
@safe
struct Database: ~Copyable {
    private static let slotsPerBlock = 128
    private static let blockCount = HashSlot.count / slotsPerBlock

    private var tables: UnsafeMutablePointer<Table>?
    /// Keys per block; there when `tables` are.
    private var blocks: UnsafeMutablePointer<UInt32>?
    private(set) var count: Int
    var expiries: ExpiryIndex
    /// Heap that the tables and the items in them take. What items grow and shrink by is settled by
    /// `KeyspaceCore`.
    var bytes: Int

    init() {
        unsafe tables = nil
        unsafe blocks = nil
        count = 0
        expiries = ExpiryIndex()
        bytes = 0
    }

    deinit {
        guard let tables = unsafe tables else { return }
        var ignored = 0
        for slot in 0..<HashSlot.count {
            var position = Int.max
            draining: while true {
                switch unsafe tables[slot].drain(position: &position, &ignored) {
                case .item(let item): OpenItem(removed: item).destroy()
                case .structure: continue
                case .nothing: break draining
                }
            }
        }
        unsafe tables.deinitialize(count: HashSlot.count)
        unsafe tables.deallocate()
        unsafe blocks?.deallocate()
    }

    /// What the array of tables and its counts take of the heap.
    private static let tablesBytes =
        HeapBlock.bytes(HashSlot.count * MemoryLayout<Table>.stride)
        + HeapBlock.bytes(blockCount * 4)

    /// The same for this database, which may have none.
    var tablesBytes: Int { unsafe tables == nil ? 0 : Self.tablesBytes }

    private mutating func makeTables() -> UnsafeMutablePointer<Table> {
        if let tables = unsafe tables { return unsafe tables }
        let made = UnsafeMutablePointer<Table>.allocate(capacity: HashSlot.count)
        for slot in 0..<HashSlot.count { unsafe (made + slot).initialize(to: Table()) }
        unsafe tables = made
        let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.blockCount)
        unsafe counts.initialize(repeating: 0, count: Self.blockCount)
        unsafe blocks = counts
        bytes += Self.tablesBytes
        return unsafe made
    }

    /// How many keys a slot has.
    func count(ofSlot slot: Int) -> Int {
        checkSlot(slot)
        return unsafe tables.map { unsafe $0[slot].count } ?? 0
    }

    private func checkSlot(_ slot: Int) {
        invariant(slot >= 0 && slot < HashSlot.count, "no such slot")
    }

    func find(_ key: Span<UInt8>, slot: Int, hash: UInt64) -> Item? {
        checkSlot(slot)
        guard let tables = unsafe tables else { return nil }
        return unsafe tables[slot].find(key, hash: hash)?.item
    }

    mutating func insert(_ item: Item, slot: Int, hash: UInt64, _: ChangePermit) {
        checkSlot(slot)
        let tables = unsafe makeTables()
        unsafe tables[slot].insert(item, hash: hash, &bytes)
        unsafe blocks![slot / Self.slotsPerBlock] += 1
        count += 1
    }

    /// Takes an item out of its table (and of nothing else).
    mutating func remove(
        _ key: Span<UInt8>, slot: Int, hash: UInt64, _: ChangePermit
    ) -> Item? {
        checkSlot(slot)
        guard let tables = unsafe tables,
            let item = unsafe tables[slot].remove(key, hash: hash, &bytes)
        else { return nil }
        unsafe blocks![slot / Self.slotsPerBlock] -= 1
        count -= 1
        return item
    }

    /// An item has moved in memory.
    mutating func replace(
        _ old: Item, with item: Item, slot: Int, hash: UInt64, _: ChangePermit
    ) {
        checkSlot(slot)
        guard let tables = unsafe tables else { invariantFailed("a moved item has no table") }
        unsafe tables[slot].replace(old, with: item, hash: hash)
    }

    /// The first slot at or after `slot` that has keys.
    func firstOccupied(from slot: Int) -> Int? {
        guard let tables = unsafe tables, let blocks = unsafe blocks, count > 0 else { return nil }
        var slot = slot
        while slot < HashSlot.count {
            if slot % Self.slotsPerBlock == 0, unsafe blocks[slot / Self.slotsPerBlock] == 0 {
                slot += Self.slotsPerBlock
                continue
            }
            if unsafe tables[slot].count > 0 { return slot }
            slot += 1
        }
        return nil
    }

    /// Visits a slot's entries in content order; see `Table.visit`.
    @discardableResult
    func visit(slot: Int, from start: UInt64 = 0, _ body: (UInt64, Item) -> Bool) -> Bool {
        checkSlot(slot)
        guard let tables = unsafe tables else { return true }
        return unsafe tables[slot].visit(from: start, body)
    }

    /// The entry at a rank over all slots: O(blocks + slots of a block + segments of a table).
    func item(atRank rank: Int) -> (slot: Int, hash: UInt64, item: Item) {
        invariant(rank >= 0 && rank < count, "no such rank")
        guard let tables = unsafe tables, let blocks = unsafe blocks else {
            invariantFailed("keys without tables")
        }
        var rest = rank
        var block = 0
        while unsafe rest >= Int(blocks[block]) {
            rest -= unsafe Int(blocks[block])
            block += 1
        }
        var slot = block * Self.slotsPerBlock
        while true {
            let count = unsafe tables[slot].count
            if rest < count { break }
            rest -= count
            slot += 1
        }
        let (hash, item) = unsafe tables[slot].item(atRank: rest)
        return (slot, hash, item)
    }

    /// The first entry of a slot behind (hash, key), or the slot's first without one.
    func next(
        inSlot slot: Int, after hash: UInt64?, _ key: Span<UInt8>
    ) -> (hash: UInt64, item: Item)? {
        checkSlot(slot)
        guard let tables = unsafe tables else { return nil }
        guard let hash else { return unsafe tables[slot].first() }
        return unsafe tables[slot].next(after: hash, key)
    }

    /// Where a draining of the whole database stands.
    struct DrainPosition {
        var slot = 0
        var directory = Int.max
    }

    /// Takes one item out or frees one emptied block, in slot order; `.nothing` at the end. Counts
    /// and expiries of a database being drained are void. Empty slots cost a unit per `slotsPerBlock`.
    mutating func drain(position: inout DrainPosition) -> Table.Drained {
        guard let tables = unsafe tables else { return .nothing }
        var skipped = 0
        while position.slot < HashSlot.count {
            switch unsafe tables[position.slot].drain(position: &position.directory, &bytes) {
            case .item(let item): return .item(item)
            case .structure: return .structure
            case .nothing: break
            }
            position.slot += 1
            position.directory = .max
            skipped += 1
            if skipped == Self.slotsPerBlock { return .structure }
        }
        return .nothing
    }

    /// Takes one chunk of the expiry index of a database being drained away; false at the end.
    mutating func drainExpiries() -> Bool { expiries.freeChunk() }

    func checkInvariants() {
        expiries.checkInvariants()
        guard let tables = unsafe tables, let blocks = unsafe blocks else {
            invariant(count == 0 && bytes == 0, "keys without tables")
            return
        }
        var found = Self.tablesBytes
        var sum = 0
        var expiring = 0
        for block in 0..<Self.blockCount {
            var inBlock = 0
            for slot in block * Self.slotsPerBlock..<(block + 1) * Self.slotsPerBlock {
                unsafe tables[slot].checkInvariants(&found)
                inBlock += unsafe tables[slot].count
                unsafe tables[slot].visit { _, item in
                    if item.hasExpiry { expiring += 1 }
                    found += item.heapBytes
                    item.checkValue()
                    return true
                }
            }
            invariant(unsafe inBlock == Int(blocks[block]), "a block miscounts")
            sum += inBlock
        }
        invariant(sum == count, "the database miscounts")
        invariant(found == bytes, "the database miscounts its bytes: \(bytes) for \(found)")
        invariant(expiring == expiries.count, "the expiry index misses keys")
    }
}

/// The databases of a keyspace, behind one pointer: a keyspace in place would be some kilobytes
/// large, and the compiler copies a noncopyable struct of that size to borrow it (measured: several
/// hundred nanoseconds per GET).
@safe
struct DatabaseArray: ~Copyable {
    private let base: UnsafeMutablePointer<Database>
    let count: Int

    init(count: Int) {
        self.count = count
        unsafe base = .allocate(capacity: count)
        for index in 0..<count { unsafe (base + index).initialize(to: Database()) }
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    subscript(index: Int) -> Database {
        @inline(__always)
        unsafeAddress {
            invariant(index >= 0 && index < count, "no such database")
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always)
        unsafeMutableAddress {
            invariant(index >= 0 && index < count, "no such database")
            return unsafe base + index
        }
    }

    /// Puts a database in and gives the old one out.
    mutating func exchange(_ database: consuming Database, at index: Int) -> Database {
        invariant(index >= 0 && index < count, "no such database")
        let old = unsafe (base + index).move()
        unsafe (base + index).initialize(to: database)
        return old
    }
}
