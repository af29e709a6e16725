public import Bytes

/// A set: members without order. A handle of a key's value, or of one that no key has yet; good
/// until the key is removed or gets another value.
///
/// While all members are integers and few, a sorted run of them; otherwise a tree in content
/// order (SipHash of the member, member). It never turns back.
public struct SetValue {
    let place: CollectionPlace
    private let order: SipHash

    /// Redis caps `set-max-intset-entries` here.
    private static let intsetEntriesMax = 1 << 30

    /// An empty set that will iterate in the order of `order`, the cluster's.
    public init(order: SipHash) {
        self.order = order
        place = CollectionPlace(empty: .intset)
    }

    init(_ place: CollectionPlace, order: SipHash) {
        self.place = place
        self.order = order
    }

    private var item: Item { place.item }
    private var isIntegers: Bool { item.form == .intset }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { item.encodingName }

    /// Members.
    public var count: Int { item.elementCount }

    public var isEmpty: Bool { count == 0 }

    /// Heap that the set takes. O(1).
    public var allocatedBytes: Int { item.heapBytes }

    // MARK: Members

    public func contains(_ member: Span<UInt8>) -> Bool {
        let item = item
        guard item.form == .intset else {
            return unsafe item.tree.pointee.contains(order.hash(member), member)
        }
        guard let number = IntegerText.parse(member) else { return false }
        return item.integers.search(number).found
    }

    /// Adds a member. True when it is new.
    public func insert(_ member: Span<UInt8>, limits: EncodingLimits) -> Bool {
        place.change { open in
            let number = open.item.form == .intset ? IntegerText.parse(member) : nil
            guard let number else {
                if open.item.form == .intset { convert(open) }
                return unsafe open.item.tree.pointee.insert(order.hash(member), member, Span())
            }
            var integers = open.item.integers
            let place = integers.search(number)
            if place.found { return false }
            integers.insert(number, at: place.index)
            open.setIntegers(integers)
            if integers.count > min(limits.setMaxIntsetEntries, Self.intsetEntriesMax) {
                convert(open)
            }
            return true
        }
    }

    /// Removes a member; false when it is not there.
    public func remove(_ member: Span<UInt8>) -> Bool {
        place.change { open in
            guard open.item.form == .intset else {
                return unsafe open.item.tree.pointee.remove(order.hash(member), member)
            }
            guard let number = IntegerText.parse(member) else { return false }
            let place = open.item.integers.search(number)
            if place.found { Self.remove(at: place.index, open) }
            return place.found
        }
    }

    private static func remove(at index: Int, _ open: OpenItem) {
        var integers = open.item.integers
        integers.remove(at: index)
        open.setIntegers(integers)
    }

    // MARK: Iteration

    /// Lends all members in order, until `body` returns false.
    public func forEach(_ body: (Span<UInt8>) -> Bool) {
        let item = item
        guard item.form == .intset else {
            let tree = unsafe item.tree
            return unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) { _, member, _ in
                body(member)
            }
        }
        let integers = item.integers
        for index in 0..<integers.count
        where !IntegerText.withDecimal(integers[index], body) { return }
    }

    /// Lends the member of rank `rank` in the order of iteration.
    public func withMember<R>(at rank: Int, _ body: (Span<UInt8>) -> R) -> R {
        invariant(rank >= 0 && rank < count, "set rank out of range")
        guard isIntegers else {
            return unsafe item.tree.pointee.withEntry(at: rank) { _, member, _ in body(member) }
        }
        return IntegerText.withDecimal(item.integers[rank], body)
    }

    /// Removes the member of rank `rank`.
    public func remove(at rank: Int) {
        invariant(rank >= 0 && rank < count, "set rank out of range")
        place.change { open in
            if open.item.form == .intset {
                Self.remove(at: rank, open)
            } else {
                unsafe open.item.tree.pointee.remove(at: rank)
            }
        }
    }

    /// One step of SSCAN from `cursor`: all members at once while they are integers, else at least
    /// `wanted`. Returns the next cursor, 0 at the end.
    public func scan(
        from cursor: UInt64, wanted: Int, _ body: (Span<UInt8>) -> Void
    ) -> UInt64 {
        guard isIntegers else {
            return unsafe item.tree.pointee.scan(from: cursor, wanted: wanted) { member, _ in
                body(member)
            }
        }
        forEach {
            body($0)
            return true
        }
        return 0
    }

    // MARK: Inside

    private func convert(_ open: OpenItem) {
        var tree = RankedTree()
        let integers = open.item.integers
        for index in 0..<integers.count {
            IntegerText.withDecimal(integers[index]) { member in
                let new = tree.insert(order.hash(member), member, Span())
                invariant(new, "an intset held a member twice")
            }
        }
        open.setBoxed(tree, form: .setTree)
    }

    /// Feeds encoding and members in order.
    public func feed(_ hash: inout StateHash) { item.feedCollection(&hash) }

    /// Walks everything. O(n), for tests and the simulator.
    public func checkInvariants() {
        guard !isIntegers else { return item.integers.checkInvariants() }
        let tree = unsafe item.tree
        unsafe tree.pointee.checkInvariants()
        unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) { prefix, member, _ in
            invariant(prefix == order.hash(member), "a member stands under another's hash")
            return true
        }
    }
}
