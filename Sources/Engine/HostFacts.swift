internal import Bytes

/// What only the host knows and INFO tells; the host refreshes it about once a second.
public struct HostFacts: Sendable {
    public var processID: Int32 = 0
    public var executable = ""
    /// The commit that the program was built from; empty when nobody told the build.
    public var commit = ""
    /// Whether the sources differed from the commit.
    public var isModified = false
    /// System, release and machine, as uname tells them.
    public var system = ""
    /// Clients that the process's limit of open files leaves room for; 0 when unknown.
    public var clientsMax = 0
    public var configurationFile = ""
    /// Bytes of memory that the process has in RAM, now and at most.
    public var residentBytes = 0
    public var peakBytes = 0
    /// The same when the process had just started: what an empty node takes.
    public var startBytes = 0
    /// Bytes of RAM that the machine has.
    public var systemBytes = 0
    /// Bytes of the data directory's file system that can still be allocated, and what the node holds
    /// back of it in a file.
    public var diskFreeBytes = 0
    public var diskReserveBytes = 0
    /// Microseconds of processor time.
    public var userTime: Int64 = 0
    public var systemTime: Int64 = 0

    public init() {}
}

/// Rates over about the last second, from the counters.
struct Rates {
    private var at = Instant(nanoseconds: 0)
    private var commands: Int64 = 0
    private var input = 0
    private var output = 0
    private(set) var operationsPerSecond: Int64 = 0
    private(set) var inputKilobytes = "0.00"
    private(set) var outputKilobytes = "0.00"

    mutating func update(_ counts: Statistics, calls: Int64, now: Instant) {
        let elapsed = Double((now - at).nanoseconds) / 1e9
        guard elapsed >= 1 else { return }
        operationsPerSecond = Int64(Double(calls - commands) / elapsed)
        inputKilobytes = Rates.kilobytes(counts.clientBytesReceived - input, elapsed)
        outputKilobytes = Rates.kilobytes(counts.clientBytesSent - output, elapsed)
        (at, commands) = (now, calls)
        (input, output) = (counts.clientBytesReceived, counts.clientBytesSent)
    }

    /// The counters begin anew.
    mutating func restart() { (commands, input, output) = (0, 0, 0) }

    private static func kilobytes(_ bytes: Int, _ elapsed: Double) -> String {
        let hundredths = Int(Double(max(0, bytes)) / elapsed / 1024 * 100)
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
}
