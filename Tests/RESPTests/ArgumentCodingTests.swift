import Bytes
import RESP
import Testing

@Suite struct ArgumentCodingTests {
    @Test func `the binary form gives the same request back`() throws {
        var decoder = ArgumentDecoder()
        let long = String(repeating: "x", count: 20_000)
        for words in [
            ["PING"], ["SET", "", "a\r\n\0"], ["SET", "k", long],
            ["MSET"] + [String](repeating: "k", count: 300),
        ] {
            let input = bytes(
                "*\(words.count)\r\n"
                    + words.map { "$\($0.unicodeScalars.count)\r\n\($0)\r\n" }.joined())
            var parser = RequestParser()
            let status = parser.parse(input.span)
            #expect(status == .request)
            var form = ByteBuffer()
            encodeArguments(of: parser.request(over: input.span), into: &form)
            let length = encodedArgumentsCount(of: parser.request(over: input.span))
            let formCount = form.count
            #expect(length == formCount)
            form.append("trailing")
            let used = try decoder.decode(form.readable)
            #expect(used == formCount)
            let request = decoder.request(over: form.readable)
            let decoded = (0..<request.count).map { latin1(request[$0]) }
            #expect(decoded == words)
        }
    }

    @Test func `a broken form is refused`() {
        var decoder = ArgumentDecoder()
        let forms: [[UInt8]] = [
            [], [0], [1], [2, 1, 65], [1, 2, 65], [0xff, 0xff, 0xff, 0x7f, 1, 65],
            [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ]
        for form in forms {
            let refused = (try? decoder.decode(form.span)) == nil
            #expect(refused)
        }
    }
}
