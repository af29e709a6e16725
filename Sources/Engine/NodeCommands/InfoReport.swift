internal import Bytes
internal import Cluster
internal import Commands
internal import Configuration
internal import PeerProtocol
internal import Raft
internal import Snapshot
internal import Store
internal import WAL

/// INFO: the sections and fields that clients, exporters and people read, in Redis's names, and a
/// `# Raft` section of our own.
enum InfoReport {
    /// All sections, in the order in which they are told.
    private static let all = [
        "server", "clients", "memory", "persistence", "stats", "replication", "cpu", "modules",
        "commandstats", "errorstats", "latencystats", "cluster", "keyspace", "once", "raft",
    ]
    /// What INFO without a section leaves out.
    private static let onRequest = ["commandstats", "latencystats"]

    static func text(
        sections: [String], node: borrowing NodeState, sessions: borrowing SessionTable,
        now: ClockReading
    ) -> String {
        var wanted: [String] = []
        for section in sections.isEmpty ? ["default"] : sections {
            switch section {
            case "default": wanted += all.filter { !onRequest.contains($0) }
            case "all", "everything": wanted += all
            default: wanted.append(section)
            }
        }
        var parts: [String] = []
        for section in all where wanted.contains(section) {
            let lines =
                switch section {
                case "server": server(node, now)
                case "clients": clients(node, sessions)
                case "memory": memory(node)
                case "persistence": persistence(node)
                case "stats": stats(node)
                case "replication": replication(node, now)
                case "cpu": cpu(node)
                case "modules": [String]()
                case "commandstats": commands(node)
                case "errorstats": errors(node)
                case "latencystats": latencies(node)
                case "cluster": ["cluster_enabled:0"]
                case "keyspace": keyspace(node)
                case "once": once(node)
                default: raft(node, now)
                }
            let title =
                section == "cpu" ? "CPU" : section.prefix(1).uppercased() + section.dropFirst()
            parts.append((["# \(title)"] + lines).joined(separator: "\r\n") + "\r\n")
        }
        return parts.joined(separator: "\r\n")
    }

    private static func server(_ node: borrowing NodeState, _ now: ClockReading) -> [String] {
        let uptime = (now.boot - node.startedAt).milliseconds / 1000
        return [
            "redis_version:\(ServerVersion.redis)",
            "redis_git_sha1:\(node.host.commit.isEmpty ? "00000000" : node.host.commit)",
            "redis_git_dirty:\(node.host.isModified ? 1 : 0)",
            "redis_build_id:\(node.host.commit.isEmpty ? "0" : node.host.commit)",
            "skein_version:\(ServerVersion.skein)", "server_name:skein",
            "redis_mode:standalone", "os:\(node.host.system)", "arch_bits:64",
            "monotonic_clock:POSIX clock_gettime", "multiplexing_api:libuv",
            "process_id:\(node.host.processID)", "process_supervised:no",
            "run_id:\(hex(node.incarnation.raw))\(hex(node.boot))00000000",
            "tcp_port:\(node.configuration.port)", "server_time_usec:\(now.wall * 1000)",
            "uptime_in_seconds:\(uptime)", "uptime_in_days:\(uptime / 86_400)", "hz:10",
            "configured_hz:10", "executable:\(node.host.executable)",
            "config_file:\(node.host.configurationFile)", "io_threads_active:0",
        ]
    }

    private static func clients(
        _ node: borrowing NodeState, _ sessions: borrowing SessionTable
    ) -> [String] {
        [
            "connected_clients:\(sessions.count)",
            "cluster_connections:\(node.links.openIndices.count)",
            "maxclients:\(node.configuration.maxclients)", "client_recent_max_input_buffer:0",
            "client_recent_max_output_buffer:0", "blocked_clients:0", "tracking_clients:0",
            "clients_in_timeout_table:0",
        ]
    }

    private static func memory(_ node: borrowing NodeState) -> [String] {
        let resident = node.host.residentBytes
        let (keys, held) = (node.keyBytes, node.imageBytes)
        let log = (0..<node.replicas.count).reduce(0) {
            $0 + node.replicas[$1].core.log.memoryBytes
        }
        let used = keys + held + log + node.host.startBytes
        let limit = node.configuration.maxMemory
        return [
            "used_memory:\(used)", "used_memory_human:\(human(used))",
            "used_memory_dataset:\(keys)", "used_memory_overhead:\(used - keys)",
            "used_memory_startup:\(node.host.startBytes)", "raft_log_cache_bytes:\(log)",
            "snapshot_held_bytes:\(held)",
            "used_memory_rss:\(resident)", "used_memory_rss_human:\(human(resident))",
            "used_memory_peak:\(max(resident, node.host.peakBytes))",
            "used_memory_peak_human:\(human(max(resident, node.host.peakBytes)))",
            "total_system_memory:\(node.host.systemBytes)",
            "total_system_memory_human:\(human(node.host.systemBytes))", "maxmemory:\(limit)",
            "maxmemory_human:\(human(limit))", "maxmemory_policy:noeviction",
            "mem_fragmentation_ratio:\(ratio(resident, used))",
            "mem_allocator:libc", "lazyfree_pending_objects:0",
        ]
    }

    private static func persistence(_ node: borrowing NodeState) -> [String] {
        let board = node.snapshots
        let seconds = board.writtenCount == 0 ? -1 : board.lastDuration.milliseconds / 1000
        var changes: UInt64 = 0
        for group in 0..<node.replicas.count {
            let newest = board.groups[group].durable.first?.id.index ?? 0
            changes += node.replicas[group].applied - min(newest, node.replicas[group].applied)
        }
        let holder = node.wal.oldestHolder.map { "\($0)" } ?? "none"
        let lagging = node.slowestFollower.map { node.name(of: $0) } ?? "none"
        return [
            "loading:\(node.isLoading ? 1 : 0)", "async_loading:0",
            "current_save_keys_processed:0", "rdb_changes_since_last_save:\(changes)",
            "rdb_bgsave_in_progress:\(board.isBusy ? 1 : 0)",
            "rdb_last_save_time:\(board.lastSaved)",
            "rdb_last_bgsave_status:\(board.hasFailed ? "err" : "ok")",
            "rdb_last_bgsave_time_sec:\(seconds)",
            "rdb_current_bgsave_time_sec:\(board.taking == nil ? -1 : 0)",
            "snapshots_written:\(board.writtenCount)", "snapshots_received:\(board.receivedCount)",
            "snapshots_sent:\(board.sentCount)",
            "aof_enabled:1", "aof_rewrite_in_progress:0",
            "aof_last_write_status:\(node.logSpace == .full ? "err" : "ok")",
            "disk_space:\(node.logSpace)", "disk_free_bytes:\(node.host.diskFreeBytes)",
            "disk_reserve_bytes:\(node.host.diskReserveBytes)",
            "wal_live_bytes:\(node.wal.liveBytes)", "wal_held_bytes:\(node.wal.heldBytes)",
            "wal_max_size:\(node.configuration.walMaxSize)", "wal_held_by_group:\(holder)",
            "wal_slowest_follower:\(lagging)",
            "wal_groups_under_repair:\(node.distrustedGroups.count)",
            "wal_batches:\(node.statistics.logBatches)", "wal_last_batch:\(node.wal.lastBatch)",
            "wal_durable_batch:\(node.wal.durableBatch)",
        ]
    }

    private static func stats(_ node: borrowing NodeState) -> [String] {
        let (now, before) = (node.replicaCounts, node.statistics.before)
        let counts = node.statistics
        return [
            "total_connections_received:\(counts.connectionsReceived)",
            "total_commands_processed:\(node.commandStatistics.calls)",
            "instantaneous_ops_per_sec:\(node.rates.operationsPerSecond)",
            "total_net_input_bytes:\(counts.clientBytesReceived)",
            "total_net_output_bytes:\(counts.clientBytesSent)",
            "instantaneous_input_kbps:\(node.rates.inputKilobytes)",
            "instantaneous_output_kbps:\(node.rates.outputKilobytes)",
            "rejected_connections:\(counts.connectionsRejected)", "sync_full:0",
            "sync_partial_ok:0", "sync_partial_err:0",
            "expired_keys:\(now.expired - before.expired)", "evicted_keys:0",
            "keyspace_hits:\(now.hits - before.hits)",
            "keyspace_misses:\(now.misses - before.misses)", "pubsub_channels:0",
            "pubsub_patterns:0", "latest_fork_usec:0", "total_forks:0",
            "eventloop_cycles:\(counts.turns.count)",
            "eventloop_duration_sum:\(counts.turns.total.nanoseconds / 1000)",
            "eventloop_duration_max:\(counts.turns.longest.nanoseconds / 1000)",
            "eventloop_cpu_max:\(counts.turns.busiest.nanoseconds / 1000)",
            "total_error_replies:\(node.commandStatistics.errors.total)",
            "total_reads_processed:\(counts.clientReads)",
            "total_writes_processed:\(counts.clientWrites)",
            "timed_out_commands:\(counts.timedOutCommands)",
            "overload_refused_commands:\(counts.overloadRefusals)",
            "repeated_commands:\(now.repeated - before.repeated)",
            "routes_restarted:\(counts.routesRestarted)",
            "lease_reads_taken_back:\(counts.leaseReadsTakenBack)",
            "follower_reads:\(counts.followerReads)",
            "peer_input_bytes:\(counts.peerBytesReceived)",
            "peer_output_bytes:\(counts.peerBytesSent)",
        ]
    }

    /// The node that leads the first data group is the master in Redis's words.
    private static func replication(_ node: borrowing NodeState, _ now: ClockReading) -> [String] {
        let hasGroup = node.replicas.count > 1
        let leader = hasGroup ? node.replicas[1].core.leader : nil
        let commit = hasGroup ? node.replicas[1].core.commit : 0
        var lines: [String] = []
        if leader == node.id {
            lines.append("role:master")
            let followers = node.replicas[1].core.followers
            lines.append(
                "connected_slaves:\(followers.count { node.links.index(to: $0.id) != nil })")
            var number = 0
            for follower in followers where node.links.index(to: follower.id) != nil {
                let hello = node.peers.first { $0.id == follower.id }?.hello
                let lag = lag(of: follower, node, now)
                lines.append(
                    "slave\(number):ip=\(hello?.clientHost ?? ""),port=\(hello?.clientPort ?? 0),state=\(state(of: follower)),offset=\(follower.match),lag=\(lag)"
                )
                number += 1
            }
        } else {
            let peer = leader.flatMap { id in node.peers.first { $0.id == id } }
            let heard = leader.flatMap { node.liveness.lastHeard(from: $0) }
            lines.append("role:slave")
            lines.append("master_host:\(peer?.hello?.clientHost ?? peer?.host ?? "")")
            lines.append("master_port:\(peer?.hello?.clientPort ?? 0)")
            lines.append(
                "master_link_status:\(leader.flatMap { node.links.index(to: $0) } == nil ? "down" : "up")"
            )
            lines.append(
                "master_last_io_seconds_ago:\(heard.map { (now.boot - $0).milliseconds / 1000 } ?? -1)"
            )
            lines.append("master_sync_in_progress:0")
            lines.append("slave_repl_offset:\(commit)")
            lines.append("slave_priority:100")
            lines.append("slave_read_only:0")
            lines.append("connected_slaves:0")
        }
        let id = node.map.map { hex($0.clusterID.high) + hex($0.clusterID.low) + "00000000" }
        lines.append("master_failover_state:no-failover")
        lines.append("master_replid:\(id ?? String(repeating: "0", count: 40))")
        lines.append("master_repl_offset:\(commit)")
        lines.append("repl_backlog_active:0")
        return lines
    }

    /// Redis's words for how a follower is fed: entries as they come, a snapshot, or neither yet.
    private static func state(of follower: FollowerStatus) -> String {
        switch follower.state {
        case .replicate: "online"
        case .snapshot: "send_bulk"
        case .probe: "wait_bgsave"
        }
    }

    /// Seconds since the follower showed that it keeps up, as in Redis since its last REPLCONF ACK: its
    /// last acknowledgement while entries are on their way to it, any sign of life when it has all.
    private static func lag(
        of follower: FollowerStatus, _ node: borrowing NodeState, _ now: ClockReading
    ) -> Int64 {
        var heard = follower.repliedAt
        if follower.match >= node.replicas[1].core.lastIndex,
            let alive = node.liveness.lastHeard(from: follower.id)
        {
            heard = max(heard ?? alive, alive)
        }
        return heard.map { max(0, (now.boot - $0).milliseconds / 1000) } ?? 0
    }

    private static func cpu(_ node: borrowing NodeState) -> [String] {
        [
            "used_cpu_sys:\(seconds(node.host.systemTime))",
            "used_cpu_user:\(seconds(node.host.userTime))",
        ]
    }

    private static func keyspace(_ node: borrowing NodeState) -> [String] {
        var lines: [String] = []
        for database in 0..<Keyspace.databaseCount {
            var (keys, expiring) = (0, 0)
            for group in 0..<node.replicas.count {
                keys += node.replicas[group].context.keyspace.keyCount(database)
                expiring += node.replicas[group].context.keyspace.expiringCount(database)
            }
            if keys > 0 { lines.append("db\(database):keys=\(keys),expires=\(expiring),avg_ttl=0") }
        }
        return lines
    }

    private static func raft(_ node: borrowing NodeState, _ now: ClockReading) -> [String] {
        var lines = [
            "raft_node_id:\(node.id.raw)", "raft_node_name:\(node.configuration.nodeName)",
            "raft_membership:\(node.muteReason == nil ? "\(node.membership)" : "mute")",
            "raft_cluster_version:\(node.clusterVersion)",
            "raft_groups:\(node.replicas.count)", "raft_num_nodes:\(node.memberCount)",
        ]
        for group in 0..<node.replicas.count {
            let leader = node.replicas[group].core.leader.map { node.name(of: $0) } ?? "none"
            let holdsLease = node.replicas[group].core.holdsLease(
                now: now.boot, liveness: node.liveness)
            let lag =
                node.replicas[group].core.lastIndex
                - min(
                    node.replicas[group].core.lastIndex, node.replicas[group].applied)
            lines.append(
                "raft_group\(group):role=\(node.replicas[group].core.role),leader=\(leader),term=\(node.replicas[group].core.term),commit=\(node.replicas[group].core.commit),applied=\(node.replicas[group].applied),last=\(node.replicas[group].core.lastIndex),lag=\(lag),lease=\(holdsLease ? 1 : 0),election=\(node.replicas[group].core.electionReason.rawValue)"
            )
            for follower in node.replicas[group].core.followers {
                lines.append(
                    "raft_group\(group)_\(node.name(of: follower.id)):match=\(follower.match),lag=\(node.replicas[group].core.lastIndex - min(follower.match, node.replicas[group].core.lastIndex))"
                )
            }
        }
        for peer in node.peers {
            let heard = node.liveness.lastHeard(from: peer.id)
            lines.append(
                "raft_peer_\(peer.name):link=\(node.links.index(to: peer.id) == nil ? "down" : "up"),last_heard_ms=\(heard.map { (now.boot - $0).milliseconds } ?? -1),priority=\(node.liveness.priority(of: peer.id)),clock=\(node.liveness.clockDisagrees(with: peer.id) ? "off" : "ok")"
            )
        }
        if node.replicas.count > 1 {
            let timeline = node.replicas[1].timeline
            for (name, phase) in [
                ("queue", timeline.queue), ("fsync", timeline.fsync),
                ("replicate", timeline.replicate), ("apply", timeline.apply),
                ("reply", timeline.reply),
            ] {
                lines.append(
                    "raft_write_\(name)_usec:p50=\(Int(phase.percentile(0.5))),p99=\(Int(phase.percentile(0.99)))"
                )
            }
        }
        return lines
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func seconds(_ microseconds: Int64) -> String {
        let fraction = String(microseconds % 1_000_000)
        return
            "\(microseconds / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    }

    /// Two decimals, as Redis prints ratios.
    private static func ratio(_ part: Int, _ whole: Int) -> String {
        let hundredths = whole == 0 ? 0 : part * 100 / whole
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }

    /// As Redis prints sizes for people: two decimals.
    private static func human(_ bytes: Int) -> String {
        let units = ["B", "K", "M", "G", "T"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(bytes)B" }
        let hundredths = Int((value * 100).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)\(units[unit])"
    }
}
