public import Bytes

/// What a process knew to be durable when it ended: the fact that tells a damaged last batch from a
/// torn one.
///
/// The marks in batches tell the same, but each only about the batches before it. This one is stored
/// by the host after every sync, in a file that is never synced (`fileName`), so it costs nothing:
/// the system's cache keeps it when the process is killed. When the power goes it is lost, or old,
/// or torn; then the marks in the batches are all there is. It is never ahead of the truth.
///
/// The file holds two slots, written in turn, so that a kill in the midst of one leaves the other:
///
///     0  u64 log identity, 0 in a slot that was never written
///     8  u64 segment
///    16  u64 batch
///    24  u32 checksum of bytes 0..<24
///    28  u32 zero
public struct WALMark: Hashable, Sendable {
    /// Identity of the log that it speaks of.
    public var log: UInt64
    /// The segment of the batch.
    public var segment: UInt64
    /// All batches up to this one were durable.
    public var batch: UInt64

    public init(log: UInt64, segment: UInt64, batch: UInt64) {
        self.log = log
        self.segment = segment
        self.batch = batch
    }

    public static let fileName = "wal-mark"
    /// The file of a second mark, for the relaxed appendfsync modes: stored in the same way after every
    /// write, before that is reported, of the batch that was written last. A log that ends below it
    /// although the machine is still up was let down by its disk: a write of the kernel failed, the
    /// process ended for it, and what it had reported is gone.
    public static let writtenFileName = "wal-written"
    public static let slotBytes = 32
    public static let fileBytes = 2 * slotBytes

    /// Where in the file this mark goes.
    public var offset: Int { Int(batch % 2) * Self.slotBytes }

    /// Appends the slot's bytes.
    public func encode(into bytes: inout ByteBuffer) {
        let start = bytes.count
        bytes.append(littleEndian: log)
        bytes.append(littleEndian: segment)
        bytes.append(littleEndian: batch)
        let checksum = CRC32C.checksum(bytes.readable.extracting(start..<start + 24))
        bytes.append(littleEndian: UInt64(checksum))
    }

    /// The newest mark in the file's bytes; nil if no slot holds a whole one.
    public init?(decoding file: Span<UInt8>) {
        var newest: WALMark?
        for offset in [0, Self.slotBytes] where file.count >= offset + Self.slotBytes {
            let slot = file.extracting(offset..<offset + Self.slotBytes)
            guard let mark = Self(slot: slot) else { continue }
            if let newest, newest.batch >= mark.batch { continue }
            newest = mark
        }
        guard let newest else { return nil }
        self = newest
    }

    private init?(slot: Span<UInt8>) {
        do throws(DecodeError) {
            var reader = ByteReader(slot)
            log = try reader.read()
            segment = try reader.read()
            batch = try reader.read()
            guard try reader.read(UInt64.self) == CRC32C.checksum(slot.extracting(0..<24)),
                log != 0
            else { return nil }
        } catch { return nil }
    }
}
