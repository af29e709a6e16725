internal import Bytes

/// One key with everything that belongs to it, for reading: one heap block, and more for a value
/// that does not fit into it. `OpenItem` is the same with the right to change it.
///
///     0        8          12     13      14         16
///     | payload | keyCount | form | flags | capacity | (expiry 8, heap index 4, pad 4) | key | value
///
/// The part in parentheses is there only while the key has an expiry, so that keys without one pay
/// 16 bytes beside their key and value. `capacity` is the room for value bytes behind the key; what
/// `payload` means depends on `form`. Memory is raw because a class per key would cost 16 more
/// bytes, and reference counting on every lookup (17 ns measured); a small collection costs its
/// listpack and this block, no object. Nothing outside of this file and `Item+Value.swift` knows
/// the layout. An item is owned by exactly one table entry, or by whoever took it out of there.
///
/// Invariants:
/// 1. `form` is `.embedded` or `.integer` iff no second block exists, or an empty pack.
/// 2. `payload <= capacity` while `form` is `.embedded`.
/// 3. The heap index is the item's place in its database's expiry index, always.
@safe
struct Item: Equatable {
    fileprivate let base: UnsafeMutableRawPointer

    fileprivate struct Header {
        var payload: UInt64
        var keyCount: UInt32
        var form: Form
        var flags: UInt8
        var capacity: UInt16
    }

    /// What `payload` is.
    enum Form: UInt8 {
        /// A string that is an Int64: the number's bits.
        case integer
        /// A string behind the key: its count.
        case embedded
        /// A long string: the address of its `ByteBuffer`.
        case buffer
        /// A very long string inside an argument's bytes: the address of its `SharedSlice`.
        case shared
        /// Small collections: the address of the pack, 0 for an empty one.
        case listPack, hashPack, intset, sortedSetPack
        /// Large collections: the address of their tree or trees.
        case listTree, hashTree, setTree, sortedSetTrees
    }

    private static let headerBytes = 16
    private static let expiryBytes = 16
    fileprivate static let hasExpiryFlag: UInt8 = 1
    fileprivate static let rawFlag: UInt8 = 2

    /// Longer strings live in a buffer of their own, which `realloc` can grow in place.
    static let embeddedBytesMax = 1024

    /// A new block holding the integer 0.
    fileprivate init(key: Span<UInt8>, room: Int, hasExpiry: Bool) {
        invariant(key.count <= Int(UInt32.max), "a key of more than 4 GB")
        invariant(room <= Self.embeddedBytesMax, "too much room behind a key")
        let front = Self.headerBytes + (hasExpiry ? Self.expiryBytes : 0) + key.count
        // What the heap hands out beyond the need is room for the value.
        let block = Self.block(front: front, room: room)
        let capacity = max(room, min(block - front, Self.embeddedBytesMax))
        let base = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 8)
        unsafe base.storeBytes(
            of: Header(
                payload: 0, keyCount: UInt32(key.count), form: .integer,
                flags: hasExpiry ? Self.hasExpiryFlag : 0, capacity: UInt16(capacity)),
            as: Header.self)
        unsafe self.base = base
        guard !key.isEmpty else { return }
        unsafe key.withUnsafeBufferPointer {
            unsafe (base + front - key.count).copyMemory(
                from: $0.baseAddress!, byteCount: key.count)
        }
    }

    private static func block(front: Int, room: Int) -> Int { (front + room + 7) / 16 * 16 + 8 }

    /// The item behind an address that `address` gave.
    init(address: UInt) {
        unsafe base = UnsafeMutableRawPointer(bitPattern: address)!
    }

    /// For the storage in tables.
    var address: UInt { unsafe UInt(bitPattern: base) }

    static func == (one: Item, other: Item) -> Bool { one.address == other.address }

    fileprivate var header: UnsafeMutablePointer<Header> {
        unsafe base.assumingMemoryBound(to: Header.self)
    }

    var form: Form { unsafe header.pointee.form }
    var payload: UInt64 { unsafe header.pointee.payload }
    var capacity: Int { unsafe Int(header.pointee.capacity) }
    private var keyCount: Int { unsafe Int(header.pointee.keyCount) }
    var hasExpiry: Bool { unsafe header.pointee.flags & Self.hasExpiryFlag != 0 }

    private var keyOffset: Int { Self.headerBytes + (hasExpiry ? Self.expiryBytes : 0) }
    fileprivate var valueOffset: Int { keyOffset + keyCount }

    /// What the block takes of the heap, without other blocks of the value.
    var blockBytes: Int { HeapBlock.bytes(Self.block(front: valueOffset, room: capacity)) }

    /// The key. Borrowed from the item: dies with it.
    var key: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes(at: keyOffset, count: keyCount) }
    }

    @_lifetime(borrow self)
    private func bytes(at offset: Int, count: Int) -> Span<UInt8> {
        let raw = unsafe UnsafeRawBufferPointer(start: base + offset, count: count)
        let span = unsafe Span<UInt8>(_unsafeBytes: raw)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The value's bytes behind the key.
    var embeddedBytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            invariant(form == .embedded, "no bytes behind the key")
            return bytes(at: valueOffset, count: Int(payload))
        }
    }

    /// Whether a string was changed in place: then it stays `raw`, however short it is.
    var isRaw: Bool { unsafe header.pointee.flags & Self.rawFlag != 0 }

    // The expiry.

    fileprivate var expiryField: UnsafeMutablePointer<Int64> {
        invariant(hasExpiry, "no expiry")
        return unsafe (base + Self.headerBytes).assumingMemoryBound(to: Int64.self)
    }

    private var heapIndexField: UnsafeMutablePointer<UInt32> {
        invariant(hasExpiry, "no expiry")
        return unsafe (base + Self.headerBytes + 8).assumingMemoryBound(to: UInt32.self)
    }

    /// When the key dies, in milliseconds since 1970. Only with `hasExpiry`.
    var expiry: Int64 { unsafe expiryField.pointee }

    /// The place in the expiry index, which alone sets it. Only with `hasExpiry`.
    var heapIndex: Int {
        get { unsafe Int(heapIndexField.pointee) }
        nonmutating set { unsafe heapIndexField.pointee = UInt32(newValue) }
    }
}

/// An item that may be changed.
///
/// There are two ways to one. A new item is open, being in no table yet. An item in a table is
/// opened with a `ChangePermit`, which only `KeyspaceState` gives out, after the image that is being
/// taken has kept what it needs: so no change can forget the image.
@safe
struct OpenItem {
    let item: Item

    /// A new item in no table, holding the integer 0; without the expiry itself.
    init(key: Span<UInt8>, room: Int, hasExpiry: Bool) {
        item = Item(key: key, room: room, hasExpiry: hasExpiry)
    }

    init(_ item: Item, _: ChangePermit) { self.item = item }

    /// An item that was taken out of its table and that nothing else knows.
    init(removed item: Item) { self.item = item }

    private var header: UnsafeMutablePointer<Item.Header> { unsafe item.header }

    var isRaw: Bool {
        get { item.isRaw }
        nonmutating set {
            unsafe header.pointee.flags =
                newValue
                ? header.pointee.flags | Item.rawFlag : header.pointee.flags & ~Item.rawFlag
        }
    }

    var expiry: Int64 {
        get { item.expiry }
        nonmutating set { unsafe item.expiryField.pointee = newValue }
    }

    /// Says what the value is; what it was must have been freed or moved.
    func set(_ form: Item.Form, payload: UInt64) {
        unsafe header.pointee.form = form
        unsafe header.pointee.payload = payload
        isRaw = false
    }

    /// Puts another block in the place of a value of the same type.
    func replacePayload(_ payload: UInt64) { unsafe header.pointee.payload = payload }

    /// Stores a string behind the key; it must fit `capacity`.
    func setEmbedded(_ value: Span<UInt8>) {
        let count = value.count
        invariant(count <= item.capacity, "a string too long to be embedded")
        clearValue()
        set(.embedded, payload: UInt64(count))
        guard count > 0 else { return }
        let target = unsafe item.base + item.valueOffset
        unsafe value.withUnsafeBufferPointer {
            unsafe target.copyMemory(from: $0.baseAddress!, byteCount: count)
        }
    }

    /// Appends to an embedded string, as far as `capacity` allows.
    func appendEmbedded(_ more: Span<UInt8>) {
        let count = Int(item.payload)
        invariant(
            item.form == .embedded && count + more.count <= item.capacity, "no room to append")
        guard !more.isEmpty else { return }
        let target = unsafe item.base + item.valueOffset + count
        unsafe more.withUnsafeBufferPointer {
            unsafe target.copyMemory(from: $0.baseAddress!, byteCount: more.count)
        }
        replacePayload(UInt64(count + more.count))
    }

    /// Appends zeros to a string of its own until it is `count` bytes long.
    func extendWithZeros(to count: Int) {
        let present = item.stringBytes.count
        guard count > present else { return }
        if item.form == .buffer {
            unsafe item.box(of: ByteBuffer.self).pointee
                .append(repeating: 0, count: count - present)
            return
        }
        invariant(item.form == .embedded && count <= item.capacity, "no room for zeros")
        let target = unsafe item.base + item.valueOffset + present
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: count - present)
        replacePayload(UInt64(count))
    }

    /// Overwrites part of a string of its own.
    func patch(at offset: Int, _ bytes: Span<UInt8>) {
        let count = item.stringBytes.count
        invariant(offset >= 0 && offset + bytes.count <= count, "a patch outside of the string")
        guard !bytes.isEmpty else { return }
        invariant(
            item.form == .embedded || item.form == .buffer,
            "a patch of a string that is not its own")
        // Nobody else sees these bytes: an embedded or a buffer's string has one owner.
        unsafe item.stringBytes.withUnsafeBufferPointer { target in
            unsafe bytes.withUnsafeBufferPointer { source in
                unsafe UnsafeMutableRawPointer(mutating: target.baseAddress! + offset)
                    .copyMemory(from: source.baseAddress!, byteCount: source.count)
            }
        }
    }

    /// A new block for the same key and value, with or without an expiry field (its contents are
    /// the caller's duty) and with room for `room` value bytes. The old block is gone.
    func rebuilt(room: Int, hasExpiry: Bool) -> OpenItem {
        let kept = item.form == .embedded ? max(room, Int(item.payload)) : room
        let successor = OpenItem(key: item.key, room: kept, hasExpiry: hasExpiry)
        successor.takeValue(of: self)
        unsafe item.base.deallocate()
        return successor
    }

    /// Frees the item and its value.
    func destroy() {
        clearValue()
        unsafe item.base.deallocate()
    }
}

/// The types that TYPE tells.
public enum ValueKind: UInt8, Sendable {
    case string
    case list
    case hash
    case set
    case sortedSet
}
