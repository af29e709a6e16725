internal import Bytes
internal import Configuration
internal import PeerProtocol
internal import Raft

/// What a node notes of a peer once a second.
struct PeerWatch {
    /// Since when the peer has been well, over one link of one process; nil: it is not.
    var wellSince: Instant?
    /// That link.
    var link: LinkID?
    /// For how long it must have been well before leadership is handed to it.
    var calm = EngineLimits.calmTime
    /// Whether its clock was found to run at another pace.
    var clockDisagrees = false
}

/// Once a second: whether promises of earlier starts have ended, whether a peer's clock can be relied upon,
/// and whether one should lead in this node's place.
///
/// A preference is a hint (`leader-priority`): elections know nothing of it, a leader hands over when all
/// is calm. Every node tells its own priority in its pings, so all see the same order, and leadership does not
/// wander. A preferred member that cannot keep it gets it back later each time.
extension NodeState {
    mutating func watchPeers(now: ClockReading) {
        guard now.boot >= peerWatchAt, !peers.isEmpty else { return }
        peerWatchAt = now.boot + EngineLimits.peerWatchInterval
        liveness.priority = configuration.leaderPriority
        for at in peers.indices {
            watchClock(at)
            watchHealth(at, now: now.boot)
        }
        considerPreference(now: now)
        considerPromises(now: now.boot)
    }

    /// Whether this node leads something that a peer would rather lead: then it looks once a second, also
    /// when nothing happens.
    var prefersPeer: Bool {
        guard !isShuttingDown else { return false }
        for at in peers.indices
        where liveness.priority(of: peers[at].id) > configuration.leaderPriority {
            for group in 0..<replicas.count where replicas[group].core.role == .leader {
                return true
            }
        }
        return false
    }

    private mutating func watchClock(_ at: Int) {
        let disagrees = liveness.clockDisagrees(with: peers[at].id)
        guard disagrees != peers[at].watch.clockDisagrees else { return }
        peers[at].watch.clockDisagrees = disagrees
        if disagrees {
            log(
                .warning,
                "clock-disagrees peer=\(peers[at].name) limit=\(configuration.clockDriftLimit)% effect=\"it counts in no lease\""
            )
        } else {
            log(.notice, "clock-agrees peer=\(peers[at].name)")
        }
    }

    /// Well is who answers, over the same link as before, has room, and lacks nothing that it promised.
    private mutating func watchHealth(_ at: Int, now: Instant) {
        let peer = peers[at]
        let isWell =
            links.index(to: peer.id) != nil && liveness.isUp(peer.id, now: now)
            && peer.space == .ample && peer.hello?.mayLackEntries == false
            && !peer.watch.clockDisagrees
        if !isWell || peer.watch.link != peer.link {
            peers[at].watch.wellSince = isWell ? now : nil
            peers[at].watch.link = isWell ? peer.link : nil
        } else if let since = peer.watch.wellSince, now - since > EngineLimits.calmTimeMax {
            peers[at].watch.calm = EngineLimits.calmTime
        }
    }

    private mutating func considerPreference(now: ClockReading) {
        guard prefersPeer, logSpace == .ample else { return }
        // One that is given several groups at once waits longer next time, not for the second group.
        var handedTo: [Int] = []
        for group in 0..<replicas.count where replicas[group].core.role == .leader {
            guard let at = preferredPeer(for: group, now: now.boot) else { continue }
            guard replicas[group].handOver(to: peers[at].id, now: now.boot, liveness: liveness)
            else { continue }
            if !handedTo.contains(at) { handedTo.append(at) }
            log(
                .notice,
                "hand-over group=\(replicas[group].group) to=\(peers[at].name) reason=leader-priority"
            )
        }
        for at in handedTo {
            let longer = peers[at].watch.calm + peers[at].watch.calm
            peers[at].watch.calm = min(longer, EngineLimits.calmTimeMax)
        }
    }

    /// The peer that is to lead a group which this node leads: of the highest priority among those that have
    /// been well for long enough and lack next to nothing. nil: this node goes on.
    private func preferredPeer(for group: Int, now: Instant) -> Int? {
        guard let led = replicas[group].core.leadsSince else { return nil }
        var best: (at: Int, priority: Int)?
        for follower in replicas[group].core.followers {
            guard follower.isVoter, follower.state == .replicate,
                follower.match + EngineLimits.handOverLagMax >= replicas[group].core.lastIndex,
                let at = peerIndex(follower.id), let since = peers[at].watch.wellSince,
                now - max(since, led) >= peers[at].watch.calm
            else { continue }
            let priority = liveness.priority(of: follower.id)
            if priority > best?.priority ?? configuration.leaderPriority { best = (at, priority) }
        }
        return best?.at
    }
}
