/// The sizes that formats and peers depend on.
public enum Limits {
    /// A record (header and payload) is at most this long, so that an append frame of at most
    /// 64 KiB always fits one. Larger commands travel as fragments; a longer record is refused by
    /// the decoder and is a programmer error on the proposing side.
    public static let recordBytesMax = 60 * 1024

    /// The longest payload of one entry.
    public static let payloadBytesMax = recordBytesMax - EntryRecord.headerBytes

    /// Bytes of records on their way to one follower; then the leader waits for it.
    public static let inflightBytesMax = 4 << 20

    /// Bytes of records that wait for their commit; then proposals are refused as overloaded.
    public static let uncommittedBytesMax = 64 << 20

    /// Bytes of one chunk of the log in memory; what eviction frees at a time.
    public static let logChunkBytes = 256 << 10

    /// Appends in flight to one follower, in messages. The byte window (`inflightBytesMax`) is the
    /// limit that counts; this one only bounds the memory that remembers them. At the edge the
    /// leader waits for acknowledgements.
    public static let inflightMessagesMax = 256

    /// No cluster lives to see this term; a message with a higher one is damaged. Keeps arithmetic on
    /// terms from overflowing.
    public static let termMax: Term = 1 << 62

    /// Voters and learners of one group; while a change is under way there may be twice as many. Quorum
    /// arithmetic walks small arrays. At the edge a change is refused.
    public static let membersMax = 15

    /// Records are asked back from the log on disk in pieces of at most this many bytes, for one
    /// follower at a time, so that a lagging follower does not fill the memory it was evicted from.
    public static let fetchBytesMax = 4 * recordBytesMax
}
