import Bytes

@testable import Snapshot

/// A directory in memory that can lose power, fill up and fail: what the executor's tests run on.
final class MemoryDisk {
    final class File {
        var bytes: [UInt8] = []
        var synced = 0
    }

    /// As the system shows them, and as they would be after a power cut.
    var names: [String: File] = [:]
    var durableNames: [String: File] = [:]
    /// Bytes that fit in all files together.
    var capacity = Int.max
    /// Calls that change something go on to work so often; then the disk is dead.
    var callsLeft = Int.max
    var calls = 0
    /// Open handles.
    var handles: [Int32: File] = [:]
    var lastHandle: Int32 = 0
    /// Reads fail with this.
    var readError: SnapshotFileError?

    var usedBytes: Int { names.values.reduce(0) { $0 + $1.bytes.count } }

    /// The power goes: of what was not synced, any part is left.
    func powerCut(_ random: inout SeededGenerator) {
        if random.below(2) == 0 { names = durableNames } else { durableNames = names }
        for name in names.keys.sorted() {
            guard let file = names[name] else { continue }
            let unsynced = UInt64(file.bytes.count - file.synced)
            file.bytes.removeLast(Int(random.below(unsynced + 1)))
            // What was not synced may be there in length only.
            if random.below(2) == 0 {
                for i in min(file.synced, file.bytes.count)..<file.bytes.count { file.bytes[i] = 0 }
            }
            file.synced = file.bytes.count
        }
        handles = [:]
        callsLeft = .max
    }

    func change() throws(SnapshotFileError) {
        calls += 1
        guard callsLeft > 0 else { throw SnapshotFileError("the disk is gone") }
        callsLeft -= 1
    }

    func open(_ file: File) -> SnapshotFileHandle {
        lastHandle += 1
        handles[lastHandle] = file
        return SnapshotFileHandle(lastHandle)
    }
}

struct MemoryFiles: SnapshotFiles {
    let disk: MemoryDisk

    func names() -> [String] { disk.names.keys.sorted() }

    func create(_ name: String, isReadSoon: Bool) throws(SnapshotFileError) -> SnapshotFileHandle {
        try disk.change()
        let file = MemoryDisk.File()
        disk.names[name] = file
        return disk.open(file)
    }

    func open(_ name: String) throws(SnapshotFileError) -> SnapshotFileHandle {
        guard let file = disk.names[name] else { throw SnapshotFileError("no file \(name)") }
        return disk.open(file)
    }

    func close(_ file: SnapshotFileHandle) { disk.handles[file.raw] = nil }

    func size(_ file: SnapshotFileHandle) -> Int { disk.handles[file.raw]!.bytes.count }

    func append(_ bytes: borrowing ByteBuffer, to file: SnapshotFileHandle)
        throws(SnapshotFileError)
    {
        try disk.change()
        let room = disk.capacity - disk.usedBytes
        let all = bytes.copyBytes()
        disk.handles[file.raw]!.bytes += all.prefix(room)
        if all.count > room { throw SnapshotFileError("no space left") }
    }

    func read(
        _ file: SnapshotFileHandle, at offset: Int, count: Int, into bytes: inout ByteBuffer
    ) throws(SnapshotFileError) {
        if let error = disk.readError { throw error }
        let all = disk.handles[file.raw]!.bytes
        guard offset < all.count else { return }
        bytes.append(Array(all[offset..<min(offset + count, all.count)]))
    }

    func sync(_ file: SnapshotFileHandle) throws(SnapshotFileError) {
        try disk.change()
        let file = disk.handles[file.raw]!
        file.synced = file.bytes.count
    }

    func rename(_ name: String, to other: String) throws(SnapshotFileError) {
        try disk.change()
        disk.names[other] = disk.names.removeValue(forKey: name)
    }

    func remove(_ name: String) throws(SnapshotFileError) {
        try disk.change()
        disk.names[name] = nil
    }

    func syncNames() throws(SnapshotFileError) {
        try disk.change()
        disk.durableNames = disk.names
    }
}

/// An executor on a disk of its own, and what it reported.
final class Bench {
    let disk: MemoryDisk
    var executor: SnapshotExecutor<MemoryFiles>
    var events: [SnapshotEvent] = []

    init(_ disk: MemoryDisk = MemoryDisk()) {
        self.disk = disk
        executor = SnapshotExecutor(MemoryFiles(disk: disk))
    }

    /// Executes commands; the events of these alone.
    @discardableResult
    func run(_ commands: SnapshotCommand...) -> [SnapshotEvent] { run(commands) }

    @discardableResult
    func run(_ commands: [SnapshotCommand]) -> [SnapshotEvent] {
        let before = events.count
        for command in commands { executor.execute(command) { events.append($0) } }
        return Array(events[before...])
    }

    /// The whole stream of a snapshot, loaded chunk by chunk; nil when that fails.
    func load(_ id: SnapshotID) -> [UInt8]? {
        var stream: [UInt8] = []
        var command = SnapshotCommand.load(id)
        while true {
            guard case .loaded(_, let bytes, let isLast)? = run(command).first else { return nil }
            stream += copy(bytes)
            if isLast { return stream }
            command = .loadMore(id)
        }
    }

    /// The whole file of a snapshot, read piece by piece.
    func readFile(_ id: SnapshotID, pieceBytes: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while true {
            let answer = run(.read(id, offset: bytes.count, count: pieceBytes)).last
            guard case .read(_, _, let piece?, let fileBytes)? = answer else { return nil }
            bytes += copy(piece)
            if bytes.count == fileBytes { return bytes }
        }
    }
}

func shared(_ bytes: [UInt8]) -> SharedBytes { SharedBytes(ByteBuffer(bytes)) }

func copy(_ bytes: SharedBytes) -> [UInt8] { ByteBuffer(copying: bytes.span).copyBytes() }

/// The commands that write a stream.
func writing(_ stream: [UInt8], _ header: SnapshotHeader = someHeader()) -> [SnapshotCommand] {
    var commands: [SnapshotCommand] = [.begin(header)]
    for from in stride(from: 0, to: stream.count, by: header.chunkBytes) {
        let to = min(from + header.chunkBytes, stream.count)
        commands.append(.chunk(header.id, shared(Array(stream[from..<to]))))
    }
    return commands + [.finish(header.id)]
}

/// The commands that receive a file.
func receiving(_ file: [UInt8], _ id: SnapshotID = someID, pieceBytes: Int) -> [SnapshotCommand] {
    stride(from: 0, to: file.count, by: pieceBytes).map { from in
        let to = min(from + pieceBytes, file.count)
        return .receive(
            id, offset: from, shared(Array(file[from..<to])), isLast: to == file.count)
    }
}
