internal import Bytes
internal import CLZ4

/// LZ4's block format over our buffers. `unsafe` for the calls into C, which stay inside what they
/// are lent.
enum Compression {
    /// Appends `chunk` compressed; nothing, and false, if that would save nothing.
    static func compress(_ chunk: Span<UInt8>, into bytes: inout ByteBuffer) -> Bool {
        let room = chunk.count - 1
        guard room > 0 else { return false }
        let written = unsafe bytes.withUnsafeTail(minimum: room) { free in
            unsafe chunk.withUnsafeBufferPointer { raw in
                let written = unsafe LZ4_compress_default(
                    UnsafeRawPointer(raw.baseAddress!).assumingMemoryBound(to: CChar.self),
                    free.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(raw.count),
                    Int32(room))
                // 0: it does not fit.
                return Int(written)
            }
        }
        return written > 0
    }

    /// Appends the `count` bytes that `stored` stands for; false, and an unknown part of them, if it
    /// does not stand for as many. Safe for any input.
    static func decompress(_ stored: Span<UInt8>, count: Int, into bytes: inout ByteBuffer) -> Bool
    {
        let written = unsafe bytes.withUnsafeTail(minimum: count) { free in
            unsafe stored.withUnsafeBufferPointer { packed in
                let written = unsafe LZ4_decompress_safe(
                    UnsafeRawPointer(packed.baseAddress!).assumingMemoryBound(to: CChar.self),
                    free.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(packed.count),
                    Int32(count))
                return max(0, Int(written))
            }
        }
        return written == count
    }
}
