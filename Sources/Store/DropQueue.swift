internal import Bytes

/// What was removed and is not freed yet: whole databases after FLUSHALL, large collections, and
/// what an image had kept.
///
/// Freeing millions of blocks takes seconds; this lets the engine do it in slices. The unit is one
/// block of the heap: a key, a node of a tree, a segment of a table.
struct DropQueue: ~Copyable {
    /// A class because arrays hold no noncopyable elements; touched once per slice.
    private final class Remains {
        var database: Database
        var position = Database.DrainPosition()

        init(_ database: consuming Database) { self.database = database }

        deinit {
            // The tables' own way to free themselves knows nothing of how far this had come.
            while true {
                switch database.drain(position: &position) {
                case .item(let item): OpenItem(removed: item).destroy()
                case .structure: continue
                case .nothing: return
                }
            }
        }
    }

    /// What an image had kept, in the order of its keys; see `ImageState`.
    private final class Kept {
        var tree: RankedTree

        init(_ tree: consuming RankedTree) { self.tree = tree }

        func takeLast() -> OpenItem? {
            let rank = tree.count - 1
            let open = tree.withEntry(at: rank) { _, _, value in ImageState.item(value) }
            tree.remove(at: rank)
            return open
        }

        deinit { while tree.count > 0 { takeLast()?.destroy() } }
    }

    /// Trees of fewer elements are freed at once.
    private static let elementsMin = 64
    /// Strings that take less are freed at once.
    private static let stringBytesMin = 1 << 20

    private var databases: [Remains] = []
    private var values: [OpenItem] = []
    private var kept: [Kept] = []
    /// Heap that all of it takes.
    private(set) var bytes = 0
    /// What `OpenItem.Freed` calls so, since it was last taken.
    private(set) var residue = 0

    init() {}

    deinit {
        for open in values { open.destroy() }
    }

    var isEmpty: Bool { databases.isEmpty && values.isEmpty && kept.isEmpty }

    /// Counts heap that is taken because of something in here.
    mutating func charge(_ bytes: Int) { self.bytes += bytes }

    mutating func retire(_ database: consuming Database) {
        guard database.bytes != 0 || database.expiries.bytes != 0 else { return }
        bytes += database.bytes + database.expiries.bytes
        databases.append(Remains(database))
    }

    /// Takes over what an image had kept; the items' bytes and the tree's.
    mutating func retire(kept tree: consuming RankedTree, bytes: Int) {
        self.bytes += bytes
        guard tree.count > 0 else { return }
        kept.append(Kept(tree))
    }

    /// Takes over an item that is in no table any more, and frees it at once if it is small.
    mutating func dispose(of open: OpenItem) {
        bytes += open.item.heapBytes
        disposeCounted(open)
    }

    private mutating func disposeCounted(_ open: OpenItem) {
        if Self.isLarge(open.item) {
            values.append(open)
            return
        }
        var freed = OpenItem.Freed(budget: .max)
        free(open, &freed)
        settle(freed)
    }

    /// Whether freeing the value is worth slices.
    static func isLarge(_ item: Item) -> Bool {
        switch item.form {
        case .buffer, .shared: item.heapBytes >= stringBytesMin
        default: item.isTree && item.elementCount >= elementsMin
        }
    }

    /// Frees an item as far as the budget goes; true when it is gone.
    @discardableResult
    private func free(_ open: OpenItem, _ freed: inout OpenItem.Freed) -> Bool {
        guard open.freeValue(&freed) else { return false }
        freed.bytes += open.item.blockBytes
        open.destroy()
        return true
    }

    private mutating func settle(_ freed: OpenItem.Freed) {
        bytes -= freed.bytes
        residue += freed.residue
    }

    /// The residue so far, which leaves these books.
    mutating func takeResidue() -> Int {
        let taken = residue
        residue = 0
        bytes -= taken
        return taken
    }

    /// Frees at most `budget` blocks; returns whether some are left.
    mutating func reclaim(budget: Int) -> Bool {
        var rest = budget
        while rest > 0 {
            if let open = values.last {
                var freed = OpenItem.Freed(budget: rest)
                if free(open, &freed) { values.removeLast() }
                rest = freed.budget
                settle(freed)
            } else if let image = kept.last {
                rest -= 1
                guard image.tree.count > 0 else {
                    kept.removeLast()
                    continue
                }
                let before = image.tree.bytes
                let open = image.takeLast()
                bytes += image.tree.bytes - before
                if let open { disposeCounted(open) }
            } else if let remains = databases.last {
                rest -= 1
                drain(remains)
            } else {
                break
            }
        }
        return !isEmpty
    }

    private mutating func drain(_ remains: Remains) {
        let before = remains.database.bytes
        let drained = remains.database.drain(position: &remains.position)
        bytes += remains.database.bytes - before
        switch drained {
        case .item(let item):
            disposeCounted(OpenItem(removed: item))
        case .structure:
            break
        case .nothing:
            let expiries = remains.database.expiries.bytes
            if remains.database.drainExpiries() {
                bytes += remains.database.expiries.bytes - expiries
            } else {
                bytes -= remains.database.tablesBytes + expiries
                databases.removeLast()
            }
        }
    }
}
