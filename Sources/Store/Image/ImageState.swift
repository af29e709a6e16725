internal import Bytes
internal import Cluster

/// An image in the making: how far it has come, and what it keeps because the keyspace has changed.
///
/// The image walks over the keys in content order: database, slot, hash, key. Everything up to the
/// *cursor* has been written. A change to a key behind it is of no interest; before the first
/// change to a key that is still to come, the key is *kept* as it was, or that it was absent. The
/// walk is then a merge of the tables with the kept keys, in which the kept ones win. What is kept
/// is small: a string's bytes are copied, moved or shared, a large collection shares its nodes.
/// FLUSHDB keeps the whole database in one piece, since no later change can reach it.
///
/// Invariants:
/// 1. A key after the cursor is, as of the beginning, what is kept for it; without anything kept,
///    what its table holds. (The table is that of the kept database, if there is one.)
/// 2. Nothing is kept for keys up to the cursor.
/// 3. No image, nothing kept.
struct ImageState: ~Copyable {
    /// Whether an image is being made.
    private(set) var isActive = false

    /// The last key that is done; nothing is done while `database` is 0 and `hasKey` false.
    struct Cursor: ~Copyable {
        var database = 0
        var slot = 0
        var hash: UInt64 = 0
        /// False: nothing of this slot is done, and all of the slots before it.
        var hasKey = false
        var key = ByteBuffer()
    }

    var cursor = Cursor()

    /// Keys as they were, by (database, slot, hash, key). The value is the address of an item, or
    /// empty for a key that was absent.
    private(set) var kept = RankedTree()
    /// Databases as they were, that have been flushed since.
    private var flushed = DatabaseArray(count: Keyspace.databaseCount)
    private var isFlushed: UInt16 = 0
    /// Heap that is taken only because of the image.
    var bytes = 0

    /// The stream's beginning, until it has been written.
    var writer = ImageWriter()

    private var name = ByteBuffer()

    mutating func begin(_ writer: consuming ImageWriter) {
        invariant(!isActive, "an image was begun beside another")
        invariant(kept.count == 0 && isFlushed == 0 && bytes == 0, "an image left something")
        isActive = true
        self.writer = writer
    }

    // MARK: The order of keys

    /// A site's 64 bits for the tree: database 4, slot 14, leading bits of the hash 46.
    private static func prefix(_ site: Keyspace.Site) -> UInt64 {
        UInt64(site.database) << 60 | UInt64(site.slot) << 46 | site.hash >> 18
    }

    /// The rest of the order: the hash again, most significant byte first, and the key.
    private mutating func setName(_ site: Keyspace.Site, _ key: Span<UInt8>) {
        name.removeAll()
        name.append(littleEndian: site.hash.byteSwapped)
        name.append(key)
    }

    /// Whether a key is still to come.
    private func isAhead(_ site: Keyspace.Site, _ key: Span<UInt8>) -> Bool {
        if site.database != cursor.database { return site.database > cursor.database }
        if site.slot != cursor.slot { return site.slot > cursor.slot }
        guard cursor.hasKey else { return true }
        if site.hash != cursor.hash { return site.hash > cursor.hash }
        return ContentOrder.compare(key, cursor.key.readable) == .after
    }

    // MARK: Keeping

    /// What becomes of an item's value when the item is kept.
    enum Keeping {
        /// It stays, to be changed.
        case shared
        /// It goes into what is kept: another one will be set.
        case moved
    }

    /// Whether a key must be kept before it changes. Sets the name for `insert`.
    private mutating func mustKeep(_ site: Keyspace.Site, _ key: Span<UInt8>) -> Bool {
        guard isFlushed & 1 << UInt16(site.database) == 0, isAhead(site, key) else { return false }
        setName(site, key)
        return !kept.contains(Self.prefix(site), name.readable)
    }

    private mutating func insert(_ site: Keyspace.Site, _ value: Span<UInt8>) {
        let before = kept.bytes
        var name = name.take()
        let isNew = kept.insert(Self.prefix(site), name.readable, value)
        swap(&self.name, &name)
        invariant(isNew, "a key was kept twice")
        let growth = kept.bytes - before
        bytes += growth
    }

    private mutating func insert(_ site: Keyspace.Site, _ open: OpenItem) {
        bytes += open.item.heapBytes
        var address = InlineArray<8, UInt8>(repeating: 0)
        let raw = UInt64(open.item.address)
        for index in 0..<8 {
            address[index] = UInt8(truncatingIfNeeded: raw >> (8 * UInt64(index)))
        }
        insert(site, address.span)
    }

    /// The item that a value of `kept` stands for.
    static func item(_ value: Span<UInt8>) -> OpenItem? {
        guard value.count == 8 else { return nil }
        var raw: UInt64 = 0
        for index in 0..<8 { raw |= UInt64(value[index]) << (8 * UInt64(index)) }
        return OpenItem(removed: Item(address: UInt(raw)))
    }

    /// Before a key comes that is not there.
    mutating func keepAbsence(_ key: Span<UInt8>, _ site: Keyspace.Site) {
        guard mustKeep(site, key) else { return }
        insert(site, Span())
    }

    /// Before a key changes. Returns whether it was kept.
    @discardableResult
    mutating func keep(_ open: OpenItem, _ site: Keyspace.Site, _ keeping: Keeping) -> Bool {
        let item = open.item
        guard mustKeep(site, item.key) else { return false }
        let room = item.form == .embedded ? item.embeddedBytes.count : 0
        let copy = OpenItem(key: item.key, room: room, hasExpiry: item.hasExpiry)
        if item.hasExpiry { copy.expiry = item.expiry }
        switch keeping {
        case .shared: copy.shareValue(of: open)
        case .moved: copy.takeValue(of: open)
        }
        insert(site, copy)
        return true
    }

    /// Offers an item that has left its table; false when the image has no use for it.
    mutating func take(_ open: OpenItem, _ site: Keyspace.Site) -> Bool {
        guard mustKeep(site, open.item.key) else { return false }
        insert(site, open)
        return true
    }

    /// Offers a flushed database; gives back the one to be dropped.
    mutating func exchange(_ database: consuming Database, _ number: Int) -> Database {
        guard isActive, isFlushed & 1 << UInt16(number) == 0, number >= cursor.database else {
            return database
        }
        isFlushed |= 1 << UInt16(number)
        bytes += database.bytes + database.expiries.bytes
        return flushed.exchange(database, at: number)
    }

    // MARK: Walking

    /// Where a key's state at the beginning is found.
    struct Next {
        var site: Keyspace.Site
        /// Nil: the key was absent.
        var item: Item?
        var isKept: Bool
    }

    /// The first key after the cursor, or one that was absent; nil at the end. Looks at few empty
    /// slots and no empty database in vain.
    mutating func next(in databases: borrowing DatabaseArray) -> Next? {
        let kept = firstKept()
        while cursor.database < Keyspace.databaseCount {
            let number = cursor.database
            let stored =
                isFlushed & 1 << UInt16(number) == 0
                ? Self.firstStored(in: databases[number], cursor)
                : Self.firstStored(in: flushed[number], cursor)
            if let kept, kept.site.database == number {
                guard let stored, precedes(stored, kept) else { return kept }
                return stored
            }
            if let stored { return stored }
            advance(toDatabase: number + 1)
        }
        return nil
    }

    private mutating func advance(toDatabase number: Int) {
        cursor.database = number
        cursor.slot = 0
        cursor.hash = 0
        cursor.hasKey = false
        cursor.key.removeAll(keepingCapacityUpTo: 4096)
    }

    private static func firstStored(
        in database: borrowing Database, _ cursor: borrowing Cursor
    ) -> Next? {
        let entry: (hash: UInt64, item: Item)?
        var slot = cursor.slot
        if cursor.hasKey,
            let next = database.next(
                inSlot: slot, after: cursor.hash, cursor.key.readable)
        {
            entry = next
        } else {
            let start = cursor.hasKey ? slot + 1 : slot
            guard let occupied = database.firstOccupied(from: start) else { return nil }
            slot = occupied
            entry = database.next(inSlot: slot, after: nil, Span())
        }
        guard let entry else { return nil }
        let site = Keyspace.Site(database: cursor.database, slot: slot, hash: entry.hash)
        return Next(site: site, item: entry.item, isKept: false)
    }

    private func firstKept() -> Next? {
        guard kept.count > 0 else { return nil }
        return kept.withEntry(at: 0) { prefix, name, value in
            var hash: UInt64 = 0
            for index in 0..<8 { hash = hash << 8 | UInt64(name[index]) }
            let site = Keyspace.Site(
                database: Int(prefix >> 60), slot: Int(prefix >> 46 & 0x3fff), hash: hash)
            return Next(site: site, item: Self.item(value)?.item, isKept: true)
        }
    }

    /// Whether a stored key comes before the first kept one; an equal one does not.
    private func precedes(_ stored: Next, _ kept: Next) -> Bool {
        if stored.site.slot != kept.site.slot { return stored.site.slot < kept.site.slot }
        if stored.site.hash != kept.site.hash { return stored.site.hash < kept.site.hash }
        guard let item = stored.item else { return false }
        return self.kept.withEntry(at: 0) { _, name, _ in
            ContentOrder.compare(item.key, name.extracting(8..<name.count)) == .before
        }
    }

    /// Moves the cursor onto a key that is done; gives back the item that was kept for it.
    mutating func advance(over next: Next) -> OpenItem? {
        let site = next.site
        cursor.database = site.database
        cursor.slot = site.slot
        cursor.hash = site.hash
        cursor.hasKey = true
        cursor.key.removeAll(keepingCapacityUpTo: 4096)
        guard next.isKept else {
            if let item = next.item { cursor.key.append(item.key) }
            return nil
        }
        var key = cursor.key.take()
        let open = kept.withEntry(at: 0) { _, name, value in
            key.append(name.extracting(8..<name.count))
            return Self.item(value)
        }
        swap(&cursor.key, &key)
        let before = kept.bytes
        kept.remove(at: 0)
        let shrinkage = before - kept.bytes
        bytes -= shrinkage
        return open
    }

    // MARK: The end

    /// Gives everything kept to `queue`, and ends the image.
    mutating func end(_ queue: inout DropQueue) {
        for number in 0..<Keyspace.databaseCount where isFlushed & 1 << UInt16(number) != 0 {
            let database = flushed.exchange(Database(), at: number)
            bytes -= database.bytes + database.expiries.bytes
            queue.retire(database)
        }
        var tree = RankedTree()
        swap(&tree, &kept)
        queue.retire(kept: tree, bytes: bytes)
        bytes = 0
        isFlushed = 0
        isActive = false
        advance(toDatabase: 0)
        writer = ImageWriter()
        name.removeAll(keepingCapacityUpTo: 4096)
    }
}
