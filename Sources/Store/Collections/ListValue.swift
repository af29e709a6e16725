internal import Bytes
internal import DequeModule

/// A list: byte strings in the order in which they were pushed.
///
/// A deque of listpacks of at most `nodeBytesMax` bytes each (`list-max-listpack-size -2`), a larger
/// element alone in its node. Both ends are O(1); an index costs a walk over the nodes from the
/// nearer end (about 1600 three-byte elements a node) and then within one. The node boundaries
/// depend on history and show nowhere.
///
/// Invariants: no node is empty; `count` is the sum of the nodes' counts.
public final class ListValue {
    private var nodes = UniqueDeque<Listpack>()
    /// Elements in the list.
    public private(set) var count = 0

    /// Bytes of one node, as Redis's default.
    static let nodeBytesMax = 8192

    public init() {}

    /// Redis 7.0 knows one encoding for lists.
    public var encodingName: StaticString { "quicklist" }

    public var isEmpty: Bool { count == 0 }

    /// Bytes allocated for elements. O(nodes).
    public var allocatedBytes: Int {
        var bytes = 0
        for index in 0..<nodes.count { bytes += nodes[index].allocatedBytes }
        return bytes
    }

    // MARK: Ends

    /// Puts an element in front of all others.
    public func pushFirst(_ bytes: Span<UInt8>) {
        if nodes.isEmpty || !Self.fits(bytes.count, nodes[0]) { nodes.prepend(Listpack()) }
        nodes[0].insert(bytes, at: 0)
        count += 1
    }

    /// Puts an element behind all others.
    public func pushLast(_ bytes: Span<UInt8>) {
        if nodes.isEmpty || !Self.fits(bytes.count, nodes[nodes.count - 1]) {
            nodes.append(Listpack())
        }
        let last = nodes.count - 1
        nodes[last].append(bytes)
        count += 1
    }

    /// Lends the first element to `body` and removes it; nil when the list is empty. `body` must
    /// not touch the list.
    @discardableResult
    public func popFirst<R>(_ body: (Span<UInt8>) -> R) -> R? {
        guard count > 0 else { return nil }
        let result = nodes[0].lend(at: 0, body)
        nodes[0].remove(at: 0)
        count -= 1
        if nodes[0].isEmpty { _ = nodes.removeFirst() }
        return result
    }

    /// Lends the last element to `body` and removes it; nil when the list is empty. `body` must not
    /// touch the list.
    @discardableResult
    public func popLast<R>(_ body: (Span<UInt8>) -> R) -> R? {
        guard count > 0 else { return nil }
        let last = nodes.count - 1
        let offset = nodes[last].offset(before: nodes[last].byteCount)
        let result = nodes[last].lend(at: offset, body)
        nodes[last].remove(at: offset)
        count -= 1
        if nodes[last].isEmpty { _ = nodes.removeLast() }
        return result
    }

    // MARK: Reading

    /// Lends element `index` to `body`; nil when there is none.
    public func withElement<R>(at index: Int, _ body: (Span<UInt8>) -> R) -> R? {
        guard index >= 0 && index < count else { return nil }
        let place = place(of: index)
        return nodes[place.node].lend(at: place.offset, body)
    }

    /// Lends the elements of `range` in order, until `body` returns false.
    public func forEach(in range: Range<Int>, _ body: (Span<UInt8>) -> Bool) {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "list range out of bounds")
        if range.isEmpty { return }
        var place = place(of: range.lowerBound)
        var left = range.count
        while left > 0 {
            let lent = nodes[place.node].lendRun(from: place.offset, atMost: left, body)
            guard let lent else { return }
            left -= lent
            place.node += 1
            place.offset = 0
        }
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
        var node = backwards ? nodes.count - 1 : 0
        var offset = backwards && count > 0 ? nodes[node].byteCount : 0
        for step in 0..<limit {
            if backwards {
                if offset == 0 {
                    node -= 1
                    offset = nodes[node].byteCount
                }
                offset = nodes[node].offset(before: offset)
            } else if offset == nodes[node].byteCount {
                node += 1
                offset = 0
            }
            let matches = nodes[node].holds(bytes, at: offset)
            if !backwards { offset = nodes[node].offset(after: offset) }
            guard matches else { continue }
            if skip > 0 {
                skip -= 1
                continue
            }
            body(backwards ? count - 1 - step : step)
            found += 1
            if found == maximum { return }
        }
    }

    // MARK: The middle

    /// Replaces element `index`; false when there is none.
    public func set(_ bytes: Span<UInt8>, at index: Int) -> Bool {
        guard index >= 0 && index < count else { return false }
        let place = place(of: index)
        let node = nodes[place.node].byteCount
        let old = nodes[place.node].offset(after: place.offset) - place.offset
        let fits = node - old + Listpack.entrySize(bytes.count) <= Self.nodeBytesMax
        if fits || nodes[place.node].count == 1 {
            nodes[place.node].replace(at: place.offset, with: bytes)
        } else {
            remove(at: place)
            insert(bytes, at: index)
        }
        return true
    }

    /// Inserts an element so that it has index `index`, at most `count`.
    public func insert(_ bytes: Span<UInt8>, at index: Int) {
        invariant(index >= 0 && index <= count, "list insertion out of bounds")
        if index == 0 { return pushFirst(bytes) }
        if index == count { return pushLast(bytes) }
        let place = place(of: index)
        count += 1
        if Self.fits(bytes.count, nodes[place.node]) {
            nodes[place.node].insert(bytes, at: place.offset)
        } else if place.offset == 0 && Self.fits(bytes.count, nodes[place.node - 1]) {
            nodes[place.node - 1].append(bytes)
        } else {
            splitNode(at: place)
            let right = place.offset == 0 ? place.node : place.node + 1
            if right > 0 && Self.fits(bytes.count, nodes[right - 1]) {
                nodes[right - 1].append(bytes)
            } else if Self.fits(bytes.count, nodes[right]) {
                nodes[right].insert(bytes, at: 0)
            } else {
                var node = Listpack()
                node.append(bytes)
                nodes.insert(node, at: right)
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
        var removed = 0
        var node = limit < 0 ? nodes.count - 1 : 0
        while node >= 0 && node < nodes.count && removed < most {
            let gone = nodes[node].remove(
                equalTo: bytes, atMost: most - removed, backwards: limit < 0)
            removed += gone
            count -= gone
            let vanished = nodes[node].isEmpty
            if vanished { _ = nodes.remove(at: node) }
            if limit < 0 {
                node -= 1
            } else if !vanished {
                node += 1
            }
        }
        if removed > 0 { mergeSmallNodes() }
        return removed
    }

    /// Keeps only the elements of `range`, as LTRIM.
    public func trim(to range: Range<Int>) {
        invariant(range.lowerBound >= 0 && range.upperBound <= count, "list range out of bounds")
        removeLast(count - range.upperBound)
        removeFirst(range.lowerBound)
    }

    private func removeFirst(_ n: Int) {
        var left = n
        while left > 0 && nodes[0].count <= left {
            left -= nodes[0].count
            count -= nodes[0].count
            _ = nodes.removeFirst()
        }
        guard left > 0 else { return }
        let end = nodes[0].offset(ofEntry: left)
        nodes[0].remove(from: 0, upTo: end, entries: left)
        count -= left
    }

    private func removeLast(_ n: Int) {
        var left = n
        while left > 0 && nodes[nodes.count - 1].count <= left {
            left -= nodes[nodes.count - 1].count
            count -= nodes[nodes.count - 1].count
            _ = nodes.removeLast()
        }
        guard left > 0 else { return }
        let last = nodes.count - 1
        let start = nodes[last].offset(ofEntry: nodes[last].count - left)
        nodes[last].remove(from: start, upTo: nodes[last].byteCount, entries: left)
        count -= left
    }

    // MARK: Nodes

    /// Where an element is.
    fileprivate struct Place {
        var node: Int
        var offset: Int
        /// Its number within the node.
        var entry: Int
    }

    private static func fits(_ length: Int, _ node: borrowing Listpack) -> Bool {
        node.isEmpty || node.byteCount + Listpack.entrySize(length) <= nodeBytesMax
    }

    private func place(of index: Int) -> Place {
        invariant(index >= 0 && index < count, "list index out of bounds")
        if index < count / 2 {
            var node = 0
            var entry = index
            while entry >= nodes[node].count {
                entry -= nodes[node].count
                node += 1
            }
            return Place(node: node, offset: nodes[node].offset(ofEntry: entry), entry: entry)
        }
        var node = nodes.count - 1
        var first = count - nodes[node].count
        while first > index {
            node -= 1
            first -= nodes[node].count
        }
        let entry = index - first
        return Place(node: node, offset: nodes[node].offset(ofEntry: entry), entry: entry)
    }

    private func remove(at place: Place) {
        nodes[place.node].remove(at: place.offset)
        count -= 1
        if nodes[place.node].isEmpty { _ = nodes.remove(at: place.node) }
    }

    /// Cuts a node in two in front of `place`; nothing when that is its start.
    private func splitNode(at place: Place) {
        if place.offset == 0 { return }
        let moved = nodes[place.node].count - place.entry
        let right = nodes[place.node].split(at: place.offset, entries: moved)
        nodes.insert(right, at: place.node + 1)
    }

    /// Joins neighbours that together fill at most half a node. O(nodes), after a whole scan only.
    private func mergeSmallNodes() {
        var node = nodes.count - 1
        while node > 0 {
            if nodes[node - 1].byteCount + nodes[node].byteCount <= Self.nodeBytesMax / 2 {
                let right = nodes.remove(at: node)
                nodes[node - 1].append(contentsOf: right)
            }
            node -= 1
        }
    }

    /// Feeds the elements in order.
    public func feed(_ hash: inout StateHash) {
        hash.feed(encodingName)
        hash.feed(count)
        forEach {
            hash.feed($0)
            return true
        }
    }

    /// Walks everything and compares with the counts. O(n), for tests and the simulator.
    public func checkInvariants() {
        var elements = 0
        for node in 0..<nodes.count {
            nodes[node].checkInvariants()
            invariant(!nodes[node].isEmpty, "a list has an empty node")
            invariant(
                nodes[node].byteCount <= Self.nodeBytesMax || nodes[node].count == 1,
                "a list's node is too large")
            elements += nodes[node].count
        }
        invariant(elements == count, "a list's count is wrong")
    }
}
