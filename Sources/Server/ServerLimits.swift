internal import Bytes

/// Every limit of the host, with its reason and what happens at the edge.
enum ServerLimits {
    /// Room lent for one read of a client: Redis's own size. A busy client gets more, as its buffer
    /// has it.
    static let clientReadBytes = 16 * 1024
    /// Room lent for one read of a peer: four full frames. One buffer for all links.
    static let linkReadBytes = 256 * 1024
    /// What one client or one peer may send in one turn; the rest waits in the kernel for the next. Peers with
    /// a large value sent 4 MB a turn, which took a follower up to 45 ms.
    static let readBytesPerTurn = 256 * 1024
    /// A client that was told to go gets this long to take what is queued for it; then it is cut.
    static let farewellTime = Interval.seconds(10)
    /// Connections at the cluster port that have not said what they are; beyond it the oldest of them
    /// is closed. A peer needs two.
    static let greetingsMax = 128
    /// How long they may take to say it.
    static let greetingTime = Interval.seconds(3)
    /// An attempt to connect to a peer is given up after this long.
    static let connectTime = Interval.seconds(2)
    /// Threads of libuv's pool; half of them look names up. Two loops ask for each peer's.
    static let lookupThreads = 32
    /// Bytes to a peer may stay unacknowledged for so long; then the link is made anew.
    static let unacknowledgedTime = Interval.seconds(2)
    /// The loop turns at least this often, so that its stamp shows that it lives.
    static let idleTurn = Interval.milliseconds(500)
    /// After SIGTERM the engine hands its leaderships over; it has to be done within this.
    static let shutdownTime = Interval.seconds(3)
    /// What remains to be done when the log is closed has to be done within this.
    static let partingTime = Interval.milliseconds(300)
    /// Descriptors besides those of clients: Redis's reserve.
    static let reservedDescriptors = 32
    /// What is held back of the disk, in segments of the log: one for it to go on in, and two that a
    /// snapshot may use which lets go of more. With the default `wal-max-size` 192 MiB. A snapshot that
    /// needs more fails on a full disk, and is tried again.
    static let reserveSegments = 3
    /// But at most this share of the file system, a sixteenth: a small one is for data.
    static let reserveShare = 16
    /// Lines a second that reach the diagnostic log; the others are counted.
    static let logLinesPerSecond = 500
}
