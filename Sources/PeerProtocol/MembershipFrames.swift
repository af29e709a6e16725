public import Bytes

/// Why a directory's node is no member of its cluster any more, for ever. The number is on disk.
public enum Expulsion: UInt8, Sendable {
    /// It was removed (CLUSTER FORGET), or another node took its place.
    case removed = 1
    /// The directory is an older copy of what it was: it has forgotten promises.
    case rolledBack = 2
}

/// Body of a `farewell` frame: `u8 reason | u64 u64 cluster id`. Ends the link.
public struct Farewell: Equatable, Sendable {
    public var reason: Expulsion
    public var cluster0: UInt64
    public var cluster1: UInt64

    public init(reason: Expulsion, cluster0: UInt64, cluster1: UInt64) {
        self.reason = reason
        self.cluster0 = cluster0
        self.cluster1 = cluster1
    }

    /// Appends the body.
    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(reason.rawValue)
        bytes.append(littleEndian: cluster0)
        bytes.append(littleEndian: cluster1)
    }

    /// Reads a body.
    public init(decoding body: Span<UInt8>) throws(DecodeError) {
        var reader = ByteReader(body)
        guard let reason = Expulsion(rawValue: try reader.read()) else {
            throw .invalid("farewell")
        }
        self.reason = reason
        cluster0 = try reader.read()
        cluster1 = try reader.read()
        guard reader.remaining == 0 else { throw .invalid("length of a farewell") }
    }
}

/// What follows the group in a `request` frame: `u8 kind | body`. The sender repeats it until it sees that
/// it is done, so it may be lost; a receiver that does not lead the group ignores it.
public enum OperatorRequest: UInt8, Sendable {
    /// A change of the cluster's nodes (`Cluster.NodeChange`); the group is the system group.
    case changeNodes = 1
    /// `u16 node`: the leadership is to go to it.
    case transfer = 2
}
