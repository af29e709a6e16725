import Bytes
import Glibc
import Raft
import Server
import Synchronization
import WAL

/// A directory that goes with its last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    /// `base` decides the file system.
    init(in base: String = "/tmp") {
        var template = Array("\(base)/skein-test-XXXXXX".utf8CString)
        invariant(mkdtemp(&template) != nil, "no temporary directory")
        path = String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }

    static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

/// The bytes of a file; nil if it cannot be read.
func contents(ofFile path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = read(descriptor, &piece, piece.count)
        guard count >= 0 else { return nil }
        if count == 0 { return all }
        all += piece[..<count]
    }
}

/// Makes a file with these bytes.
func write(_ bytes: [UInt8], toFile path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o640)
    invariant(descriptor >= 0, "cannot create \(path)")
    invariant(Glibc.write(descriptor, bytes, bytes.count) == bytes.count, "cannot write \(path)")
    close(descriptor)
}

/// Events of a log thread, to be waited for.
final class EventLog: Sendable {
    private let events = Mutex<[LogThread.Event]>([])

    func append(_ event: LogThread.Event) { events.withLock { $0.append(event) } }
    var all: [LogThread.Event] { events.withLock { $0 } }

    var synced: UInt64 {
        all.reduce(0) { highest, event in
            if case .progress(_, let synced) = event { max(highest, synced) } else { highest }
        }
    }

    var written: UInt64 {
        all.reduce(0) { highest, event in
            if case .progress(let written, _) = event { max(highest, written) } else { highest }
        }
    }

    /// Waits, at most some seconds, until the events satisfy `condition`.
    func wait(seconds: Int = 20, until condition: ([LogThread.Event]) -> Bool) -> Bool {
        for _ in 0..<seconds * 1000 {
            if condition(all) { return true }
            usleep(1000)
        }
        return false
    }

    func waitForSync(of batch: UInt64) -> Bool {
        wait { _ in synced >= batch }
    }
}

/// Adds `count` entries of one payload byte pattern, one batch each, and hands them in.
func submit(
    _ count: Int, to thread: LogThread, _ writer: inout WALWriter, payloadBytes: Int = 100,
    from first: LogIndex
) {
    for i in 0..<count {
        let index = first + LogIndex(i)
        let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: payloadBytes)
        var records = ByteBuffer()
        records.appendRecord(index: index, term: 1, kind: .commands, payload: payload.span)
        writer.entries(group: GroupID(1), records: records.readable, first: index, last: index)
        thread.submit(writer.seal()!)
    }
}
