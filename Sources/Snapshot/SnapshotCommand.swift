public import Bytes

/// What the engine wants done with snapshot files; the host executes commands in order, on a thread
/// of its own, and answers with `SnapshotEvent`s.
///
/// Four kinds of work, each a conversation about one id:
///
///     write    begin, chunk..., finish      -> written...           -> durable | failed
///     receive  receive...                   -> received...          -> durable | failed | damaged
///     load     load, loadMore...            -> loaded...            -> (isLast) | loadFailed
///                                                                      | unreadable
///     send     read                         -> read | damaged or unreadable, and read(nil)
///
/// `failed`, `damaged`, `loadFailed`, `unreadable` and `abandoned` end the conversation: what was still on its way
/// for it is ignored. Commands about an id that has no such work under way are ignored, too.
public enum SnapshotCommand: Sendable {
    /// Begins a snapshot of this node's own state.
    case begin(SnapshotHeader)
    /// The next bytes of its stream: exactly the header's `chunkBytes` of them, fewer (not zero) in
    /// the last chunk only. At most `chunksAheadMax` beyond what `written` reported.
    case chunk(SnapshotID, SharedBytes)
    /// That was all: makes the file durable.
    case finish(SnapshotID)
    /// Ends the writing, receiving and loading of `id`, whichever is under way, and removes what is
    /// unfinished. Answered by `abandoned` always; before that arrives, events about `id` may still
    /// come from the work that was abandoned.
    case abandon(SnapshotID)
    /// A piece of the file of a peer's snapshot. The first piece begins at offset 0; bytes that are
    /// there already are skipped, and a piece behind a gap is dropped: `received` says where to go on.
    case receive(SnapshotID, offset: Int, SharedBytes, isLast: Bool)
    /// Begins to load a durable snapshot: its first chunk follows.
    case load(SnapshotID)
    /// The next chunk, please. One `loaded` each; several may be asked for ahead.
    case loadMore(SnapshotID)
    /// A piece of a durable snapshot's file, for a follower: at most `pieceBytesMax`, fewer at the end.
    case read(SnapshotID, offset: Int, count: Int)
    /// Removes a durable snapshot. Answered by `removed`.
    case remove(SnapshotID)
}
