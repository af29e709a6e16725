/// What is wrong with the bytes of a snapshot file, and where. Such a file must not be used.
public struct SnapshotDamage: Error, Equatable, Sendable {
    public enum Part: Equatable, Sendable {
        /// The file's header: which field.
        case header(Field)
        /// A whole header of a format that this build does not read.
        case otherVersion(UInt32)
        /// A whole header of another snapshot than the file's name says.
        case otherSnapshot(SnapshotID)
        /// The chunk of this number: which field.
        case chunk(Int, Field)
        case footer(Field)
        /// The file ends before its footer.
        case truncated
        /// Something lies behind the footer.
        case trailingBytes
    }

    /// The name of a field: a literal that can be compared.
    public struct Field: Equatable, Sendable, ExpressibleByStringLiteral {
        public let name: StaticString
        public init(stringLiteral name: StaticString) { self.name = name }
        public static func == (left: Self, right: Self) -> Bool {
            left.name.description == right.name.description
        }
    }

    /// Where the damaged part begins in the file.
    public var offset: Int
    public var part: Part

    init(at offset: Int, _ part: Part) {
        self.offset = offset
        self.part = part
    }
}

extension SnapshotDamage: CustomStringConvertible {
    /// `at offset 4711: chunk 3 (checksum)`
    public var description: String {
        let what =
            switch part {
            case .header(let field): "the header (\(field.name))"
            case .otherVersion(let version):
                "format version \(version); this build reads version \(SnapshotFormat.version)"
            case .otherSnapshot(let id): "the header of another snapshot, \(id)"
            case .chunk(let number, let field): "chunk \(number) (\(field.name))"
            case .footer(let field): "the footer (\(field.name))"
            case .truncated: "the file ends too early"
            case .trailingBytes: "bytes behind the footer"
            }
        return "at offset \(offset): \(what)"
    }
}
