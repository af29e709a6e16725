public import Bytes

/// Who a group consists of, as of one entry of its log. The entry kind `membership` carries it; it is in
/// force from the moment that entry is in a log, committed or not, and no longer when the entry is cut
/// off (paper, section 6).
///
/// A change of voters goes through four of them, each waiting for the commit of the one before:
///
///     settled --staging--> wish --joint--> joint --settled--> settled
///                            |
///                            +---givenUp--> settled
///
/// - *Staging*: who is to become a voter joins as a learner, and the entry says what is wished for
///   (`wish`), so that a next leader goes on with it. Quorums are as before.
/// - *Joint*: everything needs a majority of the old voters (`outgoing`) and one of the new (`voters`).
/// - *Settled*: nothing is under way; `voters` alone decide.
///
/// Any two that stand next to each other in a log have a set of voters in common whose majority both
/// need. A change of learners only is one step, since learners count nowhere.
///
/// Considered and left: single-server changes (one more way to be wrong: Ongaro, raft-dev 2015), and a
/// configuration in force when it is applied (S11 b).
public struct GroupMembers: Equatable, Sendable {
    /// The voters; while joint, the new ones. Ascending, as are all lists here.
    public private(set) var voters: [NodeID]
    /// The old voters while joint; empty otherwise.
    public private(set) var outgoing: [NodeID]
    /// Who gets entries and snapshots, and counts nowhere. While joint an old voter may be among them: it
    /// is a voter until the change is over.
    public private(set) var learners: [NodeID]
    /// What is to come when the new voters among the learners have caught up; nil unless staging.
    public private(set) var wish: Wish?
    /// The entry that made these the members; 0 for those that the group began with.
    public internal(set) var since: LogIndex = 0

    /// The members that a change is to end with, and the learners that its failure leaves.
    public struct Wish: Equatable, Sendable {
        public let voters: [NodeID]
        public let learners: [NodeID]
        let learnersBefore: [NodeID]
    }

    /// Settled members. Nobody at all: a replica that does not know its group's members yet.
    public init(voters: [NodeID], learners: [NodeID] = []) {
        self.voters = Self.set(voters)
        self.learners = Self.set(learners).filter { !voters.contains($0) }
        outgoing = []
    }

    /// The only member of a group that goes on without the others: the entry at `index` says so.
    public static func alone(_ node: NodeID, since index: LogIndex) -> GroupMembers {
        var members = GroupMembers(voters: [node])
        members.since = index
        return members
    }

    /// Whether nobody is known.
    public var isUnknown: Bool { voters.isEmpty }
    /// Whether two sets of voters decide together.
    public var isJoint: Bool { !outgoing.isEmpty }
    /// Whether a change is under way.
    public var isChanging: Bool { isJoint || wish != nil }

    /// Everybody, ascending.
    public var all: [NodeID] { Self.set(voters + outgoing + learners) }

    public func isVoter(_ node: NodeID) -> Bool {
        voters.contains(node) || outgoing.contains(node)
    }

    public func contains(_ node: NodeID) -> Bool { isVoter(node) || learners.contains(node) }

    /// The majorities that `node` counts in.
    func halves(of node: NodeID) -> Halves {
        var halves: Halves = []
        if voters.contains(node) { halves.insert(.voters) }
        if outgoing.contains(node) { halves.insert(.outgoing) }
        return halves
    }

    /// Whether `node` makes every majority by itself.
    func isAlone(_ node: NodeID) -> Bool {
        voters == [node] && (outgoing.isEmpty || outgoing == [node])
    }

    // MARK: Steps of a change

    /// The new voters join as learners, the new learners as such.
    func staging(voters wished: [NodeID], learners wishedLearners: [NodeID]) -> GroupMembers {
        invariant(!isChanging, "one change at a time")
        let target = GroupMembers(voters: wished, learners: wishedLearners)
        var next = GroupMembers(
            voters: voters, learners: learners + target.voters + target.learners)
        next.wish = Wish(
            voters: target.voters, learners: target.learners, learnersBefore: learners)
        return next
    }

    /// Old and new voters decide together.
    func joint(voters wished: [NodeID], learners wishedLearners: [NodeID]) -> GroupMembers {
        invariant(!isJoint, "one change at a time")
        var next = GroupMembers(voters: wished, learners: wishedLearners)
        next.outgoing = voters
        return next
    }

    /// The change is over: the new voters decide alone.
    func settled() -> GroupMembers {
        invariant(isJoint, "nothing to settle")
        return GroupMembers(voters: voters, learners: learners)
    }

    /// The change is given up: everything is as it was before.
    func givenUp() -> GroupMembers {
        guard let wish else { invariantFailed("nothing to give up") }
        return GroupMembers(voters: voters, learners: wish.learnersBefore)
    }

    private static func set(_ nodes: [NodeID]) -> [NodeID] {
        var set: [NodeID] = []
        for node in nodes.sorted() where set.last != node { set.append(node) }
        return set
    }
}

/// The sets of voters that a member belongs to.
struct Halves: OptionSet, Sendable {
    let rawValue: UInt8
    static let voters = Halves(rawValue: 1)
    static let outgoing = Halves(rawValue: 2)
}

// u8 version | u8 flags, 1: a wish | u64 since | lists: voters, outgoing, learners, and with a wish its
// voters, its learners, the learners before. A list is u8 count | u16 each, ascending.

extension GroupMembers {
    /// The version of the encoding.
    static let formatVersion: UInt8 = 1

    /// Appends the encoding: the payload of an entry, and what a snapshot is to hold of its members.
    public func encode(into buffer: inout ByteBuffer) {
        buffer.append(Self.formatVersion)
        buffer.append(wish == nil ? UInt8(0) : 1)
        buffer.append(littleEndian: since)
        var lists = [voters, outgoing, learners]
        if let wish { lists += [wish.voters, wish.learners, wish.learnersBefore] }
        for list in lists {
            buffer.append(UInt8(list.count))
            for node in list { buffer.append(littleEndian: node.raw) }
        }
    }

    /// The encoding, for cold paths.
    public var encoded: [UInt8] {
        var buffer = ByteBuffer()
        encode(into: &buffer)
        return buffer.copyBytes()
    }

    /// Decodes members that fill `bytes` exactly.
    ///
    /// - Throws: `.truncated`, or `.invalid` for members that no change leads to.
    public init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self) == Self.formatVersion else {
            throw .invalid("members version")
        }
        let flags = try reader.read(UInt8.self)
        guard flags <= 1 else { throw .invalid("members flags") }
        since = try reader.read()
        voters = try Self.list(&reader)
        outgoing = try Self.list(&reader)
        learners = try Self.list(&reader)
        if flags == 1 {
            wish = Wish(
                voters: try Self.list(&reader), learners: try Self.list(&reader),
                learnersBefore: try Self.list(&reader))
        }
        guard reader.remaining == 0 else { throw .invalid("members length") }
        guard !voters.isEmpty, wish == nil || outgoing.isEmpty && wish?.voters.isEmpty == false
        else { throw .invalid("members without voters") }
        for learner in learners where voters.contains(learner) {
            throw .invalid("a voter that learns")
        }
    }

    private static func list(_ reader: inout ByteReader) throws(DecodeError) -> [NodeID] {
        let count = try reader.read(UInt8.self)
        guard Int(count) <= Limits.membersMax * 3 else { throw .invalid("members count") }
        var nodes: [NodeID] = []
        for _ in 0..<count {
            let node = NodeID(try reader.read())
            guard node > nodes.last ?? NodeID(0) else { throw .invalid("members order") }
            nodes.append(node)
        }
        return nodes
    }
}
