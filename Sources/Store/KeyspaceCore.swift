internal import Bytes

/// What stands behind a keyspace, and behind the collections that it lends.
///
/// A noncopyable struct behind a pointer: it is reached from a `Keyspace` and from every `ListValue`,
/// `HashValue` and so on of its keys, whose methods change the keys' items. A class would check
/// exclusive access at run time (some 30 ns an operation, measured).
struct KeyspaceState: ~Copyable {
    let order: SipHash
    var databases = DatabaseArray(count: Keyspace.databaseCount)
    var dropQueue = DropQueue()
    var image = ImageState()
    /// Rises whenever items move or die, so that a stale handle is noticed.
    var version: UInt64 = 0
    /// Keys removed because their time had come.
    var expired: UInt64 = 0

    init(order: SipHash) { self.order = order }
}

/// The handle of a `KeyspaceState`, copied freely; the `Keyspace` frees it.
///
/// `KeyspaceCore+Change.swift` holds the only ways to change a key.
@safe
struct KeyspaceCore {
    private let base: UnsafeMutablePointer<KeyspaceState>

    init(order: SipHash) {
        unsafe base = .allocate(capacity: 1)
        unsafe base.initialize(to: KeyspaceState(order: order))
    }

    func destroy() {
        unsafe base.deinitialize(count: 1)
        unsafe base.deallocate()
    }

    var state: KeyspaceState {
        @inline(__always)
        unsafeAddress { unsafe UnsafePointer(base) }
        @inline(__always)
        nonmutating unsafeMutableAddress { unsafe base }
    }

    /// Heap that everything takes. O(1).
    var heapBytes: Int {
        var sum = state.dropQueue.bytes + state.image.bytes
        for database in 0..<Keyspace.databaseCount {
            sum += state.databases[database].bytes + state.databases[database].expiries.bytes
        }
        return sum
    }
}
