public import Bytes

/// What a node knows of the cluster it belongs to.
public enum Membership: UInt8, Sendable {
    /// The directory holds nothing: never voted, never acknowledged anything.
    case empty = 0
    /// Takes part in the first vote; has not seen genesis yet.
    case bootstrapping = 1
    /// Has genesis.
    case bound = 2
    /// The directory is empty but the cluster exists: takes part in nothing.
    case mute = 3
}

/// The random identity that a directory gets when it is made. A node whose directory was lost comes
/// back with another one, and is recognised by it.
public struct Incarnation: Hashable, Sendable {
    public let raw: UInt64
    public init(_ raw: UInt64) { self.raw = raw }
}

/// One member as a bootstrapping node saw it: its id and the identity of its empty directory.
public struct Admitted: Equatable, Sendable {
    public var node: UInt16
    public var incarnation: Incarnation

    public init(node: UInt16, incarnation: Incarnation) {
        self.node = node
        self.incarnation = incarnation
    }
}

/// A node's process that may lack entries that the node has acknowledged.
public struct Gap: Equatable, Sendable {
    public var node: UInt16
    public var boot: UInt64

    public init(node: UInt16, boot: UInt64) {
        self.node = node
        self.boot = boot
    }
}

/// The first frame on a link, in both directions; sent again when `mayLackEntries`, `knownGaps` or
/// `logSpace` has changed.
public struct Hello: Equatable, Sendable {
    /// The versions of the peer protocol and of the log's entries that this program speaks. The newest one
    /// that all members speak is the cluster's (`ClusterMap.clusterVersion`), and rises when the last one is
    /// upgraded; nobody says or logs anything that is newer than that. So nodes are upgraded one after the
    /// other, and a program goes back only until then. This frame itself is the same in all versions, but for
    /// fields that newer ones append.
    public static let versions: ClosedRange<UInt32> = 1...1
    /// How many starts of its node a hello tells besides its own.
    public static let earlierStartsMax = 64

    /// The newest version that the sender speaks, and the oldest.
    public var version: UInt32
    public var oldestVersion: UInt32
    public var name: String
    public var node: UInt16
    public var incarnation: Incarnation
    /// Starts of the process on this directory, counted from 1.
    public var boot: UInt64
    public var membership: Membership
    /// The cluster's id; zero without genesis.
    public var cluster0: UInt64
    public var cluster1: UInt64
    /// Where clients reach the node.
    public var clientHost: String
    public var clientPort: UInt16
    /// `appendfsync`, one for the whole cluster: 0 always, 1 everysec, 2 no.
    public var syncMode: UInt8
    /// The node's machine went down without a clean stop while syncs were relaxed: it may lack
    /// entries that it has acknowledged, and does not vote until it has caught up.
    public var mayLackEntries: Bool
    /// While `mayLackEntries`: the peers that have said the same of themselves. Later: those that did,
    /// the sender among them, when it gave up waiting for the others, who were no majority.
    public var knownGaps: [Gap]
    /// While bootstrapping: the identities of all members' empty directories.
    public var admitted: [Admitted]
    /// How short of room the log's disk is: 0 not, 1 growth is refused, 2 the log cannot go on.
    public var logSpace: UInt8
    /// Random, of this process: two processes of one directory that call themselves the same start were
    /// started on two copies of it.
    public var process: UInt64
    /// The processes of the starts before this one, newest first: of `boot - 1`, `boot - 2` and so on; at most
    /// `earlierStartsMax`, and fewer than `boot`. They are what a copy of the directory does not know that was
    /// made before one of them. Empty of a program that does not tell them, and of the first start of one
    /// that does.
    public var earlierProcesses: [UInt64]

    public init(
        name: String, node: UInt16, incarnation: Incarnation, boot: UInt64, membership: Membership,
        cluster0: UInt64, cluster1: UInt64, clientHost: String, clientPort: UInt16,
        syncMode: UInt8 = 0, mayLackEntries: Bool = false, knownGaps: [Gap] = [],
        admitted: [Admitted], logSpace: UInt8 = 0, process: UInt64 = 0,
        earlierProcesses: [UInt64] = [], versions: ClosedRange<UInt32> = Hello.versions
    ) {
        self.earlierProcesses = earlierProcesses
        self.process = process
        self.logSpace = logSpace
        version = versions.upperBound
        oldestVersion = versions.lowerBound
        self.syncMode = syncMode
        self.mayLackEntries = mayLackEntries
        self.knownGaps = knownGaps
        self.name = name
        self.node = node
        self.incarnation = incarnation
        self.boot = boot
        self.membership = membership
        self.cluster0 = cluster0
        self.cluster1 = cluster1
        self.clientHost = clientHost
        self.clientPort = clientPort
        self.admitted = admitted
    }

    /// The process that says this, as a gap.
    public var gap: Gap { Gap(node: node, boot: boot) }

    /// The process of one of the node's starts; nil when that is not told.
    public func process(ofStart number: UInt64) -> UInt64? {
        guard number < boot else { return number == boot ? process : nil }
        let back = boot - number - 1
        return back < UInt64(earlierProcesses.count) ? earlierProcesses[Int(back)] : nil
    }

    /// The members that may have lost entries for good, as far as the sender found that out.
    public var gaveUpWith: [Gap] { mayLackEntries ? [] : knownGaps }

    /// Appends the body of a hello frame.
    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(littleEndian: version)
        bytes.append(littleEndian: node)
        bytes.append(littleEndian: incarnation.raw)
        bytes.append(littleEndian: boot)
        bytes.append(membership.rawValue)
        bytes.append(littleEndian: cluster0)
        bytes.append(littleEndian: cluster1)
        bytes.append(lengthPrefixed: Array(name.utf8).span)
        bytes.append(lengthPrefixed: Array(clientHost.utf8).span)
        bytes.append(littleEndian: clientPort)
        bytes.append(syncMode)
        bytes.append(UInt8(mayLackEntries ? 1 : 0))
        bytes.append(varint: UInt64(knownGaps.count))
        for gap in knownGaps {
            bytes.append(littleEndian: gap.node)
            bytes.append(littleEndian: gap.boot)
        }
        bytes.append(varint: UInt64(admitted.count))
        for one in admitted {
            bytes.append(littleEndian: one.node)
            bytes.append(littleEndian: one.incarnation.raw)
        }
        bytes.append(logSpace)
        bytes.append(littleEndian: process)
        bytes.append(littleEndian: oldestVersion)
        bytes.append(varint: UInt64(earlierProcesses.count))
        for earlier in earlierProcesses { bytes.append(littleEndian: earlier) }
    }

    /// Reads the body of a hello frame. What a newer version has appended is not looked at.
    public init(decoding body: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(body)
        self.init(
            name: "", node: 0, incarnation: Incarnation(0), boot: 0, membership: .empty,
            cluster0: 0, cluster1: 0, clientHost: "", clientPort: 0, admitted: [])
        version = try reader.read()
        node = try reader.read()
        incarnation = Incarnation(try reader.read())
        boot = try reader.read()
        guard let membership = Membership(rawValue: try reader.read()) else {
            throw .invalid("membership")
        }
        self.membership = membership
        cluster0 = try reader.read()
        cluster1 = try reader.read()
        name = try Hello.text(reader.readLengthPrefixed())
        clientHost = try Hello.text(reader.readLengthPrefixed())
        clientPort = try reader.read()
        syncMode = try reader.read()
        mayLackEntries = try reader.read(UInt8.self) == 1
        let gaps = try reader.readCount()
        guard gaps <= Int(UInt16.max) else { throw .invalid("gaps") }
        for _ in 0..<gaps {
            let node: UInt16 = try reader.read()
            knownGaps.append(Gap(node: node, boot: try reader.read()))
        }
        let count = try reader.readCount()
        guard count <= Int(UInt16.max) else { throw .invalid("admitted") }
        for _ in 0..<count {
            let node: UInt16 = try reader.read()
            let raw: UInt64 = try reader.read()
            admitted.append(Admitted(node: node, incarnation: Incarnation(raw)))
        }
        logSpace = try reader.read()
        process = try reader.read()
        oldestVersion = try reader.read()
        guard oldestVersion > 0, oldestVersion <= version else { throw .invalid("versions") }
        // These came later than the frame.
        guard reader.remaining > 0 else { return }
        let starts = try reader.readCount()
        guard starts <= Hello.earlierStartsMax, starts == 0 || UInt64(starts) < boot else {
            throw .invalid("earlier starts")
        }
        for _ in 0..<starts { earlierProcesses.append(try reader.read()) }
    }

    private static func text(_ bytes: Span<UInt8>) throws(DecodeError) -> String {
        guard bytes.count <= PeerLimits.nameBytesMax else { throw .invalid("name") }
        var array: [UInt8] = []
        for index in bytes.indices { array.append(bytes[index]) }
        return String(decoding: array, as: UTF8.self)
    }
}
