// A snapshot file: the state of one group after one log entry, byte by byte.
//
// The state is a stream of bytes that the engine makes and reads; here it is opaque. It is the same
// on every replica at the same index. Cut into *chunks* of equal length, each compressed for itself
// (LZ4 block format), it lies in the file like this:
//
//     file      | header, 64 bytes | members | chunk | chunk | ... | footer, 64 bytes |
//     chunk     | header, 32 bytes | stored bytes |
//
// All integers are little-endian, all checksums CRC-32C.
//
// The members are the group's as of the index, opaque here like the stream; none if they never
// changed.
//
// Header (64 bytes)                          Chunk header (32 bytes, not aligned)
//     0  u64 magic "SKEINSNP"                    0  u32 magic "\xB5SKC"
//     8  u32 checksum of bytes 12..<64           4  u32 checksum of bytes 8..<32
//    12  u32 format version: 1, or 2 with        8  u32 length of the stored bytes
//            members                            12  u32 length of the chunk; if the stored bytes
//    16  u64 cluster id, high half                      are as many, they are the chunk itself
//    24  u64 cluster id, low half
//    32  u32 group                              16  u32 checksum of the stored bytes
//    36  u32 length of all chunks but the last  20  u32 checksum of the chunk
//    40  u64 index                              24  u32 number of the chunk, from 0
//    48  u64 term                               28  u32 chain: checksum of the header before
//    56  u32 length of the members          Footer (64 bytes)
//    60  u32 checksum of the members, 0 if there are none
//                                                0  u32 magic "\xB5SKF"
//                                                4  u32 checksum of bytes 8..<64
//                                                8  u64 number of chunks
//                                               16  u64 length of the stream
//                                               24  u64 length of the file
//                                               32  u32 chain: checksum of the header before
//                                               36  u32 raw checksum: of the chunks' checksums, in
//                                                       order, four bytes each
//                                               40  u32 checksum of the file's header
//                                               44  zeros
//
// Invariants. F are kept by whoever executes the commands, C by the reader.
//  F1 A file has its name `*.snap` only since all its bytes were synced, and the directory is synced
//     before anybody relies on the name. So a crash leaves whole files and leftovers under other
//     names, which the next start removes; a `.snap` file that is not whole was damaged later.
//  F2 A file that has its name is never written again. The same snapshot may be written anew beside
//     it and take its place (rename): its contents are the same.
//  C1 Every byte is covered: by a magic number, or by a checksum that the chain ties to all before.
//     A chunk header's checksum stands for the file's whole beginning up to the chunk's end.
//  C2 No chunk leaves the reader before its stored and its raw checksum were found right. The whole
//     stream is right only when the footer was read, and nothing lies behind it.
//
// Two checksums per chunk, because each finds what the other cannot: that of the stored bytes, what
// the disk or the wire did, without a decompression; that of the chunk itself, what memory did to
// the bytes between the engine that made them and the one that reads them. The raw checksum of the
// footer does not depend on the compressor's version: replicas may compare it.
//
// Rejected: one LZ4 frame for the whole file (its checksum is XXH32 over everything: damage is found
// at the end, after it was loaded); 4 MiB chunks (2 % smaller files, but a step of 10 ms on the
// thread that also reads for followers); an index of chunks in the footer (nobody seeks; a sender
// finds its place by hopping over chunk headers).

internal import Bytes

/// Sizes and constants of the layout above.
enum SnapshotFormat {
    static let version: UInt32 = 2
    static let magic: UInt64 = 0x504E_534E_4945_4B53  // "SKEINSNP"
    static let chunkMagic: UInt32 = 0x434B_53B5
    static let footerMagic: UInt32 = 0x464B_53B5
    static let headerBytes = 64
    static let chunkHeaderBytes = 32
    static let footerBytes = 64
}

/// The checksum over chunk checksums: that of the stream, whatever its compression.
struct RawChecksum: Equatable, Sendable {
    private(set) var value: UInt32 = 0

    mutating func add(_ chunk: UInt32) {
        let bytes: [4 of UInt8] = [
            UInt8(truncatingIfNeeded: chunk), UInt8(truncatingIfNeeded: chunk >> 8),
            UInt8(truncatingIfNeeded: chunk >> 16), UInt8(truncatingIfNeeded: chunk >> 24),
        ]
        value = CRC32C.checksum(bytes.span, continuing: value)
    }
}

extension Span<UInt8> {
    /// The little-endian integer at `offset`; the caller has checked that it is there.
    func integer<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self, at offset: Int) -> T {
        invariant(
            offset >= 0 && offset + MemoryLayout<T>.size <= count, "a field behind the bytes")
        // `unsafe` for the load, whose bounds were checked just now.
        let value = unsafe withUnsafeBufferPointer {
            unsafe UnsafeRawPointer($0.baseAddress! + offset).loadUnaligned(as: T.self)
        }
        return T(littleEndian: value)
    }
}
