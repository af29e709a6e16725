/// The log's bounds, with what happens at each edge.
public enum WALLimits {
    /// What a disk writes wholly or not at all, and the alignment of batches.
    public static let sectorBytes = 512
    /// Default size of a segment file. Large enough that rotation (two more syncs) is rare, small
    /// enough that preallocating one ahead of need does not hurt.
    public static let segmentBytes = 64 << 20
    /// The size of segments for a log that is to stay below `bytes`: an eighth, so that a cut frees
    /// most of what it could, at least 1 MiB and at most `segmentBytes`.
    public static func segmentBytes(forLogOf bytes: Int) -> Int {
        let eighth = bytes / 8 / sectorBytes * sectorBytes
        return min(max(eighth, 1 << 20), segmentBytes)
    }

    /// Segments smaller than this are refused by an invariant; tests use small ones.
    public static let segmentBytesMin = 4096
    /// One turn's batch. The engine's back-pressure keeps it far below; beyond it the process stops
    /// by invariant. A batch that does not fit a segment gets a segment of its own size.
    public static let batchBytesMax = 1 << 30
    /// Longer runs of entries are divided into several records, so that a read of old entries can
    /// start near what it wants. A single entry may be longer.
    public static let runBytesMax = 64 << 10
    /// A group gets a point in the sparse index after this many bytes of its own records ...
    static let pointBytes = 64 << 10
    /// ... or when this much of the file lies behind its last point.
    static let pointDistance = 256 << 10
    /// Points of all groups together (24 bytes each); beyond it every second one is dropped where
    /// possible, and reads walk further.
    static let pointsMax = 1 << 20
    /// One read for old entries asks for this much of the file.
    public static let fetchPieceBytes = 256 << 10
    /// One read of recovery; more only for a batch that is longer.
    public static let recoveryPieceBytes = 1 << 20
    /// A node record (identity, boot).
    public static let nodeRecordBytesMax = 64 << 10
    /// All node records that count, together: every checkpoint repeats them. Beyond it the process
    /// stops by invariant, since only a caller that never replaces any gets there.
    public static let nodeRecordsBytesMax = 1 << 20
}
