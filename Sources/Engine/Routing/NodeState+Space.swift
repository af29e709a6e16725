internal import Bytes
internal import Commands
internal import PeerProtocol
internal import Raft

/// How much room the log's disk has, as the host sees it.
public enum LogSpace: UInt8, Comparable, Sendable {
    case ample = 0
    /// No further segment can be prepared, or the host's reserve is used; the open segment goes on.
    case low = 1
    /// The log cannot go on before there is room.
    case full = 2

    public static func < (left: LogSpace, right: LogSpace) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Members whose disks are full, and what becomes of writes.
///
/// Every member says in its hello how much room it has. A leader without room hands over to one that
/// has more. While those with room are a majority, nobody notices; while they are not, commands that
/// add data are refused where they come in, before they are queued: the log has no room for so much as
/// their refusals. Commands that remove data go on until a majority cannot write at all.
extension NodeState {
    /// A leader that is short of room takes growth for so long before it refuses it: another one is to
    /// take over meanwhile.
    private static let handOverTime = Interval.seconds(5)
    private static let handOverInterval = Interval.seconds(1)
    /// A follower without room is sent a snapshot again after this, if it failed there.
    static let snapshotRetryTime = Interval.seconds(10)

    /// The host's disk has less or more room than before.
    mutating func logSpaceChanged(to space: LogSpace, now: ClockReading) {
        guard space != logSpace else { return }
        if logSpace == .ample { shortOfRoomSince = now.boot }
        logSpace = space
        handOverAt = now.boot
        considerSpace(now: now)
        sendHelloAgain()
        // Soon, since it may make room.
        snapshots.checkAt = now.boot
    }

    /// Looks at who has room; once per turn.
    mutating func considerSpace(now: ClockReading) {
        guard logSpace != .ample else { return }
        guard now.boot >= handOverAt else { return }
        handOverAt = now.boot + Self.handOverInterval
        let better = peers.filter { $0.space < logSpace && links.index(to: $0.id) != nil }
            .sorted { $0.space < $1.space }
        for group in 0..<replicas.count where replicas[group].core.role == .leader {
            _ = better.first {
                replicas[group].handOver(to: $0.id, now: now.boot, liveness: liveness)
            }
        }
    }

    /// Whether growth is to be refused for want of room, by this node as a leader.
    func mustRefuseGrowth(now: ClockReading) -> Bool {
        if majorityIsShortOfRoom { return true }
        return logSpace != .ample && now.boot >= shortOfRoomSince + Self.handOverTime
    }

    /// Why a command must not be queued at all; nil: it may.
    func diskRefusal(adds: Bool) -> GrowthRefusal? {
        // Nearly always: nobody is short of room.
        guard isAnyoneShortOfRoom else { return nil }
        if adds, majorityIsShortOfRoom { return .disk }
        return members(with: { $0 != .full }) <= memberCount / 2 ? .disk : nil
    }

    /// Whether those that have room are no majority, because of those that have none.
    var majorityIsShortOfRoom: Bool {
        isAnyoneShortOfRoom && members(with: { $0 == .ample }) <= memberCount / 2
    }

    // Loops and not closures over copies of peers: this runs in every turn, and allocates nothing.

    private var isAnyoneShortOfRoom: Bool {
        if logSpace != .ample { return true }
        for at in peers.indices where peers[at].space != .ample {
            if links.index(to: peers[at].id) != nil { return true }
        }
        return false
    }

    /// The number of members, among those that are connected, whose room is as asked for.
    private func members(with isCounted: (LogSpace) -> Bool) -> Int {
        var count = isCounted(logSpace) ? 1 : 0
        for at in peers.indices where isCounted(peers[at].space) {
            if links.index(to: peers[at].id) != nil { count += 1 }
        }
        return count
    }
}

extension TransactionQueue {
    /// Whether one of the queued commands may add data.
    var addsData: Bool {
        tableIDs.contains { CommandTable.all[Int($0)].flags.contains(.denyoom) }
    }
}
