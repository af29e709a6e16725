/// A running 64-bit digest of a replica's state, fed in content order.
///
/// Replicas compare digests to find divergence; equal states give equal digests on every machine
/// and in every build. It is a checksum, not a signature: nobody gains by forging it, since whoever
/// can choose the state can also report any digest.
///
/// Every field is fed with its own length or width, so that ("ab", "c") and ("a", "bc") differ.
/// Invariant: the constants and the step below never change within one cluster version.
public struct StateHash: Sendable, Equatable {
    @usableFromInline var state: UInt64
    @usableFromInline var words: UInt64

    /// Starts a digest; `seed` keeps digests of different things apart.
    @inlinable
    public init(seed: UInt64 = 0) {
        state = seed ^ 0x9e37_79b9_7f4a_7c15
        words = 0
    }

    /// One step: fold the 128-bit product of two keyed words (the idea of wyhash and rapidhash).
    @inlinable
    @inline(__always)
    static func fold(_ one: UInt64, _ other: UInt64) -> UInt64 {
        let product = one.multipliedFullWidth(by: other)
        return product.high ^ product.low
    }

    /// Feeds one word.
    @inlinable
    public mutating func feed(_ word: UInt64) {
        words &+= 1
        // The sum keeps the state from collapsing when a product is zero.
        let keyed = (word ^ 0xa076_1d64_78bd_642f) &+ (words &* 0xe703_7ed1_a0b4_28db)
        state = Self.fold(state ^ 0x8ebc_6af0_9c88_c6e3, keyed | 1) &+ word
    }

    /// Feeds a signed number.
    @inlinable
    public mutating func feed(_ number: Int64) { feed(UInt64(bitPattern: number)) }

    /// Feeds a count or a small discriminator.
    @inlinable
    public mutating func feed(_ number: Int) { feed(UInt64(bitPattern: Int64(number))) }

    /// Feeds the exact bits of a floating-point number (-0 and 0 differ).
    @inlinable
    public mutating func feed(_ number: Double) { feed(number.bitPattern) }

    /// Feeds the length and then the bytes.
    @inlinable
    public mutating func feed(_ bytes: Span<UInt8>) {
        let count = bytes.count
        feed(UInt64(count))
        unsafe bytes.withUnsafeBufferPointer { pointer in
            var offset = 0
            while offset + 8 <= count {
                feed(
                    UInt64(
                        littleEndian: unsafe UnsafeRawPointer(pointer.baseAddress! + offset)
                            .loadUnaligned(as: UInt64.self)))
                offset += 8
            }
            guard offset < count else { return }
            var last: UInt64 = 0
            var shift: UInt64 = 0
            while offset < count {
                unsafe last |= UInt64(pointer[offset]) << shift
                shift += 8
                offset += 1
            }
            feed(last)
        }
    }

    /// Feeds the UTF-8 of a literal, such as an encoding's name.
    @inlinable
    public mutating func feed(_ literal: StaticString) {
        let utf8 = unsafe UnsafeBufferPointer(
            start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        feed(unsafe Span(_unsafeElements: utf8))
    }

    /// The digest of everything fed so far.
    @inlinable
    public var value: UInt64 {
        var z = state ^ words
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
