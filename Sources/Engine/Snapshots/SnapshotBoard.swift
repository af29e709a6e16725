internal import Bytes
internal import Raft
internal import Snapshot

/// All that a node does with snapshots at the moment. It writes one at a time, whatever the number of
/// its groups.
struct SnapshotBoard {
    /// One group's part; at the group's index.
    struct Group {
        /// The durable snapshots, newest first.
        var durable: [Stored] = []
        /// Durable ones that the system refused to read. Not used by this process; the next one finds
        /// their files and tries again.
        var unread: [SnapshotID] = []
        /// Up to where the newest durable one stands for the log; 0: there is none.
        var newestIndex: LogIndex { durable.first?.id.index ?? 0 }
        /// Up to where the log was cut, until that is handed to the disk: a snapshot that was durable then
        /// stands for it, though it may have been given up since.
        var cutIndex: LogIndex = 0
        /// A snapshot is to be written as soon as it is this group's and this replica's turn.
        var isWanted = false
        /// No attempt before this moment, after one that failed.
        var retryAt = Instant(nanoseconds: .min)
        /// When the leader was asked for the turn; nil while it has not been.
        var askedAt: Instant?
        /// The leader has given the turn to this replica.
        var isGranted = false
        /// At the leader: who has the turn, and since when.
        var holder: (node: NodeID, since: Instant)?
        /// At a follower: the file on its way here.
        var receiving: Receiving?
        /// At the leader: the followers that are being sent one.
        var sending: [Sending] = []
    }

    struct Stored {
        var id: SnapshotID
        var fileBytes: Int
    }

    /// The snapshot that is being written. A class: it outlives many turns and is never copied.
    final class Taking {
        let id: SnapshotID
        let group: Int
        let startedAt: Instant
        var image: ReplicaImage
        /// What the image gave and no chunk took yet.
        var stream = ByteBuffer()
        /// The image is over and `finish` was said.
        var isFinished = false
        /// Chunks that the host has been given, and those that it has written.
        var given = 0
        var written = 0
        /// The group's `loggedBytes` at the last slice.
        var loggedBefore = 0

        init(_ id: SnapshotID, group: Int, image: consuming ReplicaImage, now: Instant) {
            self.id = id
            self.group = group
            self.image = image
            startedAt = now
        }

        /// Whether the host has room for more.
        var hasRoom: Bool {
            !isFinished && given - written < SnapshotLimits.chunksAheadMax
        }
    }

    struct Receiving {
        let id: SnapshotID
        let from: NodeID
        var leaderTerm: Term
        let fileBytes: Int
        /// Bytes handed to the host, without a gap.
        var have = 0
        /// Pieces that the host has and did not speak of yet.
        var underWay = 0
    }

    struct Sending {
        let peer: NodeID
        let leaderTerm: Term
        let id: SnapshotID
        let fileBytes: Int
        /// Up to where the host was asked to read, and up to where the follower has the file.
        var asked = 0
        var acknowledged = 0
        /// Nothing more is asked for before the follower has said where to begin.
        var hasAnswered = false
        /// When the follower last said something.
        var heardAt: Instant
    }

    var groups: [Group] = []
    var taking: Taking?
    /// When the groups are looked at again.
    var checkAt = Instant(nanoseconds: .min)
    /// When the last snapshot became durable, in seconds since 1970; INFO and LASTSAVE.
    var lastSaved: Int64 = 0
    var hasFailed = false
    var lastDuration = Interval(nanoseconds: 0)
    /// Snapshots written, received and sent since the start.
    var writtenCount = 0
    var receivedCount = 0
    var sentCount = 0

    /// Whether one is being written or about to be.
    var isBusy: Bool { taking != nil || groups.contains { $0.isWanted } }
}

/// A snapshot that is being read into its replica. A class, for the loader in it.
final class SnapshotLoad {
    let id: SnapshotID
    let fileBytes: Int
    /// The node just started: clients get -LOADING meanwhile.
    let isAtStart: Bool
    let startedAt: Instant
    var loader = ReplicaImageLoader()
    var loadedBytes = 0
    var toldAt: Instant

    init(_ stored: SnapshotBoard.Stored, isAtStart: Bool, now: Instant) {
        id = stored.id
        fileBytes = stored.fileBytes
        self.isAtStart = isAtStart
        startedAt = now
        toldAt = now
    }
}
