/// Immutable bytes with shared ownership: what a very large argument travels as, so that it is
/// never copied whole within one turn.
@safe
public final class SharedBytes: @unchecked Sendable {
    // Sendable: nothing changes after init, but for the last reference (`takeBack`). The buffer owns the
    // memory that `bytes` points into.
    private var buffer: ByteBuffer
    private var bytes: UnsafeBufferPointer<UInt8>

    /// Takes over the readable bytes of `buffer` without copying them.
    public init(_ buffer: consuming ByteBuffer) {
        unsafe bytes = buffer.unsafeReadable
        self.buffer = buffer
    }

    /// Takes the buffer out again if `shared` is the only reference, which is then empty; else nil.
    public static func takeBack(_ shared: inout SharedBytes) -> ByteBuffer? {
        guard isKnownUniquelyReferenced(&shared) else { return nil }
        unsafe shared.bytes = UnsafeBufferPointer(start: nil, count: 0)
        return shared.buffer.take()
    }

    public var count: Int { unsafe bytes.count }

    /// All bytes, borrowed from this object.
    public var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeElements: bytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
