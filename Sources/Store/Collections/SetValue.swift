public import Bytes

/// A set: members without order.
///
/// While all members are integers and few, a sorted array of them; otherwise a tree in content
/// order (SipHash of the member, member). It never turns back.
public final class SetValue {
    /// Ascending; empty once `isIntegers` is false.
    private var integers: [Int64] = []
    private var tree = RankedTree()
    private var isIntegers = true
    private let order: SipHash

    /// Redis caps `set-max-intset-entries` here.
    private static let intsetEntriesMax = 1 << 30

    /// An empty set that will iterate in the order of `order`, the cluster's.
    public init(order: SipHash) { self.order = order }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { isIntegers ? "intset" : "hashtable" }

    /// Members.
    public var count: Int { isIntegers ? integers.count : tree.count }

    public var isEmpty: Bool { count == 0 }

    /// Bytes allocated for members. O(n / 100).
    public var allocatedBytes: Int {
        isIntegers ? integers.capacity * 8 : tree.allocatedBytes
    }

    // MARK: Members

    public func contains(_ member: Span<UInt8>) -> Bool {
        guard isIntegers else { return tree.contains(order.hash(member), member) }
        guard let number = IntegerText.parse(member) else { return false }
        let index = integerIndex(notBelow: number)
        return index < integers.count && integers[index] == number
    }

    /// Adds a member. True when it is new.
    public func insert(_ member: Span<UInt8>, limits: EncodingLimits) -> Bool {
        guard isIntegers else { return tree.insert(order.hash(member), member, Span()) }
        guard let number = IntegerText.parse(member) else {
            convert()
            return tree.insert(order.hash(member), member, Span())
        }
        let index = integerIndex(notBelow: number)
        if index < integers.count && integers[index] == number { return false }
        integers.insert(number, at: index)
        if integers.count > min(limits.setMaxIntsetEntries, Self.intsetEntriesMax) { convert() }
        return true
    }

    /// Removes a member; false when it is not there.
    public func remove(_ member: Span<UInt8>) -> Bool {
        guard isIntegers else { return tree.remove(order.hash(member), member) }
        guard let number = IntegerText.parse(member) else { return false }
        let index = integerIndex(notBelow: number)
        guard index < integers.count && integers[index] == number else { return false }
        integers.remove(at: index)
        return true
    }

    // MARK: Iteration

    /// Lends all members in order, until `body` returns false.
    public func forEach(_ body: (Span<UInt8>) -> Bool) {
        guard isIntegers else {
            return tree.forEach(in: 0..<tree.count) { _, member, _ in body(member) }
        }
        for number in integers where !IntegerText.withDecimal(number, body) { return }
    }

    /// Lends the member of rank `rank` in the order of iteration.
    public func withMember<R>(at rank: Int, _ body: (Span<UInt8>) -> R) -> R {
        invariant(rank >= 0 && rank < count, "set rank out of range")
        guard isIntegers else { return tree.withEntry(at: rank) { _, member, _ in body(member) } }
        return IntegerText.withDecimal(integers[rank], body)
    }

    /// Removes the member of rank `rank`.
    public func remove(at rank: Int) {
        invariant(rank >= 0 && rank < count, "set rank out of range")
        if isIntegers { integers.remove(at: rank) } else { tree.remove(at: rank) }
    }

    /// One step of SSCAN from `cursor`: all members at once while they are integers, else at least
    /// `wanted`. Returns the next cursor, 0 at the end.
    public func scan(
        from cursor: UInt64, wanted: Int, _ body: (Span<UInt8>) -> Void
    ) -> UInt64 {
        guard isIntegers else {
            return tree.scan(from: cursor, wanted: wanted) { member, _ in body(member) }
        }
        for number in integers { IntegerText.withDecimal(number, body) }
        return 0
    }

    // MARK: Inside

    private func integerIndex(notBelow number: Int64) -> Int {
        var low = 0
        var high = integers.count
        while low < high {
            let middle = (low + high) / 2
            if integers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func convert() {
        for number in integers {
            IntegerText.withDecimal(number) { member in
                let new = tree.insert(order.hash(member), member, Span())
                invariant(new, "an intset held a member twice")
            }
        }
        integers = []
        isIntegers = false
    }

    /// Feeds encoding and members in order.
    public func feed(_ hash: inout StateHash) {
        hash.feed(encodingName)
        hash.feed(count)
        forEach {
            hash.feed($0)
            return true
        }
    }

    /// Walks everything. O(n), for tests and the simulator.
    public func checkInvariants() {
        tree.checkInvariants()
        invariant(isIntegers ? tree.count == 0 : integers.isEmpty, "a set has two forms")
        for (one, next) in zip(integers, integers.dropFirst()) {
            invariant(one < next, "an intset does not ascend")
        }
        tree.forEach(in: 0..<tree.count) { prefix, member, _ in
            invariant(prefix == order.hash(member), "a member stands under another's hash")
            return true
        }
    }
}
