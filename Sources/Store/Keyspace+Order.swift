internal import Bytes
internal import Cluster

/// How far a SCAN has come: the next slot, and in it the next hash.
///
///     | 0 | slot 14 bits | leading bits of the hash: 48 |
///
/// A number below 2^62, because some clients read cursors as signed. Zero is the beginning, and the
/// end. Keys whose hashes agree in all 48 bits are returned by one call.
public struct ScanCursor: Sendable, Equatable {
    public var slot: Int
    var position: UInt64

    /// The beginning.
    public static let start = ScanCursor(slot: 0, position: 0)

    /// The beginning of a slot.
    public init(slot: Int) { self.init(slot: slot, position: 0) }

    init(slot: Int, position: UInt64) {
        self.slot = slot
        self.position = position
    }

    /// The cursor that a client sent. A number that no SCAN returned is no error: what lies outside
    /// of the slots is the end.
    public init(raw: UInt64) {
        slot = Int(min(raw >> 48, UInt64(HashSlot.count)))
        position = raw & 0xffff_ffff_ffff
    }

    /// The number for the client; 0 when no slot is left.
    public var raw: UInt64 {
        slot >= HashSlot.count ? 0 : UInt64(slot) << 48 | position
    }
}

extension Keyspace {
    /// Visits the keys of a database in content order, dead ones included, until `body` returns
    /// false. `body` must not change the keyspace.
    public func visitKeys(_ database: Int, _ body: (KeyHandle) -> Bool) {
        var next = core.state.databases[database].firstOccupied(from: 0)
        while let slot = next {
            let isDone = core.state.databases[database].visit(slot: slot) { hash, item in
                let site = Site(database: database, slot: slot, hash: hash)
                return body(KeyHandle(item: item, site: site, version: core.state.version))
            }
            guard isDone else { return }
            next = core.state.databases[database].firstOccupied(from: slot + 1)
        }
    }

    /// Visits at least `count` keys (if there are so many) from a cursor on, and returns where to go
    /// on. Keys that are there during a whole iteration are visited exactly once, whatever else
    /// comes and goes, because a key's place in the order never changes.
    ///
    /// At the end of a slot range that this keyspace owns the cursor is the first slot after it, or
    /// zero after the last slot: whoever owns that slot goes on. Slots of others are skipped.
    public func scan(
        from cursor: ScanCursor, in database: Int, atLeast count: Int, _ body: (KeyHandle) -> Void
    ) -> ScanCursor {
        checkDatabase(database)
        guard let range = ranges.first(where: { Int($0.last.raw) >= cursor.slot }) else {
            return .start
        }
        let end = Int(range.last.raw) + 1
        var cursor =
            cursor.slot >= Int(range.first.raw)
            ? cursor : ScanCursor(slot: Int(range.first.raw))
        var visited = 0
        while let slot = core.state.databases[database].firstOccupied(from: cursor.slot), slot < end
        {
            var last: UInt64 = 0
            var next: UInt64?
            core.state.databases[database].visit(
                slot: slot, from: slot == cursor.slot ? cursor.position << 16 : 0
            ) { hash, item in
                if visited >= count, visited > 0, hash >> 16 != last {
                    next = hash >> 16
                    return false
                }
                last = hash >> 16
                visited += 1
                let site = Site(database: database, slot: slot, hash: hash)
                body(KeyHandle(item: item, site: site, version: core.state.version))
                return true
            }
            if let next { return ScanCursor(slot: slot, position: next) }
            cursor = ScanCursor(slot: slot + 1)
            if visited >= count {
                // Saves the client a last, empty call.
                guard let more = core.state.databases[database].firstOccupied(from: slot + 1),
                    more < end
                else { break }
                return ScanCursor(slot: more)
            }
        }
        return end >= HashSlot.count ? .start : ScanCursor(slot: end)
    }

    /// Whether a cursor that `scan` gave leads to slots of this keyspace.
    public func goesOn(_ cursor: ScanCursor) -> Bool {
        cursor != .start && ranges.contains { Int($0.last.raw) >= cursor.slot }
    }

    /// A key by its rank in content order, dead ones included.
    public func key(atRank rank: Int, in database: Int) -> KeyHandle {
        checkDatabase(database)
        let (slot, hash, item) = core.state.databases[database].item(atRank: rank)
        let site = Site(database: database, slot: slot, hash: hash)
        return KeyHandle(item: item, site: site, version: core.state.version)
    }
}
