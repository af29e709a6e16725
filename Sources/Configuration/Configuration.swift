public import Bytes

/// Everything an operator can decide about a node, typed. `Configuration()` is the defaults.
///
/// One table of directives (`Directive.all`) connects these fields with the configuration file, the
/// command line, CONFIG GET and CONFIG SET. `conf/skein.conf` explains each one to its reader; a
/// test holds that file against the table.
public struct Configuration: Sendable, Equatable {
    // The node and its cluster.

    /// `node-name`: this node's name in `initialCluster`.
    public var nodeName = "n1"
    /// `initial-cluster`: the founding members; empty for a cluster of this node alone.
    public var initialCluster: [InitialMember] = []
    /// `join`: an empty directory waits until a member of a cluster takes the node in (CLUSTER MEET).
    public var join = false
    /// `initial-groups`: Raft groups that the slots are divided among when the cluster is founded.
    public var initialGroups = 1

    // The network.

    /// `bind`: where to listen; never empty. Peer links leave from the first address.
    public var bind = [BindAddress.loopback]
    /// `protected-mode`: refuse clients from elsewhere while no password is set.
    public var protectedMode = true
    /// `port` for clients; 0 listens to none.
    public var port = 6379
    /// `cluster-port` as written; 0 means `port` + 10000. See `peerPort`.
    public var clusterPort = 0
    /// `tcp-backlog`: connections that may wait to be accepted.
    public var tcpBacklog = 511
    /// `tcp-keepalive` in seconds; 0 sends none.
    public var tcpKeepaliveSeconds = 300
    /// `timeout`: seconds after which an idle client is closed; 0 never.
    public var timeoutSeconds = 0
    /// `maxclients`.
    public var maxclients = 10_000

    // Limits of a client, in bytes.

    /// `proto-max-bulk-len`: the longest argument.
    public var protoMaxBulkLen = 512 << 20
    /// `client-query-buffer-limit`: input not yet executed.
    public var clientQueryBufferLimit = 1 << 30
    /// `client-output-buffer-limit`: replies not yet sent.
    public var clientOutputBufferLimit = OutputBufferLimits()

    // The log.

    /// `dir`: the data directory.
    public var dir = "./data"
    /// `appendfsync`: when data entries are synced.
    public var appendfsync = AppendFsync.always
    /// `raft-log-cache`: bytes of log entries kept in memory, all groups together.
    public var raftLogCache = 64 << 20
    /// `maxmemory`: bytes that keys may take before commands that add data are refused; 0: no limit.
    public var maxMemory = 0
    /// `wal-max-size`: how large the log may grow before snapshots let go of its beginning.
    public var walMaxSize = 1 << 30

    /// `once-max-size`: bytes that the sessions of SKEIN.ONCE may take, per group.
    public var onceMaxSize = 32 << 20
    /// `once-timeout`: how long, in log time, such a session is kept without a request.
    public var onceTimeout = Interval.milliseconds(3_600_000)

    // Consensus.

    /// `election-timeout`: how long a follower's promise holds, and how long it waits for a silent
    /// leader.
    public var electionTimeout = Interval.milliseconds(300)
    /// `heartbeat-interval`.
    public var heartbeatInterval = Interval.milliseconds(75)
    /// `leader-priority`: how gladly this node leads; among members that could, the highest is preferred.
    public var leaderPriority = 100
    /// `clock-drift-limit`: by how many per cent two nodes' clocks may differ in pace.
    public var clockDriftLimit = 10
    /// `read-lease`: whether a leader may answer reads by lease.
    public var readLease = true
    /// `follower-reads`: whether a follower answers its clients' reads itself, READONLY or not.
    public var followerReads = false
    /// `request-timeout`: how long a command waits for a leader or a majority.
    public var requestTimeout = Interval.milliseconds(5000)
    /// `queue-wait-limit`: how long a command may have to wait for others before it is refused; 0: as
    /// long as it takes.
    public var queueWaitLimit = Interval.milliseconds(300)
    /// `busy-limit`: how long a node may be silent in one turn before it is taken for dead.
    public var busyLimit = Interval.milliseconds(10_000)
    /// `disk-stall-limit`: how long one log sync may take before the node is taken for dead.
    public var diskStallLimit = Interval.milliseconds(3000)

    // Diagnostics.

    /// `loglevel`.
    public var loglevel = LogLevel.notice
    /// `logfile`; empty for standard output.
    public var logfile = ""

    /// Lines of the file that have no effect here, each with its place: see `warnings`.
    var ignoredDirectives: [String] = []

    /// The defaults.
    public init() {}
}

/// When data entries reach the disk; votes and terms are always synced at once.
public enum AppendFsync: String, CaseIterable, Sendable {
    /// Before a write is acknowledged.
    case always
    /// Once a second: a crash of a majority loses up to a second of acknowledged writes.
    case everysec
    /// When the kernel likes.
    case no
}

/// How much the log of events tells.
public enum LogLevel: String, CaseIterable, Sendable {
    case debug, verbose, notice, warning
}

extension Configuration {
    /// What is taken off a promise for the lease: so much may two clocks drift apart while it runs.
    public var leaseDrift: Interval {
        Interval(nanoseconds: electionTimeout.nanoseconds / 100 * Int64(clockDriftLimit))
    }

    /// The port for peers: `cluster-port`, or `port` + 10000 when that is 0.
    public var peerPort: Int { clusterPort == 0 ? port + 10_000 : clusterPort }

    /// The founding members sorted by name: the one at position i has the node id i + 1. Never empty.
    public var members: [InitialMember] {
        if initialCluster.isEmpty {
            return [InitialMember(name: nodeName, host: bind[0].address, port: peerPort)]
        }
        return initialCluster.sorted { $0.name < $1.name }
    }

    /// This node's id: the position of its name among the sorted names, from 1.
    public var nodeID: UInt16 {
        guard let position = members.firstIndex(where: { $0.name == nodeName }) else {
            invariantFailed(
                "node-name is not in initial-cluster: the configuration was not checked")
        }
        return UInt16(position + 1)
    }

    /// Most founding members.
    public static let membersMax = 64
    /// Most groups in the beginning: their ranges must fit the genesis entry.
    public static let groupsMax = 1024
    /// Most addresses to listen on.
    public static let bindMax = 16
}
