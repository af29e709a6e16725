internal import Snapshot

/// What the replicas of one cluster must agree on, checked while the run goes on.
///
/// 1. A group has at most one leader in a term.
/// 2. Replicas that applied the same index have the same state hash, also across restarts.
///    When acknowledged entries may be lost (relaxed appendfsync and a majority of machines down): that
///    applied the same entry last, which its index and term name.
/// 3. A replica's term and commit never go back while its process runs. (Over a crash they may: what
///    was not synced was promised to nobody; 1 sees it if it was.) When acknowledged entries were lost,
///    a replica that says that it was overtaken may go back once.
struct ReplicaChecker {
    struct Place: Hashable {
        var group: UInt32
        var number: UInt64
    }

    private var leaders: [Place: Int] = [:]
    private var hashes: [Place: (hash: UInt64, node: Int)] = [:]
    private var snapshots: [SnapshotID: (checksum: UInt32, node: Int)] = [:]
    /// Of several histories, by the term of the entry.
    private var lossyHashes: [UInt64: [Place: (hash: UInt64, node: Int)]] = [:]
    /// What was committed in each group, as far as any node knew.
    private(set) var committed: [UInt32: UInt64] = [:]
    /// Acknowledged entries may have been lost in this run.
    private(set) var hasLost = false
    private var terms: [Place: UInt64] = [:]
    private var commits: [Place: UInt64] = [:]
    private var overtakenLives: Set<Place> = []
    private(set) var violations: [Violation] = []
    /// Pairs of replicas compared by their state hash.
    private(set) var comparisons = 0
    /// Leaders seen.
    private(set) var leaderships = 0

    /// A node leads.
    mutating func leads(node: Int, group: UInt32, term: UInt64, at moment: Moment) {
        let place = Place(group: group, number: term)
        guard let other = leaders[place] else {
            leaders[place] = node
            leaderships += 1
            return
        }
        if other != node {
            violations.append(
                Violation(
                    "election safety",
                    "nodes \(other) and \(node) both lead group \(group) in term \(term) (\(moment))"
                ))
        }
    }

    /// The leader of a term, when anybody led in it.
    func leader(group: UInt32, term: UInt64) -> Int? {
        leaders[Place(group: group, number: term)]
    }

    /// A node's term and commit after a turn. `life` tells its processes apart.
    mutating func progress(
        node: Int, life: Int, group: UInt32, term: UInt64, commit: UInt64, at moment: Moment
    ) {
        let ofLife = Place(group: group, number: UInt64(node) << 32 | UInt64(life))
        if let before = terms[ofLife], term < before {
            violations.append(
                Violation(
                    "term",
                    "group \(group) on node \(node) went from term \(before) back to \(term) (\(moment))"
                ))
        }
        terms[ofLife] = term
        if let before = commits[ofLife], commit < before, overtakenLives.remove(ofLife) == nil {
            violations.append(
                Violation(
                    "commit",
                    "group \(group) on node \(node) went from commit \(before) to \(commit) (\(moment))"
                ))
        }
        commits[ofLife] = commit
        committed[group] = max(committed[group] ?? 0, commit)
    }

    /// A snapshot is durable: all of one index hold the same bytes, whoever wrote them.
    mutating func snapshot(_ summary: SnapshotSummary, node: Int, at moment: Moment) {
        guard let known = snapshots[summary.id] else {
            snapshots[summary.id] = (summary.rawChecksum, node)
            return
        }
        comparisons += 1
        if known.checksum != summary.rawChecksum {
            violations.append(
                Violation(
                    "snapshot",
                    "\(summary.id): node \(known.node) and node \(node) wrote other bytes (\(moment))"
                ))
        }
    }

    /// A replica takes over another history than the one that it had.
    mutating func overtaken(node: Int, life: Int, group: UInt32) {
        overtakenLives.insert(Place(group: group, number: UInt64(node) << 32 | UInt64(life)))
    }

    /// From here on, replicas may have another history than others had.
    mutating func mayLose() {
        hasLost = true
        hashes.removeAll()
        lossyHashes.removeAll()
        committed.removeAll()
    }

    /// A replica's state after applying up to `applied`, an entry of `term`.
    mutating func state(
        node: Int, group: UInt32, applied: UInt64, term: UInt64, hash: UInt64, at moment: Moment
    ) {
        let place = Place(group: group, number: applied)
        guard let known = hasLost ? lossyHashes[term]?[place] : hashes[place] else {
            if hasLost {
                lossyHashes[term, default: [:]][place] = (hash, node)
            } else {
                hashes[place] = (hash, node)
            }
            return
        }
        comparisons += 1
        if known.hash != hash {
            violations.append(
                Violation(
                    "state hash",
                    "group \(group) at index \(applied): node \(known.node) had "
                        + "\(String(known.hash, radix: 16)), node \(node) has "
                        + "\(String(hash, radix: 16)) (\(moment))"))
        }
    }
}
