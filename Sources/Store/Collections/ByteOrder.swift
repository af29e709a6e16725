internal import Bytes

/// Byte strings in the order that everything here sorts by: as unsigned bytes, the shorter first
/// when one is a prefix of the other (memcmp, then length), as Redis orders members.
enum ByteOrder {
    /// Negative, zero or positive as `one` sorts before, equal to or after `other`.
    static func compare(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Int {
        let common = min(one.count, other.count)
        let difference = unsafe one.withUnsafeBytes { left in
            unsafe other.withUnsafeBytes { right in
                var offset = 0
                while offset + 8 <= common {
                    let a = unsafe left.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    let b = unsafe right.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    if a != b { return a.bigEndian < b.bigEndian ? -1 : 1 }
                    offset += 8
                }
                while offset < common {
                    let a = unsafe left[offset]
                    let b = unsafe right[offset]
                    if a != b { return a < b ? -1 : 1 }
                    offset += 1
                }
                return 0
            }
        }
        return difference != 0 ? difference : one.count - other.count
    }

    /// Whether both hold the same bytes.
    static func equal(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        one.count == other.count && compare(one, other) == 0
    }
}
