internal import Bytes
internal import Cluster
internal import Raft
internal import Snapshot
internal import WAL

/// What a directory holds of one group.
struct RecoveryGroup {
    let id: GroupID
    /// Whether the log has any record of it.
    let isKnown: Bool
    /// The newest whole snapshot's last entry; 0 without one.
    let snapshotIndex: LogIndex
    let firstIndex: LogIndex
    let logEnd: LogIndex
    /// The last entry, of the log or of the snapshot, and its term.
    let end: LogIndex
    let endTerm: Term
    let term: Term
    let vote: NodeID?

    init(_ id: GroupID, _ known: RecoveredGroup?, newest: SnapshotID?) {
        self.id = id
        isKnown = known != nil
        firstIndex = known?.firstIndex ?? 1
        logEnd = known?.lastIndex ?? 0
        let logTerm = known.map { $0.termStarts.last?.term ?? $0.precedingTerm } ?? 0
        snapshotIndex = newest?.index ?? 0
        let isBehind = snapshotIndex > logEnd
        end = isBehind ? snapshotIndex : logEnd
        endTerm = isBehind ? newest?.term ?? 0 : logTerm
        term = max(known?.term ?? 0, endTerm)
        vote = known?.vote
    }

    /// The term in which the new cluster begins.
    var newTerm: Term { term + 1 }

    /// Why the state cannot be made; nil: it can.
    var problem: String? {
        guard firstIndex > 1, snapshotIndex + 1 < firstIndex else { return nil }
        return
            "the state of \(id) is not here: its log begins at entry \(firstIndex), and no whole snapshot reaches it. Try another member's directory"
    }
}

extension ClusterRecovery {
    static func account(
        of oldName: String, becoming name: String, _ history: NodeHistory, _ old: ClusterMap,
        _ groups: [RecoveryGroup], tail: RecoveredLog.TornTail?, wasCut: Bool
    ) -> [String] {
        let others = old.members.map(\.name).filter { $0 != oldName }
        var lines = [
            others.isEmpty
                ? "node \(oldName), a cluster of one"
                : "node \(oldName) of a cluster of \(old.members.count); the others: \(others.joined(separator: ", "))"
        ]
        for group in groups {
            lines.append("\(group.id): \(describe(group))")
        }
        if let tail {
            lines.append(
                "  \(tail.bytes) bytes at the end of the log were never synced, hence never acknowledged by this node; they are dropped"
            )
        }
        lines.append("what may be lost:")
        if !others.isEmpty {
            lines.append(
                "  every write that the others acknowledged without this node, by majority: this directory cannot say how many"
            )
        }
        if wasCut {
            lines.append(
                "  every write of the log behind the damage, and with it all that no snapshot holds of what was there"
            )
        }
        for group in groups where group.term > group.endTerm {
            lines.append(
                "  \(group.id): term \(group.term) had begun and this node has no entry of it (its last is of term \(group.endTerm)): it may well lag behind"
            )
        }
        if !history.distrusted.isEmpty {
            let groups = history.distrusted.map { "\(GroupID($0))" }.joined(separator: ", ")
            lines.append(
                "  the log was cut at damage, and the others had not given back yet what was lost of \(groups)"
            )
        }
        if let running = history.running {
            if running.mayLackEntries {
                lines.append(
                    "  this node's machine went down while appendfsync was relaxed, and it had not caught up since: it lacks writes for certain that it once had, or may"
                )
            } else if running.syncMode != 0 {
                lines.append(
                    "  appendfsync was relaxed: if the machine went down, the last second of writes, or more, is gone here, too"
                )
            }
            lines.append("  the node did not stop cleanly: it served until its end")
        } else if !others.isEmpty {
            lines.append(
                "  the node stopped cleanly: the others may have gone on without it, for as long as they lived"
            )
        }
        lines.append("what is kept:")
        lines.append(
            "  every entry of its log, also those that nobody may have acknowledged: they count as committed from now on"
        )
        lines.append(
            "the new cluster: \(name) alone, with a new cluster id and a new directory identity. The old members refuse it, and it them; they must not serve clients any more"
        )
        return lines
    }

    private static func describe(_ group: RecoveryGroup) -> String {
        guard group.end > 0 else { return "nothing was ever written" }
        let vote = group.vote.map { "node \($0.raw)" } ?? "nobody"
        var text =
            "last entry \(group.end) of term \(group.endTerm), in term \(group.term) voted for \(vote)"
        let open = group.end - group.snapshotIndex
        if group.snapshotIndex > 0 {
            text += "; committed for certain up to \(group.snapshotIndex) (snapshot)"
            text += open > 0 ? "; \(open) entries behind that, kept" : ""
        } else {
            text += "; how much of it was committed is not written down; all of it is kept"
        }
        return text
    }
}
