internal import PeerProtocol
internal import Raft

/// A follower's questions for the read index of its group (thesis, 6.4).
struct FollowerReads {
    /// Number of the last question; they rise as long as the process lives.
    var asked: UInt64 = 0
    /// A read met a key that is past due by the leader's clock and not by the log.
    var isTimeWanted = false
}

/// A follower's question at the leader.
struct IndexRequest {
    var peer: NodeID
    var number: UInt64
    /// The round that will confirm it; 0 while none was begun.
    var round: UInt64 = 0
    var index: LogIndex
    var clock: Int64
}
