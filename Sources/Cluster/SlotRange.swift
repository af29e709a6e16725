internal import Bytes

/// Consecutive slots, first and last included.
public struct SlotRange: Hashable, Sendable {
    public let first: HashSlot
    public let last: HashSlot

    /// From `first` through `last`, which must not come before it.
    public init(_ first: HashSlot, _ last: HashSlot) {
        invariant(first <= last, "a slot range that ends before it begins")
        self.first = first
        self.last = last
    }

    /// All slots.
    public static let all = SlotRange(HashSlot(0), HashSlot(UInt16(HashSlot.count - 1)))

    /// Number of slots, at least 1.
    @inlinable
    public var count: Int { Int(last.raw) - Int(first.raw) + 1 }

    /// Whether `slot` is one of them.
    @inlinable
    public func contains(_ slot: HashSlot) -> Bool { first <= slot && slot <= last }

    /// All slots in `groups` consecutive ranges whose sizes differ by one at most.
    ///
    /// - Parameter groups: 1 ... 16384.
    public static func even(groups: Int) -> [SlotRange] {
        invariant(groups >= 1 && groups <= HashSlot.count, "more groups than slots, or none")
        return (0..<groups).map { group in
            let start = group * HashSlot.count / groups
            let end = (group + 1) * HashSlot.count / groups
            return SlotRange(HashSlot(UInt16(start)), HashSlot(UInt16(end - 1)))
        }
    }
}
