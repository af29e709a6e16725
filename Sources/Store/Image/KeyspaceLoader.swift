internal import Bytes
internal import Cluster

/// Fills an empty keyspace from an image (`ImageFormat`), fed in pieces cut anywhere.
///
/// Whatever the bytes are, loading ends in an equal keyspace, in an error, or in want of more bytes:
/// order, counts and encodings are checked as they come, and the checksum at the end. After an error
/// both the loader and the keyspace are to be dropped.
public struct KeyspaceLoader: ~Copyable {
    private enum Phase {
        case header
        case key
        case string
        case elements
        case complete
        case failed
    }

    /// A damaged length must not claim memory that the image does not fill.
    private static let reservedBytesMax = 64 << 20

    private var phase = Phase.header
    /// Bytes that are not a whole field yet.
    private var pending = ByteBuffer()
    private var checksum: UInt32 = 0
    /// Keys that the header promises.
    public private(set) var keysTotal = 0
    /// Keys read so far.
    public private(set) var keysLoaded = 0

    /// The key being read.
    private var open: OpenItem?
    private var site = Keyspace.Site(database: 0, slot: 0, hash: 0)
    private var isRaw = false
    /// Bytes of a long string or elements that are still to come.
    private var left = 0
    private var string = ByteBuffer()
    /// The last element of a tree, for the order.
    private var lastPrefix: UInt64 = 0
    private var last = ByteBuffer()
    private var isFirst = true

    /// The key before, for the order.
    private var previous = Keyspace.Site(database: 0, slot: -1, hash: 0)
    private var previousKey = ByteBuffer()

    public init() {}

    deinit { open?.destroy() }

    /// Whether the end of the image has been read and its checksum agreed.
    public var isComplete: Bool {
        if case .complete = phase { return true }
        return false
    }

    /// Reads the next piece. Work is bounded by the size of `bytes`.
    public mutating func load(
        _ bytes: Span<UInt8>, into keyspace: inout Keyspace
    ) throws(ImageError) {
        if case .complete = phase, bytes.isEmpty { return }
        pending.append(bytes)
        var input = pending.take()
        var done = 0
        var summed = 0
        do throws(ImageError) {
            let all = input.readable
            while done < all.count {
                let rest = all.extracting(done..<all.count)
                guard let read = try step(rest, into: &keyspace) else { break }
                done += read
                guard isComplete else { continue }
                // The last four bytes are the sum of all others.
                checksum = CRC32C.checksum(
                    all.extracting(summed..<done - 4), continuing: checksum)
                summed = done
                var reader = ByteReader(all.extracting(done - 4..<done))
                guard (try? reader.read(UInt32.self)) == checksum else { throw .checksum }
            }
            checksum = CRC32C.checksum(all.extracting(summed..<done), continuing: checksum)
        } catch {
            phase = .failed
            throw error
        }
        input.consume(done)
        swap(&pending, &input)
    }

    /// Reads one field or element; how many bytes it took, nil when there are too few.
    private mutating func step(
        _ bytes: Span<UInt8>, into keyspace: inout Keyspace
    ) throws(ImageError) -> Int? {
        var reader = ByteReader(bytes)
        do {
            switch phase {
            case .header: try readHeader(&reader, &keyspace)
            case .key: try readKey(&reader, &keyspace)
            case .string:
                let part = min(left, bytes.count)
                string.append(try reader.readBytes(part))
                left -= part
                if left == 0 { finishString(&keyspace) }
            case .elements: try readElement(&reader, keyspace.order, &keyspace)
            case .complete: throw ImageError.trailingBytes
            case .failed: throw ImageError.damaged(field: "a part before this one")
            }
            return reader.offset
        } catch DecodeError.truncated {
            return nil
        } catch let error as ImageError {
            throw error
        } catch {
            throw .damaged(field: "varint")
        }
    }

    // MARK: Fields

    private mutating func readHeader(
        _ reader: inout ByteReader, _ keyspace: inout Keyspace
    ) throws {
        let magic = ImageFormat.magic
        let found = try reader.readBytes(magic.utf8CodeUnitCount)
        for index in found.indices where unsafe found[index] != magic.utf8Start[index] {
            throw ImageError.notAnImage
        }
        let version = try reader.read(UInt16.self)
        guard version == ImageFormat.version else { throw ImageError.unknownVersion(version) }
        let logTime = try reader.read(Int64.self)
        var limits = EncodingLimits()
        for index in limits.fields.indices {
            let limit = try reader.readCount()
            guard limit <= Int(UInt32.max) else { throw ImageError.damaged(field: "limit") }
            limits.setField(index, to: limit)
        }
        let count = try reader.readCount()
        invariant(keyspace.isEmpty, "loaded an image into a keyspace with keys")
        guard logTime >= keyspace.logTime else { throw ImageError.damaged(field: "log time") }
        keyspace.logTime = logTime
        keyspace.limits = limits
        keysTotal = count
        phase = .key
    }

    private mutating func readKey(
        _ reader: inout ByteReader, _ keyspace: inout Keyspace
    ) throws {
        var tag = try reader.read(UInt8.self)
        if tag == ImageFormat.end {
            let count = try reader.readCount()
            _ = try reader.read(UInt32.self)
            guard count == keysLoaded, count == keysTotal else {
                throw ImageError.damaged(field: "key count")
            }
            phase = .complete
            return
        }
        if tag == ImageFormat.database {
            let database = try reader.readCount()
            guard database > site.database, database < Keyspace.databaseCount else {
                throw ImageError.damaged(field: "database")
            }
            site.database = database
            return
        }
        let expires = tag & ImageFormat.expiryFlag != 0
        let raw = tag & ImageFormat.rawFlag != 0
        tag &= ImageFormat.tagMask
        guard let form = ImageTag(rawValue: tag), !raw || form == .bytes else {
            throw ImageError.damaged(field: "tag")
        }
        let expiry = expires ? try reader.read(Int64.self) : nil
        let key = try Self.readString(&reader)
        let number = form == .integer ? try reader.read(Int64.self) : 0
        let count = form == .integer ? 0 : try reader.readCount()
        guard count <= ImageFormat.stringBytesMax else { throw ImageError.damaged(field: "count") }
        let isEmbedded = form == .bytes && count <= Item.embeddedBytesMax
        let text = isEmbedded ? try reader.readBytes(count) : Span()
        // Everything is here: from now on the key is being read.
        try place(key, in: keyspace)
        let open = OpenItem(key: key, room: isEmbedded ? count : 0, hasExpiry: expires)
        self.open = open
        if let expiry { open.expiry = expiry }
        isRaw = raw
        left = count
        isFirst = true
        switch form {
        case .integer: open.setInteger(number)
        case .bytes where isEmbedded: open.setEmbedded(text)
        case .bytes:
            phase = .string
            string.reserve(min(count, Self.reservedBytesMax))
            return
        case .list: open.setBoxed(ListTree(), form: .listTree)
        case .hashPack: open.setEmpty(.hashPack)
        case .hash: open.setBoxed(RankedTree(), form: .hashTree)
        case .intset: open.setEmpty(.intset)
        case .set: open.setBoxed(RankedTree(), form: .setTree)
        case .sortedSetPack: open.setEmpty(.sortedSetPack)
        case .sortedSet: open.setBoxed(SortedSetTrees(), form: .sortedSetTrees)
        }
        if form == .integer || form == .bytes || left == 0 {
            finish(&keyspace)
        } else {
            phase = .elements
        }
    }

    @_lifetime(copy reader)
    private static func readString(_ reader: inout ByteReader) throws -> Span<UInt8> {
        let count = try reader.readCount()
        guard count <= ImageFormat.stringBytesMax else { throw ImageError.damaged(field: "length") }
        return try reader.readBytes(count)
    }

    /// Finds out where a key belongs, which must be behind the key before.
    private mutating func place(
        _ key: Span<UInt8>, in keyspace: borrowing Keyspace
    ) throws(ImageError) {
        let new = keyspace.site(of: key, in: site.database)
        let ascends: Bool
        if new.database != previous.database || new.slot != previous.slot {
            ascends = (new.database, new.slot) > (previous.database, previous.slot)
        } else if new.hash != previous.hash {
            ascends = new.hash > previous.hash
        } else {
            ascends = ContentOrder.compare(key, previousKey.readable) == .after
        }
        guard ascends else { throw .damaged(field: "order of keys") }
        site = new
        previous = new
        previousKey.removeAll(keepingCapacityUpTo: 4096)
        previousKey.append(key)
    }

    // MARK: Values

    private mutating func readElement(
        _ reader: inout ByteReader, _ order: SipHash, _ keyspace: inout Keyspace
    ) throws {
        guard let open else { invariantFailed("elements without a key") }
        let item = open.item
        switch item.form {
        case .listTree:
            let element = try Self.readString(&reader)
            let tree = unsafe item.listTree
            unsafe tree.pointee.insert(element, at: tree.pointee.count)
        case .hashPack:
            let field = try Self.readString(&reader)
            let value = try Self.readString(&reader)
            var pack = item.pack
            pack.append(field)
            pack.append(value)
            open.setPack(pack)
        case .hashTree:
            let field = try Self.readString(&reader)
            let value = try Self.readString(&reader)
            unsafe try append(order.hash(field), field, value, to: &item.tree.pointee)
        case .setTree:
            let member = try Self.readString(&reader)
            unsafe try append(order.hash(member), member, Span(), to: &item.tree.pointee)
        case .intset:
            let number = try reader.read(Int64.self)
            var integers = item.integers
            guard integers.count == 0 || integers[integers.count - 1] < number else {
                throw ImageError.damaged(field: "order of integers")
            }
            integers.insert(number, at: integers.count)
            open.setIntegers(integers)
        case .sortedSetPack, .sortedSetTrees:
            try readScored(&reader, order, open)
        case .integer, .embedded, .buffer, .shared, .listPack:
            invariantFailed("a value of form \(item.form) has no elements")
        }
        left -= 1
        if left == 0 { finish(&keyspace) }
    }

    private mutating func readScored(
        _ reader: inout ByteReader, _ order: SipHash, _ open: OpenItem
    ) throws {
        let score = Double(bitPattern: try reader.read(UInt64.self))
        let member = try Self.readString(&reader)
        guard !score.isNaN else { throw ImageError.damaged(field: "score") }
        let isNegativeZero = score == 0 && score.sign == .minus
        guard open.item.form == .sortedSetTrees else {
            guard !isNegativeZero else { throw ImageError.damaged(field: "score") }
            try checkAscent(Score.sortKey(score), member)
            var pack = open.item.pack
            pack.appendScored(member: member, score: score)
            open.setPack(pack)
            return
        }
        let bits = Score.encode(score)
        let mark = bits.span.extracting(first: isNegativeZero ? 1 : 0)
        let trees = unsafe open.item.sortedSetTrees
        unsafe try append(Score.sortKey(score), member, mark, to: &trees.pointee.byScore)
        let isNew = unsafe trees.pointee.byMember.insert(order.hash(member), member, bits.span)
        guard isNew else { throw ImageError.damaged(field: "member") }
    }

    private mutating func append(
        _ prefix: UInt64, _ key: Span<UInt8>, _ value: Span<UInt8>, to tree: inout RankedTree
    ) throws {
        try checkAscent(prefix, key)
        let isNew = tree.insert(prefix, key, value)
        invariant(isNew, "an ascending element was there before")
    }

    private mutating func checkAscent(_ prefix: UInt64, _ key: Span<UInt8>) throws {
        let ascends =
            isFirst || prefix > lastPrefix
            || (prefix == lastPrefix && ContentOrder.compare(key, last.readable) == .after)
        guard ascends else { throw ImageError.damaged(field: "order of elements") }
        isFirst = false
        lastPrefix = prefix
        last.removeAll(keepingCapacityUpTo: 4096)
        last.append(key)
    }

    private mutating func finishString(_ keyspace: inout Keyspace) {
        guard let open else { invariantFailed("a string without a key") }
        open.setBoxed(string.take(), form: .buffer)
        finish(&keyspace)
    }

    private mutating func finish(_ keyspace: inout Keyspace) {
        guard let open else { invariantFailed("an end without a key") }
        if open.item.form == .listTree { open.shrinkListTree() }
        open.isRaw = isRaw
        self.open = nil
        keyspace.core.add(open, at: site, expiry: open.item.hasExpiry ? open.expiry : nil)
        keysLoaded += 1
        phase = .key
    }
}
