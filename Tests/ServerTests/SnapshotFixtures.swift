import Bytes
import Glibc
import Raft
import Server
import Snapshot
import Synchronization

/// A snapshot thread on a directory, and everything it reported.
final class SnapshotBench: Sendable {
    let directory: DataDirectory
    private let thread: SnapshotThread
    private let log: SnapshotEventLog

    init(_ directory: DataDirectory, reservedBytes: Int = 0) throws {
        self.directory = directory
        let log = SnapshotEventLog()
        self.log = log
        thread = try SnapshotThread(directory, reservedBytes: reservedBytes) { log.append($0) }
    }

    convenience init(_ path: String) throws { try self.init(DataDirectory(path: path)) }

    func submit(_ commands: SnapshotCommand...) {
        for command in commands { thread.submit(command) }
    }
    func submit(_ commands: [SnapshotCommand]) {
        for command in commands { thread.submit(command) }
    }
    func statistics() -> SnapshotStatistics { thread.statistics() }
    func stop() { thread.stop() }

    var events: [SnapshotEvent] { log.all }

    /// The first event from number `from` on of which `pick` makes something; nil after half a minute.
    func wait<R>(from: Int = 0, _ pick: (SnapshotEvent) -> R?) -> R? {
        for _ in 0..<30_000 {
            for event in events.dropFirst(from) {
                if let result = pick(event) { return result }
            }
            usleep(1000)
        }
        return nil
    }

    /// Runs a command and waits for the event that answers it.
    func ask<R>(_ command: SnapshotCommand, _ pick: (SnapshotEvent) -> R?) -> R? {
        let before = events.count
        submit(command)
        return wait(from: before, pick)
    }

    /// Writes a snapshot; its summary when it is durable.
    func write(_ stream: [UInt8], _ header: SnapshotHeader) -> SnapshotSummary? {
        let before = events.count
        submit(writing(stream, header))
        return wait(from: before) { event in
            if case .durable(let summary) = event, summary.id == header.id { summary } else { nil }
        }
    }

    /// The stream of a snapshot; nil when it cannot be loaded.
    func load(_ id: SnapshotID) -> [UInt8]? {
        var stream: [UInt8] = []
        var command = SnapshotCommand.load(id)
        while true {
            let step = ask(command) { event -> (bytes: [UInt8]?, isLast: Bool)? in
                switch event {
                case .loaded(id, let bytes, let isLast): (copy(bytes), isLast)
                case .loadFailed(id, _), .unreadable(id, _, _): (nil, true)
                default: nil
                }
            }
            guard let step, let bytes = step.bytes else { return nil }
            stream += bytes
            if step.isLast { return stream }
            command = .loadMore(id)
        }
    }

    /// A piece of a snapshot's file.
    func read(_ id: SnapshotID, at offset: Int, count: Int) -> (bytes: [UInt8], of: Int)? {
        ask(.read(id, offset: offset, count: count)) { event -> (bytes: [UInt8], of: Int)?? in
            if case .read(id, offset, let piece, let size) = event {
                .some(piece.map { (copy($0), size) })
            } else {
                nil
            }
        } ?? nil
    }
}

final class SnapshotEventLog: Sendable {
    private let events = Mutex<[SnapshotEvent]>([])
    func append(_ event: SnapshotEvent) { events.withLock { $0.append(event) } }
    var all: [SnapshotEvent] { events.withLock { $0 } }
}

func snapshot(_ group: UInt32, _ index: LogIndex) -> SnapshotID {
    SnapshotID(group: GroupID(group), index: index, term: 3)
}

func header(_ id: SnapshotID) -> SnapshotHeader {
    SnapshotHeader(id: id, clusterHigh: 1, clusterLow: 2)
}

func shared(_ bytes: [UInt8]) -> SharedBytes { SharedBytes(ByteBuffer(bytes)) }

func copy(_ bytes: SharedBytes) -> [UInt8] { ByteBuffer(copying: bytes.span).copyBytes() }

/// The commands that write a stream.
func writing(_ stream: [UInt8], _ header: SnapshotHeader) -> [SnapshotCommand] {
    var commands: [SnapshotCommand] = [.begin(header)]
    for from in stride(from: 0, to: stream.count, by: header.chunkBytes) {
        let to = min(from + header.chunkBytes, stream.count)
        commands.append(.chunk(header.id, shared(Array(stream[from..<to]))))
    }
    return commands + [.finish(header.id)]
}

/// Bytes of which about half is noise: 16-byte keys and values of digits.
func typicalBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 16)
    while bytes.count < count {
        let number = random.next()
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * shift))) }
        bytes += [0x6B, 0x65, 0x79, 0x3A, 0x30, 0x30, 0x30, 0x30]
    }
    return Array(bytes[..<count])
}
