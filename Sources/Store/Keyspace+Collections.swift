internal import Bytes

extension Keyspace {
    /// The list of a key whose kind is `.list`.
    public func list(_ handle: KeyHandle) -> ListValue { ListValue(place(handle, .list)) }

    /// The hash of a key whose kind is `.hash`.
    public func hash(_ handle: KeyHandle) -> HashValue {
        HashValue(place(handle, .hash), order: order)
    }

    /// The set of a key whose kind is `.set`.
    public func set(_ handle: KeyHandle) -> SetValue {
        SetValue(place(handle, .set), order: order)
    }

    /// The sorted set of a key whose kind is `.sortedSet`.
    public func sortedSet(_ handle: KeyHandle) -> SortedSetValue {
        SortedSetValue(place(handle, .sortedSet), order: order)
    }

    private func place(_ handle: KeyHandle, _ kind: ValueKind) -> CollectionPlace {
        let item = item(of: handle)
        invariant(item.kind == kind, "another type of value than expected")
        return CollectionPlace(CollectionPlace.Home(core: core, item: item, site: handle.site))
    }

    /// Makes `key` a list, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to list: ListValue) -> KeyHandle
    {
        store(list.place, at: key, in: database)
    }

    /// Makes `key` a hash, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to hash: HashValue) -> KeyHandle
    {
        store(hash.place, at: key, in: database)
    }

    /// Makes `key` a set, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to set: SetValue) -> KeyHandle {
        store(set.place, at: key, in: database)
    }

    /// Makes `key` a sorted set, whatever it was before; its expiry goes. All other handles are
    /// stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to set: SortedSetValue)
        -> KeyHandle
    {
        store(set.place, at: key, in: database)
    }

    private mutating func store(
        _ place: CollectionPlace, at key: Span<UInt8>, in database: Int
    ) -> KeyHandle {
        let site = site(of: key, in: database)
        let item = core.put(key, at: site, room: 0, expiry: .remove, now: logTime) {
            place.move(to: $0, core, site)
        }
        return KeyHandle(item: item, site: site, version: core.state.version)
    }

    /// Removes a key whose collection has become empty; returns whether it did.
    @discardableResult
    public mutating func removeIfEmpty(_ handle: KeyHandle) -> Bool {
        let item = item(of: handle)
        invariant(item.kind != .string, "a string is not a collection")
        guard item.elementCount == 0 else { return false }
        remove(handle)
        return true
    }

    /// Gives a key another name in the same database, value and expiry included, whatever the new
    /// name held before. All handles are stale afterwards.
    ///
    /// Both keys must belong to this keyspace; the names must differ.
    public mutating func rename(_ handle: KeyHandle, to name: Span<UInt8>) {
        let old = item(of: handle)
        let site = site(of: name, in: handle.site.database)
        invariant(ContentOrder.compare(old.key, name) != .equal, "renamed a key to itself")
        core.rename(old, handle.site, to: name, site, now: logTime)
    }

    /// What OBJECT ENCODING tells.
    public func encodingName(_ handle: KeyHandle) -> StaticString {
        let item = item(of: handle)
        switch item.form {
        case .integer: return "int"
        case .embedded:
            let isShort = item.stringBytes.count <= Self.embstrBytesMax
            return isShort && !item.isRaw ? "embstr" : "raw"
        case .buffer, .shared: return "raw"
        default: return item.encodingName
        }
    }
}
