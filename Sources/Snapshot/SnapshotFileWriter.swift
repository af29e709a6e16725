public import Bytes

/// Makes the bytes of a snapshot file out of the chunks of its stream. The caller writes them one
/// after the other.
public struct SnapshotFileWriter: Sendable {
    public let header: SnapshotHeader
    private let headerChecksum: UInt32
    private var link: ChainLink

    /// Chunks so far.
    public var chunks: Int { link.chunks }
    /// Length of the file so far.
    public var fileBytes: Int { link.offset }

    /// Begins a file: appends its header to `bytes`.
    public init(_ header: SnapshotHeader, into bytes: inout ByteBuffer) {
        self.header = header
        headerChecksum = header.encode(into: &bytes)
        link = ChainLink(behindHeader: headerChecksum, of: header.fileBytes)
    }

    /// Appends what stands for the next chunk of the stream to `bytes`. All chunks have the length
    /// that the header says; only the last one may be shorter, and none is empty.
    public mutating func append(_ chunk: Span<UInt8>, to bytes: inout ByteBuffer) {
        invariant(
            1...header.chunkBytes ~= chunk.count,
            "a chunk of \(chunk.count) bytes in a snapshot of \(header.chunkBytes)")
        invariant(!link.isLastChunk, "a chunk behind the last one")
        invariant(link.chunks < UInt32.max, "too many chunks")
        let start = bytes.count
        let body = start + SnapshotFormat.chunkHeaderBytes
        bytes.append(repeating: 0, count: SnapshotFormat.chunkHeaderBytes)
        if !Compression.compress(chunk, into: &bytes) { bytes.append(chunk) }
        let part = ChunkHeader(
            storedBytes: bytes.count - body, rawBytes: chunk.count,
            storedChecksum: CRC32C.checksum(bytes.readable.extracting(body...)),
            rawChecksum: CRC32C.checksum(chunk), number: link.chunks, chain: link.checksum)
        let checksum = part.encode(over: &bytes, at: start)
        link.pass(part, checksum: checksum, of: header)
    }

    /// Ends the file: appends its footer to `bytes`. The writer is not to be used any more.
    public func finish(into bytes: inout ByteBuffer) -> SnapshotSummary {
        let footer = SnapshotFooter(behind: link, headerChecksum: headerChecksum)
        footer.encode(into: &bytes)
        return footer.summary(header)
    }
}
