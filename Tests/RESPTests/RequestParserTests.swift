import Bytes
import RESP
import Testing

@Suite struct RequestParserTests {
    static let pipeline =
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n\r\n\0*$-\r\n\n\r\r\n"
        + "PING\r\n\r\n*0\r\n*-1\r\nECHO \"a\\x41 b\" 'it\\'s'\n"
        + "  GET \t key  \r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n"

    static let pipelineRequests = [
        ["SET", "k", "\r\n\0*$-\r\n\n\r"], ["PING"], ["ECHO", "aA b", "it's"], ["GET", "key"],
        ["ECHO", ""], ["PING"],
    ]

    @Test func `arrays and inline commands mix in one pipeline`() {
        let stream = parse(Self.pipeline)
        #expect(stream.requests == Self.pipelineRequests)
        #expect(stream.failure == nil)
        #expect(stream.left == 0)
    }

    @Test func `input may break at any two places`() {
        let all = bytes(Self.pipeline)
        for first in 0...all.count {
            for second in stride(from: first, through: all.count, by: 7) {
                let pieces = [
                    Array(all[..<first]), Array(all[first..<second]), Array(all[second...]),
                ]
                #expect(parse(pieces).requests == Self.pipelineRequests)
            }
        }
    }

    @Test func `input may arrive byte by byte`() {
        let stream = parse(bytes(Self.pipeline).map { [$0] })
        #expect(stream.requests == Self.pipelineRequests)
        #expect(stream.left == 0)
    }

    /// Input and reply, both from redis-server 7.0.15.
    static let errors: [(String, String)] = [
        ("*abc\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("* 1\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*-0\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\r\n:4\r\nPING\r\n", "expected '$', got ':'"),
        ("*1\r\n\r\n", "expected '$', got ' '"),
        ("*1\r\n\n\r\n", "expected '$', got ' '"),
        ("*1\r\n\u{01}\r\n", "expected '$', got '\u{01}'"),
        ("*1\r\n\u{ff}\r\n", "expected '$', got '\u{ff}'"),
        ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*2\r\n$4\r\nECHO\r\n$-0\r\n", "invalid bulk length"),
        ("*1\r\n$abc\r\n", "invalid bulk length"),
        ("*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("\"PING\r\n", "unbalanced quotes in request"),
        ("'PING\r\n", "unbalanced quotes in request"),
        ("PING \"a\"b\r\n", "unbalanced quotes in request"),
        ("PING 'a'b\r\n", "unbalanced quotes in request"),
        ("ECHO \"a\\\"\r\n", "unbalanced quotes in request"),
        ("ECHO 'a\\\\'x\r\n", "unbalanced quotes in request"),
        (String(repeating: "A", count: 65537), "too big inline request"),
        ("*" + String(repeating: "1", count: 65536), "too big mbulk count string"),
        ("*1\r\n$" + String(repeating: "1", count: 65536), "too big bulk count string"),
        ("*1\r\n" + String(repeating: "x", count: 65537), "too big bulk count string"),
        // Ours: Redis 7.0 takes any number up to 2^31 - 1 here.
        ("*1048577\r\n", "invalid multibulk length"),
    ]

    @Test(arguments: errors) func `protocol errors read as Redis's`(input: String, text: String) {
        let stream = parse(input)
        #expect(stream.failure != nil)
        let reply = written { stream.failure?.write(to: &$0) }
        #expect(reply == "-ERR Protocol error: \(text)\r\n")
        #expect(parse(bytes(input).map { [$0] }, limits: RESPLimits()).failure == stream.failure)
    }

    /// Input without an end that Redis waits for, too.
    @Test(arguments: [
        "*1048576\r\n", "*1\r\n$536870912\r\n", "PING\r", "*1\r\n$4\r\nPING\r", "*1\r\n$4\r", "*",
        "*" + String(repeating: "1", count: 65535), String(repeating: "A", count: 65536),
    ]) func `what may still become a request is waited for`(input: String) {
        let stream = parse(input)
        #expect(stream.failure == nil)
        #expect(stream.requests.isEmpty)
        #expect(stream.left == input.unicodeScalars.count)
    }

    /// Oddities that Redis accepts.
    static let accepted: [(String, [[String]])] = [
        ("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", [["PING"], ["PING"]]),
        ("*1\rx$4\rxPING\r\n", [["PING"]]),
        ("*-5\r\nPING\r\n", [["PING"]]),
        ("   \r\n\nPING\n", [["PING"]]),
        ("\"\" x\r\n", [["", "x"]]),
        ("*1\r\n$0\r\n\r\n", [[""]]),
        (
            "ECHO \"\\x41\\n\\t\\b\\a\\r\\q\\x4\"\r\n",
            [["ECHO", "A\n\t\u{08}\u{07}\rqx4"]]
        ),
        ("ECHO 'a\\'b\\n'\r\n", [["ECHO", "a'b\\n"]]),
        ("ECHO a\"b c\"\r\n", [["ECHO", "ab c"]]),
        ("ECHO \"a\"\u{0b}'b'\r\n", [["ECHO", "a", "b"]]),
        ("ECHO a\u{0b}b\r\n", [["ECHO", "a\u{0b}b"]]),
        ("ECHO \u{0b}\u{0c}a\r\n", [["ECHO", "a"]]),
        ("ECHO \\x41\r\n", [["ECHO", "\\x41"]]),
        ("ECHO a\rb\r\n", [["ECHO", "a", "b"]]),
        ("ECHO a\tb\r\n", [["ECHO", "a", "b"]]),
        ("ECHO \"a\\\\\"\r\n", [["ECHO", "a\\"]]),
        ("ECHO \"\\xff\\x00\" \r\n", [["ECHO", "\u{ff}\0"]]),
    ]

    @Test(arguments: accepted) func `what Redis accepts is accepted`(
        input: String, requests: [[String]]
    ) {
        let stream = parse(input)
        #expect(stream.failure == nil)
        #expect(stream.requests == requests)
        #expect(parse(bytes(input).map { [$0] }).requests == requests)
    }

    @Test func `a failed parser stays failed`() {
        var parser = RequestParser()
        let once = parser.parse(bytes("*x\r\n").span)
        let again = parser.parse(bytes("*x\r\nPING\r\n").span)
        #expect(once == .failed(.invalidCount))
        #expect(again == once)
    }

    @Test func `a large bulk is announced but not allocated`() {
        var parser = RequestParser()
        let header = bytes("*2\r\n$3\r\nGET\r\n$536870912\r\nabc")
        let status = parser.parse(header.span)
        #expect(status == .incomplete)
        let (big, wanted, memory) = (parser.isBig, parser.bytesWanted, parser.memoryBytes)
        #expect(big)
        #expect(wanted == header.count - 3 + 536_870_912 + 2)
        #expect(memory < 1024)
    }

    @Test func `the limit on bulks can be changed`() {
        var limits = RESPLimits()
        limits.bulkBytesMax = 4
        #expect(parse("*1\r\n$4\r\nPING\r\n", limits: limits).failure == nil)
        #expect(parse("*1\r\n$5\r\nPINGS\r\n", limits: limits).failure == .invalidBulkLength)
        limits.bulkBytesMax = .max
        let endless = parse("*1\r\n$9223372036854775807\r\nabc", limits: limits)
        #expect(endless.failure == nil)
        #expect(endless.requests.isEmpty)
    }

    @Test func `memory of a command with very many arguments is given back`() {
        var parser = RequestParser()
        let many =
            bytes("*100000\r\n")
            + [[UInt8]](repeating: bytes("$1\r\nx\r\n"), count: 100_000).joined()
        let status = parser.parse(many.span)
        let count = parser.ranges.count
        #expect(status == .request)
        #expect(count == 100_000)
        parser.reset()
        let memory = parser.memoryBytes
        #expect(memory < 1024)
    }

    @Test func `names match in any case and integers follow string2ll`() {
        var parser = RequestParser()
        let input = bytes("sEt -9223372036854775808 9223372036854775808 +1 01 -0 0 1e3\r\n")
        let status = parser.parse(input.span)
        #expect(status == .request)
        let request = parser.request(over: input.span)
        let names = [
            request.matches(0, "SET"), request.matches(0, "set"), request.matches(0, "sett"),
        ]
        let numbers = (1..<request.count).map { request.integer(at: $0) }
        #expect(names == [true, true, false])
        #expect(numbers == [.min, nil, nil, nil, nil, 0, nil])
    }
}
