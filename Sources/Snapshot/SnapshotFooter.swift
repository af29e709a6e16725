internal import Bytes

/// The file's last 64 bytes; layout in SnapshotFormat.swift.
struct SnapshotFooter: Equatable {
    var chunks: Int
    var rawBytes: Int
    var fileBytes: Int
    var chain: UInt32
    var rawChecksum: UInt32
    var headerChecksum: UInt32

    /// What must follow where a file's chunks are over.
    init(behind link: ChainLink, headerChecksum: UInt32) {
        chunks = link.chunks
        rawBytes = link.rawBytes
        fileBytes = link.offset + SnapshotFormat.footerBytes
        chain = link.checksum
        rawChecksum = link.rawChecksum.value
        self.headerChecksum = headerChecksum
    }

    /// Appends the encoded footer.
    func encode(into bytes: inout ByteBuffer) {
        let start = bytes.count
        bytes.append(littleEndian: SnapshotFormat.footerMagic)
        bytes.append(littleEndian: UInt32(0))
        bytes.append(littleEndian: UInt64(chunks))
        bytes.append(littleEndian: UInt64(rawBytes))
        bytes.append(littleEndian: UInt64(fileBytes))
        bytes.append(littleEndian: chain)
        bytes.append(littleEndian: rawChecksum)
        bytes.append(littleEndian: headerChecksum)
        bytes.append(repeating: 0, count: 20)
        let end = start + SnapshotFormat.footerBytes
        invariant(bytes.count == end, "a snapshot footer of the wrong size")
        let checksum = CRC32C.checksum(bytes.readable.extracting(start + 8..<end))
        bytes.overwrite(littleEndian: checksum, at: start + 4)
    }

    /// The footer in `bytes`, which is exactly as long and lies at `offset`.
    static func decode(_ bytes: Span<UInt8>, at offset: Int) throws(SnapshotDamage)
        -> SnapshotFooter
    {
        guard bytes.integer(UInt32.self, at: 0) == SnapshotFormat.footerMagic else {
            throw SnapshotDamage(at: offset, .footer("magic number"))
        }
        guard
            CRC32C.checksum(bytes.extracting(8..<SnapshotFormat.footerBytes))
                == bytes.integer(at: 4)
        else { throw SnapshotDamage(at: offset, .footer("checksum")) }
        guard let chunks = Int(exactly: bytes.integer(UInt64.self, at: 8)),
            let rawBytes = Int(exactly: bytes.integer(UInt64.self, at: 16)),
            let fileBytes = Int(exactly: bytes.integer(UInt64.self, at: 24))
        else { throw SnapshotDamage(at: offset, .footer("lengths")) }
        return SnapshotFooter(
            chunks: chunks, rawBytes: rawBytes, fileBytes: fileBytes, chain: bytes.integer(at: 32),
            rawChecksum: bytes.integer(at: 36), headerChecksum: bytes.integer(at: 40))
    }

    private init(
        chunks: Int, rawBytes: Int, fileBytes: Int, chain: UInt32, rawChecksum: UInt32,
        headerChecksum: UInt32
    ) {
        self.chunks = chunks
        self.rawBytes = rawBytes
        self.fileBytes = fileBytes
        self.chain = chain
        self.rawChecksum = rawChecksum
        self.headerChecksum = headerChecksum
    }

    func summary(_ header: SnapshotHeader) -> SnapshotSummary {
        SnapshotSummary(
            header: header, chunks: chunks, rawBytes: rawBytes, fileBytes: fileBytes,
            rawChecksum: rawChecksum)
    }
}
