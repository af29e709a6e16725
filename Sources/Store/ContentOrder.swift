internal import Bytes

/// Lexicographic order of bytes, the last word wherever hashes or times are equal.
enum ContentOrder {
    case before
    case equal
    case after

    static func compare(_ one: Span<UInt8>, _ other: Span<UInt8>) -> ContentOrder {
        let shared = min(one.count, other.count)
        let difference = unsafe one.withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                unsafe firstDifference(left, right, shared)
            }
        }
        if difference < shared {
            return one[difference] < other[difference] ? .before : .after
        }
        if one.count == other.count { return .equal }
        return one.count < other.count ? .before : .after
    }

    /// The first index at which two runs of at least `count` bytes differ, or `count`.
    private static func firstDifference(
        _ one: UnsafeBufferPointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>, _ count: Int
    ) -> Int {
        guard count > 0 else { return 0 }
        let left = unsafe UnsafeRawPointer(one.baseAddress!)
        let right = unsafe UnsafeRawPointer(other.baseAddress!)
        var index = 0
        while index + 8 <= count {
            let a = unsafe left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let b = unsafe right.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if a != b {
                return index + (a.littleEndian ^ b.littleEndian).trailingZeroBitCount / 8
            }
            index += 8
        }
        while index < count {
            if unsafe left.load(fromByteOffset: index, as: UInt8.self)
                != right.load(fromByteOffset: index, as: UInt8.self)
            {
                return index
            }
            index += 1
        }
        return count
    }
}
