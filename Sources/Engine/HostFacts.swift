internal import Bytes

/// What only the host knows and INFO tells; the host refreshes it about once a second.
public struct HostFacts: Sendable {
    public var processID: Int32 = 0
    public var executable = ""
    public var configurationFile = ""
    /// Bytes of memory that the process has in RAM, now and at most.
    public var residentBytes = 0
    public var peakBytes = 0
    /// Bytes of RAM that the machine has.
    public var systemBytes = 0
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

    mutating func update(_ counts: Statistics, now: Instant) {
        let elapsed = Double((now - at).nanoseconds) / 1e9
        guard elapsed >= 1 else { return }
        operationsPerSecond = Int64(Double(counts.commandsProcessed - commands) / elapsed)
        inputKilobytes = Rates.kilobytes(counts.clientBytesReceived - input, elapsed)
        outputKilobytes = Rates.kilobytes(counts.clientBytesSent - output, elapsed)
        (at, commands) = (now, counts.commandsProcessed)
        (input, output) = (counts.clientBytesReceived, counts.clientBytesSent)
    }

    private static func kilobytes(_ bytes: Int, _ elapsed: Double) -> String {
        let hundredths = Int(Double(max(0, bytes)) / elapsed / 1024 * 100)
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
}
