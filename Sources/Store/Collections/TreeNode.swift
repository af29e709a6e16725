internal import Bytes

/// A node of a tree: one allocation, read as a leaf, a branch or a listpack by whoever knows which.
///
/// Every node begins with the number of its owners (32 bits). A tree and its frozen copy for an
/// image own the same nodes; whoever changes a node that has another owner copies it first. So a
/// copy of the largest collection costs one count, and a change beside it a few nodes.
@safe
struct TreeNode: Equatable {
    // @safe: made and freed only by the trees that own it.
    let raw: UnsafeMutableRawPointer

    init(raw: UnsafeMutableRawPointer) { unsafe self.raw = raw }

    init(address: UInt) { unsafe raw = UnsafeMutableRawPointer(bitPattern: address)! }

    var address: UInt { unsafe UInt(bitPattern: raw) }

    static func == (one: TreeNode, other: TreeNode) -> Bool { one.address == other.address }

    /// Owners.
    private var owners: UInt32 {
        get { unsafe raw.load(as: UInt32.self) }
        nonmutating set { unsafe raw.storeBytes(of: newValue, as: UInt32.self) }
    }

    /// Whether it must be copied before it is changed.
    var isShared: Bool { owners > 1 }

    /// Adds an owner.
    func retain() {
        invariant(owners > 0 && owners < .max, "a tree's node without owners")
        owners += 1
    }

    /// Takes one of several owners away.
    func dropOwner() {
        invariant(owners > 1, "the last owner frees a node")
        owners -= 1
    }
}
