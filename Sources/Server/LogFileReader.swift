public import Bytes
internal import Glibc
public import UV
public import WAL

/// Reads old entries from the segment files for the engine, on a thread of its own: a slow disk or
/// a cold cache must not hold up the loop or the log.
public final class LogFileReader: Sendable {
    public struct Request: Sendable, Equatable {
        /// Chosen by the asker.
        public var id: UInt64
        public var position: WALPosition
        /// Bytes to read; fewer are delivered only before the end of the file, or before a place that
        /// cannot be read.
        public var count: Int

        public init(id: UInt64, position: WALPosition, count: Int) {
            self.id = id
            self.position = position
            self.count = count
        }
    }

    public enum Answer: Sendable {
        case bytes(SharedBytes)
        case failed(FileError)
    }

    /// Requests that wait. The engine has few reads under way (one per lagging follower and one per
    /// applying replica); at the edge `submit` refuses, and the request fails.
    public static let queueMax = 4096

    private struct State {
        var queue: [Request] = []
        /// Segments that were given up since the thread last looked.
        var forgotten: [UInt64] = []
        var isStopping = false
    }

    private let monitor = Monitor(State())
    private let thread: JoinedThread

    /// `report` is called on the reader's thread, for every accepted request once, in order.
    public init(
        _ directory: DataDirectory, report: @escaping @Sendable (UInt64, Answer) -> Void
    ) throws(UVError) {
        let monitor = monitor
        thread = try JoinedThread(name: "skein-logread") {
            Self.run(directory, monitor, report)
        }
    }

    /// Queues a read. False: too many wait.
    public func submit(_ request: Request) -> Bool {
        monitor.update { state in
            guard state.queue.count < Self.queueMax, !state.isStopping else { return false }
            state.queue.append(request)
            return true
        }
    }

    /// Lets go of the files of segments that the log has given up, so that removing them makes room.
    /// Their reads fail, or return what a later segment holds: the asker knows by
    /// `WALWriter.isCurrent` that they are void.
    public func forget(_ segments: [UInt64]) {
        monitor.update { $0.forgotten += segments }
    }

    /// Ends the thread; what still waits is not answered. To be called once, before the last
    /// reference goes.
    public func stop() {
        monitor.update { $0.isStopping = true }
        thread.join()
    }

    private static func run(
        _ directory: DataDirectory, _ monitor: Monitor<State>,
        _ report: @Sendable (UInt64, Answer) -> Void
    ) {
        var files = OpenFiles(directory)
        var requests: [Request] = []
        var forgotten: [UInt64] = []
        while true {
            let goOn: Bool? = monitor.wait { state in
                if state.isStopping { return false }
                if state.queue.isEmpty, state.forgotten.isEmpty { return nil }
                swap(&state.queue, &requests)
                swap(&state.forgotten, &forgotten)
                return true
            }
            guard goOn == true else { return }
            files.forget(forgotten)
            forgotten.removeAll()
            for request in requests {
                if monitor.withLock({ $0.isStopping }) { return }
                report(request.id, files.read(request))
            }
            requests.removeAll(keepingCapacity: true)
        }
    }
}

/// The few files that reads go to at present.
private struct OpenFiles: ~Copyable {
    private let directory: DataDirectory
    /// Most recently used last.
    private var files: [(segment: UInt64, descriptor: Int32)] = []
    private static let openMax = 16

    init(_ directory: DataDirectory) { self.directory = directory }

    deinit { for file in files { close(file.descriptor) } }

    mutating func read(_ request: LogFileReader.Request) -> LogFileReader.Answer {
        let path = directory.path(of: segmentFileName(request.position.segment))
        guard let descriptor = descriptor(of: request.position.segment, path) else {
            return .failed(currentError("open", path))
        }
        var bytes = ByteBuffer(minimumCapacity: request.count)
        let isRead = readFully(
            descriptor, at: request.position.offset, count: request.count, into: &bytes)
        // What is before a bad sector may be all that is wanted; otherwise the next read begins there.
        guard isRead || !bytes.isEmpty else { return .failed(currentError("read", path)) }
        return .bytes(SharedBytes(bytes))
    }

    /// Closes the files of these segments.
    mutating func forget(_ segments: [UInt64]) {
        for segment in segments {
            guard let known = files.firstIndex(where: { $0.segment == segment }) else { continue }
            close(files.remove(at: known).descriptor)
        }
    }

    private mutating func descriptor(of segment: UInt64, _ path: String) -> Int32? {
        if let known = files.lastIndex(where: { $0.segment == segment }) {
            let file = files.remove(at: known)
            files.append(file)
            return file.descriptor
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        if files.count == Self.openMax { close(files.removeFirst().descriptor) }
        files.append((segment, descriptor))
        return descriptor
    }
}
