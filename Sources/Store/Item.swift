internal import Bytes

/// One key with everything that belongs to it: one heap block, and one more for a value that does
/// not fit into it.
///
///     0        8          12     13      14         16
///     | payload | keyCount | form | flags | capacity | (expiry 8, heap index 4, pad 4) | key | value
///
/// The part in parentheses is there only while the key has an expiry, so that keys without one pay
/// 16 bytes beside their key and value. `capacity` is the room for value bytes behind the key; what
/// `payload` means depends on `form`. Memory is raw because a class per key would cost 16 more
/// bytes, and reference counting on every lookup (17 ns measured); nothing outside of this file
/// knows the layout. An item is owned by exactly one table entry.
///
/// Invariants:
/// 1. `form` is `.embedded` or `.integer` iff no second block exists.
/// 2. `payload <= capacity` while `form` is `.embedded`.
/// 3. The heap index is the item's place in its database's expiry index, always.
@safe
struct Item: Equatable {
    private let base: UnsafeMutableRawPointer

    struct Header {
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
        /// The collections: the objects' addresses, one reference owned.
        case list, hash, set, sortedSet
    }

    private static let headerBytes = 16
    private static let expiryBytes = 16
    private static let hasExpiryFlag: UInt8 = 1
    private static let rawFlag: UInt8 = 2

    /// Longer strings live in a buffer of their own, which `realloc` can grow in place.
    static let embeddedBytesMax = 1024

    /// A new item holding the integer 0; the value is set by the caller.
    init(key: Span<UInt8>, room: Int, hasExpiry: Bool) {
        invariant(key.count <= Int(UInt32.max), "a key of more than 4 GB")
        invariant(room <= Self.embeddedBytesMax, "too much room behind a key")
        let front = Self.headerBytes + (hasExpiry ? Self.expiryBytes : 0) + key.count
        // glibc hands out 16n + 8 bytes: what is left of that is room for the value.
        let block = (front + room + 7) / 16 * 16 + 8
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

    private init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// The item behind an address that `address` gave.
    init(address: UInt) {
        unsafe base = UnsafeMutableRawPointer(bitPattern: address)!
    }

    /// For the storage in tables.
    var address: UInt { unsafe UInt(bitPattern: base) }

    static func == (one: Item, other: Item) -> Bool { one.address == other.address }

    private var header: UnsafeMutablePointer<Header> {
        unsafe base.assumingMemoryBound(to: Header.self)
    }

    var form: Form { unsafe header.pointee.form }
    private var payload: UInt64 { unsafe header.pointee.payload }
    var capacity: Int { unsafe Int(header.pointee.capacity) }
    private var keyCount: Int { unsafe Int(header.pointee.keyCount) }
    var hasExpiry: Bool { unsafe header.pointee.flags & Self.hasExpiryFlag != 0 }

    private var keyOffset: Int { Self.headerBytes + (hasExpiry ? Self.expiryBytes : 0) }

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

    // The value.

    var kind: ValueKind {
        switch form {
        case .integer, .embedded, .buffer, .shared: .string
        case .list: .list
        case .hash: .hash
        case .set: .set
        case .sortedSet: .sortedSet
        }
    }

    /// Whether a string was changed in place: then it stays `raw`, however short it is.
    var isRaw: Bool {
        get { unsafe header.pointee.flags & Self.rawFlag != 0 }
        nonmutating set {
            unsafe header.pointee.flags =
                newValue
                ? header.pointee.flags | Self.rawFlag : header.pointee.flags & ~Self.rawFlag
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
                return bytes(at: keyOffset + keyCount, count: Int(payload))
            case .buffer:
                let span = unsafe box(of: ByteBuffer.self).pointee.readable
                return unsafe _overrideLifetime(span, borrowing: self)
            case .shared:
                let slice = unsafe box(of: SharedSlice.self)
                let span = unsafe slice.pointee.owner.span.extracting(slice.pointee.range)
                return unsafe _overrideLifetime(span, borrowing: self)
            case .integer, .list, .hash, .set, .sortedSet:
                invariantFailed("no bytes in a value of form \(form)")
            }
        }
    }

    /// The box that `payload` points to.
    func box<T: ~Copyable>(of: T.Type) -> UnsafeMutablePointer<T> {
        unsafe UnsafeMutablePointer(bitPattern: UInt(payload))!
    }

    /// The collection that `payload` points to.
    func object<T: AnyObject>(_: T.Type) -> Unmanaged<T> {
        unsafe Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: UInt(payload))!)
    }

    var list: ListValue { collection(.list) }
    var hash: HashValue { collection(.hash) }
    var set: SetValue { collection(.set) }
    var sortedSet: SortedSetValue { collection(.sortedSet) }

    private func collection<T: AnyObject>(_ form: Form) -> T {
        invariant(self.form == form, "another type of value than expected")
        return unsafe object(T.self).takeUnretainedValue()
    }

    /// Elements of a collection; 0 for a string.
    var elementCount: Int {
        switch form {
        case .integer, .embedded, .buffer, .shared: 0
        case .list: list.count
        case .hash: hash.count
        case .set: set.count
        case .sortedSet: sortedSet.count
        }
    }

    /// Frees what `payload` owns and leaves the integer 0.
    func clearValue() {
        switch form {
        case .integer, .embedded: break
        case .buffer: free(ByteBuffer.self)
        case .shared: free(SharedSlice.self)
        case .list: unsafe object(ListValue.self).release()
        case .hash: unsafe object(HashValue.self).release()
        case .set: unsafe object(SetValue.self).release()
        case .sortedSet: unsafe object(SortedSetValue.self).release()
        }
        setForm(.integer, payload: 0)
    }

    private func free<T: ~Copyable>(_: T.Type) {
        let box = unsafe box(of: T.self)
        unsafe box.deinitialize(count: 1)
        unsafe box.deallocate()
    }

    private func setForm(_ form: Form, payload: UInt64) {
        unsafe header.pointee.form = form
        unsafe header.pointee.payload = payload
        isRaw = false
    }

    func setInteger(_ value: Int64) {
        clearValue()
        setForm(.integer, payload: UInt64(bitPattern: value))
    }

    /// Stores a string behind the key; it must fit `capacity`.
    func setEmbedded(_ value: Span<UInt8>) {
        let count = value.count
        invariant(count <= capacity, "a string too long to be embedded")
        clearValue()
        setForm(.embedded, payload: UInt64(count))
        guard count > 0 else { return }
        let target = unsafe base + keyOffset + keyCount
        unsafe value.withUnsafeBufferPointer {
            unsafe target.copyMemory(from: $0.baseAddress!, byteCount: count)
        }
    }

    /// Stores a value in a box of its own.
    func setBoxed<T: ~Copyable>(_ value: consuming T, form: Form) {
        invariant(form != .integer && form != .embedded, "these have no box")
        clearValue()
        let box = UnsafeMutablePointer<T>.allocate(capacity: 1)
        unsafe box.initialize(to: value)
        setForm(form, payload: UInt64(UInt(bitPattern: box)))
    }

    /// Stores a collection.
    func setCollection(_ value: AnyObject, form: Form) {
        clearValue()
        let address = UInt(bitPattern: unsafe Unmanaged.passRetained(value).toOpaque())
        setForm(form, payload: UInt64(address))
    }

    /// An item without a key that takes this item's value over; here remains the integer 0.
    func movingValue() -> Item {
        invariant(form != .embedded, "an embedded value does not move")
        let mover = Item(key: Span(), room: 0, hasExpiry: false)
        mover.takeValue(of: self)
        return mover
    }

    /// Moves another item's value here; there remains the integer 0.
    func takeValue(of other: Item) {
        let wasRaw = other.isRaw
        if other.form == .embedded {
            setEmbedded(other.stringBytes)
        } else {
            clearValue()
            setForm(other.form, payload: other.payload)
        }
        isRaw = wasRaw
        other.setForm(.integer, payload: 0)
    }

    /// Appends to an embedded string, as far as `capacity` allows.
    func appendEmbedded(_ more: Span<UInt8>) {
        let count = Int(payload)
        invariant(form == .embedded && count + more.count <= capacity, "no room to append")
        guard !more.isEmpty else { return }
        let target = unsafe base + keyOffset + keyCount + count
        unsafe more.withUnsafeBufferPointer {
            unsafe target.copyMemory(from: $0.baseAddress!, byteCount: more.count)
        }
        unsafe header.pointee.payload = UInt64(count + more.count)
    }

    /// Appends zeros to a string of its own until it is `count` bytes long.
    func extendWithZeros(to count: Int) {
        let present = stringBytes.count
        guard count > present else { return }
        if form == .buffer {
            unsafe box(of: ByteBuffer.self).pointee.append(repeating: 0, count: count - present)
            return
        }
        invariant(form == .embedded && count <= capacity, "no room for zeros")
        let target = unsafe base + keyOffset + keyCount + present
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: count - present)
        unsafe header.pointee.payload = UInt64(count)
    }

    /// Overwrites part of a string of its own.
    func patch(at offset: Int, _ bytes: Span<UInt8>) {
        let count = stringBytes.count
        invariant(offset >= 0 && offset + bytes.count <= count, "a patch outside of the string")
        guard !bytes.isEmpty else { return }
        invariant(form == .embedded || form == .buffer, "a patch of a string that is not its own")
        // Nobody else sees these bytes: an embedded or a buffer's string has one owner.
        unsafe stringBytes.withUnsafeBufferPointer { target in
            unsafe bytes.withUnsafeBufferPointer { source in
                unsafe UnsafeMutableRawPointer(mutating: target.baseAddress! + offset)
                    .copyMemory(from: source.baseAddress!, byteCount: source.count)
            }
        }
    }

    // The expiry.

    private var expiryField: UnsafeMutablePointer<Int64> {
        invariant(hasExpiry, "no expiry")
        return unsafe (base + Self.headerBytes).assumingMemoryBound(to: Int64.self)
    }

    private var heapIndexField: UnsafeMutablePointer<UInt32> {
        invariant(hasExpiry, "no expiry")
        return unsafe (base + Self.headerBytes + 8).assumingMemoryBound(to: UInt32.self)
    }

    /// When the key dies, in milliseconds since 1970. Only with `hasExpiry`.
    var expiry: Int64 {
        get { unsafe expiryField.pointee }
        nonmutating set { unsafe expiryField.pointee = newValue }
    }

    /// The place in the expiry index. Only with `hasExpiry`.
    var heapIndex: Int {
        get { unsafe Int(heapIndexField.pointee) }
        nonmutating set { unsafe heapIndexField.pointee = UInt32(newValue) }
    }

    // Life and death.

    /// A new block for the same key and value, with or without an expiry field (its contents are
    /// the caller's duty) and with room for `room` value bytes. The old block is gone.
    func rebuilt(room: Int, hasExpiry: Bool) -> Item {
        let kept = form == .embedded ? max(room, Int(payload)) : room
        let successor = Item(key: key, room: kept, hasExpiry: hasExpiry)
        successor.takeValue(of: self)
        unsafe base.deallocate()
        return successor
    }

    /// Frees the item and its value.
    func destroy() {
        clearValue()
        unsafe base.deallocate()
    }
}

/// A long string that is part of a command's argument bytes.
struct SharedSlice {
    let owner: SharedBytes
    let range: Range<Int>

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

/// The types that TYPE tells.
public enum ValueKind: UInt8, Sendable {
    case string
    case list
    case hash
    case set
    case sortedSet
}
