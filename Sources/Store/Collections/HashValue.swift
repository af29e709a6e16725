public import Bytes

/// A hash: fields with values. A handle of a key's value, or of one that no key has yet; good until
/// the key is removed or gets another value.
///
/// While small, one listpack of field, value, field, value in the order of insertion; beyond
/// `EncodingLimits` a tree in content order (SipHash of the field, field). It never turns back.
public struct HashValue {
    let place: CollectionPlace
    private let order: SipHash

    /// An empty hash that will iterate in the order of `order`, the cluster's.
    public init(order: SipHash) {
        self.order = order
        place = CollectionPlace(empty: .hashPack)
    }

    init(_ place: CollectionPlace, order: SipHash) {
        self.place = place
        self.order = order
    }

    private var item: Item { place.item }
    private var isPacked: Bool { item.form == .hashPack }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { item.encodingName }

    /// Fields.
    public var count: Int { item.elementCount }

    public var isEmpty: Bool { count == 0 }

    /// Heap that the hash takes. O(1).
    public var allocatedBytes: Int { item.heapBytes }

    // MARK: Fields

    /// Lends the value of `field` to `body`; nil when there is no such field. `body` must not
    /// touch the hash.
    public func withValue<R>(of field: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R? {
        let item = item
        return item.form == .hashPack
            ? item.pack.withValue(ofField: field, body)
            : unsafe item.tree.pointee.withValue(order.hash(field), field, body)
    }

    public func contains(_ field: Span<UInt8>) -> Bool {
        withValue(of: field) { _ in true } ?? false
    }

    /// Gives `field` a value. True when the field is new.
    public func set(_ field: Span<UInt8>, _ value: Span<UInt8>, limits: EncodingLimits) -> Bool {
        place.change { open in
            let longest = limits.hashMaxListpackValue
            if open.item.form == .hashPack, field.count > longest || value.count > longest {
                convert(open)
            }
            guard open.item.form == .hashPack else {
                return unsafe open.item.tree.pointee.insert(order.hash(field), field, value)
            }
            var pack = open.item.pack
            let isNew = pack.setValue(ofField: field, value)
            open.setPack(pack)
            if pack.count / 2 > limits.hashMaxListpackEntries { convert(open) }
            return isNew
        }
    }

    /// Removes `field`; false when it is not there.
    public func remove(_ field: Span<UInt8>) -> Bool {
        place.change { open in
            guard open.item.form == .hashPack else {
                return unsafe open.item.tree.pointee.remove(order.hash(field), field)
            }
            var pack = open.item.pack
            let isRemoved = pack.remove(field: field)
            open.setPack(pack)
            return isRemoved
        }
    }

    // MARK: Iteration

    /// Lends all fields with their values, in order, until `body` returns false.
    public func forEach(_ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        let item = item
        guard item.form != .hashPack else { return item.pack.forEachPair(body) }
        let tree = unsafe item.tree
        unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) { _, field, value in
            body(field, value)
        }
    }

    /// Lends the field of rank `rank` in the order of iteration.
    public func withEntry<R>(
        at rank: Int, _ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> R
    ) -> R {
        invariant(rank >= 0 && rank < count, "hash rank out of range")
        guard !isPacked else { return item.pack.withPair(at: rank, body) }
        return unsafe item.tree.pointee.withEntry(at: rank) { _, field, value in
            body(field, value)
        }
    }

    /// One step of HSCAN from `cursor`: all fields at once while packed, else at least `wanted`.
    /// Returns the next cursor, 0 at the end.
    public func scan(
        from cursor: UInt64, wanted: Int,
        _ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> Void
    ) -> UInt64 {
        guard isPacked else {
            return unsafe item.tree.pointee.scan(from: cursor, wanted: wanted, body)
        }
        forEach {
            body($0, $1)
            return true
        }
        return 0
    }

    // MARK: Inside

    private func convert(_ open: OpenItem) {
        var tree = RankedTree()
        open.item.pack.forEachPair { field, value in
            let isNew = tree.insert(order.hash(field), field, value)
            invariant(isNew, "a packed hash held a field twice")
            return true
        }
        open.setBoxed(tree, form: .hashTree)
    }

    /// Feeds encoding, fields and values in order.
    public func feed(_ hash: inout StateHash) { item.feedCollection(&hash) }

    /// Walks everything. O(n), for tests and the simulator.
    public func checkInvariants() {
        guard !isPacked else {
            item.pack.checkInvariants()
            invariant(item.pack.count % 2 == 0, "a packed hash has a field without a value")
            return
        }
        let tree = unsafe item.tree
        unsafe tree.pointee.checkInvariants()
        unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) { prefix, field, _ in
            invariant(prefix == order.hash(field), "a field stands under another's hash")
            return true
        }
    }
}
