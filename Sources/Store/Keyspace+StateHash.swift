internal import Bytes
internal import Cluster

extension Keyspace {
    /// A digest of all keys, values, encodings, expiries and the log time: equal on replicas that
    /// applied the same entries. O(all bytes); `stateHash(slot:)` gives it in slices.
    public func stateHash() -> UInt64 {
        var hash = StateHash()
        hash.feed(logTime)
        for database in 0..<Self.databaseCount where databases[database].count > 0 {
            hash.feed(database)
            hash.feed(databases[database].count)
            var next = databases[database].firstOccupied(from: 0)
            while let slot = next {
                feed(&hash, database: database, slot: slot)
                next = databases[database].firstOccupied(from: slot + 1)
            }
        }
        return hash.value
    }

    /// A digest of one slot's keys in all databases, without the log time.
    ///
    /// - Parameter elementsMax: collections with more elements count by their size only, which bounds
    ///   the time.
    public func stateHash(slot: Int, elementsMax: Int = .max) -> UInt64 {
        var hash = StateHash()
        for database in 0..<Self.databaseCount where databases[database].count(ofSlot: slot) > 0 {
            hash.feed(database)
            feed(&hash, database: database, slot: slot, elementsMax: elementsMax)
        }
        return hash.value
    }

    private func feed(
        _ hash: inout StateHash, database: Int, slot: Int, elementsMax: Int = .max
    ) {
        hash.feed(slot)
        hash.feed(databases[database].count(ofSlot: slot))
        databases[database].visit(slot: slot) { _, item in
            if item.elementCount <= elementsMax {
                item.feed(&hash)
            } else {
                hash.feed(item.key)
                hash.feed(item.elementCount)
            }
            return true
        }
    }
}

extension Item {
    /// Feeds everything of the key that is state.
    func feed(_ hash: inout StateHash) {
        hash.feed(key)
        hash.feed(hasExpiry ? expiry : -1)
        hash.feed(Int(kind.rawValue))
        switch form {
        case .integer:
            hash.feed("int")
            hash.feed(integer)
        case .embedded, .buffer, .shared:
            hash.feed(isRaw ? "raw" : "bytes")
            hash.feed(stringBytes)
        case .list: list.feed(&hash)
        case .hash: self.hash.feed(&hash)
        case .set: set.feed(&hash)
        case .sortedSet: sortedSet.feed(&hash)
        }
    }
}
