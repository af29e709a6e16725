internal import Bytes
internal import Raft

/// How many whole entry records fit into so many bytes: how a run is divided.
struct EntryRun {
    var entries: UInt64
    var bytes: Int

    /// The longest prefix of `records` with at most `maxBytes`, but at least one entry. Reads only
    /// the records' lengths: they were checked when they came into the process.
    static func prefix(of records: Span<UInt8>, maxBytes: Int) -> EntryRun {
        var run = EntryRun(entries: 0, bytes: 0)
        while run.bytes < records.count {
            let size = recordBytes(records.extracting(run.bytes...))
            if run.entries > 0, run.bytes + size > maxBytes { break }
            run.bytes += size
            run.entries += 1
        }
        invariant(run.entries > 0 && run.bytes <= records.count, "entries end inside a record")
        return run
    }

    private static func recordBytes(_ records: Span<UInt8>) -> Int {
        var reader = ByteReader(records)
        guard let payload = try? reader.read(UInt32.self) else {
            invariantFailed("entries end inside a record's length")
        }
        return EntryRecord.headerBytes + Int(payload)
    }
}
