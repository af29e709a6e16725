internal import Bytes

/// Writes keys in the form of `ImageFormat`, in stretches.
struct ImageWriter: ~Copyable {
    /// The header, until it has been written.
    private var header = ByteBuffer()
    private var checksum: UInt32 = 0
    private var keys: UInt64 = 0
    private var database = 0

    /// The key being written, if a part of it is: what is done of its value.
    private var isWithinKey = false
    /// Bytes of a string, elements of a tree or a list, an offset into another pack.
    private var position = 0

    init() {}

    init(logTime: Int64, limits: EncodingLimits, keyCount: Int) {
        header.append(ImageFormat.magic)
        header.append(littleEndian: ImageFormat.version)
        header.append(littleEndian: logTime)
        for limit in limits.fields { header.append(varint: UInt64(limit)) }
        header.append(varint: UInt64(keyCount))
    }

    mutating func writeHeader(_ bytes: inout ByteBuffer) {
        guard !header.isEmpty else { return }
        bytes.append(header.readable)
        header = ByteBuffer()
    }

    /// Takes what was appended from `start` on into the checksum.
    mutating func sum(_ bytes: borrowing ByteBuffer, from start: Int) {
        let all = bytes.readable
        checksum = CRC32C.checksum(all.extracting(start..<all.count), continuing: checksum)
    }

    /// Appends the end mark; `start` as in `sum`.
    mutating func writeEnd(_ bytes: inout ByteBuffer, from start: Int) {
        bytes.append(ImageFormat.end)
        bytes.append(varint: keys)
        sum(bytes, from: start)
        bytes.append(littleEndian: checksum)
    }

    /// Appends a key, or goes on with it, until `bytes` holds `limit` bytes; whether it is whole.
    mutating func write(
        _ item: Item, in database: Int, _ bytes: inout ByteBuffer, limit: Int
    ) -> Bool {
        if !isWithinKey {
            writeHead(item, in: database, &bytes)
            isWithinKey = true
            position = 0
        }
        guard writeValue(item, &bytes, limit) else { return false }
        isWithinKey = false
        keys += 1
        return true
    }

    private mutating func writeHead(
        _ item: Item, in database: Int, _ bytes: inout ByteBuffer
    ) {
        if database != self.database {
            self.database = database
            bytes.append(ImageFormat.database)
            bytes.append(varint: UInt64(database))
        }
        var tag = item.imageTag.rawValue
        if item.hasExpiry { tag |= ImageFormat.expiryFlag }
        if item.isRaw, item.imageTag == .bytes { tag |= ImageFormat.rawFlag }
        bytes.append(tag)
        if item.hasExpiry { bytes.append(littleEndian: item.expiry) }
        bytes.append(lengthPrefixed: item.key)
        switch item.imageTag {
        case .integer: break
        case .bytes: bytes.append(varint: UInt64(item.stringBytes.count))
        default: bytes.append(varint: UInt64(item.elementCount))
        }
    }

    private mutating func writeValue(
        _ item: Item, _ bytes: inout ByteBuffer, _ limit: Int
    ) -> Bool {
        switch item.form {
        case .integer:
            bytes.append(littleEndian: item.integer)
            return true
        case .embedded, .buffer, .shared:
            return writeString(item.stringBytes, &bytes, limit)
        case .listPack, .listTree:
            return writeList(item, &bytes, limit)
        case .hashPack:
            return writePack(item.pack, &bytes, limit) { pack, offset, bytes in
                bytes.append(lengthPrefixed: pack[offset])
                let value = pack.offset(after: offset)
                bytes.append(lengthPrefixed: pack[value])
                return pack.offset(after: value)
            }
        case .sortedSetPack:
            return writePack(item.pack, &bytes, limit) { pack, offset, bytes in
                let entry = pack[offset]
                bytes.append(entry.extracting(0..<8))
                bytes.append(lengthPrefixed: entry.extracting(8..<entry.count))
                return pack.offset(after: offset)
            }
        case .intset:
            let integers = item.integers
            while position < integers.count {
                if bytes.count >= limit { return false }
                bytes.append(littleEndian: integers[position])
                position += 1
            }
            return true
        case .hashTree:
            return unsafe writeTree(item.tree.pointee, &bytes, limit) { _, field, value, bytes in
                bytes.append(lengthPrefixed: field)
                bytes.append(lengthPrefixed: value)
            }
        case .setTree:
            return unsafe writeTree(item.tree.pointee, &bytes, limit) { _, member, _, bytes in
                bytes.append(lengthPrefixed: member)
            }
        case .sortedSetTrees:
            let trees = unsafe item.sortedSetTrees
            return unsafe writeTree(trees.pointee.byScore, &bytes, limit) {
                key, member, mark, bytes in
                let score = Score.fromSortKey(key, isNegativeZero: mark.count > 0)
                bytes.append(littleEndian: score.bitPattern)
                bytes.append(lengthPrefixed: member)
            }
        }
    }

    private mutating func writeString(
        _ string: Span<UInt8>, _ bytes: inout ByteBuffer, _ limit: Int
    ) -> Bool {
        // A long string comes in parts; a part is never tiny.
        let part = min(string.count - position, max(limit - bytes.count, 4096))
        bytes.append(string.extracting(position..<position + part))
        position += part
        return position == string.count
    }

    private mutating func writeList(
        _ item: Item, _ bytes: inout ByteBuffer, _ limit: Int
    ) -> Bool {
        let count = item.elementCount
        guard position < count else { return true }
        var done = position
        func write(_ element: Span<UInt8>) -> Bool {
            bytes.append(lengthPrefixed: element)
            done += 1
            return bytes.count < limit
        }
        if item.form == .listPack {
            let pack = item.pack
            _ = pack.lendRun(from: pack.offset(ofEntry: position), atMost: count, write)
        } else {
            unsafe item.listTree.pointee.forEach(in: position..<count, write)
        }
        position = done
        return position == count
    }

    private mutating func writePack(
        _ pack: Listpack, _ bytes: inout ByteBuffer, _ limit: Int,
        _ entry: (Listpack, Int, inout ByteBuffer) -> Int
    ) -> Bool {
        while position < pack.byteCount {
            if bytes.count >= limit { return false }
            position = entry(pack, position, &bytes)
        }
        return true
    }

    private mutating func writeTree(
        _ tree: borrowing RankedTree, _ bytes: inout ByteBuffer, _ limit: Int,
        _ entry: (UInt64, Span<UInt8>, Span<UInt8>, inout ByteBuffer) -> Void
    ) -> Bool {
        var done = position
        tree.forEach(in: position..<tree.count) { prefix, key, value in
            entry(prefix, key, value, &bytes)
            done += 1
            return bytes.count < limit
        }
        position = done
        return position == tree.count
    }
}

extension Item {
    fileprivate var imageTag: ImageTag {
        switch form {
        case .integer: .integer
        case .embedded, .buffer, .shared: .bytes
        case .listPack, .listTree: .list
        case .hashPack: .hashPack
        case .hashTree: .hash
        case .intset: .intset
        case .setTree: .set
        case .sortedSetPack: .sortedSetPack
        case .sortedSetTrees: .sortedSet
        }
    }
}

extension EncodingLimits {
    /// In the order of an image's header.
    var fields: [Int] {
        [
            hashMaxListpackEntries, hashMaxListpackValue, setMaxIntsetEntries,
            zsetMaxListpackEntries, zsetMaxListpackValue,
        ]
    }

    /// Sets the field of a number in that order.
    mutating func setField(_ index: Int, to value: Int) {
        switch index {
        case 0: hashMaxListpackEntries = value
        case 1: hashMaxListpackValue = value
        case 2: setMaxIntsetEntries = value
        case 3: zsetMaxListpackEntries = value
        default: zsetMaxListpackValue = value
        }
    }
}
