internal import Bytes

extension Keyspace {
    /// Gives a key an expiry in milliseconds since 1970, or takes it away. All handles are stale
    /// afterwards. A time that has come already leaves the key dead, to be removed by whoever meets
    /// it.
    public mutating func setExpiry(_ handle: KeyHandle, _ expiry: Int64?) {
        core.adjust(
            item(of: handle), handle.site, expiry: expiry.map { .set($0) } ?? .remove)
    }

    /// The earliest expiry of all keys; nil when none has one.
    public var nextExpiry: Int64? {
        var earliest: Int64?
        for database in 0..<Self.databaseCount {
            guard let first = core.state.databases[database].expiries.first else { continue }
            if first.expiry < earliest ?? .max { earliest = first.expiry }
        }
        return earliest
    }

    /// Removes keys whose expiry is not after `time` (nor after log time), at most `count`, and
    /// returns how many. Order: expiry, then database, then key bytes; equal on all replicas.
    @discardableResult
    public mutating func expire(upTo time: Int64, atMost count: Int) -> Int {
        let time = min(time, logTime)
        var removed = 0
        while removed < count {
            var due: (item: Item, database: Int)?
            for database in 0..<Self.databaseCount {
                guard let first = core.state.databases[database].expiries.first,
                    first.expiry <= time,
                    first.expiry < due?.item.expiry ?? .max
                else { continue }
                due = (first, database)
            }
            guard let due else { break }
            let site = site(of: due.item.key, in: due.database)
            core.remove(due.item, at: site)
            core.state.expired += 1
            removed += 1
        }
        return removed
    }
}
