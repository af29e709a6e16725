internal import Glibc
public import Logging
internal import Synchronization

/// Where the diagnostic log goes: standard output or a file, in Redis's line style, which the tools
/// that read it know:
///
///     4711:M 01 Aug 2026 12:00:00.123 * event key=value
///
/// Process number, role (M leads a group, S follows, X neither yet), local time, level (`.` debug,
/// `-` verbose, `*` notice, `#` warning). One line is one `write`, so lines of several threads do
/// not mix and no lock is needed.
public final class LogSink: Sendable {
    private let descriptor: Int32
    private let path: String
    private let process = getpid()
    private let roleLetter = Atomic<UInt8>(UInt8(ascii: "X"))
    /// Lines below it are not written. One for all loggers, so that it can change at run time.
    private let minimum: Mutex<Logger.Level>

    /// - Parameter path: the file to append to; empty for standard output.
    public init(path: String, level: Logger.Level) throws(FileError) {
        self.path = path
        minimum = Mutex(level)
        descriptor = path.isEmpty ? STDOUT_FILENO : try Self.openFile(path)
    }

    private static func openFile(_ path: String) throws(FileError) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw currentError("open the logfile", path) }
        return descriptor
    }

    /// Begins a new file after the old one was renamed (SIGHUP, log rotation).
    public func reopen() {
        guard !path.isEmpty, let fresh = try? Self.openFile(path) else { return }
        // The number stays, so no thread has to be told. A child would inherit it; there is none.
        dup2(fresh, descriptor)
        close(fresh)
    }

    /// The least urgent level that is written.
    public var level: Logger.Level {
        get { minimum.withLock { $0 } }
        set { minimum.withLock { $0 = newValue } }
    }

    /// What the node is to its groups; shown in every line.
    public var role: Unicode.Scalar {
        get { Unicode.Scalar(roleLetter.load(ordering: .relaxed)) }
        set { roleLetter.store(UInt8(ascii: newValue), ordering: .relaxed) }
    }

    /// Appends one line. Line breaks in `text` are shown, not obeyed: nobody forges a line.
    func append(_ level: Logger.Level, _ text: String) {
        let safe = text.contains { $0.isNewline } ? Self.escaped(text) : text
        var line = "\(process):\(role) \(Self.timestamp()) \(Self.letter(of: level)) \(safe)\n"
        line.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let written = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                // A log that cannot be written is no reason to stop serving.
                if written < 0, errno != EINTR { return }
                done += max(0, written)
            }
        }
    }

    private static func escaped(_ text: String) -> String {
        text.map { $0.isNewline ? "\\n" : String($0) }.joined()
    }

    static func letter(of level: Logger.Level) -> Character {
        switch level {
        case .trace, .debug: "."
        case .info: "-"
        case .notice: "*"
        case .warning, .error, .critical: "#"
        }
    }

    private static func timestamp() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var local = tm()
        localtime_r(&time.tv_sec, &local)
        let day = padded(Int(local.tm_mday), 2)
        let clock = [local.tm_hour, local.tm_min, local.tm_sec].map { padded(Int($0), 2) }
        let millisecond = padded(time.tv_nsec / 1_000_000, 3)
        return "\(day) \(months[Int(local.tm_mon)]) \(1900 + Int(local.tm_year)) "
            + "\(clock.joined(separator: ":")).\(millisecond)"
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// swift-log's way into a `LogSink`.
public struct ConsoleLog: LogHandler {
    private let sink: LogSink
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    public init(_ sink: LogSink) { self.sink = sink }

    /// The sink's: all loggers on it share one.
    public var logLevel: Logger.Level {
        get { sink.level }
        set { sink.level = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let suffix = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        sink.append(event.level, "\(event.message)" + suffix.joined())
    }
}

extension Logger {
    /// A logger that writes to `sink`.
    public init(_ sink: LogSink) {
        self.init(label: "skein") { _ in ConsoleLog(sink) }
    }
}
