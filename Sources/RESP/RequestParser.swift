// Requests come in two forms (RESP specification; both checked against redis-server 7.0):
//
//   array of bulks   *2\r\n $4\r\nECHO\r\n $2\r\nhi\r\n      (blanks here for the eye only)
//   inline           ECHO "h\x69"\n                          (for people with telnet)
//
// Input may break at any byte. The parser is called again with the same bytes and more of them, and
// goes on where it stood:
//
//   start --'*'--> count --n > 0--> bulkHeader <--> bulkBody --last--> request
//     |              '-----n <= 0--> empty
//     '--else--> inline --words--> request     every failure --> failed, for good
//
// Invariants:
//  1. No byte before `position + scanned` is looked at again, except the one header line or inline
//     command in progress, which is read once more when its end is there.
//  2. Nothing is allocated because a length was announced: `ranges` grows with bulks received.
//  3. The outcome depends on the bytes alone, never on where they were split. Redis's own length
//     checks for lines depend on the split; here a line is too long when its end is not among the
//     first `inlineBytesMax + 1` bytes.
//
// Followed from Redis on purpose: a '\r' ends a header line whatever byte comes next, and the two
// bytes after a bulk are skipped without a look. Not followed: a NUL byte in a line, where Redis
// (strchr) waits for ever; here it ends the inline command's text, as in sdssplitargs.

internal import Bytes

/// Finds one request after the other in a session's input. See the top of the file.
public struct RequestParser: ~Copyable {
    /// What `parse` found at the start of the input.
    public enum Status: Equatable, Sendable {
        /// A whole request: `request(over:)` lends it, `consumed` is its length.
        case request
        /// More bytes are needed.
        case incomplete
        /// An empty line, `*0` or `*-1`: skip `consumed` bytes, answer nothing.
        case empty
        /// Answer with the error, then close.
        case failed(ProtocolError)
    }

    private enum Stage: UInt8 {
        case start, inline, count, bulkHeader, bulkBody, done
    }

    /// May change between requests.
    public var limits: RESPLimits
    /// Length of the request found, in bytes of input; 0 before one is found.
    public private(set) var consumed = 0
    /// Where the arguments found so far lie.
    public private(set) var ranges: [ArgumentRange] = []

    private var stage = Stage.start
    private var outcome = Status.incomplete
    /// First byte of input not taken yet.
    private var position = 0
    /// Bytes from `position` that are known not to end the line.
    private var scanned = 0
    private var argumentsLeft = 0
    /// Length of the bulk being received; meaningful in `bulkBody`.
    private var bulkBytes = 0
    /// Arguments of an inline command that had quotes: their ranges count from its start.
    private var scratch = ByteBuffer()
    private var rangesAreInScratch = false

    /// A parser at the start of a connection; allocates nothing yet.
    public init(limits: RESPLimits = RESPLimits()) {
        self.limits = limits
    }

    /// Goes on parsing the request that starts at the first byte of `input`.
    ///
    /// `input` must start at the same byte in every call until the caller has consumed `consumed`
    /// bytes and called `reset()`. Once it failed, it stays failed.
    public mutating func parse(_ input: Span<UInt8>) -> Status {
        while true {
            switch stage {
            case .start:
                guard !input.isEmpty else { return .incomplete }
                stage = input[0] == UInt8(ascii: "*") ? .count : .inline
            case .inline:
                guard let end = lineEnd(UInt8(ascii: "\n"), in: input, orFail: .inlineTooLong)
                else { return outcome }
                return splitInline(input, end: end)
            case .count:
                guard let count = header(in: input, orFail: .countLineTooLong) else {
                    return outcome
                }
                guard let count = count.value, count <= limits.argumentsMax else {
                    return finish(.failed(.invalidCount))
                }
                if count <= 0 { return finish(.empty) }
                argumentsLeft = Int(count)
                stage = .bulkHeader
            case .bulkHeader:
                // A broken header is judged when its line is whole, as Redis does.
                let first = position
                guard let length = header(in: input, orFail: .bulkLineTooLong) else {
                    return outcome
                }
                guard input[first] == UInt8(ascii: "$") else {
                    return finish(.failed(.expectedBulk(input[first])))
                }
                guard let length = length.value, length >= 0, length <= limits.bulkBytesMax else {
                    return finish(.failed(.invalidBulkLength))
                }
                bulkBytes = Int(length)
                stage = .bulkBody
            case .bulkBody:
                guard input.count - position - 2 >= bulkBytes else { return .incomplete }
                ranges.append(ArgumentRange(offset: position, count: bulkBytes))
                position += bulkBytes + 2
                argumentsLeft -= 1
                if argumentsLeft == 0 { return finish(.request) }
                stage = .bulkHeader
            case .done:
                return outcome
            }
        }
    }

    /// The request found by the last `parse`, which said `.request`.
    ///
    /// - Parameter input: the same bytes that were parsed.
    @_lifetime(copy input, borrow self)
    public func request(over input: Span<UInt8>) -> Request {
        invariant(outcome == .request, "no request has been parsed")
        if rangesAreInScratch {
            return Request(bytes: scratch.readable, ranges: ranges.span)
        }
        return Request(bytes: input, ranges: ranges.span)
    }

    /// Makes ready for the next request, after `consumed` bytes were taken from the input.
    public mutating func reset() {
        if ranges.capacity > RESPLimits.keptRanges {
            ranges = []
        } else {
            ranges.removeAll(keepingCapacity: true)
        }
        if rangesAreInScratch {
            scratch.removeAll(keepingCapacityUpTo: RESPLimits.keptScratchBytes)
            rangesAreInScratch = false
        }
        stage = .start
        outcome = .incomplete
        consumed = 0
        position = 0
        scanned = 0
        argumentsLeft = 0
        bulkBytes = 0
    }

    /// Whether a bulk of at least `RESPLimits.bigBulkBytes` is being received.
    public var isBig: Bool { stage == .bulkBody && bulkBytes >= RESPLimits.bigBulkBytes }

    /// Bytes that the input must at least have, from the request's start, before `parse` can get
    /// further. An announcement: reserve in proportion to what has arrived, not to this.
    public var bytesWanted: Int {
        guard stage == .bulkBody else { return position + scanned + 1 }
        let (sum, overflow) = position.addingReportingOverflow(bulkBytes + 2)
        return overflow ? .max : sum
    }

    /// Bytes allocated, for the session's memory account.
    public var memoryBytes: Int {
        ranges.capacity * MemoryLayout<ArgumentRange>.stride + scratch.capacity
    }

    private mutating func finish(_ status: Status) -> Status {
        outcome = status
        stage = .done
        consumed = position
        return status
    }

    /// A header line's number; nil for anything that is not one.
    private struct HeaderNumber {
        var value: Int64?
    }

    /// Takes the header line at `position`; nil when it is not whole or too long (see `outcome`).
    private mutating func header(
        in input: Span<UInt8>, orFail tooLong: ProtocolError
    ) -> HeaderNumber? {
        // Nearly every header is a byte, one to nine digits and the line end, all of it there.
        var at = position + 1
        var value: Int64 = 0
        let fastEnd = min(input.count - 1, position + 10)
        while at < fastEnd {
            let digit = input[at] &- 0x30
            guard digit <= 9 else { break }
            value = value &* 10 &+ Int64(digit)
            at += 1
        }
        if at < input.count - 1, input[at] == UInt8(ascii: "\r"), at > position + 1,
            input[position + 1] != UInt8(ascii: "0") || at == position + 2
        {
            position = at + 2
            scanned = 0
            return HeaderNumber(value: value)
        }
        guard let end = lineEnd(UInt8(ascii: "\r"), in: input, orFail: tooLong) else { return nil }
        guard end + 1 < input.count else {
            outcome = .incomplete
            return nil
        }
        // The line may be empty ("\r\n" where "$3" should be): then it has no number.
        let number =
            end > position ? IntegerText.parse(input.extracting(position + 1..<end)) : nil
        position = end + 2
        scanned = 0
        return HeaderNumber(value: number)
    }

    /// Offset of the first `terminator` of the line at `position`; nil when it is not there yet or
    /// the line is too long (see `outcome`).
    private mutating func lineEnd(
        _ terminator: UInt8, in input: Span<UInt8>, orFail tooLong: ProtocolError
    ) -> Int? {
        let first = position + scanned
        let last = min(input.count, position + limits.inlineBytesMax + 1)
        var at = first
        while at < last {
            if input[at] == terminator {
                scanned = at - position
                return at
            }
            at += 1
        }
        scanned = max(scanned, last - position)
        if scanned > limits.inlineBytesMax {
            _ = finish(.failed(tooLong))
        } else {
            outcome = .incomplete
        }
        return nil
    }

    private mutating func splitInline(_ input: Span<UInt8>, end: Int) -> Status {
        position = end + 1
        var textEnd = end
        if textEnd > 0, input[textEnd - 1] == UInt8(ascii: "\r") { textEnd -= 1 }
        let line = input.extracting(0..<textEnd)
        switch InlineCommand.split(line, into: &ranges, scratch: &scratch) {
        case .inPlace: break
        case .inScratch: rangesAreInScratch = true
        case .unbalancedQuotes: return finish(.failed(.unbalancedQuotes))
        }
        return finish(ranges.isEmpty ? .empty : .request)
    }
}
