internal import Bytes

/// A list: byte strings in the order in which they were pushed. A handle of a key's value, or of one
/// that no key has yet; good until the key is removed or gets another value.
///
/// While short, one listpack; beyond `ListTree.nodeBytesMax` a tree of them. Both ends are O(log n)
/// in the number of leaves, as is an index.
public struct ListValue {
    let place: CollectionPlace

    public init() { place = CollectionPlace(empty: .listPack) }

    init(_ place: CollectionPlace) { self.place = place }

    private var item: Item { place.item }

    /// Elements in the list.
    public var count: Int { item.elementCount }

    /// Redis 7.0 knows one encoding for lists.
    public var encodingName: StaticString { item.encodingName }

    public var isEmpty: Bool { count == 0 }

    /// Heap that the list takes. O(1).
    public var allocatedBytes: Int { item.heapBytes }

    /// Changes the list as a tree; a list of one leaf is one for as long.
    private func change<R>(_ body: (inout ListTree) -> R) -> R {
        place.change { open in
            guard open.item.form == .listPack else {
                return unsafe body(&open.item.listTree.pointee)
            }
            var tree = ListTree(open.item.pack)
            let result = body(&tree)
            if tree.height == 0 {
                open.setPack(tree.takeLeaf())
            } else {
                open.set(.integer, payload: 0)
                open.setBoxed(tree, form: .listTree)
            }
            return result
        }
    }

    /// The leaf that holds element `rank`, and which of its elements that is.
    private func leaf(ofRank rank: Int) -> (pack: Listpack, entry: Int) {
        let item = item
        if item.form == .listPack { return (item.pack, rank) }
        return unsafe item.listTree.pointee.leaf(ofRank: rank)
    }

    // MARK: Ends

    /// Puts an element in front of all others.
    public func pushFirst(_ bytes: Span<UInt8>) { insert(bytes, at: 0) }

    /// Puts an element behind all others.
    public func pushLast(_ bytes: Span<UInt8>) { insert(bytes, at: count) }

    /// Lends the first element to `body` and removes it; nil when the list is empty. `body` must
    /// not touch the list.
    @discardableResult
    public func popFirst<R>(_ body: (Span<UInt8>) -> R) -> R? { pop(at: 0, body) }

    /// Lends the last element to `body` and removes it; nil when the list is empty. `body` must not
    /// touch the list.
    @discardableResult
    public func popLast<R>(_ body: (Span<UInt8>) -> R) -> R? { pop(at: count - 1, body) }

    private func pop<R>(at rank: Int, _ body: (Span<UInt8>) -> R) -> R? {
        guard let result = withElement(at: rank, body) else { return nil }
        remove(at: rank, joins: false)
        return result
    }

    // MARK: Reading

    /// Lends element `index` to `body`; nil when there is none.
    public func withElement<R>(at index: Int, _ body: (Span<UInt8>) -> R) -> R? {
        guard index >= 0 && index < count else { return nil }
        let place = leaf(ofRank: index)
        return place.pack.lend(at: place.pack.offset(ofEntry: place.entry), body)
    }

    /// Lends the elements of `range` in order, until `body` returns false.
    public func forEach(in range: Range<Int>, _ body: (Span<UInt8>) -> Bool) {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "list range out of bounds")
        if range.isEmpty { return }
        let item = item
        guard item.form == .listPack else {
            return unsafe item.listTree.pointee.forEach(in: range, body)
        }
        let start = item.pack.offset(ofEntry: range.lowerBound)
        _ = item.pack.lendRun(from: start, atMost: range.count, body)
    }

    /// Lends all elements in order, until `body` returns false.
    public func forEach(_ body: (Span<UInt8>) -> Bool) { forEach(in: 0..<count, body) }

    /// The indices of the elements equal to `bytes`, as LPOS finds them.
    ///
    /// - Parameters:
    ///   - rank: 1 for the first match from the front, -1 for the first from the back; matches
    ///     before it are skipped. Not zero.
    ///   - maximum: at most so many, 0 for all.
    ///   - comparisons: gives up after so many elements, 0 for no limit.
    public func indices(
        of bytes: Span<UInt8>, rank: Int, maximum: Int, comparisons: Int,
        _ body: (Int) -> Void
    ) {
        invariant(rank != 0, "LPOS ranks count from one")
        let limit = comparisons == 0 ? count : min(comparisons, count)
        let backwards = rank < 0
        var skip = rank.magnitude - 1
        var found = 0
        var step = 0
        while step < limit {
            let place = leaf(ofRank: backwards ? count - 1 - step : step)
            var offset = place.pack.offset(ofEntry: place.entry)
            let run = min(
                backwards ? place.entry + 1 : place.pack.count - place.entry, limit - step)
            for inLeaf in 0..<run {
                if inLeaf > 0 {
                    offset =
                        backwards
                        ? place.pack.offset(before: offset) : place.pack.offset(after: offset)
                }
                guard place.pack.holds(bytes, at: offset) else { continue }
                if skip > 0 {
                    skip -= 1
                    continue
                }
                body(backwards ? count - 1 - step - inLeaf : step + inLeaf)
                found += 1
                if found == maximum { return }
            }
            step += run
        }
    }

    // MARK: The middle

    /// Replaces element `index`; false when there is none.
    public func set(_ bytes: Span<UInt8>, at index: Int) -> Bool {
        guard index >= 0 && index < count else { return false }
        let place = leaf(ofRank: index)
        let offset = place.pack.offset(ofEntry: place.entry)
        let rest = place.pack.byteCount - (place.pack.offset(after: offset) - offset)
        let fits = rest + Listpack.entrySize(bytes.count) <= ListTree.nodeBytesMax
        guard fits || place.pack.count == 1 else {
            remove(at: index, joins: false)
            insert(bytes, at: index)
            return true
        }
        change { tree in
            tree.edit(leafOfRank: index, joins: false) { pack, entry in
                pack.replace(at: pack.offset(ofEntry: entry), with: bytes)
            }
        }
        return true
    }

    /// Inserts an element so that it has index `index`, at most `count`.
    public func insert(_ bytes: Span<UInt8>, at index: Int) {
        change { $0.insert(bytes, at: index) }
    }

    private func remove(at index: Int, joins: Bool) {
        change { tree in
            tree.edit(leafOfRank: index, joins: joins) { pack, entry in
                pack.remove(at: pack.offset(ofEntry: entry))
            }
        }
    }

    /// Inserts `bytes` beside the first element equal to `pivot`; false when there is none.
    public func insert(_ bytes: Span<UInt8>, beside pivot: Span<UInt8>, after: Bool) -> Bool {
        var position = -1
        indices(of: pivot, rank: 1, maximum: 1, comparisons: 0) { position = $0 }
        if position < 0 { return false }
        insert(bytes, at: after ? position + 1 : position)
        return true
    }

    /// Removes elements equal to `bytes`, as LREM: at most `limit` from the front, -`limit` from the
    /// back when it is negative, all when it is 0. Returns how many.
    public func remove(equalTo bytes: Span<UInt8>, limit: Int) -> Int {
        let most = limit == 0 ? Int.max : Int(clamping: limit.magnitude)
        let backwards = limit < 0
        var removed = 0
        // Elements at the side where the search began that are seen and stay.
        var seen = 0
        while removed < most, seen < count {
            let rank = backwards ? count - 1 - seen : seen
            let place = leaf(ofRank: rank)
            guard place.pack.contains(bytes) else {
                seen += backwards ? place.entry + 1 : place.pack.count - place.entry
                continue
            }
            let unseen = backwards ? place.entry + 1 : place.pack.count - place.entry
            var gone = 0
            change { tree in
                tree.edit(leafOfRank: rank, joins: true) { pack, _ in
                    gone = pack.remove(
                        equalTo: bytes, atMost: most - removed, backwards: backwards)
                }
            }
            removed += gone
            seen += unseen - gone
        }
        return removed
    }

    /// Keeps only the elements of `range`, as LTRIM. What goes is freed in slices.
    public func trim(to range: Range<Int>) {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "list range out of bounds")
        var front = ListTree()
        var back = ListTree()
        change { tree in
            back = tree.split(at: range.upperBound)
            var kept = tree.split(at: range.lowerBound)
            swap(&tree, &kept)
            // Copies made for an image are settled with what stays.
            tree.copiedBytes += kept.copiedBytes
            kept.copiedBytes = 0
            swap(&front, &kept)
        }
        place.dispose(of: front)
        place.dispose(of: back)
    }

    /// Feeds the elements in order.
    public func feed(_ hash: inout StateHash) { item.feedCollection(&hash) }

    /// Walks everything and compares with the counts. O(n), for tests and the simulator.
    public func checkInvariants() {
        if item.form == .listPack {
            item.pack.checkInvariants()
        } else {
            unsafe item.listTree.pointee.checkInvariants()
        }
    }
}
