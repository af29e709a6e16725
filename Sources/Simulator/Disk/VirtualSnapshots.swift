internal import Bytes
internal import DequeModule
internal import Snapshot
internal import WAL

/// The snapshot directory of a node: files by name, as a disk shows them and as a power cut leaves them.
///
/// Bytes that were appended and not synced are lost in a power cut, and so are names that were given
/// since `syncNames`; what was durable under the name before is there again. A class, because the
/// files outlive the processes that open them.
final class VirtualSnapshots {
    fileprivate final class File {
        var bytes: [UInt8] = []
        var syncedBytes = 0
    }

    fileprivate var names: [String: File] = [:]
    private var durableNames: [String: File] = [:]
    /// New files, and bytes for old ones, find no room.
    var isFull = false

    var sortedNames: [String] { names.keys.sorted() }

    /// The snapshots that are there, newest first.
    var ids: [SnapshotID] {
        sortedNames.compactMap { SnapshotID(fileName: $0) }.sorted(by: >)
    }

    func size(of id: SnapshotID) -> Int { names[id.fileName]?.bytes.count ?? 0 }

    fileprivate func syncNames() { durableNames = names }

    /// The power goes. Returns how many files lost something.
    func powerCut() -> Int {
        var lost = names.keys.sorted().count { durableNames[$0] !== names[$0] }
        names = durableNames
        for name in names.keys.sorted() {
            guard let file = names[name], file.bytes.count > file.syncedBytes else { continue }
            file.bytes.removeLast(file.bytes.count - file.syncedBytes)
            lost += 1
        }
        return lost
    }

    /// Flips one bit of a snapshot, durably.
    func flipBit(of id: SnapshotID, offset: Int, bit: Int) {
        guard let file = names[id.fileName], offset < file.bytes.count else { return }
        file.bytes[offset] ^= 1 << UInt8(bit)
    }

    func byte(of id: SnapshotID, offset: Int) -> UInt8? {
        guard let bytes = names[id.fileName]?.bytes, offset < bytes.count else { return nil }
        return bytes[offset]
    }

    /// Whether a file that this node writes, or one that a peer sends, is not finished.
    var hasPart: Bool { sortedNames.contains { $0.hasSuffix(".part") } }
    var hasIncoming: Bool { sortedNames.contains { $0.hasSuffix(".incoming") } }

    var checksum: UInt32 {
        var crc: UInt32 = 0
        for name in sortedNames {
            crc = CRC32C.checksum(Array(name.utf8).span, continuing: crc)
            if let bytes = names[name]?.bytes {
                crc = CRC32C.checksum(bytes.span, continuing: crc)
            }
        }
        return crc
    }
}

/// One process's hold of the directory.
struct VirtualSnapshotFiles: SnapshotFiles, ~Copyable {
    private let directory: VirtualSnapshots
    private var open: [Int32: VirtualSnapshots.File] = [:]
    private var next: Int32 = 1

    init(_ directory: VirtualSnapshots) { self.directory = directory }

    func names() throws(SnapshotFileError) -> [String] { directory.sortedNames }

    mutating func create(_ name: String, isReadSoon: Bool) throws(SnapshotFileError)
        -> SnapshotFileHandle
    {
        guard !directory.isFull else { throw noRoom(name) }
        let file = VirtualSnapshots.File()
        directory.names[name] = file
        return hold(file)
    }

    mutating func open(_ name: String) throws(SnapshotFileError) -> SnapshotFileHandle {
        guard let file = directory.names[name] else {
            throw SnapshotFileError("cannot open \(name): no such file")
        }
        return hold(file)
    }

    private mutating func hold(_ file: VirtualSnapshots.File) -> SnapshotFileHandle {
        open[next] = file
        next += 1
        return SnapshotFileHandle(next - 1)
    }

    mutating func close(_ file: SnapshotFileHandle) { open[file.raw] = nil }

    func size(_ file: SnapshotFileHandle) throws(SnapshotFileError) -> Int {
        held(file).bytes.count
    }

    mutating func append(_ bytes: borrowing ByteBuffer, to file: SnapshotFileHandle)
        throws(SnapshotFileError)
    {
        guard !directory.isFull else { throw noRoom("a snapshot") }
        held(file).bytes += bytes.copyBytes()
    }

    mutating func read(
        _ file: SnapshotFileHandle, at offset: Int, count: Int, into bytes: inout ByteBuffer
    ) throws(SnapshotFileError) {
        let file = held(file)
        guard offset < file.bytes.count else { return }
        let end = min(file.bytes.count, offset + count)
        let all = file.bytes
        bytes.append(all.span.extracting(offset..<end))
    }

    mutating func sync(_ file: SnapshotFileHandle) throws(SnapshotFileError) {
        let file = held(file)
        file.syncedBytes = file.bytes.count
    }

    mutating func rename(_ name: String, to other: String) throws(SnapshotFileError) {
        guard let file = directory.names.removeValue(forKey: name) else {
            throw SnapshotFileError("cannot rename \(name): no such file")
        }
        directory.names[other] = file
    }

    mutating func remove(_ name: String) throws(SnapshotFileError) {
        directory.names[name] = nil
    }

    mutating func syncNames() throws(SnapshotFileError) { directory.syncNames() }

    private func held(_ file: SnapshotFileHandle) -> VirtualSnapshots.File {
        guard let file = open[file.raw] else { invariantFailed("a handle of no file") }
        return file
    }

    private func noRoom(_ name: String) -> SnapshotFileError {
        SnapshotFileError("cannot write \(name): no space left on device")
    }
}

/// The snapshot thread of one process: executes commands in order, each after the time that the disk
/// takes for it.
struct SnapshotThread: ~Copyable {
    private var executor: SnapshotExecutor<VirtualSnapshotFiles>
    private var queue: Deque<SnapshotCommand> = []
    private(set) var isWorking = false

    init(on directory: VirtualSnapshots) {
        executor = SnapshotExecutor(VirtualSnapshotFiles(directory))
    }

    /// What a start finds.
    mutating func list() throws -> SnapshotListing { try executor.list() }

    /// What recovery of a damaged log asks for.
    mutating func newestWhole() -> [WALSnapshot] {
        let summaries = (try? executor.newestWhole()) ?? []
        return summaries.map {
            WALSnapshot(group: $0.id.group, index: $0.id.index, term: $0.id.term)
        }
    }

    mutating func add(_ commands: [SnapshotCommand]) { queue.append(contentsOf: commands) }

    /// Whether there is a command to be executed, which is then under way.
    mutating func begin() -> Bool {
        guard !isWorking, !queue.isEmpty else { return false }
        isWorking = true
        return true
    }

    /// The time is over: the command's effect, and whether it was a piece of a peer's snapshot.
    mutating func finish() -> (events: [SnapshotEvent], isReceived: Bool) {
        isWorking = false
        guard let command = queue.popFirst() else { invariantFailed("no command was under way") }
        var events: [SnapshotEvent] = []
        executor.execute(command) { events.append($0) }
        if case .receive = command { return (events, true) }
        return (events, false)
    }
}
