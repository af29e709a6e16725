public import Bytes

/// What became of the engine's snapshot commands. Texts are for the operator, in one line.
public enum SnapshotEvent: Sendable {
    /// So many chunks, counted from `begin`, are in the file's cache: that much room is there for more.
    case written(SnapshotID, chunks: Int)
    /// The snapshot is whole, on stable storage, and survives any crash from here on. For own and for
    /// received ones; a received one was verified in full.
    case durable(SnapshotSummary)
    /// The snapshot could not be written or received (a full disk, an error of the disk): nothing is
    /// left of it. Trying again later is right; nothing that was durable is lost.
    case failed(SnapshotID, String)
    /// Everything before this offset of a peer's file is there: go on from it.
    case received(SnapshotID, upTo: Int)
    /// The bytes are not what was written once. While receiving: the pieces were thrown away, begin
    /// again at 0. While reading for a follower: this node's own file is damaged, and must not be
    /// used (`remove` it).
    case damaged(SnapshotID, String)
    /// The next chunk of the stream, verified. `isLast` comes with the last one, when the whole file
    /// was found right; an empty stream is one empty chunk.
    case loaded(SnapshotID, SharedBytes, isLast: Bool)
    /// The snapshot cannot be loaded (any further): its bytes are not what was written once. What was
    /// loaded of it must be forgotten, and the file not be used (`remove` it).
    case loadFailed(SnapshotID, String)
    /// A durable snapshot could not be read: the system refused (an error of the disk, no descriptor or
    /// memory left, no such file). That says nothing about its bytes, which another process may well
    /// find whole: not to be removed for this. `isLoad`: the loading ends, and what was loaded must be
    /// forgotten. Otherwise it was read for a follower: `read` with nothing follows.
    case unreadable(SnapshotID, String, isLoad: Bool)
    /// A piece of the file; nil when there is none: the file is gone, unreadable or damaged, or
    /// `offset` lies behind its end. `fileBytes` is 0 then.
    case read(SnapshotID, offset: Int, SharedBytes?, fileBytes: Int)
    /// The writing, receiving or loading was ended as asked.
    case abandoned(SnapshotID)
    /// The file is gone; or still there, and why. It was no longer used in either case.
    case removed(SnapshotID, error: String?)
}
