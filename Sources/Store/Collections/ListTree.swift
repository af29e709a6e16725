internal import Bytes

/// The elements of a list: a tree of listpacks by rank.
///
/// Leaves are listpacks of at most `nodeBytesMax` bytes (`list-max-listpack-size -2`), a larger
/// element alone in its leaf; branches are `TreeBranch`es whose prefixes are unused. An index is
/// found in O(log n), a push or pop at an end walks down one edge. Leaf boundaries depend on history
/// and show nowhere. Nodes are shared with a frozen copy as in `RankedTree`. Rejected: a deque of
/// listpacks, because a frozen copy of it is O(n) and LINDEX walks it.
///
/// Invariants: no node is empty; a branch at the root has at least two children; `count` and the
/// branches' sizes are the leaves' counts.
struct ListTree: ~Copyable {
    private(set) var root: TreeNode?
    /// Branches above the leaves.
    private(set) var height = 0
    /// Elements held.
    private(set) var count = 0
    /// As in `RankedTree`.
    private(set) var bytes = 0
    /// As in `RankedTree`.
    var copiedBytes = 0

    /// Bytes of one leaf, as Redis's default.
    static let nodeBytesMax = 8192

    init() {}

    /// A tree of one leaf, or of none.
    init(_ pack: Listpack) {
        guard !pack.isEmpty else { return }
        root = pack.node
        count = pack.count
        bytes = pack.allocatedBytes
    }

    deinit {
        var all = Int.max
        var ignored = 0
        if let root { Self.free(root, height, &all, &ignored) }
    }

    /// The only leaf, which is the caller's then; the tree is empty. Empty if there is none.
    mutating func takeLeaf() -> Listpack {
        invariant(height == 0, "a list of several leaves taken as one")
        let pack = root.map { Listpack($0) } ?? Listpack()
        root = nil
        count = 0
        bytes = 0
        return pack
    }

    /// A tree of the same elements for reading alone, which shares all nodes: O(1).
    func frozenCopy() -> ListTree {
        var copy = ListTree()
        root?.retain()
        copy.root = root
        copy.height = height
        copy.count = count
        return copy
    }

    /// Frees nodes, one for each unit of `budget`; true when none is left. The tree can only be
    /// freed further afterwards.
    mutating func free(_ budget: inout Int) -> Bool {
        if let root, Self.free(root, height, &budget, &bytes) { self.root = nil }
        return root == nil
    }

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
        destroy(node, height, &bytes)
        return true
    }

    private static func destroy(_ node: TreeNode, _ height: Int, _ bytes: inout Int) {
        bytes -= nodeBytes(node, height)
        if height > 0 {
            TreeBranch(node).destroy()
        } else {
            var pack = Listpack(node)
            pack.destroy()
        }
    }

    // MARK: Reading

    /// The leaf that holds element `rank`, and which of its elements that is.
    func leaf(ofRank rank: Int) -> (pack: Listpack, entry: Int) {
        invariant(rank >= 0 && rank < count, "list index out of bounds")
        var node = root!
        var rank = rank
        for _ in 0..<height {
            let branch = TreeBranch(node)
            let place = branch.child(ofRank: rank)
            node = branch.child(place.index)
            rank = place.rank
        }
        return (Listpack(node), rank)
    }

    /// Lends the elements of `ranks` in order, until `body` returns false.
    func forEach(in ranks: Range<Int>, _ body: (Span<UInt8>) -> Bool) {
        var rank = ranks.lowerBound
        while rank < ranks.upperBound {
            let place = leaf(ofRank: rank)
            let lent = place.pack.lendRun(
                from: place.pack.offset(ofEntry: place.entry), atMost: ranks.upperBound - rank,
                body)
            guard let lent else { return }
            rank += lent
        }
    }

    // MARK: Inserting

    /// What stands in the place of a node after an insertion below it.
    private struct Insertion {
        var node: TreeNode
        /// A right neighbour, if the node split.
        var split: TreeNode?
        /// The leaf was only cut in two: the element goes between the halves, which are both full.
        var isCutOnly = false
    }

    /// Inserts an element so that it has rank `rank`.
    mutating func insert(_ element: Span<UInt8>, at rank: Int) {
        invariant(rank >= 0 && rank <= count, "list insertion out of bounds")
        guard let root else {
            self = ListTree(Listpack(of: element))
            return
        }
        let change = insert(root, height, element, rank, isFirst: true, isLast: true)
        grow(change.node, change.split)
        if change.isCutOnly { return insert(element, at: rank) }
        count += 1
    }

    /// Puts a branch above the root, when that has split.
    private mutating func grow(_ node: TreeNode, _ split: TreeNode?) {
        root = node
        guard let split else { return }
        let branch = TreeBranch.empty()
        bytes += TreeBranch.allocatedBytes
        branch.insert(node, prefix: 0, size: Self.size(node, height), at: 0)
        branch.insert(split, prefix: 0, size: Self.size(split, height), at: 1)
        root = branch.node
        height += 1
    }

    /// `isFirst`, `isLast`: nothing in the tree is to the left, to the right of this node.
    private mutating func insert(
        _ node: TreeNode, _ height: Int, _ element: Span<UInt8>, _ rank: Int,
        isFirst: Bool, isLast: Bool
    ) -> Insertion {
        if height == 0 {
            return insert(inLeaf: node, element, rank, isFirst: isFirst, isLast: isLast)
        }
        let node = owned(node, height)
        let branch = TreeBranch(node)
        let place =
            rank == branch.total
            ? (index: branch.count - 1, rank: branch.size(branch.count - 1))
            : branch.child(ofRank: rank)
        var change = insert(
            branch.child(place.index), height - 1, element, place.rank,
            isFirst: isFirst && place.index == 0,
            isLast: isLast && place.index == branch.count - 1)
        Self.update(branch, place.index, change.node, height - 1)
        change.node = node
        guard let split = change.split else { return change }
        change.split = nil
        branch.insert(split, prefix: 0, size: Self.size(split, height - 1), at: place.index + 1)
        guard branch.count == TreeBranch.childrenMax else { return change }
        // Runs of pushes leave full branches behind.
        let cut = isLast ? branch.count - 2 : isFirst ? 2 : branch.count / 2
        bytes += TreeBranch.allocatedBytes
        change.split = branch.split(at: cut).node
        return change
    }

    private mutating func insert(
        inLeaf node: TreeNode, _ element: Span<UInt8>, _ entry: Int, isFirst: Bool, isLast: Bool
    ) -> Insertion {
        let full = Listpack(node)
        let size = Listpack.entrySize(element.count)
        let fits = full.byteCount + size <= Self.nodeBytesMax
        if !fits, entry == 0 || entry == full.count {
            // The full leaf stays as it is, and a new one begins beside it.
            let fresh = Listpack(of: element)
            bytes += fresh.allocatedBytes
            return entry == 0
                ? Insertion(node: fresh.node, split: node)
                : Insertion(node: node, split: fresh.node)
        }
        var left = Listpack(owned(node, 0))
        let before = left.allocatedBytes
        let offset = left.offset(ofEntry: entry)
        if fits {
            left.insert(element, at: offset)
            bytes += left.allocatedBytes - before
            return Insertion(node: left.node)
        }
        var right = left.split(at: offset, entries: left.count - entry)
        var isCutOnly = false
        if left.byteCount + size <= Self.nodeBytesMax {
            left.append(element)
        } else if right.byteCount + size <= Self.nodeBytesMax {
            right.insert(element, at: 0)
        } else {
            isCutOnly = true
        }
        bytes += left.allocatedBytes + right.allocatedBytes - before
        return Insertion(node: left.node, split: right.node, isCutOnly: isCutOnly)
    }

    // MARK: Editing a leaf

    /// Lets `body` change the leaf that holds element `rank`; it gets that element's number in the
    /// leaf, and may leave nothing of the leaf. `joins`: small neighbours become one afterwards.
    mutating func edit(
        leafOfRank rank: Int, joins: Bool, _ body: (inout Listpack, _ entry: Int) -> Void
    ) {
        invariant(rank >= 0 && rank < count, "list index out of bounds")
        root = edit(root!, height, rank, joins, body)
        collapse()
        count = root.map { Self.size($0, height) } ?? 0
    }

    private mutating func edit(
        _ node: TreeNode, _ height: Int, _ rank: Int, _ joins: Bool,
        _ body: (inout Listpack, Int) -> Void
    ) -> TreeNode? {
        let node = owned(node, height)
        if height == 0 {
            var pack = Listpack(node)
            bytes -= pack.allocatedBytes
            body(&pack, rank)
            bytes += pack.allocatedBytes
            return pack.isEmpty ? nil : pack.node
        }
        let branch = TreeBranch(node)
        let place = branch.child(ofRank: rank)
        guard let child = edit(branch.child(place.index), height - 1, place.rank, joins, body)
        else {
            branch.remove(place.index)
            if branch.count > 0 { return node }
            branch.destroy()
            bytes -= TreeBranch.allocatedBytes
            return nil
        }
        Self.update(branch, place.index, child, height - 1)
        guard joins else { return node }
        if place.index + 1 < branch.count { join(branch, place.index, height - 1) }
        if place.index > 0 { join(branch, place.index - 1, height - 1) }
        return node
    }

    /// Joins child `index` with the one behind it when both fit half a node together.
    private mutating func join(_ branch: TreeBranch, _ index: Int, _ height: Int) {
        let left = branch.child(index)
        let right = branch.child(index + 1)
        let fits =
            height > 0
            ? TreeBranch(left).count + TreeBranch(right).count <= TreeBranch.childrenMax / 2
            : Listpack(left).byteCount + Listpack(right).byteCount <= Self.nodeBytesMax / 2
        guard fits else { return }
        let one = owned(left, height)
        let other = owned(right, height)
        let before = Self.nodeBytes(one, height) + Self.nodeBytes(other, height)
        let joined: TreeNode
        if height > 0 {
            TreeBranch(one).absorb(TreeBranch(other))
            joined = one
        } else {
            var pack = Listpack(one)
            var rest = Listpack(other)
            pack.append(contentsOf: rest)
            rest.destroy()
            joined = pack.node
        }
        bytes += Self.nodeBytes(joined, height) - before
        branch.remove(index + 1)
        Self.update(branch, index, joined, height)
    }

    /// Takes branches with one child away from the root.
    private mutating func collapse() {
        while height > 0, let root, TreeBranch(root).count == 1 {
            // Only an own branch may hand its child on.
            let own = owned(root, height)
            self.root = TreeBranch(own).child(0)
            TreeBranch(own).destroy()
            bytes -= TreeBranch.allocatedBytes
            height -= 1
        }
        if root == nil { height = 0 }
    }

    // MARK: Cutting

    /// Cuts the elements from `rank` on off, as a tree of their own. O(log n), and a walk over the
    /// nodes of the shorter part for its bytes.
    mutating func split(at rank: Int) -> ListTree {
        invariant(rank >= 0 && rank <= count, "list cut out of bounds")
        var right = ListTree()
        if rank == count { return right }
        if rank == 0 {
            swap(&self, &right)
            return right
        }
        let cut = split(root!, height, rank)
        root = cut.left
        right.root = cut.right
        right.height = height
        right.count = count - rank
        count = rank
        let isRightShorter = right.count < count
        let shorter = Self.countBytes(isRightShorter ? cut.right : cut.left, height)
        right.bytes = isRightShorter ? shorter : bytes - shorter
        bytes -= right.bytes
        collapse()
        right.collapse()
        return right
    }

    private mutating func split(
        _ node: TreeNode, _ height: Int, _ rank: Int
    ) -> (left: TreeNode, right: TreeNode) {
        let node = owned(node, height)
        if height == 0 {
            var left = Listpack(node)
            bytes -= left.allocatedBytes
            let right = left.split(at: left.offset(ofEntry: rank), entries: left.count - rank)
            bytes += left.allocatedBytes + right.allocatedBytes
            return (left.node, right.node)
        }
        let branch = TreeBranch(node)
        let place = branch.child(ofRank: rank)
        bytes += TreeBranch.allocatedBytes
        if place.rank == 0 { return (node, branch.split(at: place.index).node) }
        let cut = split(branch.child(place.index), height - 1, place.rank)
        Self.update(branch, place.index, cut.left, height - 1)
        let right = branch.split(at: place.index + 1)
        right.insert(cut.right, prefix: 0, size: Self.size(cut.right, height - 1), at: 0)
        return (node, right.node)
    }

    // MARK: Nodes of either kind

    private mutating func owned(_ node: TreeNode, _ height: Int) -> TreeNode {
        guard node.isShared else { return node }
        let copy = height > 0 ? TreeBranch(node).copied().node : Listpack(node).copied().node
        node.dropOwner()
        copiedBytes += Self.nodeBytes(copy, height)
        return copy
    }

    private static func size(_ node: TreeNode, _ height: Int) -> Int {
        height > 0 ? TreeBranch(node).total : Listpack(node).count
    }

    private static func nodeBytes(_ node: TreeNode, _ height: Int) -> Int {
        height > 0 ? TreeBranch.allocatedBytes : Listpack(node).allocatedBytes
    }

    private static func update(
        _ branch: TreeBranch, _ index: Int, _ child: TreeNode, _ childHeight: Int
    ) {
        branch.update(index, child, prefix: 0, size: size(child, childHeight))
    }

    private static func countBytes(_ node: TreeNode, _ height: Int) -> Int {
        var sum = nodeBytes(node, height)
        guard height > 0 else { return sum }
        let branch = TreeBranch(node)
        for child in 0..<branch.count { sum += countBytes(branch.child(child), height - 1) }
        return sum
    }

    /// Walks the whole tree. O(n), for tests and the simulator.
    func checkInvariants() {
        guard let root else {
            invariant(count == 0 && height == 0 && bytes == 0, "an empty list holds something")
            return
        }
        invariant(height == 0 || TreeBranch(root).count > 1, "the root has one child")
        invariant(Self.check(root, height) == count, "a list's count is wrong")
        invariant(Self.countBytes(root, height) == bytes, "a list's bytes are wrong")
    }

    private static func check(_ node: TreeNode, _ height: Int) -> Int {
        guard height > 0 else {
            let pack = Listpack(node)
            pack.checkInvariants()
            invariant(!pack.isEmpty, "a list has an empty node")
            invariant(
                pack.byteCount <= nodeBytesMax || pack.count == 1, "a list's node is too large")
            return pack.count
        }
        let branch = TreeBranch(node)
        invariant(branch.count > 0 && branch.count < TreeBranch.childrenMax, "a branch's fill")
        var total = 0
        for child in 0..<branch.count {
            let size = check(branch.child(child), height - 1)
            invariant(size == branch.size(child), "a branch has a wrong size")
            total += size
        }
        invariant(total == branch.total, "a branch's total is wrong")
        return total
    }
}
