/// Immutable bytes with shared ownership: what a very large argument travels as, so that it is
/// never copied whole within one turn.
@safe
public final class SharedBytes: @unchecked Sendable {
    // Sendable: nothing changes after init. The buffer owns the memory that `bytes` points into.
    private let buffer: ByteBuffer
    private let bytes: UnsafeBufferPointer<UInt8>

    /// Takes over the readable bytes of `buffer` without copying them.
    public init(_ buffer: consuming ByteBuffer) {
        unsafe bytes = buffer.unsafeReadable
        self.buffer = buffer
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
