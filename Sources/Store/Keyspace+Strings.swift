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
        let room = isEmbedded ? value.count : 0
        core.put(key, at: site, room: room, expiry: expiry, now: logTime) { open in
            if let number {
                open.setInteger(number)
            } else if isEmbedded {
                open.setEmbedded(value)
            } else if let slice = SharedSlice(of: value, in: owner, atLeast: Self.sharedBytesMin) {
                open.setBoxed(slice, form: .shared)
            } else {
                open.setBoxed(ByteBuffer(copying: value), form: .buffer)
            }
            if form == .raw { open.isRaw = true }
        }
    }

    /// Makes `key` an integer string. All handles are stale afterwards.
    public mutating func set(
        _ key: Span<UInt8>, in database: Int, to number: Int64, expiry: ExpiryChange
    ) {
        core.put(key, at: site(of: key, in: database), room: 0, expiry: expiry, now: logTime) {
            $0.setInteger(number)
        }
    }

    /// Replaces the value of a string key by an integer, in place; the expiry stays.
    public mutating func setInteger(_ handle: KeyHandle, to number: Int64) {
        let item = item(of: handle)
        invariant(item.kind == .string, "not a string")
        core.change(item, at: handle.site) { $0.setInteger(number) }
    }

    /// Appends to a string key; returns its new length in bytes. All handles are stale afterwards.
    public mutating func append(_ handle: KeyHandle, _ more: Span<UInt8>) -> Int {
        let item = grow(handle, by: more.count)
        core.change(item, at: handle.site) { open in
            if item.form == .embedded {
                open.appendEmbedded(more)
            } else {
                unsafe item.box(of: ByteBuffer.self).pointee.append(more)
            }
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
        core.change(item, at: handle.site) { open in
            open.extendWithZeros(to: max(end, count))
            open.patch(at: offset, bytes)
        }
        return item.stringBytes.count
    }

    /// Makes the value raw bytes of its own with room for `extra` more; `isRaw` in every case, which
    /// must not depend on whether an image has made a slice of a buffer.
    private mutating func grow(_ handle: KeyHandle, by extra: Int) -> Item {
        let item = item(of: handle)
        invariant(item.kind == .string, "not a string")
        core.state.version &+= 1
        // First of all, because what an image shares is no buffer of its own any more.
        let form = core.change(item, at: handle.site) { open in
            open.isRaw = true
            return open.item.form
        }
        guard form != .buffer else { return item }  // ByteBuffer grows by itself
        let digits = DecimalText(form == .integer ? item.integer : 0)
        let count = form == .integer ? digits.span.count : item.stringBytes.count
        let wanted = count + extra
        guard wanted > Item.embeddedBytesMax else {
            let room = min(wanted + wanted / 2, Item.embeddedBytesMax)
            let fits = wanted <= item.capacity
            let moved = core.adjust(item, handle.site, atLeast: fits ? 0 : room, expiry: .keep)
            core.change(moved, at: handle.site) { open in
                if open.item.form == .integer { open.setEmbedded(digits.span) }
                open.isRaw = true
            }
            return moved
        }
        core.change(item, at: handle.site) { open in
            // An argument of many megabytes that became the value, and that nobody else needs any more.
            if form == .shared,
                let buffer = unsafe item.box(of: SharedSlice.self).pointee.takeBack()
            {
                open.setBoxed(buffer, form: .buffer)
                return
            }
            var buffer = ByteBuffer(minimumCapacity: wanted)
            buffer.append(form == .integer ? digits.span : item.stringBytes)
            open.setBoxed(buffer, form: .buffer)
            open.isRaw = true
        }
        guard item.capacity > 64 else { return item }
        return core.adjust(item, handle.site, mustMove: true, expiry: .keep)
    }
}
