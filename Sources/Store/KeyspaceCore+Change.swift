internal import Bytes

/// The right to change items and tables: proof that the image has what it needs of them.
struct ChangePermit {
    fileprivate init() {}
}

// The ways in which keys change. Each first lets the image keep what it needs (`ImageState`), and
// settles the memory in the database's books afterwards; nothing else can make a `ChangePermit`,
// which the tables and `OpenItem` ask for.
extension KeyspaceCore {
    /// Opens an item for a change in place.
    @inline(__always)
    private func open(_ item: Item, _ site: Keyspace.Site) -> OpenItem {
        let open = OpenItem(item, ChangePermit())
        if state.image.isActive { keep(open, site, .shared) }
        return open
    }

    @inline(never)
    private func keep(
        _ open: OpenItem, _ site: Keyspace.Site, _ keeping: ImageState.Keeping
    ) {
        let before = open.item.heapBytes
        state.image.keep(open, site, keeping)
        state.databases[site.database].bytes += open.item.heapBytes - before
    }

    /// Changes an item's value in place.
    @inline(__always)
    func change<R>(_ item: Item, at site: Keyspace.Site, _ body: (OpenItem) -> R) -> R {
        let open = open(item, site)
        let before = item.heapBytes
        let result = body(open)
        state.databases[site.database].bytes += item.heapBytes - before
        let copied = open.takeCopiedBytes()
        if copied > 0 { chargeCopies(copied) }
        return result
    }

    /// Nodes were copied because what an image keeps, or has kept, owns the old ones.
    private func chargeCopies(_ bytes: Int) {
        if state.image.isActive {
            state.image.bytes += bytes
        } else {
            state.dropQueue.charge(bytes)
        }
    }

    /// Makes a key that is not there.
    func add(_ open: OpenItem, at site: Keyspace.Site, expiry: Int64?) {
        state.version &+= 1
        if state.image.isActive { state.image.keepAbsence(open.item.key, site) }
        state.databases[site.database].insert(
            open.item, slot: site.slot, hash: site.hash, ChangePermit())
        state.databases[site.database].bytes += open.item.heapBytes
        guard let expiry else { return }
        state.databases[site.database].expiries.insert(open, expiry: expiry)
    }

    /// Makes a key of a name, whatever was there before: `fill` gives it its value, for which
    /// `room` bytes are ready behind the key. The name may be of a key that is dead at `now`.
    @inline(__always)
    @discardableResult
    func put(
        _ key: Span<UInt8>, at site: Keyspace.Site, room: Int, expiry: ExpiryChange, now: Int64,
        _ fill: (OpenItem) -> Void
    ) -> Item {
        guard
            let old = state.databases[site.database].find(key, slot: site.slot, hash: site.hash)
        else {
            var time: Int64?
            if case .set(let given) = expiry { time = given }
            let open = OpenItem(key: key, room: room, hasExpiry: time != nil)
            fill(open)
            add(open, at: site, expiry: time)
            return open.item
        }
        var expiry = expiry
        if old.hasExpiry, old.expiry <= now {
            state.expired += 1
            if case .keep = expiry { expiry = .remove }
        }
        let vacant = vacate(old, site, room: room, expiry: expiry)
        let before = vacant.item.heapBytes
        fill(vacant)
        state.databases[site.database].bytes += vacant.item.heapBytes - before
        return vacant.item
    }

    /// Takes an item's value away, and gives it the room and expiry for another one.
    private func vacate(
        _ old: Item, _ site: Keyspace.Site, room: Int, expiry: ExpiryChange
    ) -> OpenItem {
        let open = OpenItem(old, ChangePermit())
        if state.image.isActive { keep(open, site, .moved) }
        let before = old.heapBytes
        if old.isTree || DropQueue.isLarge(old) {
            let value = open.movingValue()
            state.databases[site.database].bytes += old.heapBytes - before
            state.dropQueue.dispose(of: value)
        } else {
            open.clearValue()
            state.databases[site.database].bytes += old.heapBytes - before
        }
        // A block much larger than needed goes back.
        let isTooLarge = old.capacity > 64 && room < old.capacity / 4
        return adjust(open, site, atLeast: room, mustMove: isTooLarge, expiry: expiry)
    }

    /// Changes an item's expiry and gives it room for at least `room` value bytes; a value that is
    /// there stays. The item may move; all handles are stale then.
    @discardableResult
    func adjust(
        _ item: Item, _ site: Keyspace.Site, atLeast room: Int = 0, mustMove: Bool = false,
        expiry: ExpiryChange
    ) -> Item {
        adjust(open(item, site), site, atLeast: room, mustMove: mustMove, expiry: expiry).item
    }

    private func adjust(
        _ old: OpenItem, _ site: Keyspace.Site, atLeast room: Int, mustMove: Bool,
        expiry: ExpiryChange
    ) -> OpenItem {
        let wasExpiring = old.item.hasExpiry
        let time: Int64? =
            switch expiry {
            case .remove: nil
            case .keep: wasExpiring ? old.expiry : nil
            case .set(let time): time
            }
        let willExpire = time != nil
        var open = old
        if mustMove || room > old.item.capacity || willExpire != wasExpiring {
            open = move(old, site, room: room, willExpire: willExpire)
        }
        guard let time else { return open }
        if wasExpiring {
            state.databases[site.database].expiries.change(open, to: time)
        } else {
            state.databases[site.database].expiries.insert(open, expiry: time)
        }
        return open
    }

    private func move(
        _ old: OpenItem, _ site: Keyspace.Site, room: Int, willExpire: Bool
    ) -> OpenItem {
        state.version &+= 1
        let wasExpiring = old.item.hasExpiry
        let index = wasExpiring ? old.item.heapIndex : 0
        if wasExpiring, !willExpire { state.databases[site.database].expiries.remove(old.item) }
        let before = old.item.blockBytes
        let oldItem = old.item
        let open = old.rebuilt(room: room, hasExpiry: willExpire)
        state.databases[site.database].replace(
            oldItem, with: open.item, slot: site.slot, hash: site.hash, ChangePermit())
        state.databases[site.database].bytes += open.item.blockBytes - before
        if wasExpiring, willExpire {
            state.databases[site.database].expiries.moved(to: open, at: index)
        }
        return open
    }

    /// Moves a key's value and expiry to another name of its database; the key goes.
    func rename(
        _ item: Item, _ site: Keyspace.Site, to name: Span<UInt8>, _ target: Keyspace.Site,
        now: Int64
    ) {
        let expiry: ExpiryChange = item.hasExpiry ? .set(item.expiry) : .remove
        let room = item.form == .embedded ? item.embeddedBytes.count : 0
        // The image keeps the old key with a value that shares; the new one takes the value itself.
        let open = open(item, site)
        let before = item.heapBytes
        let moved = open.movingValue()
        state.databases[site.database].bytes += item.heapBytes - before
        remove(item, at: site)
        put(name, at: target, room: room, expiry: expiry, now: now) {
            $0.takeValue(of: moved)
        }
        moved.destroy()
    }

    /// Removes a key. All handles are stale afterwards.
    func remove(_ item: Item, at site: Keyspace.Site) {
        state.version &+= 1
        if item.hasExpiry { state.databases[site.database].expiries.remove(item) }
        let removed = state.databases[site.database].remove(
            item.key, slot: site.slot, hash: site.hash, ChangePermit())
        invariant(removed == item, "removed another key than the one found")
        state.databases[site.database].bytes -= item.heapBytes
        let open = OpenItem(removed: item)
        if state.image.isActive, state.image.take(open, site) { return }
        state.dropQueue.dispose(of: open)
    }

    /// Removes all keys of a database in constant time.
    func removeAll(in database: Int) {
        // Without keys it may still have the tables that once held some.
        guard state.databases[database].bytes > 0 else { return }
        state.version &+= 1
        let old = state.databases.exchange(Database(), at: database)
        state.dropQueue.retire(state.image.exchange(old, database))
    }

    /// Frees at most `budget` blocks of what was removed; whether some are left.
    func reclaim(budget: Int) -> Bool {
        let isLeft = state.dropQueue.reclaim(budget: budget)
        // What a dropped tree and its frozen copy shared is the image's alone now.
        if state.image.isActive { state.image.bytes += state.dropQueue.takeResidue() }
        return isLeft
    }
}
