internal import Bytes
internal import Configuration

/// INFO once: the sessions of SKEIN.ONCE, all groups that this node has a replica of together. Every
/// replica counts what it applies, since the start of its process.
extension InfoReport {
    static func once(_ node: borrowing NodeState) -> [String] {
        var (sessions, bytes) = (0, 0)
        var (evicted, expired, repeated, refused): (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
        for group in 0..<node.replicas.count {
            sessions += node.replicas[group].once.count
            bytes += node.replicas[group].once.byteCount
            evicted += node.replicas[group].once.evicted
            expired += node.replicas[group].once.expired
            repeated += node.replicas[group].once.repeated
            refused += node.replicas[group].once.refused
        }
        return [
            "once_sessions:\(sessions)", "once_bytes:\(bytes)",
            "once_max_size:\(node.configuration.onceMaxSize)",
            "once_evicted_sessions:\(evicted)", "once_expired_sessions:\(expired)",
            "once_repeated_requests:\(repeated)", "once_refused_requests:\(refused)",
        ]
    }
}
