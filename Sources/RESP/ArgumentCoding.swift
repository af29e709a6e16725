// The binary form of a request, in log entries and in frames between nodes:
//
//   varint argument count, then for each argument: varint length, bytes
//
// Unlike RESP it needs no search, and it cannot fail in the middle of what a client sent.

public import Bytes

/// Appends the binary form of `request`.
public func encodeArguments(of request: borrowing Request, into buffer: inout ByteBuffer) {
    buffer.append(varint: UInt64(request.count))
    for i in 0..<request.count {
        buffer.append(lengthPrefixed: request[i])
    }
}

/// Length of the binary form of `request` in bytes.
public func encodedArgumentsCount(of request: borrowing Request) -> Int {
    func varintCount(_ value: Int) -> Int {
        value < 0x80 ? 1 : (UInt64.bitWidth - UInt64(value).leadingZeroBitCount + 6) / 7
    }
    var sum = varintCount(request.count)
    for i in 0..<request.count {
        let count = request.ranges[i].count
        sum += varintCount(count) + count
    }
    return sum
}

/// Reads the binary form back into requests; reuses its memory from one to the next.
public struct ArgumentDecoder: ~Copyable {
    /// Where the arguments lie in the bytes decoded last.
    public private(set) var ranges: [ArgumentRange] = []

    public init() {}

    /// Finds the arguments of the request at the start of `bytes`; returns the length of its form.
    ///
    /// Bytes may follow. Throws for a truncated form and for one without any argument.
    public mutating func decode(_ bytes: Span<UInt8>) throws(DecodeError) -> Int {
        if ranges.capacity > RESPLimits.keptRanges {
            ranges = []
        } else {
            ranges.removeAll(keepingCapacity: true)
        }
        var reader = ByteReader(bytes)
        let count = try reader.readCount()
        // Each argument takes a byte at least, so a large count alone allocates nothing.
        guard count > 0, count <= reader.remaining else { throw .invalid("argument count") }
        for _ in 0..<count {
            let length = try reader.readCount()
            guard length <= reader.remaining else { throw .truncated }
            ranges.append(ArgumentRange(offset: reader.offset, count: length))
            _ = try reader.readBytes(length)
        }
        return reader.offset
    }

    /// The request found by the last `decode`.
    ///
    /// - Parameter bytes: the same bytes that were decoded.
    @_lifetime(copy bytes, borrow self)
    public func request(over bytes: Span<UInt8>) -> Request {
        Request(bytes: bytes, ranges: ranges.span)
    }
}
