public import Bytes

/// Makes the chunks of a stream out of a snapshot file's bytes, which come in pieces cut anywhere,
/// and finds everything that is not as it was written.
///
///     reader.feed(piece)
///     while case .chunk = try reader.next(into: &chunk) { ... }
///
/// Bounded: it holds what was fed and not taken yet, less than one chunk of which is left when `next`
/// asks for more.
public struct SnapshotFileReader: ~Copyable {
    /// What `next` came to.
    public enum Step: Equatable, Sendable {
        /// More of the file must be fed first.
        case needsBytes
        /// The next chunk was appended, verified.
        case chunk
        /// The file is whole, and so is the stream.
        case end
    }

    private enum State {
        case beforeHeader
        case chunks
        case atEnd
    }

    private let expected: SnapshotID
    private var state = State.beforeHeader
    private var pending = ByteBuffer()
    private var headerChecksum: UInt32 = 0
    private var link = ChainLink(behindHeader: 0)

    /// The file's header, once it was read.
    public private(set) var header: SnapshotHeader?
    /// What the whole file is, once `next` said `end`.
    public private(set) var summary: SnapshotSummary?
    /// Chunks delivered.
    public var chunks: Int { link.chunks }

    /// Bytes that were fed and belong to no delivered part yet.
    public var heldBytes: Int { pending.count }

    /// Reads the file of `id`; a header of another snapshot counts as damage.
    public init(of id: SnapshotID) { expected = id }

    /// Takes the file's next bytes.
    public mutating func feed(_ bytes: Span<UInt8>) { pending.append(bytes) }

    /// Goes one step on; a chunk's bytes are appended to `chunk`. After a throw the reader, and what
    /// was appended in that call, is worthless.
    public mutating func next(into chunk: inout ByteBuffer) throws(SnapshotDamage) -> Step {
        if state == .beforeHeader {
            guard pending.count >= SnapshotFormat.headerBytes else { return .needsBytes }
            let length = try SnapshotHeader.length(from: held(SnapshotFormat.headerBytes))
            guard pending.count >= length else { return .needsBytes }
            try readHeader(length)
        }
        if state == .chunks {
            guard pending.count >= MemoryLayout<UInt32>.size else { return .needsBytes }
            let isFooter =
                pending.readable.integer(UInt32.self, at: 0) == SnapshotFormat.footerMagic
            if !isFooter { return try readChunk(into: &chunk) }
            guard pending.count >= SnapshotFormat.footerBytes else { return .needsBytes }
            try readFooter()
        }
        guard pending.isEmpty else {
            throw SnapshotDamage(at: summary?.fileBytes ?? 0, .trailingBytes)
        }
        return .end
    }

    /// What is wrong when the file's bytes are over before `next` said `end`.
    public var truncation: SnapshotDamage {
        let read = state == .beforeHeader ? 0 : link.offset
        return SnapshotDamage(at: read + pending.count, .truncated)
    }

    /// What is wrong when the file has other chunks than its footer said before: it changed since.
    var contradiction: SnapshotDamage { SnapshotDamage(at: link.offset, .footer("chunks")) }

    /// The next `count` bytes of the file, which were fed.
    @_lifetime(borrow self)
    private func held(_ count: Int, from offset: Int = 0) -> Span<UInt8> {
        pending.readable.extracting(offset..<offset + count)
    }

    private mutating func readHeader(_ length: Int) throws(SnapshotDamage) {
        let read = try SnapshotHeader.decode(held(length))
        guard read.header.id == expected else {
            throw SnapshotDamage(at: 0, .otherSnapshot(read.header.id))
        }
        header = read.header
        headerChecksum = read.checksum
        link = ChainLink(behindHeader: read.checksum, of: length)
        pending.consume(length)
        state = .chunks
    }

    private mutating func readChunk(into chunk: inout ByteBuffer) throws(SnapshotDamage) -> Step {
        guard let header else { invariantFailed("a chunk before the file's header") }
        let headerBytes = SnapshotFormat.chunkHeaderBytes
        guard pending.count >= headerBytes else { return .needsBytes }
        let (part, checksum) = try ChunkHeader.decode(held(headerBytes), after: link, of: header)
        guard pending.count >= headerBytes + part.storedBytes else { return .needsBytes }
        try unpack(held(part.storedBytes, from: headerBytes), of: part, into: &chunk)
        link.pass(part, checksum: checksum, of: header)
        pending.consume(headerBytes + part.storedBytes)
        return .chunk
    }

    /// Appends the chunk that `stored` stands for, once it is found right (C2).
    private func unpack(_ stored: Span<UInt8>, of part: ChunkHeader, into chunk: inout ByteBuffer)
        throws(SnapshotDamage)
    {
        guard CRC32C.checksum(stored) == part.storedChecksum else {
            throw link.damage("checksum of its stored bytes")
        }
        let start = chunk.count
        if part.isCompressed {
            guard Compression.decompress(stored, count: part.rawBytes, into: &chunk) else {
                throw link.damage("compression")
            }
        } else {
            chunk.append(stored)
        }
        guard CRC32C.checksum(chunk.readable.extracting(start...)) == part.rawChecksum else {
            throw link.damage("checksum of its contents")
        }
    }

    private mutating func readFooter() throws(SnapshotDamage) {
        guard let header else { invariantFailed("a footer before the file's header") }
        let footer = try SnapshotFooter.decode(held(SnapshotFormat.footerBytes), at: link.offset)
        guard footer == SnapshotFooter(behind: link, headerChecksum: headerChecksum) else {
            throw SnapshotDamage(at: link.offset, .footer("not what follows here"))
        }
        summary = footer.summary(header)
        pending.consume(SnapshotFormat.footerBytes)
        state = .atEnd
    }
}
