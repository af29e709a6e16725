/// The snapshots' bounds, with what happens at each edge.
public enum SnapshotLimits {
    /// A chunk of the stream before compression: all but the last are exactly this long. Four times
    /// LZ4's window, so that cutting costs little; small enough that compressing one (half a
    /// millisecond) holds nothing up.
    public static let chunkBytes = 256 << 10
    /// The longest chunk that a file may have: what a reader must be ready to hold.
    public static let chunkBytesMax = 1 << 20
    /// Bytes of `SnapshotHeader.members`: 15 voters and learners of a group, old and new, take half.
    public static let membersBytesMax = 1024
    /// Chunks of one snapshot that the engine may have handed over beyond what `written` reported;
    /// it pauses the image then, so that a slow disk does not gather the state in memory.
    public static let chunksAheadMax = 16
    /// The longest piece of a file in one `read` or `receive`; longer reads are cut to this.
    public static let pieceBytesMax = 1 << 20
    /// Bytes of chunks and pieces that may wait for the snapshot thread. Beyond it a chunk ends its
    /// snapshot with `failed`, and a piece of a peer's is dropped and asked for again.
    public static let queuedBytesMax = 64 << 20
    /// Reads for followers are answered with nothing when so many commands wait: the answers gather
    /// in memory, too.
    public static let queuedReadsMax = 1024
    /// Snapshots that may be written, received or loaded at a time, each kind for itself (a file
    /// stays open for each); the next is refused with `failed` or `loadFailed`.
    public static let underWayMax = 64
    /// Files kept open for sending; the one not used for longest is closed.
    static let openReadsMax = 16
}
