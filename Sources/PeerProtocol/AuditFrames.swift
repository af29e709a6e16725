public import Bytes

/// What a replica's state came to at an audit entry: group, index of the entry, digest.
public struct AuditDigestFrame: Equatable, Sendable {
    public var group: UInt32
    public var index: UInt64
    public var digest: UInt64

    public init(group: UInt32, index: UInt64, digest: UInt64) {
        self.group = group
        self.index = index
        self.digest = digest
    }

    public func encode(into bytes: inout ByteBuffer) {
        bytes.append(varint: UInt64(group))
        bytes.append(varint: index)
        bytes.append(littleEndian: digest)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let group = UInt32(exactly: try reader.readVarint()) else { throw .invalid("group") }
        self.group = group
        index = try reader.readVarint()
        digest = try reader.read()
    }
}
