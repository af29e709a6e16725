internal import Bytes
internal import Cluster

extension Keyspace {
    /// A digest of all keys, values, encodings, expiries and the log time: equal on replicas that
    /// applied the same entries. O(all bytes); `stateHash(slot:)` gives it in slices.
    public func stateHash() -> UInt64 {
        var hash = StateHash()
        hash.feed(logTime)
        for database in 0..<Self.databaseCount where core.state.databases[database].count > 0 {
            hash.feed(database)
            hash.feed(core.state.databases[database].count)
            var next = core.state.databases[database].firstOccupied(from: 0)
            while let slot = next {
                feed(&hash, database: database, slot: slot)
                next = core.state.databases[database].firstOccupied(from: slot + 1)
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
        for database in 0..<Self.databaseCount
        where core.state.databases[database].count(ofSlot: slot) > 0 {
            hash.feed(database)
            feed(&hash, database: database, slot: slot, elementsMax: elementsMax)
        }
        return hash.value
    }

    private func feed(
        _ hash: inout StateHash, database: Int, slot: Int, elementsMax: Int = .max
    ) {
        hash.feed(slot)
        hash.feed(core.state.databases[database].count(ofSlot: slot))
        core.state.databases[database].visit(slot: slot) { _, item in
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
        default: feedCollection(&hash)
        }
    }

    /// Feeds a collection's encoding, count and elements in order.
    func feedCollection(_ hash: inout StateHash) {
        hash.feed(encodingName)
        hash.feed(elementCount)
        switch form {
        case .listPack:
            _ = pack.lendRun(from: 0, atMost: .max) {
                hash.feed($0)
                return true
            }
        case .listTree:
            let tree = unsafe listTree
            unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) {
                hash.feed($0)
                return true
            }
        case .hashPack:
            pack.forEachPair {
                hash.feed($0)
                hash.feed($1)
                return true
            }
        case .hashTree, .setTree:
            let tree = unsafe tree
            let hasValues = form == .hashTree
            unsafe tree.pointee.forEach(in: 0..<tree.pointee.count) { _, key, value in
                hash.feed(key)
                if hasValues { hash.feed(value) }
                return true
            }
        case .intset:
            for index in 0..<integers.count {
                IntegerText.withDecimal(integers[index]) { hash.feed($0) }
            }
        case .sortedSetPack:
            pack.forEachScored(in: 0..<pack.count, descending: false) { member, score in
                hash.feed(member)
                hash.feed(score)
                return true
            }
        case .sortedSetTrees:
            let trees = unsafe sortedSetTrees
            unsafe trees.pointee.byScore.forEach(in: 0..<trees.pointee.byScore.count) {
                key, member, mark in
                hash.feed(member)
                hash.feed(Score.fromSortKey(key, isNegativeZero: mark.count > 0))
                return true
            }
        case .integer, .embedded, .buffer, .shared:
            invariantFailed("a string is no collection")
        }
    }

    /// What OBJECT ENCODING tells of a collection.
    var encodingName: StaticString {
        switch form {
        case .listPack, .listTree: "quicklist"
        case .hashPack, .sortedSetPack: "listpack"
        case .hashTree, .setTree: "hashtable"
        case .intset: "intset"
        case .sortedSetTrees: "skiplist"
        case .integer, .embedded, .buffer, .shared: invariantFailed("a string is no collection")
        }
    }
}
