internal import Bytes

/// What kind of thing a trace line tells; three letters, so that the columns stay fixed.
public enum TraceKind: String, Sendable {
    case turn = "TRN"
    case flush = "FLU"
    case log = "LOG"
    case wal = "WAL"
    case link = "LNK"
    case live = "LIV"
    case client = "CLI"
    case reply = "RPL"
    case fault = "FLT"
    case phase = "PHS"
    case role = "ROL"
}

/// The record of a run: a hash over every event, and the lines themselves when asked for.
///
/// Line: `seconds.micros  KND  who  text`. Two runs of one seed must end with the same hash; their
/// traces can be compared with diff to find where they part.
public struct Trace {
    private var state: UInt64 = 0x5eed_5eed_5eed_5eed
    /// Lines recorded so far.
    public private(set) var lines: Int = 0
    /// Receives each line when set; the text is only built then.
    public var sink: ((String) -> Void)?

    public init() {}

    /// The hash of everything recorded.
    public var hash: UInt64 { state }

    /// Records one event. `numbers` are what tells it apart from others; `text` explains it.
    public mutating func record(
        _ kind: TraceKind, at moment: Moment, who: Int, _ first: UInt64 = 0, _ second: UInt64 = 0,
        text: @autoclosure () -> String = ""
    ) {
        mix(UInt64(bitPattern: moment.nanoseconds))
        mix(UInt64(truncatingIfNeeded: kind.hashCode) << 32 | UInt64(truncatingIfNeeded: who))
        mix(first)
        mix(second)
        lines += 1
        guard let sink else { return }
        sink("\(moment) \(kind.rawValue) \(pad(who)) \(text()) [\(hex(first)) \(hex(second))]")
    }

    /// Adds the content of `bytes` to the hash.
    public mutating func mix(bytes: Span<UInt8>) {
        mix(UInt64(CRC32C.checksum(bytes)) << 32 | UInt64(truncatingIfNeeded: bytes.count))
    }

    private mutating func mix(_ value: UInt64) {
        var z = (state ^ value) &* 0x9e37_79b9_7f4a_7c15
        z ^= z >> 32
        state = z &* 0xd6e8_feb8_6659_fd93 &+ 1
    }

    private func pad(_ who: Int) -> String { who < 10 ? " \(who)" : "\(who)" }

    private func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}

extension TraceKind {
    /// Stable across runs (a String's own hash is seeded per process).
    var hashCode: Int {
        var code = 0
        for byte in rawValue.utf8 { code = code << 8 | Int(byte) }
        return code
    }
}
