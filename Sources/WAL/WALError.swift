/// Why a log cannot be used. The node does not start with such a log (or stops, when an old entry
/// is read); nothing here is retried.
public enum WALError: Error, Equatable, Sendable {
    /// What is damaged in the file.
    public enum Part: Equatable, Sendable {
        case segmentHeader
        /// The batch with this number, which was durable once.
        case batch(UInt64)
        /// A record inside a batch whose checksums hold: written wrongly, or by a newer version.
        case record(in: UInt64, StaticText)
        /// An entry that was read from the log long after it was written.
        case entry
    }

    /// Bytes at `position` that were durable are not what was written.
    case damaged(WALPosition, Part)
    /// A segment between others, or the oldest one, is not there.
    case missingSegment(UInt64)
    /// A whole segment that belongs elsewhere: another log, or another number than its name says.
    case foreignSegment(UInt64, reason: StaticText)
    /// A segment of a format version that this build does not know.
    case unknownVersion(segment: UInt64, UInt32)
    /// The operating system cannot read the file; `errno` says why.
    case unreadable(WALPosition, errno: Int32)

    /// Whether bytes are not there or not what was written, as a disk does it; not a log that was
    /// written wrongly.
    var isOfDisk: Bool {
        switch self {
        case .damaged(_, .segmentHeader), .damaged(_, .batch), .unreadable: true
        default: false
        }
    }

    /// Whether other copies can stand in for what is lost. Not so where the operator can help better:
    /// files of another log or version, a file that may not be read.
    public var canBeRepaired: Bool {
        switch self {
        case .missingSegment: true
        // EIO: the disk's own word that the bytes are lost.
        case .unreadable(_, let errno): errno == 5
        default: isOfDisk
        }
    }

    /// A literal that can be compared.
    public struct StaticText: Equatable, Sendable, ExpressibleByStringLiteral {
        public var text: StaticString
        public init(stringLiteral text: StaticString) { self.text = text }
        public static func == (left: Self, right: Self) -> Bool {
            left.text.description == right.text.description
        }
    }
}

/// The file name of a segment.
public func segmentFileName(_ segment: UInt64) -> String {
    let digits = String(segment, radix: 16)
    return "wal-" + String(repeating: "0", count: 16 - digits.count) + digits + ".log"
}

/// The segment that a file of this name holds; nil for other files.
public func segmentNumber(ofFile name: String) -> UInt64? {
    guard name.hasPrefix("wal-"), name.hasSuffix(".log"), name.utf8.count == 24,
        let number = UInt64(name.dropFirst(4).dropLast(4), radix: 16), number > 0,
        segmentFileName(number) == name
    else { return nil }
    return number
}

extension WALError: CustomStringConvertible {
    /// What is wrong, where, and what to do, in one line.
    public var description: String {
        switch self {
        case .damaged(let position, let part):
            "\(segmentFileName(position.segment)) is damaged at offset \(position.offset): "
                + "\(part.description). This was acknowledged as durable, so the log is not cut. "
                + Self.replace
        case .missingSegment(let segment):
            "\(segmentFileName(segment)) is missing although the log needs it. Put the file "
                + "back if it was moved away. " + Self.replace
        case .foreignSegment(let segment, let reason):
            "\(segmentFileName(segment)) does not belong here: \(reason.text). Put the right file "
                + "back and move this one away. " + Self.replace
        case .unknownVersion(let segment, let version):
            "\(segmentFileName(segment)) has format version \(version); this build reads version "
                + "\(SegmentHeader.version). Start the version of the server that wrote it."
        case .unreadable(let position, let errno):
            "\(segmentFileName(position.segment)) cannot be read at offset \(position.offset) "
                + "(errno \(errno)). Check the disk and the file's permissions."
        }
    }

    private static let replace =
        "A node with peers is repaired from them, or replaced: started with an empty directory under "
        + "a new identity. A node alone needs a copy of its directory from when it was stopped and "
        + "whole, and loses what came after. Never restore an older copy to a node with peers: a "
        + "node that forgets its votes can lose acknowledged writes."
}

extension WALError.Part {
    var description: String {
        switch self {
        case .segmentHeader: "the segment's header"
        case .batch(let number): "batch \(number)"
        case .record(let number, let what): "a record in batch \(number) (\(what.text))"
        case .entry: "a log entry"
        }
    }
}
