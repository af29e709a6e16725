import Bytes
import RESP

/// What a parser makes of a whole stream: the arguments of each request as text (one character per
/// byte), and the error that ended it.
struct ParsedStream: Equatable {
    var requests: [[String]] = []
    var failure: ProtocolError?
    /// Bytes left that are not a whole request.
    var left = 0
    /// The largest account of memory that the parser gave.
    var memoryMax = 0

    static func == (one: ParsedStream, other: ParsedStream) -> Bool {
        one.requests == other.requests && one.failure == other.failure && one.left == other.left
    }
}

func latin1(_ bytes: Span<UInt8>) -> String {
    var text = ""
    for i in bytes.indices { text.unicodeScalars.append(UnicodeScalar(bytes[i])) }
    return text
}

func bytes(_ latin1: String) -> [UInt8] {
    latin1.unicodeScalars.map { UInt8($0.value) }
}

/// Parses `pieces` as they would arrive, one after the other, as a session does.
func parse(_ pieces: [[UInt8]], limits: RESPLimits = RESPLimits()) -> ParsedStream {
    var parser = RequestParser(limits: limits)
    var input = ByteBuffer()
    var stream = ParsedStream()
    for piece in pieces {
        input.append(piece)
        while stream.failure == nil {
            let status = parser.parse(input.readable)
            stream.memoryMax = max(stream.memoryMax, parser.memoryBytes)
            if status == .incomplete { break }
            if case .failed(let error) = status {
                stream.failure = error
                break
            }
            if status == .request {
                let request = parser.request(over: input.readable)
                stream.requests.append((0..<request.count).map { latin1(request[$0]) })
            }
            input.consume(parser.consumed)
            parser.reset()
        }
    }
    stream.left = input.count
    return stream
}

func parse(_ text: String, limits: RESPLimits = RESPLimits()) -> ParsedStream {
    parse([bytes(text)], limits: limits)
}

/// What `body` makes a writer write.
func written(
    _ version: RESPVersion = .two, _ body: (inout ReplyWriter) -> Void
) -> String {
    var writer = ReplyWriter(version: version)
    body(&writer)
    return latin1(writer.bytes.readable)
}
