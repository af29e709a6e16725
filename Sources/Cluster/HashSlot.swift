public import Bytes

/// One of the 16384 parts of the key space, as Redis Cluster divides it.
public struct HashSlot: Hashable, Comparable, Sendable {
    /// Number of slots.
    public static let count = 16384

    /// 0 ..< 16384.
    public let raw: UInt16

    /// The slot numbered `raw`, which must be below `count`.
    @inlinable
    public init(_ raw: UInt16) {
        invariant(raw < UInt16(HashSlot.count), "a hash slot beyond the last")
        self.raw = raw
    }

    @inlinable
    public static func < (left: HashSlot, right: HashSlot) -> Bool { left.raw < right.raw }

    /// The slot of `key`: CRC-16 of its hash tag, or of all of it.
    ///
    /// The tag is what stands between the first `{` and the first `}` after it, unless that is
    /// nothing (Redis Cluster specification, "Hash tags").
    public static func of(key: Span<UInt8>) -> HashSlot {
        HashSlot(crc16(tag(of: key)) & UInt16(count - 1))
    }

    @_lifetime(copy key)
    private static func tag(of key: Span<UInt8>) -> Span<UInt8> {
        var open = 0
        while open < key.count, key[open] != UInt8(ascii: "{") { open += 1 }
        var close = open + 1
        while close < key.count, key[close] != UInt8(ascii: "}") { close += 1 }
        guard close < key.count, close > open + 1 else { return key }
        return key.extracting(open + 1..<close)
    }

    /// CRC-16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected.
    static func crc16(_ bytes: Span<UInt8>) -> UInt16 {
        var crc: UInt16 = 0
        for i in bytes.indices {
            // Four bits at a time: sixteen values fit two cache lines' half, and no table of 256
            // has to be fetched for the one short key of a command.
            crc = crc << 4 ^ nibbles[Int(crc >> 12 ^ UInt16(bytes[i] >> 4))]
            crc = crc << 4 ^ nibbles[Int(crc >> 12 ^ UInt16(bytes[i] & 15))]
        }
        return crc
    }

    private static let nibbles: InlineArray<16, UInt16> = [
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    ]
}
