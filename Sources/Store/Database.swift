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

    init() {
        unsafe tables = nil
        unsafe blocks = nil
        count = 0
        expiries = ExpiryIndex()
    }

    deinit {
        guard let tables = unsafe tables else { return }
        for slot in 0..<HashSlot.count {
            var position = Int.max
            while unsafe tables[slot].count > 0 {
                _ = unsafe tables[slot].drain(.max, position: &position)
            }
        }
        unsafe tables.deinitialize(count: HashSlot.count)
        unsafe tables.deallocate()
        unsafe blocks?.deallocate()
    }

    private mutating func makeTables() -> UnsafeMutablePointer<Table> {
        if let tables = unsafe tables { return unsafe tables }
        let made = UnsafeMutablePointer<Table>.allocate(capacity: HashSlot.count)
        for slot in 0..<HashSlot.count { unsafe (made + slot).initialize(to: Table()) }
        unsafe tables = made
        let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.blockCount)
        unsafe counts.initialize(repeating: 0, count: Self.blockCount)
        unsafe blocks = counts
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

    mutating func insert(_ item: Item, slot: Int, hash: UInt64) {
        checkSlot(slot)
        let tables = unsafe makeTables()
        unsafe tables[slot].insert(item, hash: hash)
        unsafe blocks![slot / Self.slotsPerBlock] += 1
        count += 1
    }

    /// Takes an item out of its table (and of nothing else).
    mutating func remove(_ key: Span<UInt8>, slot: Int, hash: UInt64) -> Item? {
        checkSlot(slot)
        guard let tables = unsafe tables,
            let item = unsafe tables[slot].remove(key, hash: hash)
        else { return nil }
        unsafe blocks![slot / Self.slotsPerBlock] -= 1
        count -= 1
        return item
    }

    /// An item has moved in memory.
    mutating func replace(_ old: Item, with item: Item, slot: Int, hash: UInt64) {
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

    /// Where a draining of the whole database stands.
    struct DrainPosition {
        var slot = 0
        var directory = Int.max
    }

    /// Destroys up to `budget` items; 0 means that nothing is left. Counts and expiries of a
    /// database being drained are void.
    mutating func drain(_ budget: Int, position: inout DrainPosition) -> Int {
        guard let tables = unsafe tables else { return 0 }
        var freed = 0
        while freed < budget, position.slot < HashSlot.count {
            freed += unsafe tables[position.slot].drain(
                budget - freed, position: &position.directory)
            guard unsafe tables[position.slot].count == 0 else { continue }
            position.slot += 1
            position.directory = .max
        }
        return freed
    }

    func checkInvariants() {
        expiries.checkInvariants()
        guard let tables = unsafe tables, let blocks = unsafe blocks else {
            invariant(count == 0, "keys without tables")
            return
        }
        var sum = 0
        var expiring = 0
        for block in 0..<Self.blockCount {
            var inBlock = 0
            for slot in block * Self.slotsPerBlock..<(block + 1) * Self.slotsPerBlock {
                unsafe tables[slot].checkInvariants()
                inBlock += unsafe tables[slot].count
                unsafe tables[slot].visit { _, item in
                    if item.hasExpiry { expiring += 1 }
                    return true
                }
            }
            invariant(unsafe inBlock == Int(blocks[block]), "a block miscounts")
            sum += inBlock
        }
        invariant(sum == count, "the database miscounts")
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
