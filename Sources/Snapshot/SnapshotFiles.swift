public import Bytes

/// The files of a data directory as `SnapshotExecutor` needs them: the server's directory, or the
/// simulator's disk.
///
/// Names are plain names in the directory. What a call has done is durable only after `sync` (a
/// file's bytes) and `syncNames` (what was created, renamed and removed).
public protocol SnapshotFiles: ~Copyable {
    /// All names, in no order.
    func names() throws(SnapshotFileError) -> [String]
    /// Makes an empty file, in place of one of that name, open for writing at its end.
    ///
    /// - Parameter isReadSoon: whether its bytes are worth a place in the cache.
    mutating func create(_ name: String, isReadSoon: Bool) throws(SnapshotFileError)
        -> SnapshotFileHandle
    /// Opens a file for reading; it stays readable when its name is given away or removed.
    mutating func open(_ name: String) throws(SnapshotFileError) -> SnapshotFileHandle
    /// Forgets a handle, of either kind. Bytes written and not synced may be lost in a crash.
    mutating func close(_ file: SnapshotFileHandle)
    /// Bytes in the file.
    func size(_ file: SnapshotFileHandle) throws(SnapshotFileError) -> Int
    /// Appends bytes; after an error an unknown part of them is there.
    mutating func append(_ bytes: borrowing ByteBuffer, to file: SnapshotFileHandle)
        throws(SnapshotFileError)
    /// Appends `count` bytes of the file from `offset` on to `bytes`, or what there is of them.
    mutating func read(
        _ file: SnapshotFileHandle, at offset: Int, count: Int, into bytes: inout ByteBuffer
    ) throws(SnapshotFileError)
    /// Makes everything appended to the file durable. An error is final for this file.
    mutating func sync(_ file: SnapshotFileHandle) throws(SnapshotFileError)
    /// Gives a file another name, in place of one that has it.
    mutating func rename(_ name: String, to other: String) throws(SnapshotFileError)
    /// Removes a name; nothing happens if it is not there.
    mutating func remove(_ name: String) throws(SnapshotFileError)
    /// Makes all names durable as they are now.
    mutating func syncNames() throws(SnapshotFileError)
}

/// An open file; the host's number for it.
public struct SnapshotFileHandle: Hashable, Sendable {
    public let raw: Int32
    public init(_ raw: Int32) { self.raw = raw }
}

/// The operating system refused a call on a file.
public struct SnapshotFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// For the operator: what could not be done to which file, and why.
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Why a file cannot be read as a snapshot.
enum SnapshotReadError: Error {
    case file(SnapshotFileError)
    case damage(SnapshotDamage)

    /// In one line, with the name of the file.
    func text(_ id: SnapshotID) -> String {
        switch self {
        case .file(let error): "\(id.fileName) can not be read: \(error)"
        case .damage(let damage): damage.text(id)
        }
    }
}

extension SnapshotDamage {
    /// In one line, with the name of the file.
    func text(_ id: SnapshotID) -> String { "\(id.fileName) is damaged \(self)" }
}
