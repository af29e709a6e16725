internal import Bytes
internal import Cluster
internal import PeerProtocol
internal import Raft

/// Members whose programs are of different versions, while a cluster is upgraded one node after the other.
///
/// Each program speaks a range of versions. The cluster works by one of them, which stands in its map: at
/// genesis the newest that all founders speak. It rises by an entry of the system group when every member is
/// linked with that group's leader and speaks a newer one. From then on who does not speak it is refused,
/// and does not start on a directory that knows of it.
///
/// What a newer version adds to frames or entries asks `clusterVersion` first. There is nothing of the kind
/// yet.
extension NodeState {
    /// The version that all members follow; the oldest that is spoken here while there is no cluster.
    var clusterVersion: UInt32 { map?.clusterVersion ?? versions.lowerBound }

    static func words(_ versions: ClosedRange<UInt32>) -> String {
        versions.count == 1
            ? "version \(versions.lowerBound)"
            : "versions \(versions.lowerBound) to \(versions.upperBound)"
    }

    /// Why the versions of a peer do not fit, if they do not.
    func objection(toVersionsOf hello: Hello) -> String? {
        let theirs = hello.oldestVersion...hello.version
        let spoken = "it speaks \(Self.words(theirs)) of the peer protocol"
        guard theirs.overlaps(versions) else {
            return "\(spoken), this node \(Self.words(versions))"
        }
        guard let map, !theirs.contains(map.clusterVersion) else { return nil }
        return "\(spoken), the cluster has come to version \(map.clusterVersion)"
    }

    /// Raises the cluster's version when all members speak a newer one; whether that is under way.
    mutating func considerVersion(_ map: ClusterMap, now: ClockReading) -> Bool {
        guard replicas[0].core.role == .leader, versions.upperBound > map.clusterVersion else {
            return false
        }
        var common = versions.upperBound
        for peer in peers {
            // Looked at again when it is linked.
            guard links.index(to: peer.id) != nil, let hello = peer.hello else { return false }
            common = min(common, hello.version)
        }
        guard common > map.clusterVersion else { return false }
        proposeNodes(.raise(version: common), now: now)
        return true
    }

    /// The map that is about to be this node's has another version.
    mutating func versionRises(to next: ClusterMap) {
        let version = next.clusterVersion
        guard versions.contains(version) else {
            // Linked with the leader it said what it speaks, so it has become another one since.
            fail(StartError.version(cluster: version, spoken: versions).description)
            return
        }
        log(.notice, "cluster-version version=\(version) spoken=\(Self.words(versions))")
    }

    /// Parts with those that wait to be taken in, or are linked, and do not speak the cluster's version.
    mutating func partWithOthersVersions() {
        for index in links.openIndices where !links[index].isClosing {
            let peer = links[index].peer.flatMap { peerIndex($0) }
            guard let hello = links[index].applicant ?? peer.flatMap({ peers[$0].hello }),
                let reason = objection(toVersionsOf: hello)
            else { continue }
            log(
                .warning,
                "peer-refused peer=\(Self.printable(hello.name)) reason=\"\(reason)\"")
            refuse(index, reason: reason)
        }
    }
}
