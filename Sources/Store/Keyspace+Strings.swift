public import Bytes

/// The value of a string key, borrowed.
public enum StringContent: ~Escapable {
    /// An integer, which reads as its decimal digits.
    case integer(Int64)
    case bytes(Span<UInt8>)

    /// Length in bytes of the text.
    public var count: Int {
        switch self {
        case .integer(let number): DecimalText.count(number)
        case .bytes(let bytes): bytes.count
        }
    }
}

/// How a new string is to be stored; OBJECT ENCODING shows the difference.
public enum StringForm: Sendable {
    /// As an integer if it spells one, as Redis does with values that clients give.
    case compact
    /// As bytes, also if they spell an integer.
    case bytes
    /// As bytes that were built in place: never `embstr`.
    case raw
}

/// What becomes of a key's expiry when its value is replaced.
public enum ExpiryChange: Sendable {
    case remove
    case keep
    /// Milliseconds since 1970.
    case set(Int64)
}

extension Keyspace {
    /// Strings up to this length are `embstr` to OBJECT ENCODING, as in Redis.
    static let embstrBytesMax = 44

    /// A value must be this long before a slice of a command's buffer is kept instead of a copy.
    static let sharedBytesMin = 64 * 1024

    /// The value of a string key.
    @_lifetime(borrow self)
    public func string(_ handle: KeyHandle) -> StringContent {
        let item = item(of: handle)
        invariant(item.kind == .string, "not a string")
        if item.form == .integer { return .integer(item.integer) }
        let bytes = item.stringBytes
        return unsafe .bytes(_overrideLifetime(bytes, borrowing: self))
    }

    /// Makes `key` a string, whatever it was before. All handles are stale afterwards.
    ///
    /// A long `value` that lies within `owner` and makes up most of it is kept as a slice.
    public mutating func set(
        _ key: Span<UInt8>, in database: Int, to value: Span<UInt8>,
        as form: StringForm = .compact, expiry: ExpiryChange = .remove, owner: SharedBytes? = nil
    ) {
        let site = site(of: key, in: database)
        let number = form == .compact ? IntegerText.parse(value) : nil
        let isEmbedded = number == nil && value.count <= Item.embeddedBytesMax
        let item = vacate(key, site, room: isEmbedded ? value.count : 0, expiry: expiry)
        if let number {
            item.setInteger(number)
        } else if isEmbedded {
            item.setEmbedded(value)
        } else if let slice = SharedSlice(of: value, in: owner, atLeast: Self.sharedBytesMin) {
            item.setBoxed(slice, form: .shared)
        } else {
            item.setBoxed(ByteBuffer(copying: value), form: .buffer)
        }
        if form == .raw { item.isRaw = true }
    }

    /// Makes `key` an integer string. All handles are stale afterwards.
    public mutating func set(
        _ key: Span<UInt8>, in database: Int, to number: Int64, expiry: ExpiryChange
    ) {
        let site = site(of: key, in: database)
        vacate(key, site, room: 0, expiry: expiry).setInteger(number)
    }

    /// Replaces the value of a string key by an integer, in place; the expiry stays.
    public mutating func setInteger(_ handle: KeyHandle, to number: Int64) {
        let item = item(of: handle)
        invariant(item.kind == .string, "not a string")
        item.setInteger(number)
    }

    /// An item for `key` without a value, room for `room` bytes, and its expiry as asked.
    mutating func vacate(
        _ key: Span<UInt8>, _ site: Site, room: Int, expiry: ExpiryChange
    ) -> Item {
        guard
            let old = databases[site.database].find(key, slot: site.slot, hash: site.hash)
        else {
            if case .set(let time) = expiry {
                let item = Item(key: key, room: room, hasExpiry: true)
                add(item, site)
                databases[site.database].expiries.insert(item, expiry: time)
                return item
            }
            let item = Item(key: key, room: room, hasExpiry: false)
            add(item, site)
            return item
        }
        var expiry = expiry
        if old.hasExpiry, old.expiry <= logTime {
            expired += 1
            if case .keep = expiry { expiry = .remove }
        }
        dropQueue.retireValue(of: old)
        old.clearValue()
        // A block much larger than needed goes back.
        let isTooLarge = old.capacity > 64 && room < old.capacity / 4
        return adjust(old, site, atLeast: room, mustMove: isTooLarge, expiry: expiry)
    }

    private mutating func add(_ item: Item, _ site: Site) {
        version &+= 1
        databases[site.database].insert(item, slot: site.slot, hash: site.hash)
    }

    /// Changes an item's expiry and gives it room for at least `room` value bytes; a value that is
    /// there stays. The item may move; all handles are stale then.
    @discardableResult
    mutating func adjust(
        _ old: Item, _ site: Site, atLeast room: Int = 0, mustMove: Bool = false,
        expiry: ExpiryChange
    ) -> Item {
        let wasExpiring = old.hasExpiry
        let time: Int64? =
            switch expiry {
            case .remove: nil
            case .keep: wasExpiring ? old.expiry : nil
            case .set(let time): time
            }
        let willExpire = time != nil
        var item = old
        if mustMove || room > old.capacity || willExpire != wasExpiring {
            version &+= 1
            let index = wasExpiring ? old.heapIndex : 0
            if wasExpiring, !willExpire { databases[site.database].expiries.remove(old) }
            item = old.rebuilt(room: room, hasExpiry: willExpire)
            databases[site.database].replace(
                old, with: item, slot: site.slot, hash: site.hash)
            if wasExpiring, willExpire {
                databases[site.database].expiries.moved(to: item, at: index)
            }
        }
        guard let time else { return item }
        if wasExpiring {
            databases[site.database].expiries.change(item, to: time)
        } else {
            databases[site.database].expiries.insert(item, expiry: time)
        }
        return item
    }

    /// Appends to a string key; returns its new length in bytes. All handles are stale afterwards.
    public mutating func append(_ handle: KeyHandle, _ more: Span<UInt8>) -> Int {
        let item = grow(handle, by: more.count)
        if item.form == .embedded {
            item.appendEmbedded(more)
        } else {
            unsafe item.box(of: ByteBuffer.self).pointee.append(more)
        }
        return item.stringBytes.count
    }

    /// Overwrites a string key from `offset` on, zeros filling a gap; returns its new length in
    /// bytes. All handles are stale afterwards.
    public mutating func overwrite(
        _ handle: KeyHandle, at offset: Int, with bytes: Span<UInt8>
    ) -> Int {
        invariant(offset >= 0, "a negative offset")
        let count = string(handle).count
        let end = offset + bytes.count
        let item = grow(handle, by: max(0, end - count))
        item.extendWithZeros(to: max(end, count))
        item.patch(at: offset, bytes)
        return item.stringBytes.count
    }

    /// Makes the value raw bytes of its own with room for `extra` more.
    private mutating func grow(_ handle: KeyHandle, by extra: Int) -> Item {
        let item = item(of: handle)
        invariant(item.kind == .string, "not a string")
        version &+= 1
        guard item.form != .buffer else { return item }  // ByteBuffer grows by itself
        let digits = DecimalText(item.form == .integer ? item.integer : 0)
        let count = item.form == .integer ? digits.span.count : item.stringBytes.count
        let wanted = count + extra
        guard wanted > Item.embeddedBytesMax else {
            let room = min(wanted + wanted / 2, Item.embeddedBytesMax)
            let fits = wanted <= item.capacity
            let moved = adjust(
                item, handle.site, atLeast: fits ? 0 : room, expiry: .keep)
            if moved.form == .integer { moved.setEmbedded(digits.span) }
            moved.isRaw = true
            return moved
        }
        var buffer = ByteBuffer(minimumCapacity: wanted)
        buffer.append(item.form == .integer ? digits.span : item.stringBytes)
        item.setBoxed(buffer, form: .buffer)
        guard item.capacity > 64 else { return item }
        return adjust(item, handle.site, mustMove: true, expiry: .keep)
    }
}
