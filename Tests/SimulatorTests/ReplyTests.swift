import Testing

@testable import Simulator

@Suite struct `Client replies` {
    @Test func `replies are found at every split of the stream`() throws {
        let text =
            "+OK\r\n-CLUSTERDOWN no leader\r\n:42\r\n$5\r\na\r\nbc\r\n$-1\r\n*2\r\n:1\r\n*0\r\n*-1\r\n_\r\n%1\r\n+k\r\n:1\r\n"
        let bytes = Array(text.utf8)
        let expected: [Reply] = [
            .simple("OK"), .error("CLUSTERDOWN no leader"), .integer(42),
            .bulk(Array("a\r\nbc".utf8)), .null, .array([.integer(1), .array([])]), .null, .null,
            .array([.simple("k"), .integer(1)]),
        ]
        for cut in 0...bytes.count {
            var parser = ReplyParser()
            var replies: [Reply] = []
            for part in [Array(bytes[..<cut]), Array(bytes[cut...])] {
                parser.append(part)
                while let reply = try parser.next() { replies.append(reply) }
            }
            #expect(replies == expected)
            #expect(parser.pendingBytes == 0)
        }
    }

    @Test func `what Redis would never send is refused`() {
        var parser = ReplyParser()
        parser.append(Array("?\r\n".utf8))
        #expect(throws: ReplyParser.Failure.self) { _ = try parser.next() }
    }

    @Test func `errors say whether a call was executed`() {
        let down = Reply.error("CLUSTERDOWN no leader")
        #expect(Outcome(of: down) == .rejected("CLUSTERDOWN no leader"))
        #expect(Outcome(of: .error("UNCERTAIN timed out")) == .unknown)
        let wrong = Reply.error("WRONGTYPE Operation against a key")
        #expect(Outcome(of: wrong) == .reply(wrong))
    }
}
