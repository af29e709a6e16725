internal import Bytes
internal import Commands
internal import Raft
internal import Store

/// The bytes that stand for a replica's whole state at one index, made in slices: equal on all
/// replicas at that index, however they are sliced and whatever is applied meanwhile.
///
///     u32 length of the head | head | bytes of the large commands under way | image of the keyspace
///     head: u8 version | varint group | genesis, length first | reply windows | large commands |
///           sessions of clients (version 2; there are none in version 1)
///
/// The head is small enough (`EngineLimits.replyWindowBytesMax` per node, and `once-max-size`) to be
/// copied at once.
struct ReplicaImage: ~Copyable {
    static let version: UInt8 = 2
    /// Before there were sessions of clients.
    static let versionWithoutOnce: UInt8 = 1

    private var head = ByteBuffer()
    private var parts: [Assemblies.Part]
    private var partOffset = 0

    /// Begins the image; the keyspace keeps what it needs from here on.
    init(of replica: inout Replica) {
        parts = replica.assemblies.parts
        head.append(littleEndian: UInt32(0))
        head.append(Self.version)
        head.append(varint: UInt64(replica.group.raw))
        let genesis = replica.genesis ?? []
        head.append(lengthPrefixed: genesis.span)
        replica.windows.encode(into: &head)
        replica.assemblies.encode(into: &head)
        replica.once.encode(into: &head)
        head.overwrite(littleEndian: UInt32(head.count - 4), at: 0)
        replica.context.keyspace.beginImage()
    }

    /// Appends the next stretch, about `budget` bytes; true when it was the last one.
    mutating func proceed(
        _ keyspace: inout Keyspace, into bytes: inout ByteBuffer, budget: Int
    ) -> Bool {
        let end = bytes.count + budget
        if !head.isEmpty {
            let count = min(head.count, budget)
            bytes.append(head.readable.extracting(0..<count))
            head.consume(count)
        }
        while bytes.count < end, head.isEmpty, let part = parts.first {
            partOffset += part.copy(from: partOffset, limit: end - bytes.count, into: &bytes)
            guard partOffset == part.count else { break }
            parts.removeFirst()
            partOffset = 0
        }
        guard bytes.count < end, head.isEmpty, parts.isEmpty else { return false }
        return keyspace.continueImage(into: &bytes, budget: end - bytes.count)
    }
}

/// Fills a replica from such bytes, which come in pieces cut anywhere.
struct ReplicaImageLoader: ~Copyable {
    /// A head larger than this is no head.
    private static let headBytesMax = 1 << 30

    private var head = ByteBuffer()
    private var hasHead = false
    /// Bytes that each large command still lacks.
    private var missing: [Int] = []
    private var position = 0
    private var keys = KeyspaceLoader()

    init() {}

    var isComplete: Bool { keys.isComplete }

    /// Takes the next bytes; the replica's keyspace must have been emptied before the first.
    mutating func load(
        _ bytes: Span<UInt8>, into replica: inout Replica
    ) throws(SnapshotContentError) {
        var from = 0
        if !hasHead {
            guard let used = try readHead(bytes, into: &replica) else { return }
            from = used
        }
        while from < bytes.count, position < missing.count {
            let count = min(missing[position], bytes.count - from)
            replica.assemblies.restore(bytes.extracting(from..<from + count), at: position)
            missing[position] -= count
            from += count
            if missing[position] == 0 { position += 1 }
        }
        while position < missing.count, missing[position] == 0 { position += 1 }
        guard from < bytes.count else { return }
        do throws(ImageError) {
            try keys.load(
                bytes.extracting(from..<bytes.count), into: &replica.context.keyspace)
        } catch {
            throw SnapshotContentError("\(error)")
        }
    }

    /// Collects the head; how many of `bytes` it took, nil when it is not whole yet.
    private mutating func readHead(
        _ bytes: Span<UInt8>, into replica: inout Replica
    ) throws(SnapshotContentError) -> Int? {
        var from = 0
        while head.count < 4, from < bytes.count {
            head.append(bytes[from])
            from += 1
        }
        guard head.count >= 4 else { return nil }
        do throws(DecodeError) {
            var prefix = ByteReader(head.readable)
            let length = Int(try prefix.read(UInt32.self))
            guard length <= Self.headBytesMax else { throw .invalid("length of the head") }
            let count = min(length + 4 - head.count, bytes.count - from)
            head.append(bytes.extracting(from..<from + count))
            from += count
            guard head.count == length + 4 else { return nil }
            let whole = head.take()
            var reader = ByteReader(whole.readable.extracting(4..<whole.count))
            try decodeHead(&reader, into: &replica)
        } catch {
            throw SnapshotContentError("its head: \(error)")
        }
        hasHead = true
        return from
    }

    private mutating func decodeHead(
        _ reader: inout ByteReader, into replica: inout Replica
    ) throws(DecodeError) {
        let version = try reader.read(UInt8.self)
        guard version == ReplicaImage.version || version == ReplicaImage.versionWithoutOnce else {
            throw .invalid("version")
        }
        guard try reader.readVarint() == UInt64(replica.group.raw) else { throw .invalid("group") }
        let genesis = try reader.readLengthPrefixed().copied
        replica.genesis = genesis.isEmpty ? nil : genesis
        replica.windows = try ReplyWindows(decoding: &reader)
        (replica.assemblies, missing) = try Assemblies.decode(&reader)
        replica.once =
            version == ReplicaImage.version ? try OnceTable(decoding: &reader) : OnceTable()
        guard reader.remaining == 0 else { throw .invalid("length") }
    }
}

/// A snapshot whose bytes are whole and still make no sense.
struct SnapshotContentError: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
