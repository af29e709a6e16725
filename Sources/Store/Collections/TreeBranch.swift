internal import Bytes

/// An inner node: up to 64 children with their sizes and first prefixes, in one allocation.
///
///     owners 4 | children's count 4 | entries below 8 | first prefixes 8 x 64 | sizes 8 x 64
///     | children 8 x 64
///
/// Keys are not repeated here: where prefixes tie, the search looks at the first key of a child's
/// leftmost leaf. Ties are rare among hashes; in a sorted set of equal scores they cost one more
/// descent per comparison.
@safe
struct TreeBranch {
    // @safe: every index is checked against count; the size is fixed.
    static let childrenMax = 64
    private let base: UnsafeMutableRawPointer

    init(_ node: TreeNode) { unsafe base = node.raw }

    /// A branch without children.
    static func empty() -> TreeBranch {
        let raw = UnsafeMutableRawPointer.allocate(
            byteCount: 16 + childrenMax * 24, alignment: 16)
        let branch = unsafe TreeBranch(TreeNode(raw: raw))
        unsafe raw.storeBytes(of: 1, as: UInt32.self)
        branch.count = 0
        branch.total = 0
        return branch
    }

    func destroy() {
        invariant(!node.isShared, "freed a branch that has another owner")
        unsafe base.deallocate()
    }

    /// What a branch takes of the heap.
    static var allocatedBytes: Int { HeapBlock.bytes(16 + childrenMax * 24) }

    /// A copy that is owned by one; the children gain an owner.
    func copied() -> TreeBranch {
        let copy = TreeBranch.empty()
        unsafe (copy.base + 4).copyMemory(
            from: base + 4, byteCount: 12 + Self.childrenMax * 24)
        for index in 0..<count { child(index).retain() }
        return copy
    }

    var node: TreeNode { unsafe TreeNode(raw: base) }

    /// Children.
    private(set) var count: Int {
        get { unsafe Int(base.load(fromByteOffset: 4, as: UInt32.self)) }
        nonmutating set {
            unsafe base.storeBytes(of: UInt32(newValue), toByteOffset: 4, as: UInt32.self)
        }
    }

    /// Entries in all leaves below.
    private(set) var total: Int {
        get { unsafe base.load(fromByteOffset: 8, as: Int.self) }
        nonmutating set { unsafe base.storeBytes(of: newValue, toByteOffset: 8, as: Int.self) }
    }

    private var prefixes: UnsafeMutablePointer<UInt64> {
        unsafe (base + 16).assumingMemoryBound(to: UInt64.self)
    }
    private var sizes: UnsafeMutablePointer<Int> {
        unsafe (base + (16 + Self.childrenMax * 8)).assumingMemoryBound(to: Int.self)
    }
    private var children: UnsafeMutablePointer<UnsafeMutableRawPointer> {
        unsafe (base + (16 + Self.childrenMax * 16))
            .assumingMemoryBound(to: UnsafeMutableRawPointer.self)
    }

    func prefix(_ index: Int) -> UInt64 {
        invariant(index >= 0 && index < count, "branch child out of range")
        return unsafe prefixes[index]
    }

    func size(_ index: Int) -> Int {
        invariant(index >= 0 && index < count, "branch child out of range")
        return unsafe sizes[index]
    }

    func child(_ index: Int) -> TreeNode {
        invariant(index >= 0 && index < count, "branch child out of range")
        return unsafe TreeNode(raw: children[index])
    }

    /// How many children begin with a prefix below `prefix`, or not above it.
    func childrenBeginning(below prefix: UInt64, orAt: Bool) -> Int {
        var low = 0
        var high = count
        let prefixes = unsafe prefixes
        while low < high {
            let middle = (low + high) / 2
            let first = unsafe prefixes[middle]
            if first < prefix || (orAt && first == prefix) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// The child that holds entry `rank` of this branch, and its rank there.
    func child(ofRank rank: Int) -> (index: Int, rank: Int) {
        invariant(rank >= 0 && rank < total, "rank out of range")
        var left = rank
        var index = 0
        while unsafe left >= sizes[index] {
            unsafe left -= sizes[index]
            index += 1
        }
        return (index, left)
    }

    /// Entries in the children before `index`.
    func entries(before index: Int) -> Int {
        var sum = 0
        for child in 0..<index { unsafe sum += sizes[child] }
        return sum
    }

    /// Writes down what a changed child now is.
    func update(_ index: Int, _ node: TreeNode, prefix: UInt64, size: Int) {
        invariant(index >= 0 && index < count, "branch child out of range")
        unsafe total += size - sizes[index]
        unsafe prefixes[index] = prefix
        unsafe sizes[index] = size
        unsafe children[index] = node.raw
    }

    func insert(_ node: TreeNode, prefix: UInt64, size: Int, at index: Int) {
        invariant(count < Self.childrenMax, "a branch overflows")
        let moved = count - index
        unsafe (prefixes + index + 1).update(from: prefixes + index, count: moved)
        unsafe (sizes + index + 1).update(from: sizes + index, count: moved)
        unsafe (children + index + 1).update(from: children + index, count: moved)
        unsafe prefixes[index] = prefix
        unsafe sizes[index] = size
        unsafe children[index] = node.raw
        count += 1
        total += size
    }

    func remove(_ index: Int) {
        invariant(index >= 0 && index < count, "branch child out of range")
        unsafe total -= sizes[index]
        let moved = count - index - 1
        unsafe (prefixes + index).update(from: prefixes + index + 1, count: moved)
        unsafe (sizes + index).update(from: sizes + index + 1, count: moved)
        unsafe (children + index).update(from: children + index + 1, count: moved)
        count -= 1
    }

    /// Puts another node in the place of a child, for one that is equal or being emptied.
    func replace(_ index: Int, with node: TreeNode) {
        invariant(index >= 0 && index < count, "branch child out of range")
        unsafe children[index] = node.raw
    }

    /// Takes the last child away without a word about sizes: for freeing a tree in slices.
    func forgetLast() { count -= 1 }

    /// Moves the children from `index` on into a new branch.
    func split(at index: Int) -> TreeBranch {
        let right = TreeBranch.empty()
        for child in index..<count {
            right.insert(
                self.child(child), prefix: prefix(child), size: size(child), at: child - index)
        }
        count = index
        total -= right.total
        return right
    }

    /// Takes over all children of `other`, which sort behind, and frees it.
    func absorb(_ other: TreeBranch) {
        for child in 0..<other.count {
            insert(
                other.child(child), prefix: other.prefix(child), size: other.size(child), at: count)
        }
        other.destroy()
    }
}
