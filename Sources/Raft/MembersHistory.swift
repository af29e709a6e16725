internal import Bytes

/// The members of a group along its log: those in force where the log begins, and what its entries made
/// of them. A few elements: an entry each, between two compactions.
///
/// Invariant: `since` ascends strictly from `base` on.
struct MembersHistory: Sendable {
    /// In force at the log's start, or at the snapshot that a restart found.
    private(set) var base: GroupMembers
    private(set) var changes: [GroupMembers] = []

    init(base: GroupMembers) { self.base = base }

    /// In force at the log's end.
    var newest: GroupMembers { changes.last ?? base }

    /// In force at entry `index`, which must not lie before the log's start.
    func asOf(_ index: LogIndex) -> GroupMembers {
        changes.last { $0.since <= index } ?? base
    }

    /// The newest that fulfil `condition`, or else those at the log's start.
    func newest(where condition: (GroupMembers) -> Bool) -> GroupMembers {
        changes.last(where: condition) ?? base
    }

    /// Whether any of those in force from `index` on fulfil `condition`.
    func contains(from index: LogIndex, where condition: (GroupMembers) -> Bool) -> Bool {
        if changes.contains(where: { $0.since > index && condition($0) }) { return true }
        return condition(asOf(index))
    }

    /// Everybody who is a member from `index` on, by any of those in force; not sorted.
    func nodes(from index: LogIndex) -> [NodeID] {
        changes.filter { $0.since > index }.reduce(asOf(index).all) { $0 + $1.all }
    }

    mutating func append(_ members: GroupMembers) {
        invariant(members.since > newest.since, "members out of order")
        changes.append(members)
    }

    /// Entry `index` and all behind it are cut off.
    mutating func truncate(from index: LogIndex) {
        while let last = changes.last, last.since >= index { changes.removeLast() }
    }

    /// The log begins behind `index`. `members`: those as of `index`, if a snapshot told.
    mutating func compact(upTo index: LogIndex, members: GroupMembers? = nil) {
        base = members ?? asOf(index)
        changes.removeAll { $0.since <= index }
    }

    func checkInvariants() {
        var previous = base.since
        for members in changes {
            invariant(members.since > previous, "members out of order")
            invariant(!members.isUnknown, "a change to nobody")
            previous = members.since
        }
    }
}
