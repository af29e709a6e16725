internal import Bytes
internal import PeerProtocol
internal import WAL

/// What a node writes into its own log about itself, outside of any group.
///
/// - `identity`: the first record of a directory: which node it belongs to, and the random number
///   by which a lost directory is recognised.
/// - `boot`: one per start of the process; names the origin of commands. Holds `appendfsync` and the
///   machine's own boot, so that a later start knows whether unsynced entries can have been lost; and
///   whether they were before this start. Written again when the node has caught up. It and `stopped` name
///   the processes of the newest starts, this one's first: a peer knows by them a copy that was made earlier.
/// - `stopped`: that process ended cleanly, everything synced. Takes the place of its `boot`. Not
///   written by a node that may lack entries: it would be forgotten.
/// - `promised`: the longest promise, in milliseconds, that this node may have given and that may still
///   run: an earlier `election-timeout` may have been longer than that of the next start.
/// - `bootstrap`: the node takes part in the first vote, together with exactly these directories.
/// - `bound`: genesis is applied; holds the cluster map.
/// - `distrusted`: the log was cut at damage; in these groups it may lack entries that this node has
///   acknowledged. Written again whenever a group has them back; empty at the end.
/// - `members`: a group's members as of where its log begins, once they have changed: what a replica goes
///   by that finds no snapshot.
/// - `expelled`: this directory's node is no member of its cluster any more, and why.
/// - `seen`: the newest start of each peer: a directory that was rolled back to an older copy does not know it.
/// - `lineage`: the clusters that this one was made of by `skein recover`, oldest first.
enum NodeRecord: Equatable {
    case identity(name: String, incarnation: Incarnation)
    case boot(
        UInt64, syncMode: UInt8, machine: UInt64, mayLackEntries: Bool, processes: [UInt64])
    case stopped(UInt64, processes: [UInt64])
    case promised(UInt32)
    case bootstrap([Admitted])
    case bound([UInt8])
    case distrusted([UInt32])
    case lineage([Lineage])
    case members(group: UInt32, [UInt8])
    case expelled(Expulsion)
    case seen([SeenStart])

    private static let version: UInt8 = 1

    /// Of the records of one class only the newest counts.
    private var replacing: UInt32 {
        switch self {
        case .identity: 1
        case .boot, .stopped: 2
        case .promised: 16
        case .bootstrap: 3
        case .bound: 4
        case .distrusted: 5
        case .lineage: 7
        case .expelled: 8
        case .seen: 9
        case .members(let group, _): 1024 + group
        }
    }

    /// Adds the record to the log.
    func write(to wal: inout WALWriter) {
        let bytes = encode()
        wal.identity(bytes.readable, replacing: replacing)
    }

    func encode() -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.append(Self.version)
        switch self {
        case .identity(let name, let incarnation):
            bytes.append(UInt8(1))
            bytes.append(littleEndian: incarnation.raw)
            bytes.append(lengthPrefixed: Array(name.utf8).span)
        case .boot(let count, let syncMode, let machine, let mayLackEntries, let processes):
            bytes.append(UInt8(2))
            bytes.append(littleEndian: count)
            bytes.append(syncMode)
            bytes.append(littleEndian: machine)
            bytes.append(UInt8(mayLackEntries ? 1 : 0))
            Self.append(processes, to: &bytes)
        case .stopped(let count, let processes):
            bytes.append(UInt8(5))
            bytes.append(littleEndian: count)
            Self.append(processes, to: &bytes)
        case .promised(let milliseconds):
            bytes.append(UInt8(16))
            bytes.append(littleEndian: milliseconds)
        case .bootstrap(let admitted):
            bytes.append(UInt8(3))
            bytes.append(varint: UInt64(admitted.count))
            for one in admitted {
                bytes.append(littleEndian: one.node)
                bytes.append(littleEndian: one.incarnation.raw)
            }
        case .bound(let map):
            bytes.append(UInt8(4))
            bytes.append(map)
        case .distrusted(let groups):
            bytes.append(UInt8(6))
            bytes.append(varint: UInt64(groups.count))
            for group in groups { bytes.append(littleEndian: group) }
        case .lineage(let clusters):
            bytes.append(UInt8(7))
            bytes.append(varint: UInt64(clusters.count))
            for cluster in clusters {
                bytes.append(littleEndian: cluster.high)
                bytes.append(littleEndian: cluster.low)
            }
        case .members(let group, let members):
            bytes.append(UInt8(8))
            bytes.append(littleEndian: group)
            bytes.append(members)
        case .expelled(let reason):
            bytes.append(UInt8(9))
            bytes.append(reason.rawValue)
        case .seen(let starts):
            bytes.append(UInt8(10))
            bytes.append(varint: UInt64(starts.count))
            for start in starts {
                bytes.append(littleEndian: start.node)
                bytes.append(littleEndian: start.boot)
                bytes.append(littleEndian: start.process)
            }
        }
        return bytes
    }

    init(decoding bytes: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard try reader.read(UInt8.self) == Self.version else {
            throw .invalid("node record version")
        }
        switch try reader.read(UInt8.self) {
        case 1:
            let incarnation = Incarnation(try reader.read())
            let name = try reader.readLengthPrefixed()
            self = .identity(
                name: String(decoding: name.copied, as: UTF8.self), incarnation: incarnation)
        case 2:
            let count: UInt64 = try reader.read()
            let syncMode: UInt8 = try reader.read()
            let machine: UInt64 = try reader.read()
            // The flag came later than the record.
            let mayLackEntries = reader.remaining > 0 ? try reader.read(UInt8.self) == 1 : false
            self = .boot(
                count, syncMode: syncMode, machine: machine, mayLackEntries: mayLackEntries,
                processes: try Self.processes(from: &reader, upTo: count))
        case 3:
            var admitted: [Admitted] = []
            for _ in 0..<(try reader.readCount()) {
                let node: UInt16 = try reader.read()
                admitted.append(Admitted(node: node, incarnation: Incarnation(try reader.read())))
            }
            self = .bootstrap(admitted)
        case 4:
            let rest = reader.remaining
            self = .bound(try reader.readBytes(rest).copied)
        case 5:
            let count: UInt64 = try reader.read()
            self = .stopped(count, processes: try Self.processes(from: &reader, upTo: count))
        case 16:
            self = .promised(try reader.read())
        case 6:
            var groups: [UInt32] = []
            for _ in 0..<(try reader.readCount()) { groups.append(try reader.read()) }
            self = .distrusted(groups)
        case 7:
            var clusters: [Lineage] = []
            for _ in 0..<(try reader.readCount()) {
                clusters.append(Lineage(high: try reader.read(), low: try reader.read()))
            }
            self = .lineage(clusters)
        case 8:
            let group: UInt32 = try reader.read()
            let rest = reader.remaining
            self = .members(group: group, try reader.readBytes(rest).copied)
        case 9:
            guard let reason = Expulsion(rawValue: try reader.read()) else {
                throw .invalid("expulsion")
            }
            self = .expelled(reason)
        case 10:
            var starts: [SeenStart] = []
            for _ in 0..<(try reader.readCount()) {
                starts.append(
                    SeenStart(
                        node: try reader.read(), boot: try reader.read(),
                        process: try reader.read()))
            }
            self = .seen(starts)
        default:
            throw .invalid("node record kind")
        }
    }

    private static func append(_ processes: [UInt64], to bytes: inout ByteBuffer) {
        bytes.append(varint: UInt64(processes.count))
        for process in processes { bytes.append(littleEndian: process) }
    }

    /// They came later than the records that hold them, and older programs write those without them: then
    /// nothing is known of the starts before.
    private static func processes(
        from reader: inout ByteReader, upTo boot: UInt64
    ) throws(DecodeError) -> [UInt64] {
        guard reader.remaining > 0 else { return [] }
        let count = try reader.readCount()
        guard count <= Hello.earlierStartsMax, UInt64(count) <= boot else {
            throw .invalid("processes of a start")
        }
        var processes: [UInt64] = []
        for _ in 0..<count { processes.append(try reader.read()) }
        return processes
    }
}

/// The id of a cluster that lived on in another one.
struct Lineage: Equatable {
    var high: UInt64
    var low: UInt64
}

extension Span<UInt8> {
    /// A copy, for cold paths.
    var copied: [UInt8] {
        unsafe withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }

    /// The bytes as text, for cold paths.
    var text: String { String(decoding: copied, as: UTF8.self) }
}
