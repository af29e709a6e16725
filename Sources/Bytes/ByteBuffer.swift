#if canImport(Glibc)
internal import Glibc
#else
internal import Darwin
#endif

/// A growable run of bytes with a reading end and a writing end.
///
/// Layout: `consumed | readable ... | free`. Bytes are appended at the end and consumed from the
/// front; when everything is consumed the buffer rewinds to its start. Memory comes from `realloc`,
/// so a buffer of many megabytes grows by moving pages, not bytes.
///
/// Invariant: `0 <= head <= tail <= capacity`.
@safe
public struct ByteBuffer: ~Copyable, @unchecked Sendable {
    // Sendable: the only owner of its memory (noncopyable), nothing is shared.
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var head: Int
    @usableFromInline var tail: Int
    @usableFromInline var allocated: Int

    /// Bytes allocated.
    public var capacity: Int { allocated }

    /// An empty buffer; allocates only when `minimumCapacity` is positive.
    public init(minimumCapacity: Int = 0) {
        unsafe base = nil
        head = 0
        tail = 0
        allocated = 0
        if minimumCapacity > 0 { grow(toFit: minimumCapacity) }
    }

    /// A buffer holding a copy of `bytes`.
    public init(copying bytes: Span<UInt8>) {
        self.init(minimumCapacity: bytes.count)
        append(bytes)
    }

    /// A buffer holding a copy of `bytes`.
    public init(_ bytes: [UInt8]) {
        self.init(copying: bytes.span)
    }

    deinit { unsafe free(base) }

    /// Bytes between the reading and the writing end.
    @inlinable
    public var count: Int { tail - head }

    /// Whether nothing is left to read.
    @inlinable
    public var isEmpty: Bool { head == tail }

    /// The unread bytes, borrowed.
    @inlinable
    public var readable: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let raw = unsafe UnsafeRawBufferPointer(
                start: base.map { unsafe $0 + head }, count: count)
            let span = unsafe Span<UInt8>(_unsafeBytes: raw)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The unread bytes without a lifetime: valid until the next mutation or the end of the buffer.
    @unsafe
    public var unsafeReadable: UnsafeBufferPointer<UInt8> {
        let start = unsafe base.map { unsafe ($0 + head).assumingMemoryBound(to: UInt8.self) }
        return unsafe UnsafeBufferPointer(start: start, count: count)
    }

    /// The unread bytes, to be patched in place.
    @inlinable
    public var mutableReadable: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            let raw = unsafe UnsafeMutableRawBufferPointer(
                start: base.map { unsafe $0 + head }, count: count)
            let span = unsafe MutableSpan<UInt8>(_unsafeBytes: raw)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    @inline(never)
    @usableFromInline
    mutating func grow(toFit extra: Int) {
        invariant(extra >= 0, "negative reservation")
        if head > 0, allocated - count >= extra, count <= head {
            // Room at the front and little to move: slide instead of growing.
            if count > 0 { unsafe memcpy(base!, base! + head, count) }
            tail = count
            head = 0
            return
        }
        if head > 0, head >= allocated / 2, count > 0 {
            unsafe memmove(base!, base! + head, count)
            tail = count
            head = 0
        } else if count == 0 {
            head = 0
            tail = 0
        }
        if allocated - tail >= extra { return }
        let wanted = max(tail + extra, allocated + allocated / 2, 64)
        guard let grown = unsafe realloc(base, wanted) else {
            invariantFailed("out of memory: a buffer of \(wanted) bytes")
        }
        unsafe base = grown
        allocated = wanted
    }

    /// Makes room for `extra` more bytes without another allocation.
    @inlinable
    public mutating func reserve(_ extra: Int) {
        if allocated - tail < extra { grow(toFit: extra) }
    }

    /// Appends a copy of `bytes`.
    @inlinable
    public mutating func append(_ bytes: Span<UInt8>) {
        let added = bytes.count
        guard added > 0 else { return }
        reserve(added)
        unsafe bytes.withUnsafeBufferPointer {
            unsafe (base! + tail).copyMemory(from: $0.baseAddress!, byteCount: added)
        }
        tail += added
    }

    /// Appends a copy of `bytes`.
    @inlinable
    public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

    /// Appends the UTF-8 of a literal.
    @inlinable
    public mutating func append(_ literal: StaticString) {
        let added = literal.utf8CodeUnitCount
        reserve(added)
        unsafe (base! + tail).copyMemory(from: literal.utf8Start, byteCount: added)
        tail += added
    }

    /// Appends the UTF-8 of `text`. Not for the hot path.
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            let bytes = unsafe Span<UInt8>(_unsafeElements: utf8)
            append(bytes)
        }
    }

    /// Appends one byte.
    @inlinable
    public mutating func append(_ byte: UInt8) {
        if tail == allocated { grow(toFit: 1) }
        unsafe (base! + tail).storeBytes(of: byte, as: UInt8.self)
        tail += 1
    }

    /// Appends `count` copies of `byte`.
    public mutating func append(repeating byte: UInt8, count added: Int) {
        guard added > 0 else { return }
        reserve(added)
        unsafe memset(base! + tail, Int32(byte), added)
        tail += added
    }

    /// Appends `value` in little-endian order.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(littleEndian value: T) {
        let size = MemoryLayout<T>.size
        reserve(size)
        unsafe (base! + tail).storeBytes(of: value.littleEndian, as: T.self)
        tail += size
    }

    /// Overwrites bytes already appended; `offset` counts from the first unread byte.
    @inlinable
    public mutating func overwrite<T: FixedWidthInteger & BitwiseCopyable>(
        littleEndian value: T, at offset: Int
    ) {
        invariant(offset >= 0 && offset + MemoryLayout<T>.size <= count, "overwrite out of bounds")
        unsafe (base! + head + offset).storeBytes(of: value.littleEndian, as: T.self)
    }

    /// Appends `value` in LEB128: seven bits a byte, least significant first, at most ten bytes.
    @inlinable
    public mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Appends a varint length and then the bytes.
    @inlinable
    public mutating func append(lengthPrefixed bytes: Span<UInt8>) {
        append(varint: UInt64(bytes.count))
        append(bytes)
    }

    /// Drops `n` bytes from the reading end.
    @inlinable
    public mutating func consume(_ n: Int) {
        invariant(n >= 0 && n <= count, "consumed more than was readable")
        head += n
        if head == tail {
            head = 0
            tail = 0
        }
    }

    /// Drops what was appended last, so that `count` bytes remain readable.
    @inlinable
    public mutating func truncate(to remaining: Int) {
        invariant(remaining >= 0 && remaining <= count, "truncated to more than was readable")
        tail = head + remaining
    }

    /// Forgets everything; keeps the memory unless it is larger than `limit` bytes.
    public mutating func removeAll(keepingCapacityUpTo limit: Int = .max) {
        head = 0
        tail = 0
        if allocated > limit {
            unsafe free(base)
            unsafe base = nil
            allocated = 0
        }
    }

    /// Forgets everything and gives memory back from the end until `limit` bytes are left; 0 for none.
    /// A buffer of many megabytes can so be freed over several turns: its pages cost time one by one.
    public mutating func shrink(toCapacity limit: Int) {
        invariant(limit >= 0, "a negative capacity")
        head = 0
        tail = 0
        guard limit < allocated else { return }
        if limit == 0 {
            unsafe free(base)
            unsafe base = nil
        } else if let smaller = unsafe realloc(base, limit) {
            unsafe base = smaller
        } else {
            return
        }
        allocated = limit
    }

    /// Lends at least `minimum` free bytes at the writing end; `body` returns how many it filled.
    /// The pointer dies with the call. For reading from a socket or a file without a copy.
    @unsafe
    public mutating func withUnsafeTail<E: Error>(
        minimum: Int, _ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int
    ) throws(E) -> Int {
        reserve(minimum)
        let free = unsafe UnsafeMutableRawBufferPointer(
            start: base.map { unsafe $0 + tail }, count: allocated - tail)
        let filled = unsafe try body(free)
        invariant(filled >= 0 && tail + filled <= allocated, "filled more than was lent")
        tail += filled
        return filled
    }

    /// Free bytes at the writing end, valid until the next mutation. For libuv's two-step read
    /// (allocate, then fill): fill it and call `commit`.
    @unsafe
    public mutating func unsafeTail(minimum: Int) -> UnsafeMutableRawBufferPointer {
        reserve(minimum)
        return unsafe UnsafeMutableRawBufferPointer(
            start: base.map { unsafe $0 + tail }, count: allocated - tail)
    }

    /// Makes `n` bytes that were written through `unsafeTail` readable.
    public mutating func commit(_ n: Int) {
        invariant(n >= 0 && tail + n <= allocated, "committed more than was lent")
        tail += n
    }

    /// The unread bytes as an array: a copy, for tests and cold paths.
    public func copyBytes() -> [UInt8] {
        unsafe readable.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }

    /// Moves the contents out and leaves an empty buffer without memory behind.
    public mutating func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&self, &taken)
        return taken
    }
}
