/// What is wrong with bytes that should have followed a format.
public enum DecodeError: Error, Equatable, Sendable {
    /// The input ended inside a field.
    case truncated
    /// A field holds a value that the format does not allow; the text names the field.
    case invalid(StaticString)

    public static func == (left: DecodeError, right: DecodeError) -> Bool {
        switch (left, right) {
        case (.truncated, .truncated): true
        case (.invalid(let one), .invalid(let other)): one.description == other.description
        default: false
        }
    }
}

/// Decodes fields from borrowed bytes, front to back. The counterpart of `ByteBuffer.append`.
public struct ByteReader: ~Escapable {
    @usableFromInline let bytes: Span<UInt8>
    @usableFromInline var position: Int

    /// Bytes read so far.
    @inlinable
    public var offset: Int { position }

    /// Reads from the start of `bytes`.
    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
        self.position = 0
    }

    /// Bytes not read yet.
    @inlinable
    public var remaining: Int { bytes.count - offset }

    /// Reads a little-endian integer.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self)
        throws(DecodeError) -> T
    {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw .truncated }
        let value = unsafe bytes.withUnsafeBufferPointer {
            unsafe UnsafeRawPointer($0.baseAddress! + offset).loadUnaligned(as: T.self)
        }
        position += size
        return T(littleEndian: value)
    }

    /// Reads an LEB128 integer of at most ten bytes.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readVarint() throws(DecodeError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard offset < bytes.count else { throw .truncated }
            let byte = bytes[offset]
            position += 1
            if shift == 63, byte > 1 { throw .invalid("varint") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { throw .invalid("varint") }
        }
    }

    /// Reads a varint that must fit a non-negative Int.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readCount() throws(DecodeError) -> Int {
        guard let count = Int(exactly: try readVarint()) else { throw .invalid("count") }
        return count
    }

    /// Borrows the next `count` bytes.
    @inlinable
    @_lifetime(copy self)
    public mutating func readBytes(_ count: Int) throws(DecodeError) -> Span<UInt8> {
        guard count >= 0, remaining >= count else { throw .truncated }
        let taken = bytes.extracting(offset..<offset + count)
        position += count
        return taken
    }

    /// Borrows bytes behind a varint length.
    @inlinable
    @_lifetime(copy self)
    public mutating func readLengthPrefixed() throws(DecodeError) -> Span<UInt8> {
        let count = try readCount()
        return try readBytes(count)
    }
}
