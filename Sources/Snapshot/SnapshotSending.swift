internal import Bytes

/// A durable snapshot whose file is read piece by piece, for followers.
///
/// Every byte is verified each time it is read: damage must not spread, and a follower that found it
/// at the end of a gigabyte would only ask again. The checksums of the stored bytes do; nothing is
/// decompressed. To find a place far ahead, one hops over the headers of the chunks before, once.
///
/// The file's *parts* are its header (0), its chunks (1...), and its footer.
final class SnapshotSending {
    let id: SnapshotID
    let file: SnapshotFileHandle
    let summary: SnapshotSummary

    /// Where the parts from 1 on begin, as far as they are known, and the chain there.
    private var starts: [(offset: Int, chain: UInt32)] = []
    /// Behind the last known part.
    private var link: ChainLink

    /// Verified bytes of the file, from `windowStart` to where part `next` begins.
    private var window = ByteBuffer()
    private var windowStart = 0
    private var next = 0

    /// Begins with an open file whose summary was found right.
    init(_ summary: SnapshotSummary, headerChecksum: UInt32, _ file: SnapshotFileHandle) {
        id = summary.id
        self.summary = summary
        self.file = file
        link = ChainLink(behindHeader: headerChecksum, of: summary.header.fileBytes)
        starts = [(link.offset, link.checksum)]
    }

    private var footerStart: Int { summary.fileBytes - SnapshotFormat.footerBytes }

    /// The verified bytes from `offset` on: `count`, or what there is up to the file's end.
    func read<Files: SnapshotFiles & ~Copyable>(
        at offset: Int, count: Int, from files: inout Files
    ) throws(SnapshotReadError) -> ByteBuffer {
        let end = min(offset + count, summary.fileBytes)
        if offset < windowStart || offset > windowStart + window.count {
            try seek(offset, &files)
        }
        while windowStart + window.count < end { try readPart(&files) }
        let piece = ByteBuffer(
            copying: window.readable.extracting(offset - windowStart..<end - windowStart))
        // The next piece most likely begins here.
        window.consume(end - windowStart)
        windowStart = end
        return piece
    }

    private func start(of part: Int) -> Int { part == 0 ? 0 : starts[part - 1].offset }

    /// Empties the window and puts it in front of the part in which `offset` lies.
    private func seek<Files: SnapshotFiles & ~Copyable>(_ offset: Int, _ files: inout Files)
        throws(SnapshotReadError)
    {
        while link.offset <= offset, link.offset < footerStart { try passChunk(&files) }
        var (low, high) = (0, starts.count)
        // The last part that begins at or before `offset`.
        while low < high {
            let middle = (low + high + 1) / 2
            if start(of: middle) <= offset { low = middle } else { high = middle - 1 }
        }
        next = low
        window.removeAll(keepingCapacityUpTo: 4 * SnapshotLimits.chunkBytesMax)
        windowStart = start(of: next)
    }

    /// Learns where the chunk behind the last known part ends.
    private func passChunk<Files: SnapshotFiles & ~Copyable>(_ files: inout Files)
        throws(SnapshotReadError)
    {
        var bytes = ByteBuffer()
        try append(SnapshotFormat.chunkHeaderBytes, at: link.offset, to: &bytes, &files)
        let header = summary.header
        do throws(SnapshotDamage) {
            let (part, checksum) = try ChunkHeader.decode(bytes.readable, after: link, of: header)
            let damage = link.damage("length")
            link.pass(part, checksum: checksum, of: header)
            guard link.offset <= footerStart else { throw damage }
        } catch { throw .damage(error) }
        starts.append((link.offset, link.checksum))
    }

    /// Appends the next part to the window, verified.
    private func readPart<Files: SnapshotFiles & ~Copyable>(_ files: inout Files)
        throws(SnapshotReadError)
    {
        let start = start(of: next)
        invariant(start == windowStart + window.count, "a window that ends within a part")
        if next == starts.count, start < footerStart { try passChunk(&files) }
        let end = next == starts.count ? summary.fileBytes : self.start(of: next + 1)
        var part = ByteBuffer(minimumCapacity: end - start)
        try append(end - start, at: start, to: &part, &files)
        do throws(SnapshotDamage) { try verify(part.readable, at: start) } catch {
            throw .damage(error)
        }
        window.append(part.readable)
        next += 1
    }

    /// Whether `bytes` are what part `next` was found to be before.
    private func verify(_ bytes: Span<UInt8>, at start: Int) throws(SnapshotDamage) {
        if next == 0 {
            let (header, checksum) = try SnapshotHeader.decode(bytes)
            guard header == summary.header, checksum == starts[0].chain else {
                throw SnapshotDamage(at: 0, .header("not as before"))
            }
        } else if next == starts.count {
            let footer = try SnapshotFooter.decode(bytes, at: start)
            guard footer.summary(summary.header) == summary, footer.chain == starts[next - 1].chain
            else { throw SnapshotDamage(at: start, .footer("not what follows here")) }
        } else {
            var before = ChainLink(behindHeader: starts[next - 1].chain)
            before.offset = start
            before.chunks = next - 1
            let headerBytes = SnapshotFormat.chunkHeaderBytes
            let (part, _) = try ChunkHeader.decode(
                bytes.extracting(0..<headerBytes), after: before, of: summary.header)
            let stored = bytes.extracting(headerBytes...)
            guard stored.count == part.storedBytes, CRC32C.checksum(stored) == part.storedChecksum
            else { throw before.damage("checksum of its stored bytes") }
        }
    }

    private func append<Files: SnapshotFiles & ~Copyable>(
        _ count: Int, at offset: Int, to bytes: inout ByteBuffer, _ files: inout Files
    ) throws(SnapshotReadError) {
        let before = bytes.count
        do throws(SnapshotFileError) {
            try files.read(file, at: offset, count: count, into: &bytes)
        } catch { throw .file(error) }
        guard bytes.count - before == count else {
            throw .damage(SnapshotDamage(at: offset + bytes.count - before, .truncated))
        }
    }
}
