/// An image: a keyspace as bytes. `ImageWriter` makes it, `KeyspaceLoader` reads it.
///
///     image   = header key* end
///     header  = "SKEINIMG" version:2 logTime:8 limits:varint x 5 keyCount:varint
///     key     = [0x1f database:varint] tag:1 [expiry:8] keyBytes:string value
///     end     = 0x00 keyCount:varint checksum:4
///     string  = length:varint bytes
///
/// Integers are little-endian, varints LEB128. The limits are those of `EncodingLimits`, in the order
/// in which they are declared. A tag is a `ImageTag`, 0x80 added when the key has an expiry and 0x40
/// for a string that was changed in place. Keys stand in content order: database, slot, SipHash under
/// the cluster's seed, key bytes; 0x1f names the database of the keys behind it, 0 at first. The
/// checksum is CRC-32C over all bytes before it.
///
/// Values:
///
///     integer         number:8
///     bytes           string
///     list            count:varint string x count
///     hash, hashPack  count:varint (field:string value:string) x count; a pack's in its order
///     set             count:varint string x count
///     intset          count:varint number:8 x count, ascending
///     sortedSet, sortedSetPack
///                     count:varint (score bits:8 member:string) x count, ascending
///
/// Invariant: the bytes are a function of content: of keys, values, encodings, expiries, log time and
/// limits. Equal keyspaces have equal images, however they came about and in whatever slices the
/// image was written.
///
/// The writer's copy of the whole keyspace never exists: see `ImageState`. Checksums of parts,
/// compression and files are the business of whoever stores the image.
enum ImageFormat {
    static let magic: StaticString = "SKEINIMG"
    static let version: UInt16 = 1

    static let end: UInt8 = 0x00
    static let database: UInt8 = 0x1f
    static let expiryFlag: UInt8 = 0x80
    static let rawFlag: UInt8 = 0x40
    static let tagMask: UInt8 = 0x3f

    /// No key and no element is longer; a greater length in an image is damage.
    static let stringBytesMax = 1 << 32 - 1
}

/// The forms of values in an image. Their encodings are state, so that OBJECT ENCODING agrees.
enum ImageTag: UInt8 {
    case integer = 1
    case bytes
    case list
    case hashPack
    case hash
    case intset
    case set
    case sortedSetPack
    case sortedSet
}

/// Why bytes are no image. Never a sign of a programmer's error: whoever gets it drops the keyspace
/// that was being filled, and takes another image.
public enum ImageError: Error, Equatable, Sendable {
    /// These bytes do not begin like an image.
    case notAnImage
    /// The image is of a format that this build does not know.
    case unknownVersion(UInt16)
    /// A field holds what no image holds; the text names it.
    case damaged(field: String)
    /// Everything could be read, but the checksum differs.
    case checksum
    /// Bytes behind the end.
    case trailingBytes
}
