internal import Bytes
internal import RESP
internal import Store

// How the collection commands reach their values. Each writes the WRONGTYPE error itself and then
// returns nil, as `find(_:_:)` does; `missing` is what else a command has to write.
extension CommandContext {
    /// For changes that add: the list, made if it is missing.
    mutating func listOrNew(_ key: Span<UInt8>) -> ListValue? {
        switch find(key, .list) {
        case .found(let handle): return keyspace.list(handle)
        case .refused: return nil
        case .missing:
            let list = ListValue()
            keyspace.set(key, in: database, to: list)
            return list
        }
    }

    /// For changes that add: the hash, made if it is missing.
    mutating func hashOrNew(_ key: Span<UInt8>) -> HashValue? {
        switch find(key, .hash) {
        case .found(let handle): return keyspace.hash(handle)
        case .refused: return nil
        case .missing:
            let hash = HashValue(order: keyspace.order)
            keyspace.set(key, in: database, to: hash)
            return hash
        }
    }

    /// For changes that add: the set, made if it is missing.
    mutating func setOrNew(_ key: Span<UInt8>) -> SetValue? {
        switch find(key, .set) {
        case .found(let handle): return keyspace.set(handle)
        case .refused: return nil
        case .missing:
            let set = SetValue(order: keyspace.order)
            keyspace.set(key, in: database, to: set)
            return set
        }
    }

    /// For changes that add: the sorted set, made if it is missing.
    mutating func sortedSetOrNew(_ key: Span<UInt8>) -> SortedSetValue? {
        switch find(key, .sortedSet) {
        case .found(let handle): return keyspace.sortedSet(handle)
        case .refused: return nil
        case .missing:
            let set = SortedSetValue(order: keyspace.order)
            keyspace.set(key, in: database, to: set)
            return set
        }
    }

    /// The list of a key; `missing` writes the reply when there is none.
    mutating func list(
        _ key: Span<UInt8>, orElse missing: (inout CommandContext) -> Void
    ) -> (handle: KeyHandle, value: ListValue)? {
        guard let handle = found(key, .list, missing) else { return nil }
        return (handle, keyspace.list(handle))
    }

    /// The hash of a key; `missing` writes the reply when there is none.
    mutating func hash(
        _ key: Span<UInt8>, orElse missing: (inout CommandContext) -> Void
    ) -> (handle: KeyHandle, value: HashValue)? {
        guard let handle = found(key, .hash, missing) else { return nil }
        return (handle, keyspace.hash(handle))
    }

    /// The set of a key; `missing` writes the reply when there is none.
    mutating func set(
        _ key: Span<UInt8>, orElse missing: (inout CommandContext) -> Void
    ) -> (handle: KeyHandle, value: SetValue)? {
        guard let handle = found(key, .set, missing) else { return nil }
        return (handle, keyspace.set(handle))
    }

    /// The sorted set of a key; `missing` writes the reply when there is none.
    mutating func sortedSet(
        _ key: Span<UInt8>, orElse missing: (inout CommandContext) -> Void
    ) -> (handle: KeyHandle, value: SortedSetValue)? {
        guard let handle = found(key, .sortedSet, missing) else { return nil }
        return (handle, keyspace.sortedSet(handle))
    }

    private mutating func found(
        _ key: Span<UInt8>, _ kind: ValueKind, _ missing: (inout CommandContext) -> Void
    ) -> KeyHandle? {
        switch find(key, kind) {
        case .found(let handle): return handle
        case .refused: return nil
        case .missing:
            missing(&self)
            return nil
        }
    }
}

/// The replies of commands that find no key.
enum Missing {
    static func zero(_ context: inout CommandContext) { context.reply.integer(0) }
    static func null(_ context: inout CommandContext) { context.reply.null() }
    static func nullArray(_ context: inout CommandContext) { context.reply.nullArray() }
    static func emptyArray(_ context: inout CommandContext) { context.reply.emptyArray() }
    static func emptySet(_ context: inout CommandContext) { context.reply.set(0) }
    static func emptyMap(_ context: inout CommandContext) { context.reply.map(0) }
    static func emptyScan(_ context: inout CommandContext) {
        context.reply.array(2)
        context.reply.bulk("0")
        context.reply.emptyArray()
    }
}
