extension Directive {
    /// Every directive, in the order of `conf/skein.conf`, of `--help` and of CONFIG GET.
    public static let all: [Directive] =
        node + network + clientLimits + log + consensus + diagnostics + fixed

    /// The directive called `name`, in any case.
    public static func named(_ name: String) -> Directive? {
        let name = name.lowercased()
        return all.first { $0.name == name }
    }

    private static let node: [Directive] = [
        .text(
            "node-name", \.nodeName, .atStart, "this node's name in initial-cluster",
            check: { (name) throws(ValueError) in try InitialMember.checkName(name) }),
        .words(
            "initial-cluster", .atStart, "the founding members: n1=host:peerport,n2=...",
            read: { $0.initialCluster.map(\.text).joined(separator: ",") },
            write: { (configuration, words) throws(ValueError) in
                configuration.initialCluster = try InitialMember.parse(words)
            }),
        .flag(
            "join", \.join, .atStart,
            "with an empty directory, wait until a cluster takes this node in"),
        .integer(
            "initial-groups", \.initialGroups, 1...Configuration.groupsMax, .atStart,
            "Raft groups that the slots are divided among at the founding"),
    ]

    private static let network: [Directive] = [
        .words(
            "bind", .atStart, "addresses to listen on",
            read: { $0.bind.map(\.text).joined(separator: " ") },
            write: { (configuration, words) throws(ValueError) in
                guard words.count <= Configuration.bindMax else {
                    throw ValueError("Too many bind addresses specified.")
                }
                guard !words.isEmpty else { throw ValueError("at least one address is needed") }
                var addresses: [BindAddress] = []
                for word in words { addresses.append(try BindAddress(parsing: word)) }
                configuration.bind = addresses
            }),
        .flag(
            "protected-mode", \.protectedMode, .atRunTime,
            "refuse clients from elsewhere while no password is set"),
        .integer("port", \.port, 0...65535, .atStart, "port for clients; 0 listens to none"),
        .integer(
            "cluster-port", \.clusterPort, 0...65535, .atStart,
            "port for peers; 0 means port + 10000"),
        .integer(
            "tcp-backlog", \.tcpBacklog, 1...65535, .atStart,
            "connections that may wait to be accepted"),
        .integer(
            "tcp-keepalive", \.tcpKeepaliveSeconds, 0...Int(Int32.max), .atRunTime,
            "seconds between probes of a silent connection; 0 sends none"),
        .integer(
            "timeout", \.timeoutSeconds, 0...Int(Int32.max), .atRunTime,
            "seconds after which an idle client is closed; 0 never"),
        .integer(
            "maxclients", \.maxclients, 1...Int(UInt32.max), .atRunTime,
            "clients connected at the same time"),
    ]

    private static let clientLimits: [Directive] = [
        .bytes(
            "proto-max-bulk-len", \.protoMaxBulkLen, 1 << 20...512 << 20, .atRunTime,
            "the longest argument of a command"),
        .bytes(
            "client-query-buffer-limit", \.clientQueryBufferLimit, 1 << 20...Int.max, .atRunTime,
            "a client's input that is not yet executed"),
        .words(
            "client-output-buffer-limit", .atRunTime,
            "replies that wait for a client: class hard soft soft-seconds",
            read: { $0.clientOutputBufferLimit.text },
            write: { (configuration, words) throws(ValueError) in
                try configuration.clientOutputBufferLimit.change(words)
            }),
    ]

    private static let log: [Directive] = [
        .text(
            "dir", \.dir, .atStart, "the data directory",
            check: { (path) throws(ValueError) in
                guard !path.isEmpty else { throw ValueError("a directory is needed") }
            }),
        .choice("appendfsync", \.appendfsync, .atStart, "when writes are synced to the disk"),
        .bytes(
            "raft-log-cache", \.raftLogCache, 1 << 20...1 << 40, .atRunTime,
            "log entries kept in memory"),
        .bytes(
            "maxmemory", \.maxMemory, 0...1 << 50, .atRunTime,
            "bytes of keys beyond which commands that add data are refused; 0: no limit"),
        .bytes(
            "wal-max-size", \.walMaxSize, 16 << 20...1 << 50, .atRunTime,
            "log kept on disk before snapshots let go of its beginning"),
        .bytes(
            "once-max-size", \.onceMaxSize, 64 << 10...256 << 20, .atRunTime,
            "bytes of SKEIN.ONCE's sessions per group, beyond which the oldest go"),
        .milliseconds(
            "once-timeout", \.onceTimeout, 1000...604_800_000, .atRunTime,
            "ms without a request after which a session of SKEIN.ONCE goes"),
    ]

    private static let consensus: [Directive] = [
        .milliseconds(
            "election-timeout", \.electionTimeout, 10...60_000, .atStart,
            "ms without a sign of life until another leader is sought"),
        .milliseconds(
            "heartbeat-interval", \.heartbeatInterval, 1...30_000, .atStart,
            "ms between signs of life"),
        .integer(
            "leader-priority", \.leaderPriority, 0...1000, .atRunTime,
            "how gladly this node leads: the highest is preferred"),
        .integer(
            "clock-drift-limit", \.clockDriftLimit, 1...50, .atStart,
            "per cent that two nodes' clocks may differ in pace"),
        .flag("read-lease", \.readLease, .atStart, "let leaders answer reads by lease"),
        .flag(
            "follower-reads", \.followerReads, .atRunTime, "let followers answer reads themselves"),
        .milliseconds(
            "request-timeout", \.requestTimeout, 1...3_600_000, .atRunTime,
            "ms that a command waits for a leader or a majority"),
        .milliseconds(
            "queue-wait-limit", \.queueWaitLimit, 0...3_600_000, .atRunTime,
            "ms that a command may have to wait for others before it is refused; 0: any time"),
        .milliseconds(
            "busy-limit", \.busyLimit, 10...3_600_000, .atStart,
            "ms that a node may be busy in one piece without losing its leadership"),
        .milliseconds(
            "disk-stall-limit", \.diskStallLimit, 10...3_600_000, .atStart,
            "ms that one log sync may take without costing the leadership"),
    ]

    private static let diagnostics: [Directive] = [
        .choice("loglevel", \.loglevel, .atRunTime, "how much the server's log tells"),
        .text("logfile", \.logfile, .atStart, "the server's log; empty for standard output"),
    ]

    private static let fixed: [Directive] =
        [
            .fixed("appendonly", "yes", "every write is in the log before it is acknowledged"),
            .fixed("save", "", "the log is the durable state; there are no dumps to schedule"),
            .fixed("databases", "16", "the number of databases is part of the replicated state"),
            .fixed("maxmemory-policy", "noeviction", "no key is ever evicted"),
            .fixed("cluster-enabled", "no", "every node answers for every key"),
            .fixed("daemonize", "no", "a service manager or scripts/cluster does this better"),
            .fixed("requirepass", "", "passwords are not available yet"),
            .fixed("aclfile", "", "users are not available yet"),
            .fixed("tls-port", "0", "TLS is not available yet"),
            .fixed("unixsocket", "", "clients connect over TCP"),
            .fixed("replicaof", "", "replicas are members of the cluster"),
            .fixed("notify-keyspace-events", "", "keyspace events are not available yet"),
        ]
        // What decides an encoding decides replicated state, so it must be equal on all nodes.
        + [
            ("hash-max-listpack-entries", "512"), ("hash-max-ziplist-entries", "512"),
            ("hash-max-listpack-value", "64"), ("hash-max-ziplist-value", "64"),
            ("list-max-listpack-size", "-2"), ("list-max-ziplist-size", "-2"),
            ("list-compress-depth", "0"), ("set-max-intset-entries", "512"),
            ("zset-max-listpack-entries", "128"), ("zset-max-ziplist-entries", "128"),
            ("zset-max-listpack-value", "64"), ("zset-max-ziplist-value", "64"),
        ].map {
            .fixed($0.0, $0.1, "it is part of the replicated state, equal on all nodes")
        }

    /// Directives that CONFIG SET changes in Redis and not here. Saying what is so already is no change,
    /// and tools do that with some of them; with all others it is refused, as in Redis.
    var isModifiableInRedis: Bool { Self.modifiableInRedis.contains(name) }

    private static let modifiableInRedis = [
        "bind", "port", "dir", "appendfsync", "appendonly", "save", "maxmemory",
        "maxmemory-policy", "requirepass", "tls-port", "notify-keyspace-events",
        "hash-max-listpack-entries", "hash-max-ziplist-entries", "hash-max-listpack-value",
        "hash-max-ziplist-value", "list-max-listpack-size", "list-max-ziplist-size",
        "list-compress-depth", "set-max-intset-entries", "zset-max-listpack-entries",
        "zset-max-ziplist-entries", "zset-max-listpack-value", "zset-max-ziplist-value",
    ]

    /// Directives of redis.conf that ask for nothing here: accepted with a warning, so that a file
    /// that served Redis starts. A directive is in this list only if ignoring it breaks no promise
    /// that it makes; the others are `fixed`, where another value is refused.
    static let ignored: [String] = [
        "activedefrag", "active-expire-effort", "activerehashing", "always-show-logo",
        "aof-load-truncated", "aof-rewrite-incremental-fsync", "aof-timestamp-enabled",
        "aof-use-rdb-preamble", "appenddirname", "appendfilename", "auto-aof-rewrite-min-size",
        "auto-aof-rewrite-percentage", "busy-reply-threshold", "crash-log-enabled",
        "crash-memcheck-enabled", "dbfilename", "disable-thp", "dynamic-hz",
        "hll-sparse-max-bytes", "hz", "io-threads", "io-threads-do-reads",
        "jemalloc-bg-thread", "latency-monitor-threshold", "latency-tracking",
        "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del",
        "lazyfree-lazy-user-del", "lazyfree-lazy-user-flush", "lfu-decay-time",
        "lfu-log-factor", "locale-collate", "lua-time-limit", "maxmemory-eviction-tenacity",
        "maxmemory-samples", "no-appendfsync-on-rewrite", "oom-score-adj",
        "oom-score-adj-values", "pidfile", "proc-title-template", "rdb-del-sync-files",
        "rdb-save-incremental-fsync", "rdbchecksum", "rdbcompression",
        "repl-backlog-size", "repl-backlog-ttl", "repl-disable-tcp-nodelay",
        "repl-diskless-load", "repl-diskless-sync", "repl-diskless-sync-delay",
        "repl-diskless-sync-max-replicas", "replica-lazy-flush", "replica-priority",
        "replica-read-only", "replica-serve-stale-data", "set-proc-title", "slowlog-max-len",
        "slowlog-log-slower-than", "stop-writes-on-bgsave-error", "stream-node-max-bytes",
        "stream-node-max-entries", "supervised", "syslog-enabled", "tracking-table-max-keys",
    ]
}
