/// A growable run of noncopyable elements, reached by index and mutated in place.
///
/// An array of class references costs a reference count per access, and `Array` cannot hold
/// noncopyable values; state owners (sessions, replicas) live here instead.
@safe
public struct Slab<Element: ~Copyable>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Element>?
    @usableFromInline var filled = 0
    @usableFromInline var allocated = 0

    public init() { unsafe base = nil }

    deinit {
        guard let base = unsafe base else { return }
        unsafe base.deinitialize(count: filled)
        unsafe base.deallocate()
    }

    /// Elements held.
    @inlinable
    public var count: Int { filled }

    /// Adds an element at the end; may move the others.
    public mutating func append(_ element: consuming Element) {
        if filled == allocated {
            let wanted = max(4, allocated * 2)
            let grown = UnsafeMutablePointer<Element>.allocate(capacity: wanted)
            if let old = unsafe base {
                unsafe grown.moveInitialize(from: old, count: filled)
                unsafe old.deallocate()
            }
            unsafe base = grown
            allocated = wanted
        }
        unsafe (base! + filled).initialize(to: element)
        filled += 1
    }

    /// The element at `index`, in place.
    ///
    /// Addressors, because a coroutine (`_read`, `_modify`) that is not inlined keeps its frame on the
    /// heap: in debug builds every access would be an allocation.
    @inlinable
    public subscript(index: Int) -> Element {
        @_transparent
        unsafeAddress {
            invariant(index >= 0 && index < filled, "slab index out of range")
            return unsafe UnsafePointer(base! + index)
        }
        @_transparent
        unsafeMutableAddress {
            invariant(index >= 0 && index < filled, "slab index out of range")
            return unsafe base! + index
        }
    }

    /// Where the element at `index` is, until the slab changes: for addressors of containers.
    @unsafe
    @inlinable
    public func unsafeAddress(of index: Int) -> UnsafeMutablePointer<Element> {
        invariant(index >= 0 && index < filled, "slab index out of range")
        return unsafe base! + index
    }
}
