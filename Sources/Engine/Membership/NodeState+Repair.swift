internal import Bytes
internal import Raft
internal import WAL

// A log that was cut at damage: the node does not vote in a group before a leader has seen it
// acknowledge everything again that it may have acknowledged before (`RaftCore+Recovery.swift`).
// Which groups that concerns is a node record, so that no restart forgets it.

extension NodeState {
    /// Entries of these groups may be missing from now on.
    mutating func distrust(_ groups: [GroupID]) {
        distrustedGroups = groups
        NodeRecord.distrusted(groups.map(\.raw)).write(to: &wal)
        log(
            .warning,
            "repair groups=\(groups.count) reason=\"the log was damaged and is cut\" effect=\"no vote in a group before its leader has given back what is missing\""
        )
    }

    /// Notes which groups have everything back.
    mutating func considerRepaired() {
        guard !distrustedGroups.isEmpty, isStarted else { return }
        var remaining: [GroupID] = []
        for group in distrustedGroups {
            let isWhole = (0..<replicas.count).contains {
                replicas[$0].group == group && replicas[$0].core.isLogWhole
            }
            if !isWhole { remaining.append(group) }
        }
        guard remaining.count < distrustedGroups.count else { return }
        for group in distrustedGroups where !remaining.contains(group) {
            log(.notice, "repaired group=\(group) remaining=\(remaining.count)")
        }
        distrustedGroups = remaining
        NodeRecord.distrusted(remaining.map(\.raw)).write(to: &wal)
    }
}
