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
        /// A snapshot is to be written as soon as it is this group's and this replica's turn.
        var isWanted = false
        /// Asked for by a user: whatever the log's size.
        var isForced = false
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
        var isImageOver = false
        /// Chunks that the host has been given, and those that it has written.
        var given = 0
        var written = 0

        init(_ id: SnapshotID, group: Int, image: consuming ReplicaImage, now: Instant) {
            self.id = id
            self.group = group
            self.image = image
            startedAt = now
        }
    }

    struct Receiving {
        let id: SnapshotID
        let from: NodeID
        let leaderTerm: Term
        let fileBytes: Int
        /// Bytes handed to the host, in order.
        var have = 0
        /// Bytes that the host has written.
        var written = 0
    }

    struct Sending {
        let peer: NodeID
        let leaderTerm: Term
        let id: SnapshotID
        let fileBytes: Int
        /// What was asked of the host, and what the follower has said to have.
        var read = 0
        var acknowledged = 0
        /// When the follower last said something.
        var heardAt: Instant
    }

    var groups: [Group] = []
    var taking: Taking?
    /// When the last snapshot became durable, in wall-clock milliseconds; INFO and LASTSAVE.
    var lastSaved: Int64 = 0
    var lastFailed = false
    var lastDuration = Interval(nanoseconds: 0)
    /// Snapshots written, received and sent since the start.
    var written = 0
    var received = 0
    var sent = 0
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
