internal import Bytes

/// Byte strings with values, sorted by (64-bit prefix, key) and indexed by rank: what every large
/// collection here is made of.
///
/// A hash or set sorts by (SipHash of the member, member): the content order in which it iterates,
/// whatever its history. A sorted set sorts by (score, member) in one tree and finds scores by
/// member in another. Lookup, insertion, removal, rank of an entry and entry of a rank are all
/// O(log n); nothing is ever rehashed, so no single command pays for growth, and a node of 4 KB is
/// the piece that is copied when it changes under an image (`frozenCopy`).
///
/// A B+tree with packed leaves (`TreeLeaf`) and branches that carry sizes (`TreeBranch`). A table
/// with open addressing finds a key in one step less, but has no ranks and doubles in one piece; a
/// skip list has ranks but an allocation per entry.
///
/// Invariants: entries ascend strictly; every branch knows its children's sizes and first prefixes;
/// no node is empty; a branch at the root has at least two children. Small neighbours are joined
/// when they fit three quarters of a node together, so at least about a third of the room is used.
struct RankedTree: ~Copyable {
    private var root: TreeNode?
    /// Branches above the leaves.
    private var height = 0
    /// Entries held.
    private(set) var count = 0
    /// Heap that the nodes take, those included that a frozen copy shares. A frozen copy begins with
    /// 0 and goes below when it frees what only it still owned: the sum over both is always right.
    private(set) var bytes = 0
    /// Of the nodes, those that were copied because a frozen copy keeps the old ones; the owner of
    /// the tree takes this over and resets it.
    var copiedBytes = 0

    init() {}

    deinit {
        var all = Int.max
        var ignored = 0
        if let root { Self.free(root, height, &all, &ignored) }
    }

    /// A tree of the same entries for reading alone, which shares all nodes: O(1). Changes of this
    /// tree do not show in it.
    func frozenCopy() -> RankedTree {
        var copy = RankedTree()
        root?.retain()
        copy.root = root
        copy.height = height
        copy.count = count
        return copy
    }

    /// Frees nodes, one for each unit of `budget`, last entries first; true when none is left. The
    /// tree can only be freed further afterwards.
    mutating func free(_ budget: inout Int) -> Bool {
        if let root, Self.free(root, height, &budget, &bytes) { self.root = nil }
        return root == nil
    }

    /// Whether no node is left.
    var isFreed: Bool { root == nil }

    /// Frees below `node` and then the node itself; false when the budget ended before.
    @discardableResult
    private static func free(
        _ node: TreeNode, _ height: Int, _ budget: inout Int, _ bytes: inout Int
    ) -> Bool {
        guard budget > 0 else { return false }
        if node.isShared {
            node.dropOwner()
            budget -= 1
            return true
        }
        if height > 0 {
            let branch = TreeBranch(node)
            while branch.count > 0 {
                guard free(branch.child(branch.count - 1), height - 1, &budget, &bytes) else {
                    return false
                }
                branch.forgetLast()
            }
        }
        budget -= 1
        bytes -= nodeBytes(node, height)
        if height > 0 { TreeBranch(node).destroy() } else { TreeLeaf(node).destroy() }
        return true
    }

    // MARK: Lookup

    /// Lends the value of (prefix, key) to `body`; nil when it is not there.
    func withValue<R>(
        _ prefix: UInt64, _ key: Span<UInt8>, _ body: (Span<UInt8>) -> R
    ) -> R? {
        guard var node = root else { return nil }
        for level in stride(from: height, to: 0, by: -1) {
            let branch = TreeBranch(node)
            node = branch.child(Self.child(of: branch, level, prefix, key))
        }
        let leaf = TreeLeaf(node)
        let place = leaf.search(prefix, key)
        return place.found ? body(leaf.value(place.index)) : nil
    }

    func contains(_ prefix: UInt64, _ key: Span<UInt8>) -> Bool {
        withValue(prefix, key) { _ in true } ?? false
    }

    /// How many entries sort before (prefix, key), and whether it is there itself.
    func rank(_ prefix: UInt64, _ key: Span<UInt8>) -> (rank: Int, found: Bool) {
        guard var node = root else { return (0, false) }
        var before = 0
        for level in stride(from: height, to: 0, by: -1) {
            let branch = TreeBranch(node)
            let child = Self.child(of: branch, level, prefix, key)
            before += branch.entries(before: child)
            node = branch.child(child)
        }
        let place = TreeLeaf(node).search(prefix, key)
        return (before + place.index, place.found)
    }

    /// The child of `branch` in which (prefix, key) is, or belongs.
    private static func child(
        of branch: TreeBranch, _ level: Int, _ prefix: UInt64, _ key: Span<UInt8>
    ) -> Int {
        var high = branch.childrenBeginning(below: prefix, orAt: true)
        if high == 0 { return 0 }
        if branch.prefix(high - 1) < prefix { return high - 1 }
        // Some children begin with this very prefix: their first keys decide.
        var low = branch.childrenBeginning(below: prefix, orAt: false)
        while low < high {
            let middle = (low + high) / 2
            let first = leftmostLeaf(branch.child(middle), level - 1)
            if ContentOrder.compare(first.key(0), key) != .after {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return max(low - 1, 0)
    }

    private static func leftmostLeaf(_ node: TreeNode, _ height: Int) -> TreeLeaf {
        var node = node
        for _ in 0..<height { node = TreeBranch(node).child(0) }
        return TreeLeaf(node)
    }

    // MARK: By rank

    /// Lends entry `rank` to `body`.
    func withEntry<R>(
        at rank: Int, _ body: (_ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>) -> R
    ) -> R {
        invariant(rank >= 0 && rank < count, "rank out of range")
        var node = root!
        var rank = rank
        for _ in 0..<height {
            let branch = TreeBranch(node)
            let place = branch.child(ofRank: rank)
            node = branch.child(place.index)
            rank = place.rank
        }
        let leaf = TreeLeaf(node)
        return body(leaf.prefix(rank), leaf.key(rank), leaf.value(rank))
    }

    /// Lends the entries with ranks in `ranks`, upwards or downwards, until `body` returns false.
    func forEach(
        in ranks: Range<Int>, descending: Bool = false,
        _ body: (_ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool
    ) {
        invariant(ranks.lowerBound >= 0 && ranks.upperBound <= count, "ranks out of range")
        guard let root, !ranks.isEmpty else { return }
        _ = Self.visit(root, height, ranks, descending, body)
    }

    private static func visit(
        _ node: TreeNode, _ height: Int, _ ranks: Range<Int>, _ descending: Bool,
        _ body: (UInt64, Span<UInt8>, Span<UInt8>) -> Bool
    ) -> Bool {
        if height == 0 {
            let leaf = TreeLeaf(node)
            for step in 0..<ranks.count {
                let entry = descending ? ranks.upperBound - 1 - step : ranks.lowerBound + step
                if !body(leaf.prefix(entry), leaf.key(entry), leaf.value(entry)) { return false }
            }
            return true
        }
        let branch = TreeBranch(node)
        let first = branch.child(ofRank: ranks.lowerBound)
        let last = branch.child(ofRank: ranks.upperBound - 1)
        for step in 0...(last.index - first.index) {
            let child = descending ? last.index - step : first.index + step
            let low = child == first.index ? first.rank : 0
            let high = child == last.index ? last.rank + 1 : branch.size(child)
            if !visit(branch.child(child), height - 1, low..<high, descending, body) {
                return false
            }
        }
        return true
    }

    // MARK: Scanning

    /// One step of a scan in prefix order, for the SCAN family.
    ///
    /// A cursor is the upper 48 bits of the first prefix not yet lent, so it stays exact in clients
    /// that keep it in a double; entries that share those bits are lent together. So whatever is
    /// there all the time is lent exactly once, also while the collection grows and shrinks.
    ///
    /// - Parameters:
    ///   - cursor: 0 to begin; a number that no scan returned ends the scan or continues somewhere.
    ///   - wanted: at least so many entries are lent, unless the end comes first.
    /// - Returns: the next cursor, 0 at the end.
    func scan(
        from cursor: UInt64, wanted: Int, _ body: (_ key: Span<UInt8>, _ value: Span<UInt8>) -> Void
    ) -> UInt64 {
        guard cursor < 1 << 48 else { return 0 }
        var last: UInt64?
        var lent = 0
        var next: UInt64 = 0
        forEach(in: rank(cursor << 16, Span()).rank..<count) { prefix, key, value in
            let position = prefix >> 16
            if lent >= wanted && position != last {
                next = position
                return false
            }
            body(key, value)
            lent += 1
            last = position
            return true
        }
        return next
    }

    // MARK: Insertion

    /// Inserts an entry, or gives the one that is there another value. True when it is new.
    mutating func insert(_ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>) -> Bool {
        guard let root else {
            let leaf = TreeLeaf.empty(reserving: TreeLeaf.entrySize(key, value))
                .inserting(prefix, key, value, at: 0)
            self.root = leaf.node
            bytes += leaf.allocatedBytes
            count = 1
            return true
        }
        let before = count
        let change = insert(root, height, true, prefix, key, value)
        self.root = change.node
        if let split = change.split {
            let branch = TreeBranch.empty()
            bytes += TreeBranch.allocatedBytes
            branch.insert(
                change.node, prefix: Self.prefix(change.node, height),
                size: Self.size(change.node, height), at: 0)
            branch.insert(
                split, prefix: Self.prefix(split, height), size: Self.size(split, height), at: 1)
            self.root = branch.node
            height += 1
        }
        return count > before
    }

    /// Inserts below `node`; returns what stands in its place, and a right neighbour if it split.
    /// `rightmost`: nothing in the tree is to the right of this node.
    private mutating func insert(
        _ node: TreeNode, _ height: Int, _ rightmost: Bool,
        _ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>
    ) -> (node: TreeNode, split: TreeNode?) {
        let node = owned(node, height)
        if height == 0 { return insert(inLeaf: TreeLeaf(node), rightmost, prefix, key, value) }
        let branch = TreeBranch(node)
        let child = Self.child(of: branch, height, prefix, key)
        let change = insert(
            branch.child(child), height - 1, rightmost && child == branch.count - 1,
            prefix, key, value)
        Self.update(branch, child, change.node, height - 1)
        guard let split = change.split else { return (node, nil) }
        branch.insert(
            split, prefix: Self.prefix(split, height - 1), size: Self.size(split, height - 1),
            at: child + 1)
        guard branch.count == TreeBranch.childrenMax else { return (node, nil) }
        let cut = rightmost ? branch.count - 2 : branch.count / 2
        bytes += TreeBranch.allocatedBytes
        return (node, branch.split(at: cut).node)
    }

    private mutating func insert(
        inLeaf leaf: TreeLeaf, _ rightmost: Bool,
        _ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>
    ) -> (node: TreeNode, split: TreeNode?) {
        let place = leaf.search(prefix, key)
        let before = leaf.allocatedBytes
        let changed: TreeLeaf
        if place.found {
            changed = leaf.settingValue(value, at: place.index)
        } else {
            changed = leaf.inserting(prefix, key, value, at: place.index)
            count += 1
        }
        bytes += changed.allocatedBytes - before
        let overfull =
            changed.count > TreeLeaf.entriesMax
            || (changed.used > TreeLeaf.heapMax && changed.count > 1)
        guard overfull else { return (changed.node, nil) }
        // Ascending insertions, such as scores that are times, leave full leaves behind.
        let appended = rightmost && !place.found && place.index == changed.count - 1
        let right = changed.split(at: appended ? changed.count - 1 : changed.splitIndex)
        bytes += right.allocatedBytes
        return (changed.node, right.node)
    }

    /// The node itself, or a copy of it when a frozen copy of the tree owns it too.
    private mutating func owned(_ node: TreeNode, _ height: Int) -> TreeNode {
        guard node.isShared else { return node }
        let copy = height > 0 ? TreeBranch(node).copied().node : TreeLeaf(node).copied().node
        node.dropOwner()
        copiedBytes += Self.nodeBytes(copy, height)
        return copy
    }

    // MARK: Removal

    /// Removes (prefix, key); false when it is not there.
    mutating func remove(_ prefix: UInt64, _ key: Span<UInt8>) -> Bool {
        let place = rank(prefix, key)
        if place.found { remove(at: place.rank) }
        return place.found
    }

    /// Removes entry `rank`.
    mutating func remove(at rank: Int) {
        invariant(rank >= 0 && rank < count, "rank out of range")
        root = remove(root!, height, rank)
        count -= 1
        while height > 0, let root, TreeBranch(root).count == 1 {
            self.root = TreeBranch(root).child(0)
            TreeBranch(root).destroy()
            bytes -= TreeBranch.allocatedBytes
            height -= 1
        }
        if root == nil { height = 0 }
        invariant((root == nil) == (count == 0), "a tree's count and root disagree")
    }

    /// Removes an entry below `node`; returns what stands in its place, nil when nothing is left.
    private mutating func remove(_ node: TreeNode, _ height: Int, _ rank: Int) -> TreeNode? {
        let node = owned(node, height)
        if height == 0 {
            let leaf = TreeLeaf(node)
            let before = leaf.allocatedBytes
            if leaf.count == 1 {
                leaf.destroy()
                bytes -= before
                return nil
            }
            let changed = leaf.removing(at: rank)
            bytes += changed.allocatedBytes - before
            return changed.node
        }
        let branch = TreeBranch(node)
        let place = branch.child(ofRank: rank)
        guard let child = remove(branch.child(place.index), height - 1, place.rank) else {
            branch.remove(place.index)
            if branch.count > 0 { return node }
            branch.destroy()
            bytes -= TreeBranch.allocatedBytes
            return nil
        }
        Self.update(branch, place.index, child, height - 1)
        if Self.isSmall(child, height - 1) {
            if place.index + 1 < branch.count {
                join(branch, place.index, height - 1)
            } else if place.index > 0 {
                join(branch, place.index - 1, height - 1)
            }
        }
        return node
    }

    private static func isSmall(_ node: TreeNode, _ height: Int) -> Bool {
        if height > 0 { return TreeBranch(node).count < TreeBranch.childrenMax / 4 }
        let leaf = TreeLeaf(node)
        return leaf.count < TreeLeaf.entriesMax / 4 && leaf.used < TreeLeaf.heapMax / 4
    }

    /// Joins child `index` with the one behind it when both fit comfortably in one.
    private mutating func join(_ branch: TreeBranch, _ index: Int, _ height: Int) {
        let left = branch.child(index)
        let right = branch.child(index + 1)
        let fits: Bool
        if height > 0 {
            let count = TreeBranch(left).count + TreeBranch(right).count
            fits = count <= TreeBranch.childrenMax * 3 / 4
        } else {
            let (one, other) = (TreeLeaf(left), TreeLeaf(right))
            fits =
                one.count + other.count <= TreeLeaf.entriesMax * 3 / 4
                && one.used + other.used <= TreeLeaf.heapMax * 3 / 4
        }
        guard fits else { return }
        let one = owned(left, height)
        let other = owned(right, height)
        let before = Self.nodeBytes(one, height) + Self.nodeBytes(other, height)
        let joined: TreeNode
        if height > 0 {
            TreeBranch(one).absorb(TreeBranch(other))
            joined = one
        } else {
            joined = TreeLeaf(one).appending(TreeLeaf(other)).node
            TreeLeaf(other).destroy()
        }
        bytes += Self.nodeBytes(joined, height) - before
        branch.remove(index + 1)
        Self.update(branch, index, joined, height)
    }

    mutating func removeAll() {
        var all = Int.max
        _ = free(&all)
        height = 0
        count = 0
    }

    // MARK: Nodes of either kind

    private static func prefix(_ node: TreeNode, _ height: Int) -> UInt64 {
        height > 0 ? TreeBranch(node).prefix(0) : TreeLeaf(node).prefix(0)
    }

    private static func size(_ node: TreeNode, _ height: Int) -> Int {
        height > 0 ? TreeBranch(node).total : TreeLeaf(node).count
    }

    private static func update(
        _ branch: TreeBranch, _ index: Int, _ child: TreeNode, _ childHeight: Int
    ) {
        branch.update(
            index, child, prefix: prefix(child, childHeight), size: size(child, childHeight))
    }

    /// What a node takes of the heap.
    private static func nodeBytes(_ node: TreeNode, _ height: Int) -> Int {
        height > 0 ? TreeBranch.allocatedBytes : TreeLeaf(node).allocatedBytes
    }

    // MARK: Invariants

    /// Walks the whole tree. O(n), for tests and the simulator.
    func checkInvariants() {
        guard let root else {
            invariant(count == 0 && height == 0, "an empty tree has a count or a height")
            invariant(bytes == 0, "an empty tree has bytes")
            return
        }
        invariant(Self.countBytes(root, height) == bytes, "a tree's bytes are wrong")
        invariant(height == 0 || TreeBranch(root).count > 1, "the root has one child")
        invariant(Self.check(root, height) == count, "a tree's count is wrong")
        var previous = ByteBuffer()
        var previousPrefix: UInt64 = 0
        var first = true
        forEach(in: 0..<count) { prefix, key, _ in
            let ascends =
                prefix > previousPrefix
                || (prefix == previousPrefix
                    && ContentOrder.compare(previous.readable, key) == .before)
            invariant(first || ascends, "a tree's entries do not ascend")
            previous.removeAll()
            previous.append(key)
            previousPrefix = prefix
            first = false
            return true
        }
    }

    /// What all nodes take of the heap, counted.
    private static func countBytes(_ node: TreeNode, _ height: Int) -> Int {
        var sum = nodeBytes(node, height)
        guard height > 0 else { return sum }
        let branch = TreeBranch(node)
        for child in 0..<branch.count { sum += countBytes(branch.child(child), height - 1) }
        return sum
    }

    private static func check(_ node: TreeNode, _ height: Int) -> Int {
        if height == 0 {
            let leaf = TreeLeaf(node)
            invariant(leaf.count > 0, "a leaf is empty")
            invariant(leaf.count <= TreeLeaf.entriesMax, "a leaf has too many entries")
            return leaf.count
        }
        let branch = TreeBranch(node)
        invariant(branch.count > 0 && branch.count < TreeBranch.childrenMax, "a branch's fill")
        var total = 0
        for child in 0..<branch.count {
            let size = check(branch.child(child), height - 1)
            invariant(size == branch.size(child), "a branch has a wrong size")
            invariant(
                branch.prefix(child) == prefix(branch.child(child), height - 1),
                "a branch has a wrong first prefix")
            total += size
        }
        invariant(total == branch.total, "a branch's total is wrong")
        return total
    }
}
