internal import Bytes

/// What was removed and is not freed yet: whole databases after FLUSHALL, and large collections.
///
/// Freeing millions of keys takes seconds; this lets the engine do it in slices.
struct DropQueue: ~Copyable {
    /// A class because arrays hold no noncopyable elements; touched once per slice.
    private final class Remains {
        var database: Database
        var position = Database.DrainPosition()

        init(_ database: consuming Database) { self.database = database }
    }

    /// Collections of fewer elements are freed at once.
    private static let elementsMin = 64

    private var databases: [Remains] = []
    private var values: [Item] = []

    init() {}

    deinit {
        for item in values { item.destroy() }
    }

    var isEmpty: Bool { databases.isEmpty && values.isEmpty }

    mutating func retire(_ database: consuming Database) {
        databases.append(Remains(database))
    }

    /// Takes the value away from an item about to be overwritten or destroyed, if it is large.
    mutating func retireValue(of item: Item) {
        guard item.elementCount >= Self.elementsMin else { return }
        values.append(item.movingValue())
    }

    /// Frees at most about `budget` keys or collections; returns whether some is left.
    mutating func reclaim(budget: Int) -> Bool {
        var rest = budget
        while rest > 0, let item = values.popLast() {
            item.destroy()
            rest -= 1
        }
        while rest > 0, let remains = databases.last {
            let freed = remains.database.drain(rest, position: &remains.position)
            rest -= freed
            if freed == 0 { databases.removeLast() }
        }
        return !isEmpty
    }
}
