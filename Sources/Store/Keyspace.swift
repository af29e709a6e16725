public import Bytes
public import Cluster

/// What a replica holds for its clients: 16 databases of keys, and the time by which they die.
///
/// Everything visible is a function of content and log time: see `Table` for the order of keys,
/// `ExpiryIndex` for the order of death. Two replicas that applied the same entries have equal
/// state hashes, whatever their memory looks like.
///
/// A key is dead once its expiry is not after `logTime`. Dead keys are removed by whatever change
/// meets them and by `expire(upTo:atMost:)`; readers treat them as absent and leave them alone.
///
/// Lookups give a `KeyHandle`, through which the value is reached without searching again.
public struct Keyspace: ~Copyable {
    /// Databases that SELECT knows.
    public static let databaseCount = 16

    /// The slots whose keys live here.
    public let ranges: [SlotRange]
    /// From when on collections leave their compact encodings.
    public internal(set) var limits: EncodingLimits
    /// Gives the order of keys, and of the members of collections.
    public let order: SipHash

    let core: KeyspaceCore

    /// Milliseconds since 1970 as of the last entry applied; never falls.
    public var logTime: Int64 {
        get { time }
        set {
            invariant(newValue >= time, "log time went backwards")
            time = newValue
        }
    }

    private var time: Int64 = 0

    /// Reads that found their key.
    public internal(set) var hits: UInt64 = 0
    /// Reads that did not.
    public internal(set) var misses: UInt64 = 0
    /// Keys removed because their time had come.
    public var expired: UInt64 { core.state.expired }

    /// An empty keyspace for `ranges`, ordered by `hash`, which must be equal on all replicas.
    public init(ranges: [SlotRange], hash: SipHash, limits: EncodingLimits) {
        self.ranges = ranges
        self.limits = limits
        order = hash
        core = KeyspaceCore(order: hash)
    }

    deinit { core.destroy() }

    /// Where a key belongs.
    struct Site {
        var database: Int
        var slot: Int
        var hash: UInt64
    }

    func site(of key: Span<UInt8>, in database: Int) -> Site {
        checkDatabase(database)
        return Site(
            database: database, slot: Int(HashSlot.of(key: key).raw), hash: order.hash(key))
    }

    func checkDatabase(_ database: Int) {
        invariant(database >= 0 && database < Self.databaseCount, "no such database")
    }

    /// Number of keys in a database, those that are dead and not yet removed included, as DBSIZE.
    public func keyCount(_ database: Int) -> Int {
        checkDatabase(database)
        return core.state.databases[database].count
    }

    /// Number of keys in a database that have an expiry.
    public func expiringCount(_ database: Int) -> Int {
        checkDatabase(database)
        return core.state.databases[database].expiries.count
    }

    /// Number of keys of one slot.
    public func keyCount(_ database: Int, slot: Int) -> Int {
        checkDatabase(database)
        return core.state.databases[database].count(ofSlot: slot)
    }

    // Lookup.

    /// The key's handle, dead or alive; nil when it is not there.
    public func locate(_ key: Span<UInt8>, in database: Int) -> KeyHandle? {
        let site = site(of: key, in: database)
        guard let item = core.state.databases[database].find(key, slot: site.slot, hash: site.hash)
        else {
            return nil
        }
        return KeyHandle(item: item, site: site, version: core.state.version)
    }

    /// For changes: the key's handle if it is alive. A dead key is removed.
    public mutating func findRemovingDead(_ key: Span<UInt8>, in database: Int) -> KeyHandle? {
        guard let handle = locate(key, in: database) else { return nil }
        guard isDead(handle) else { return handle }
        remove(handle)
        core.state.expired += 1
        return nil
    }

    /// Whether the key's time has come by the log.
    public func isDead(_ handle: KeyHandle) -> Bool {
        guard let expiry = expiry(of: handle) else { return false }
        return expiry <= logTime
    }

    /// When the key dies, in milliseconds since 1970; nil when it does not.
    public func expiry(of handle: KeyHandle) -> Int64? {
        let item = item(of: handle)
        return item.hasExpiry ? item.expiry : nil
    }

    /// The type of the key's value.
    public func kind(of handle: KeyHandle) -> ValueKind { item(of: handle).kind }

    /// The key's own bytes.
    @_lifetime(borrow self)
    public func key(of handle: KeyHandle) -> Span<UInt8> {
        let item = item(of: handle)
        let span = item.key
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The item behind a handle, which must not be stale.
    func item(of handle: KeyHandle) -> Item {
        invariant(handle.version == core.state.version, "a key handle outlived its key")
        return handle.item
    }

    // Removal.

    /// Removes a key. All handles are stale afterwards.
    public mutating func remove(_ handle: KeyHandle) {
        core.remove(item(of: handle), at: handle.site)
    }

    /// Removes all keys of a database in constant time; `reclaim` frees their memory.
    public mutating func removeAll(in database: Int) {
        checkDatabase(database)
        core.removeAll(in: database)
    }

    /// Removes all keys of all databases in constant time.
    public mutating func removeAll() {
        for database in 0..<Self.databaseCount { removeAll(in: database) }
    }

    /// Begins anew, as for a log from its first entry or an image of any time: no keys, and no log time.
    public mutating func reset() {
        removeAll()
        time = 0
    }

    /// Frees memory of what was removed, at most `budget` blocks of the heap (a key, or a node of a
    /// collection); returns whether some is left to free. Not part of the replicated state: call it
    /// whenever there is time.
    @discardableResult
    public mutating func reclaim(budget: Int) -> Bool { core.reclaim(budget: budget) }

    /// Whether `reclaim` has something to free.
    public var hasGarbage: Bool { !core.state.dropQueue.isEmpty }

    /// Heap that keys, values, tables and indexes take, as the allocator rounds it, and what waits
    /// for `reclaim`. Bytes, O(1).
    public var memoryBytes: Int { core.heapBytes }

    /// Whether no database has a key, dead ones included.
    public var isEmpty: Bool {
        for database in 0..<Self.databaseCount where keyCount(database) > 0 { return false }
        return true
    }

    /// Counts a read that found its key.
    public mutating func countHit() { hits &+= 1 }

    /// Counts a read that did not.
    public mutating func countMiss() { misses &+= 1 }

    /// Whether two handles are of one key.
    public func isSame(_ one: KeyHandle, _ other: KeyHandle) -> Bool {
        item(of: one) == item(of: other)
    }

    /// Walks all structures; for tests and the simulator.
    public func checkInvariants() {
        for database in 0..<Self.databaseCount { core.state.databases[database].checkInvariants() }
    }
}

/// Where a key was found. Good until the next change that adds, moves or removes a key; a later use
/// stops the process.
public struct KeyHandle {
    let item: Item
    let site: Keyspace.Site
    let version: UInt64
}
