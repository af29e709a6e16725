internal import Bytes
internal import Raft

/// The small state of a whole log at one point: everything but the entries. The payload of a
/// checkpoint record.
///
///     u32 number of node records, then for each: u32 class, u32 length, bytes
///     u32 number of groups, then for each, ascending:
///         u32 group, u32 vote (0 none), u64 term, u64 index and u64 term before its first entry,
///         u64 last index
///
/// Groups of which nothing is known yet are left out, so that equal states have equal checkpoints.
struct Checkpoint: Equatable {
    struct Group: Equatable {
        var group: GroupID
        var hardState = HardState()
        /// The log begins behind this index; 0 while it was never cut.
        var precedingIndex: LogIndex = 0
        var precedingTerm: Term = 0
        /// `precedingIndex` while there are no entries.
        var last: LogIndex = 0

        static let bytes = 40
        var isBlank: Bool { self == Group(group: group) }
    }

    var nodeRecords: NodeRecords
    /// In order of the groups; none of them blank.
    var groups: [Group]

    func encode() -> ByteBuffer {
        var bytes = ByteBuffer(minimumCapacity: 64 + nodeRecords.bytes + groups.count * Group.bytes)
        bytes.append(littleEndian: UInt32(nodeRecords.all.count))
        for record in nodeRecords.all {
            bytes.append(littleEndian: record.replacing)
            bytes.append(littleEndian: UInt32(record.bytes.count))
            bytes.append(record.bytes)
        }
        bytes.append(littleEndian: UInt32(groups.count))
        for group in groups {
            bytes.append(littleEndian: group.group.raw)
            bytes.append(littleEndian: UInt32(group.hardState.vote))
            bytes.append(littleEndian: group.hardState.term)
            bytes.append(littleEndian: group.precedingIndex)
            bytes.append(littleEndian: group.precedingTerm)
            bytes.append(littleEndian: group.last)
        }
        return bytes
    }

    init(nodeRecords: NodeRecords, groups: [Group]) {
        self.nodeRecords = nodeRecords
        self.groups = groups.filter { !$0.isBlank }
    }

    init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        nodeRecords = NodeRecords()
        for _ in 0..<(try reader.read(UInt32.self)) {
            let replacing = try reader.read(UInt32.self)
            let length = Int(try reader.read(UInt32.self))
            let record = try reader.readBytes(length)
            nodeRecords.add(ByteBuffer(copying: record).copyBytes(), replacing: replacing)
        }
        groups = []
        for _ in 0..<(try reader.read(UInt32.self)) {
            let group = GroupID(try reader.read(UInt32.self))
            let vote = try reader.read(UInt32.self)
            guard let vote = UInt16(exactly: vote) else { throw .invalid("vote out of range") }
            let term = try reader.read(UInt64.self)
            let index = try reader.read(UInt64.self)
            let precedingTerm = try reader.read(UInt64.self)
            let last = try reader.read(UInt64.self)
            guard last >= index else { throw .invalid("a log that ends before it begins") }
            if let before = groups.last {
                guard before.group < group else { throw .invalid("groups out of order") }
            }
            groups.append(
                Group(
                    group: group, hardState: HardState(term: term, vote: vote),
                    precedingIndex: index, precedingTerm: precedingTerm, last: last))
        }
        guard reader.remaining == 0 else { throw .invalid("bytes behind a checkpoint") }
    }
}

/// A group's term and vote.
struct HardState: Equatable {
    var term: Term = 0
    /// 0: none.
    var vote: UInt16 = 0

    /// Whether this one came later: terms only rise, and a vote stands for its term.
    func isNewer(than other: HardState) -> Bool {
        term > other.term || (term == other.term && vote != 0 && other.vote == 0)
    }
}

/// The node's own records that count: of each class the newest, in the order in which they came.
struct NodeRecords: Equatable {
    struct Record: Equatable {
        /// Its class; 0 for a record that nothing replaces.
        var replacing: UInt32
        var bytes: [UInt8]
    }

    private(set) var all: [Record] = []
    private(set) var bytes = 0

    mutating func add(_ record: [UInt8], replacing: UInt32) {
        if replacing != 0 {
            all.removeAll { $0.replacing == replacing }
        }
        all.append(Record(replacing: replacing, bytes: record))
        bytes = all.reduce(0) { $0 + $1.bytes.count }
    }
}
