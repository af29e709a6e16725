/// What a snapshot file says of itself in its first bytes; layout in SnapshotFormat.swift.
public struct SnapshotHeader: Hashable, Sendable {
    public var id: SnapshotID
    /// The cluster's 128 random bits: a file of another cluster must never be loaded.
    public var clusterHigh: UInt64
    public var clusterLow: UInt64
    /// Length of every chunk but the last, before compression; 1...`SnapshotLimits.chunkBytesMax`.
    /// To be equal on all replicas, so that they cut their streams alike.
    public var chunkBytes = SnapshotLimits.chunkBytes
    /// The group's members as of the index, as the engine encodes them: a replica must know them before
    /// it makes this its state. Empty if they never changed; at most `SnapshotLimits.membersBytesMax`.
    public var members: [UInt8]

    public init(id: SnapshotID, clusterHigh: UInt64, clusterLow: UInt64, members: [UInt8] = []) {
        self.id = id
        self.clusterHigh = clusterHigh
        self.clusterLow = clusterLow
        self.members = members
    }

    /// Bytes that it takes at the file's beginning.
    var fileBytes: Int { SnapshotFormat.headerBytes + members.count }
}

/// What is known of a whole snapshot file from its header and footer.
public struct SnapshotSummary: Hashable, Sendable {
    public var header: SnapshotHeader
    public var chunks: Int
    /// Length of the stream that the chunks hold.
    public var rawBytes: Int
    /// Length of the file.
    public var fileBytes: Int
    /// A CRC-32C of the stream's chunks: equal for equal streams, however they were compressed. Two
    /// replicas whose snapshots of one id differ in it have diverged.
    public var rawChecksum: UInt32

    public var id: SnapshotID { header.id }

    public init(
        header: SnapshotHeader, chunks: Int, rawBytes: Int, fileBytes: Int, rawChecksum: UInt32
    ) {
        self.header = header
        self.chunks = chunks
        self.rawBytes = rawBytes
        self.fileBytes = fileBytes
        self.rawChecksum = rawChecksum
    }
}
