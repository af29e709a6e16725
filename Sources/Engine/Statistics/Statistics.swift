internal import Bytes
internal import Commands
internal import Store

/// Counters since the start of the process, for INFO.
struct Statistics {
    var connectionsReceived: Int64 = 0
    var connectionsRejected: Int64 = 0
    var clientBytesReceived = 0
    var clientBytesSent = 0
    var peerBytesReceived = 0
    var peerBytesSent = 0
    /// Events that brought bytes of a client, and writes to clients' sockets.
    var clientReads: Int64 = 0
    var clientWrites: Int64 = 0
    /// Commands that waited longer than `request-timeout`.
    var timedOutCommands: Int64 = 0
    /// Commands that were refused because too many others were waiting.
    var overloadRefusals: Int64 = 0
    /// Routes on which everything unanswered was sent again.
    var routesRestarted: Int64 = 0
    /// Turns whose reads were taken back because the lease had ended.
    var leaseReadsTakenBack: Int64 = 0
    /// Reads that this node's own replicas were to answer as followers.
    var followerReads: Int64 = 0
    /// Log batches and the entries in them.
    var logBatches: Int64 = 0
    var elections: Int64 = 0
    var turns = TurnTimes()
    /// What the replicas had counted at the last CONFIG RESETSTAT.
    var before = ReplicaCounts()
}

/// What the replicas count, all groups together.
struct ReplicaCounts {
    var hits: UInt64 = 0
    var misses: UInt64 = 0
    var expired: UInt64 = 0
    var repeated = 0
}

extension NodeState {
    var replicaCounts: ReplicaCounts {
        var counts = ReplicaCounts()
        for group in 0..<replicas.count {
            counts.hits += replicas[group].context.keyspace.hits
            counts.misses += replicas[group].context.keyspace.misses
            counts.expired += replicas[group].context.keyspace.expired
            counts.repeated += replicas[group].windows.duplicates
        }
        return counts
    }

    /// CONFIG RESETSTAT: the counters that Redis resets, and ours.
    mutating func resetStatistics() {
        statistics = Statistics()
        statistics.before = replicaCounts
        commandStatistics.reset()
        rates.restart()
    }
}
