internal import Bytes

/// A run of byte strings packed into one allocation, walked from either end.
///
/// Small collections live in one; a long list is a deque of them. Each entry is
///
///     length (LEB128) | bytes | size of the two fields before, readable backwards
///
/// so that the last entry is found from the end: the last byte of the backward size holds its seven
/// lowest bits, and a set top bit says that more significant bits stand in the byte before. Entries
/// are named by their offset from the first one. Free room is kept at both ends: pushing and popping
/// at either is O(1) amortized, and a change in the middle moves the shorter side.
///
/// One allocation, as a node of a tree (`TreeNode`):
///
///     owners 4 | capacity 4 | head 4 | tail 4 | count 4 | capacity bytes
///
/// A handle, not an owner: a change may move the pack, and the handle that was changed is the one to
/// use from then on. Without entries and without memory it is `nil` inside.
///
/// Invariants: `0 <= head <= tail <= capacity`; the bytes between hold exactly `count` entries.
@safe
struct Listpack {
    // @safe: every offset is checked against head and tail; freed by the owner alone.
    private var block: UnsafeMutableRawPointer?

    private struct Header {
        var owners: UInt32
        var capacity: UInt32
        var head: UInt32
        var tail: UInt32
        var count: UInt32
    }

    private static let headerBytes = 20

    /// An empty pack, which takes no memory.
    init() { unsafe block = nil }

    init(_ node: TreeNode) { unsafe block = node.raw }

    /// A pack of one entry.
    init(of element: Span<UInt8>) {
        self.init()
        append(element)
    }

    /// The pack behind an address that `address` gave; 0 is the empty one.
    init(address: UInt) { unsafe block = UnsafeMutableRawPointer(bitPattern: address) }

    var address: UInt { unsafe UInt(bitPattern: block) }

    /// As a node of a tree; only with entries.
    var node: TreeNode {
        guard let block = unsafe block else { invariantFailed("an empty pack is no node") }
        return unsafe TreeNode(raw: block)
    }

    /// Frees the memory; the pack is empty then.
    mutating func destroy() {
        guard let old = unsafe block else { return }
        invariant(!node.isShared, "freed a listpack that has another owner")
        unsafe old.deallocate()
        unsafe block = nil
    }

    /// A copy of its own.
    func copied() -> Listpack {
        guard let block = unsafe block else { return Listpack() }
        var copy = Listpack()
        copy.allocate(capacity)
        unsafe copy.block!.copyMemory(from: block, byteCount: Self.headerBytes + tail)
        unsafe copy.block!.storeBytes(of: 1, as: UInt32.self)
        return copy
    }

    private mutating func allocate(_ capacity: Int) {
        invariant(capacity < Int(UInt32.max), "a listpack is limited to 4 GB")
        let made = UnsafeMutableRawPointer.allocate(
            byteCount: Self.headerBytes + capacity, alignment: 16)
        unsafe made.storeBytes(
            of: Header(owners: 1, capacity: UInt32(capacity), head: 0, tail: 0, count: 0),
            as: Header.self)
        unsafe block = made
    }

    private var header: Header {
        unsafe block?.load(as: Header.self)
            ?? Header(owners: 0, capacity: 0, head: 0, tail: 0, count: 0)
    }

    private func store(_ value: Int, at offset: Int) {
        invariant(value >= 0, "a negative field of a listpack")
        unsafe block?.storeBytes(of: UInt32(value), toByteOffset: offset, as: UInt32.self)
    }

    private var capacity: Int { Int(header.capacity) }

    private var head: Int {
        get { Int(header.head) }
        nonmutating set { store(newValue, at: 8) }
    }

    private var tail: Int {
        get { Int(header.tail) }
        nonmutating set { store(newValue, at: 12) }
    }

    /// Entries held.
    private(set) var count: Int {
        get { Int(header.count) }
        nonmutating set { store(newValue, at: 16) }
    }

    /// Where the entries' room begins.
    private var base: UnsafeMutableRawPointer? { unsafe block.map { unsafe $0 + Self.headerBytes } }

    /// Bytes in use: also the offset behind the last entry.
    var byteCount: Int { tail - head }

    /// What the pack takes of the heap.
    var allocatedBytes: Int {
        unsafe block == nil ? 0 : HeapBlock.bytes(Self.headerBytes + capacity)
    }

    var isEmpty: Bool { count == 0 }

    /// Bytes that an entry of `length` bytes takes.
    static func entrySize(_ length: Int) -> Int {
        let forward = varintSize(length) + length
        return forward + varintSize(forward)
    }

    // MARK: Reading

    /// The bytes of the entry at `offset`.
    subscript(offset: Int) -> Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let (length, size) = length(at: offset)
            let bytes = unsafe UnsafeRawBufferPointer(
                start: base! + (head + offset + size), count: length)
            let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The offset of the entry behind the one at `offset`; `byteCount` behind the last.
    func offset(after offset: Int) -> Int {
        let (length, size) = length(at: offset)
        let forward = size + length
        return offset + forward + Self.varintSize(forward)
    }

    /// The offset of the entry in front of `offset`, which may be `byteCount`.
    func offset(before offset: Int) -> Int {
        invariant(offset > 0 && offset <= byteCount, "no entry before this offset")
        var position = head + offset - 1
        var byte = unsafe base!.load(fromByteOffset: position, as: UInt8.self)
        var forward = Int(byte & 0x7F)
        var shift = 7
        while byte >= 0x80 {
            position -= 1
            byte = unsafe base!.load(fromByteOffset: position, as: UInt8.self)
            forward |= Int(byte & 0x7F) << shift
            shift += 7
        }
        let start = position - forward - head
        invariant(start >= 0, "a backward size leads out of the listpack")
        return start
    }

    /// The offset of entry number `index`, walking from the nearer end; `byteCount` for `count`.
    func offset(ofEntry index: Int) -> Int {
        invariant(index >= 0 && index <= count, "entry out of range")
        if index <= count / 2 {
            var position = 0
            for _ in 0..<index { position = offset(after: position) }
            return position
        }
        var position = byteCount
        for _ in index..<count { position = offset(before: position) }
        return position
    }

    /// Whether the entry at `offset` holds exactly `bytes`.
    func holds(_ bytes: Span<UInt8>, at offset: Int) -> Bool {
        ContentOrder.equal(self[offset], bytes)
    }

    /// Whether some entry holds exactly `bytes`.
    func contains(_ bytes: Span<UInt8>) -> Bool {
        var offset = 0
        while offset < byteCount {
            if holds(bytes, at: offset) { return true }
            offset = self.offset(after: offset)
        }
        return false
    }

    /// Lends the entry at `offset` to `body`.
    func lend<R>(at offset: Int, _ body: (Span<UInt8>) -> R) -> R { body(self[offset]) }

    /// Lends the entries from `offset` on, at most `limit`, until `body` returns false. Returns how
    /// many were lent, or nil when `body` ended it.
    func lendRun(from offset: Int, atMost limit: Int, _ body: (Span<UInt8>) -> Bool) -> Int? {
        var position = offset
        var lent = 0
        while lent < limit && position < byteCount {
            if !body(self[position]) { return nil }
            position = self.offset(after: position)
            lent += 1
        }
        return lent
    }

    // MARK: Changing

    /// Inserts an entry in front of the one at `offset` (`byteCount`: behind the last).
    mutating func insert(_ bytes: Span<UInt8>, at offset: Int) {
        invariant(offset >= 0 && offset <= byteCount, "insertion out of range")
        open(Self.entrySize(bytes.count), at: offset)
        write(bytes, at: head + offset)
        count += 1
    }

    mutating func append(_ bytes: Span<UInt8>) { insert(bytes, at: byteCount) }

    /// Removes the `entries` entries from `offset` up to `end`.
    mutating func remove(from offset: Int, upTo end: Int, entries: Int) {
        invariant(entries >= 0 && entries <= count, "more entries removed than there are")
        close(offset, end)
        count -= entries
        invariant((count == 0) == (byteCount == 0), "a listpack's count and bytes disagree")
        if count == 0 { destroy() }
    }

    /// Removes the entry at `offset`; what followed it is then at `offset`.
    mutating func remove(at offset: Int) {
        remove(from: offset, upTo: self.offset(after: offset), entries: 1)
    }

    /// Removes at most `limit` entries equal to `bytes`, from the front or the back; says how many.
    mutating func remove(equalTo bytes: Span<UInt8>, atMost limit: Int, backwards: Bool) -> Int {
        var removed = 0
        var position = backwards ? byteCount : 0
        while removed < limit && (backwards ? position > 0 : position < byteCount) {
            if backwards { position = offset(before: position) }
            if holds(bytes, at: position) {
                remove(at: position)
                removed += 1
            } else if !backwards {
                position = offset(after: position)
            }
        }
        return removed
    }

    /// Gives the entry at `offset` other bytes.
    mutating func replace(at offset: Int, with bytes: Span<UInt8>) {
        let old = self.offset(after: offset) - offset
        let new = Self.entrySize(bytes.count)
        if new > old {
            open(new - old, at: offset)
        } else if new < old {
            close(offset, offset + old - new)
        }
        write(bytes, at: head + offset)
    }

    /// Moves the entries from `offset` on, of which there are `entries`, into a new listpack.
    mutating func split(at offset: Int, entries: Int) -> Listpack {
        var right = Listpack()
        let moved = byteCount - offset
        if moved > 0 {
            right.open(moved, at: 0)
            unsafe (right.base! + right.head).copyMemory(
                from: base! + (head + offset), byteCount: moved)
            right.count = entries
            remove(from: offset, upTo: byteCount, entries: entries)
        }
        return right
    }

    /// Appends all entries of `other`.
    mutating func append(contentsOf other: Listpack) {
        guard other.byteCount > 0 else { return }
        let end = byteCount
        open(other.byteCount, at: end)
        unsafe (base! + (head + end)).copyMemory(
            from: other.base! + other.head, byteCount: other.byteCount)
        count += other.count
    }

    // MARK: Entries in memory

    private static func varintSize(_ value: Int) -> Int {
        value < 0x80 ? 1 : (70 - UInt64(value).leadingZeroBitCount) / 7
    }

    /// The length of the entry at `offset`, and the size of that length field.
    private func length(at offset: Int) -> (length: Int, size: Int) {
        invariant(offset >= 0 && offset < byteCount, "no entry at this offset")
        let first = unsafe base!.load(fromByteOffset: head + offset, as: UInt8.self)
        if first < 0x80 { return (Int(first), 1) }
        var length = Int(first & 0x7F)
        var size = 1
        while true {
            let byte = unsafe base!.load(fromByteOffset: head + offset + size, as: UInt8.self)
            length |= Int(byte & 0x7F) << (7 * size)
            size += 1
            if byte < 0x80 { return (length, size) }
        }
    }

    /// Writes one entry at `position`, counted from the start of the memory.
    private mutating func write(_ bytes: Span<UInt8>, at position: Int) {
        var position = position
        var rest = bytes.count
        while rest >= 0x80 {
            put(UInt8(truncatingIfNeeded: rest) | 0x80, at: &position)
            rest >>= 7
        }
        put(UInt8(rest), at: &position)
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe (base! + position).copyMemory(from: start, byteCount: source.count)
        }
        position += bytes.count
        let forward = Self.varintSize(bytes.count) + bytes.count
        var group = Self.varintSize(forward) - 1
        let last = group
        while group >= 0 {
            let bits = UInt8(truncatingIfNeeded: forward >> (7 * group)) & 0x7F
            put(group == last ? bits : bits | 0x80, at: &position)
            group -= 1
        }
    }

    private mutating func put(_ byte: UInt8, at position: inout Int) {
        unsafe base!.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
        position += 1
    }

    // MARK: Room

    /// Opens a gap of `size` bytes at `offset`, moving the shorter side where it has room.
    private mutating func open(_ size: Int, at offset: Int) {
        let after = byteCount - offset
        let frontFits = head >= size
        let backFits = capacity - tail >= size
        // A push that would move a long run to reach the room at the other end gets new room instead:
        // otherwise each push of a run would move it all again.
        let farAppend = after == 0 && offset > 256
        let farPrepend = offset == 0 && after > 256
        if frontFits && !farAppend && (offset <= after || !backFits) {
            if offset > 0 {
                unsafe (base! + (head - size)).copyMemory(from: base! + head, byteCount: offset)
            }
            head -= size
            return
        }
        if backFits && !farPrepend {
            if after > 0 {
                let start = unsafe base! + (head + offset)
                unsafe (start + size).copyMemory(from: start, byteCount: after)
            }
            tail += size
            return
        }
        grow(by: size, at: offset)
    }

    /// Moves to a larger allocation with the gap in it. New free room goes to the end that the
    /// gap touches, since pushes come in runs.
    ///
    /// A small pack grows to the next block that the heap has, like Redis's: there are many of them,
    /// and each change walks all of the pack anyway.
    private mutating func grow(by size: Int, at offset: Int) {
        let used = byteCount + size
        let spare = used <= 512 ? 0 : min(used / 8, 2048)
        let wanted = HeapBlock.usable(Self.headerBytes + used + spare) - Self.headerBytes
        var grown = Listpack()
        grown.allocate(wanted)
        let start = offset == 0 && byteCount > 0 ? wanted - used : 0
        if let old = unsafe base {
            let target = unsafe grown.base!
            unsafe (target + start).copyMemory(from: old + head, byteCount: offset)
            unsafe (target + (start + offset + size)).copyMemory(
                from: old + (head + offset), byteCount: byteCount - offset)
        }
        grown.head = start
        grown.tail = start + used
        grown.count = count
        destroy()
        self = grown
    }

    /// Closes the gap between two offsets by moving the shorter side.
    private mutating func close(_ offset: Int, _ end: Int) {
        invariant(offset >= 0 && offset <= end && end <= byteCount, "removal out of range")
        let size = end - offset
        let after = byteCount - end
        if size == 0 { return }
        if offset < after {
            if offset > 0 {
                unsafe (base! + (head + size)).copyMemory(from: base! + head, byteCount: offset)
            }
            head += size
        } else {
            if after > 0 {
                unsafe (base! + (head + offset)).copyMemory(
                    from: base! + (head + end), byteCount: after)
            }
            tail -= size
        }
        shrinkIfSparse()
    }

    /// Gives memory back when less than a quarter of a large allocation is used.
    private mutating func shrinkIfSparse() {
        let used = byteCount
        guard used > 0, capacity > 512, used < capacity / 4 else { return }
        let wanted = HeapBlock.usable(Self.headerBytes + used * 2) - Self.headerBytes
        var smaller = Listpack()
        smaller.allocate(wanted)
        // In the middle: a queue is pushed at one end and popped at the other.
        let start = (wanted - used) / 2
        unsafe (smaller.base! + start).copyMemory(from: base! + head, byteCount: used)
        smaller.head = start
        smaller.tail = start + used
        smaller.count = count
        destroy()
        self = smaller
    }

    /// Walks all entries in both directions and compares with the counts.
    func checkInvariants() {
        invariant(head >= 0 && head <= tail && tail <= capacity, "a listpack's ends are crossed")
        var position = 0
        var entries = 0
        while position < byteCount {
            let next = offset(after: position)
            invariant(next <= byteCount, "a listpack's entry leaves its bytes")
            invariant(offset(before: next) == position, "a listpack reads differently backwards")
            position = next
            entries += 1
        }
        invariant(entries == count, "a listpack's count is wrong")
    }
}
