// What no directive can tell alone.

internal import Bytes

extension Configuration {
    /// Directives that contradict each other, and how.
    struct Conflict {
        let directives: [String]
        let reason: String
    }

    /// The first contradiction, nil when all agree.
    var conflict: Conflict? {
        timingConflict ?? portConflict ?? membershipConflict
    }

    private var timingConflict: Conflict? {
        if heartbeatInterval + heartbeatInterval >= electionTimeout {
            return Conflict(
                directives: ["heartbeat-interval", "election-timeout"],
                reason: "heartbeat-interval (\(heartbeatInterval.milliseconds) ms) must be less "
                    + "than half of election-timeout (\(electionTimeout.milliseconds) ms)")
        }
        if busyLimit < electionTimeout {
            return Conflict(
                directives: ["busy-limit", "election-timeout"],
                reason: "busy-limit (\(busyLimit.milliseconds) ms) must not be less than "
                    + "election-timeout (\(electionTimeout.milliseconds) ms)")
        }
        return nil
    }

    private var portConflict: Conflict? {
        if !(1...65535).contains(peerPort) {
            return Conflict(
                directives: ["port", "cluster-port"],
                reason: "port + 10000 is no port; set cluster-port")
        }
        if clusterPort == 0, port == 0 {
            return Conflict(
                directives: ["port", "cluster-port"],
                reason: "without a port for clients, cluster-port must be set")
        }
        if port == peerPort {
            return Conflict(
                directives: ["port", "cluster-port"],
                reason: "clients and peers need ports of their own")
        }
        return nil
    }

    private var membershipConflict: Conflict? {
        if join, !initialCluster.isEmpty {
            return Conflict(
                directives: ["join", "initial-cluster"],
                reason:
                    "a node founds a cluster (initial-cluster) or joins one (join yes), not both"
            )
        }
        guard !initialCluster.isEmpty else { return nil }
        guard let own = initialCluster.first(where: { $0.name == nodeName }) else {
            return Conflict(
                directives: ["node-name", "initial-cluster"],
                reason: "node-name '\(nodeName)' is not in initial-cluster")
        }
        if own.port != peerPort {
            return Conflict(
                directives: ["initial-cluster", "port", "cluster-port"],
                reason: "initial-cluster says that '\(nodeName)' listens for peers on port "
                    + "\(own.port), but cluster-port is \(peerPort)")
        }
        return nil
    }

    /// What the operator should hear at the start, one line each: directives without effect, and
    /// what is allowed and yet risky.
    public var warnings: [String] { ignoredDirectives + risks }

    private var risks: [String] {
        var risks: [String] = []
        switch appendfsync {
        case .always: break
        case .everysec:
            risks.append(
                "appendfsync everysec: ACKNOWLEDGED WRITES OF THE LAST SECOND CAN BE LOST when a "
                    + "majority of nodes crashes at the same time")
        case .no:
            risks.append(
                "appendfsync no: ACKNOWLEDGED WRITES CAN BE LOST when a majority of nodes crashes "
                    + "at the same time")
        }
        if !protectedMode, bind.contains(where: { !$0.isLoopback }) {
            risks.append(
                "protected-mode no: everybody who reaches this machine can read and change all data"
            )
        }
        if initialCluster.count > 0, initialCluster.count % 2 == 0 {
            risks.append(
                "initial-cluster: \(initialCluster.count) nodes survive the loss of no more nodes "
                    + "than \(initialCluster.count - 1) do")
        }
        if clientOutputBufferLimit.normal.hardBytes == 0 {
            risks.append(
                "client-output-buffer-limit normal 0: one client that does not read can take all "
                    + "of the memory")
        }
        return risks
    }
}
