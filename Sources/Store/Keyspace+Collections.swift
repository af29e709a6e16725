internal import Bytes

extension Keyspace {
    /// The list of a key whose kind is `.list`.
    public func list(_ handle: KeyHandle) -> ListValue { item(of: handle).list }

    /// The hash of a key whose kind is `.hash`.
    public func hash(_ handle: KeyHandle) -> HashValue { item(of: handle).hash }

    /// The set of a key whose kind is `.set`.
    public func set(_ handle: KeyHandle) -> SetValue { item(of: handle).set }

    /// The sorted set of a key whose kind is `.sortedSet`.
    public func sortedSet(_ handle: KeyHandle) -> SortedSetValue { item(of: handle).sortedSet }

    /// Makes `key` a list, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to list: ListValue) -> KeyHandle
    {
        store(list, as: .list, at: key, in: database)
    }

    /// Makes `key` a hash, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to hash: HashValue) -> KeyHandle
    {
        store(hash, as: .hash, at: key, in: database)
    }

    /// Makes `key` a set, whatever it was before; its expiry goes. All other
    /// handles are stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to set: SetValue) -> KeyHandle {
        store(set, as: .set, at: key, in: database)
    }

    /// Makes `key` a sorted set, whatever it was before; its expiry goes. All other handles are
    /// stale afterwards.
    @discardableResult
    public mutating func set(_ key: Span<UInt8>, in database: Int, to set: SortedSetValue)
        -> KeyHandle
    {
        store(set, as: .sortedSet, at: key, in: database)
    }

    private mutating func store(
        _ value: AnyObject, as form: Item.Form, at key: Span<UInt8>, in database: Int
    ) -> KeyHandle {
        let site = site(of: key, in: database)
        let item = vacate(key, site, room: 0, expiry: .remove)
        item.setCollection(value, form: form)
        return KeyHandle(item: item, site: site, version: version)
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
        let expiry: ExpiryChange = old.hasExpiry ? .set(old.expiry) : .remove
        let site = site(of: name, in: handle.site.database)
        invariant(ContentOrder.compare(old.key, name) != .equal, "renamed a key to itself")
        let room = old.form == .embedded ? old.stringBytes.count : 0
        let new = vacate(name, site, room: room, expiry: expiry)
        new.takeValue(of: old)
        remove(KeyHandle(item: old, site: handle.site, version: version))
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
        case .list: return item.list.encodingName
        case .hash: return item.hash.encodingName
        case .set: return item.set.encodingName
        case .sortedSet: return item.sortedSet.encodingName
        }
    }
}
