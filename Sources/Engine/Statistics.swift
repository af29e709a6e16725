/// Counters since the start of the process, for INFO.
struct Statistics {
    var connectionsReceived: Int64 = 0
    var connectionsRejected: Int64 = 0
    var commandsProcessed: Int64 = 0
    var clientBytesReceived = 0
    var clientBytesSent = 0
    var peerBytesReceived = 0
    var peerBytesSent = 0
    var errorReplies: Int64 = 0
    /// Commands that waited longer than `request-timeout`.
    var timedOutCommands: Int64 = 0
    /// Routes on which everything unanswered was sent again.
    var routesRestarted: Int64 = 0
    /// Turns whose reads were taken back because the lease had ended.
    var leaseReadsTakenBack: Int64 = 0
    /// Log batches and the entries in them.
    var logBatches: Int64 = 0
    var elections: Int64 = 0

    /// CONFIG RESETSTAT: the counters that Redis resets.
    mutating func reset() { self = Statistics() }
}
