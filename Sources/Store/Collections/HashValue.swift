public import Bytes

/// A hash: fields with values.
///
/// While small, one listpack of field, value, field, value in the order of insertion; beyond
/// `EncodingLimits` a tree in content order (SipHash of the field, field). It never turns back.
public final class HashValue {
    private var pack = Listpack()
    private var tree = RankedTree()
    private var isPacked = true
    private let order: SipHash

    /// An empty hash that will iterate in the order of `order`, the cluster's.
    public init(order: SipHash) { self.order = order }

    /// What OBJECT ENCODING says.
    public var encodingName: StaticString { isPacked ? "listpack" : "hashtable" }

    /// Fields.
    public var count: Int { isPacked ? pack.count / 2 : tree.count }

    public var isEmpty: Bool { count == 0 }

    /// Bytes allocated for fields and values. O(n / 100).
    public var allocatedBytes: Int { isPacked ? pack.allocatedBytes : tree.allocatedBytes }

    // MARK: Fields

    /// Lends the value of `field` to `body`; nil when there is no such field. `body` must not
    /// touch the hash.
    public func withValue<R>(of field: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R? {
        isPacked
            ? pack.withValue(ofField: field, body)
            : tree.withValue(order.hash(field), field, body)
    }

    public func contains(_ field: Span<UInt8>) -> Bool {
        withValue(of: field) { _ in true } ?? false
    }

    /// Gives `field` a value. True when the field is new.
    public func set(_ field: Span<UInt8>, _ value: Span<UInt8>, limits: EncodingLimits) -> Bool {
        let longest = limits.hashMaxListpackValue
        if isPacked && (field.count > longest || value.count > longest) { convert() }
        guard isPacked else { return tree.insert(order.hash(field), field, value) }
        let isNew = pack.setValue(ofField: field, value)
        if count > limits.hashMaxListpackEntries { convert() }
        return isNew
    }

    /// Removes `field`; false when it is not there.
    public func remove(_ field: Span<UInt8>) -> Bool {
        isPacked ? pack.remove(field: field) : tree.remove(order.hash(field), field)
    }

    // MARK: Iteration

    /// Lends all fields with their values, in order, until `body` returns false.
    public func forEach(_ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> Bool) {
        guard !isPacked else { return pack.forEachPair(body) }
        tree.forEach(in: 0..<tree.count) { _, field, value in body(field, value) }
    }

    /// Lends the field of rank `rank` in the order of iteration.
    public func withEntry<R>(
        at rank: Int, _ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> R
    ) -> R {
        invariant(rank >= 0 && rank < count, "hash rank out of range")
        guard !isPacked else { return pack.withPair(at: rank, body) }
        return tree.withEntry(at: rank) { _, field, value in body(field, value) }
    }

    /// One step of HSCAN from `cursor`: all fields at once while packed, else at least `wanted`.
    /// Returns the next cursor, 0 at the end.
    public func scan(
        from cursor: UInt64, wanted: Int,
        _ body: (_ field: Span<UInt8>, _ value: Span<UInt8>) -> Void
    ) -> UInt64 {
        guard isPacked else { return tree.scan(from: cursor, wanted: wanted, body) }
        forEach {
            body($0, $1)
            return true
        }
        return 0
    }

    // MARK: Inside

    private func convert() {
        pack.forEachPair { field, value in
            let isNew = tree.insert(order.hash(field), field, value)
            invariant(isNew, "a packed hash held a field twice")
            return true
        }
        pack.removeAll()
        isPacked = false
    }

    /// Feeds encoding, fields and values in order.
    public func feed(_ hash: inout StateHash) {
        hash.feed(encodingName)
        hash.feed(count)
        forEach {
            hash.feed($0)
            hash.feed($1)
            return true
        }
    }

    /// Walks everything. O(n), for tests and the simulator.
    public func checkInvariants() {
        pack.checkInvariants()
        tree.checkInvariants()
        invariant(isPacked ? tree.count == 0 : pack.isEmpty, "a hash has two forms")
        invariant(pack.count % 2 == 0, "a packed hash has a field without a value")
        tree.forEach(in: 0..<tree.count) { prefix, field, _ in
            invariant(prefix == order.hash(field), "a field stands under another's hash")
            return true
        }
    }
}
